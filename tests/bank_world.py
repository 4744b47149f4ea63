"""Bank files as tests write them: a row is what differs from an ordinary one."""

from __future__ import annotations

import csv
import io

from jinsuan.vouchers.bank_files import NEEDED

OWN = "0502123409300012345"
OTHER = "0502123409300054321"
ORDINARY = {
    "本方账号": OWN,
    "交易日期": "2025-09-15",
    "流水号": "B1",
    "收付": "收",
    "金额": "1.00",
    "对方户名": "乙大学",
    "对方账号": OTHER,
    "附言": "",
}


def statement(*rows: dict[str, str]) -> bytes:
    """A statement file in UTF-8."""
    columns = [*NEEDED, *(["余额"] if any("余额" in row for row in rows) else [])]
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(
        {"余额": "", **ORDINARY, **row} if "余额" in columns else {**ORDINARY, **row}
        for row in rows
    )
    return out.getvalue().encode()
