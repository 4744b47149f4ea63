"""A file of usage readings (读数文件), read line by line: a million of them need no memory.

CSV with a Chinese header, UTF-8 or GB 18030. Every problem is noted with its row; whether the job
exists is asked later, of the database.
"""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterator
from datetime import datetime
from hashlib import sha256
from typing import BinaryIO, NamedTuple

from jinsuan.kernel.period import BEIJING
from jinsuan.kernel.ref import Ref
from jinsuan.metering.errors import RowProblem, UsageFileRefused

JOB, RESOURCE, VALUE, TIME = COLUMNS = ("作业", "资源", "累计毫单位秒", "时间")
KINDS = frozenset({"job", "attempt"})
MOST_ROWS = 10_000_000
MOST_PROBLEMS = 100
MOST_VALUE = 2**63 - 1
YEARS = range(2000, 2100)
PIECE = 1 << 20


class SheetRow(NamedTuple):
    """One line: `subject` is the place of its job's name in `UsageSheet.subjects`."""

    line: int
    subject: int
    resource: str
    milli_unit_seconds: int
    occurred_at: datetime


class UsageSheet:
    """One file while it is read.

    Args:
        file: seekable; stays the caller's.

    Attributes:
        digest: SHA-256 of all bytes.
        subjects: job_… or attempt_… as written, with the row that names it first, in order.
        problems: the first hundred. `wrong` counts all.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.subjects: dict[Ref, int] = {}
        self.problems: list[RowProblem] = []
        self.wrong = 0
        self._places: dict[str, int] = {}  # by name as written
        self.digest, self._encoding = self._look()

    def refuse(self, row: int, column: str, value: str, problem: str, mend: str) -> None:
        """Note a problem."""
        self.wrong += 1
        if len(self.problems) < MOST_PROBLEMS:
            shown = "".join(c if c.isprintable() else " " for c in value[:60])
            self.problems.append(
                RowProblem(row=row, column=column, value=shown, problem=problem, mend=mend)
            )

    def check(self) -> None:
        """Raise when anything is wrong.

        Raises:
            UsageFileRefused: with the problems in order of their rows.
        """
        if self.wrong:
            ordered = sorted(self.problems, key=lambda p: p.row)
            raise UsageFileRefused(tuple(ordered), self.wrong)

    def _look(self) -> tuple[bytes, str]:
        """The digest and the encoding, in one pass."""
        hashed = sha256()
        decoders = {name: codecs.getincrementaldecoder(name)() for name in ("utf-8", "gb18030")}
        self._file.seek(0)
        while piece := self._file.read(PIECE):
            hashed.update(piece)
            for name, decoder in list(decoders.items()):
                try:
                    decoder.decode(piece)
                except UnicodeDecodeError:
                    del decoders[name]
        for name, decoder in list(decoders.items()):
            try:
                decoder.decode(b"", final=True)
            except UnicodeDecodeError:
                del decoders[name]
        if not decoders:
            self.refuse(
                1, "", "", "文件既不是 UTF-8 也不是 GB18030 编码", "请另存为“CSV UTF-8”后再交。"
            )
            self.check()
        self._file.seek(0)
        first = next(iter(decoders))
        return hashed.digest(), "utf-8-sig" if first == "utf-8" else first

    def rows(self) -> Iterator[SheetRow]:
        """The lines that can be read; call `check` when they have ended.

        Raises:
            UsageFileRefused: the header is not understood.
        """
        text = io.TextIOWrapper(self._file, self._encoding, newline="")
        line = 0
        try:
            reader = csv.reader(text, strict=True)
            order = self._header(next(reader, []))
            job_at, resource_at, value_at, time_at = order
            count = 0
            for line, cells in enumerate(reader, start=2):
                if not cells:
                    continue
                count += 1
                if count > MOST_ROWS:
                    self.refuse(line, "", "", f"超过 {MOST_ROWS} 行", "请拆成几个文件。")
                    break
                if len(cells) != len(COLUMNS):
                    self.refuse(
                        line,
                        "",
                        "",
                        f"有 {len(cells)} 格，表头有 {len(COLUMNS)} 格",
                        "请补齐或去掉多余的逗号。",
                    )
                    continue
                found = self._row(
                    line, cells[job_at], cells[resource_at], cells[value_at], cells[time_at]
                )
                if found is not None:
                    yield found
            if not count:
                self.refuse(1, "", "", "没有读数", "表头之下至少写一行。")
        except csv.Error as error:
            self.refuse(
                line + 1,
                "",
                "",
                f"不是规范的 CSV：{error}",
                "多半是引号没有成对；请用表格软件另存为 CSV。",
            )
        finally:
            text.detach()

    def _header(self, cells: list[str]) -> list[int]:
        names = [cell.strip() for cell in cells]
        for name in COLUMNS:
            if names.count(name) != 1:
                said = "没有这一列" if name not in names else "这一列写了两次"
                self.refuse(1, name, "", said, f"表头要有且只有：{'、'.join(COLUMNS)}。")
        for name in names:
            if name not in COLUMNS:
                mend = f"表头要有且只有：{'、'.join(COLUMNS)}。"
                self.refuse(1, "", name, "不认识的列", mend)
        self.check()
        return [names.index(name) for name in COLUMNS]

    def _row(self, line: int, job: str, resource: str, value: str, time: str) -> SheetRow | None:
        before = self.wrong
        place = self._places.get(job)
        if place is None:
            place = self._subject(line, job)
        if not resource or len(resource) > 80 or not resource.isprintable():
            mend = "请写 card:型号、cpu_core 或 memory_gib。"
            self.refuse(line, RESOURCE, resource, "不是资源名", mend)
        amount = int(value) if value.isascii() and value.isdigit() and len(value) < 20 else -1
        if not 0 <= amount <= MOST_VALUE:
            mend = "请写从作业开始累计的毫单位秒，0 以上的整数；1 卡时是 3600000。"
            self.refuse(line, VALUE, value, "不是可以记的整数", mend)
        at = _time(time)
        if at is None:
            mend = "请写如 2025-09-16 09:00:00（北京时间）或 2025-09-16T01:00:00Z。"
            self.refuse(line, TIME, time, "不是时间", mend)
        if self.wrong > before or place is None or at is None:
            return None
        return SheetRow(line, place, resource, amount, at)

    def _subject(self, line: int, job: str) -> int | None:
        try:
            ref = Ref.read(job)
        except ValueError:
            ref = None
        if ref is None or ref.kind not in KINDS:
            self.refuse(line, JOB, job, "不是作业编号", "请写 job_… 或 attempt_…。")
            return None
        self._places[job] = place = len(self.subjects)
        self.subjects[ref] = line
        return place


def _time(text: str) -> datetime | None:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    if at.tzinfo is None:
        at = at.replace(tzinfo=BEIJING)
    return at if at.year in YEARS else None
