"""One statement into one file, from one snapshot of the book."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import IO, cast

from jinsuan.entrypoints.exports.focus import write_focus
from jinsuan.entrypoints.exports.paper import write_pdf
from jinsuan.entrypoints.exports.plain import write_csv
from jinsuan.entrypoints.exports.sheet import write_xlsx
from jinsuan.kernel.errors import BadInput
from jinsuan.kernel.period import Period
from jinsuan.ledger.snapshot import one_snapshot
from jinsuan.vouchers.statements import Line, Statement, lines, number_of, statement
from jinsuan.vouchers.subjects import Subject, SubjectKind

IN_MEMORY_BYTES = 2**20
Writer = Callable[[Statement, Iterable[Line], IO[bytes]], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """One kind of file."""

    name: str
    label: str
    ending: str
    media_type: str
    write: Writer


FORMATS = {
    one.name: one
    for one in (
        Format(
            name="csv",
            label="CSV",
            ending="csv",
            media_type="text/csv; charset=utf-8",
            write=write_csv,
        ),
        Format(
            name="xlsx",
            label="Excel",
            ending="xlsx",
            media_type="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
            write=write_xlsx,
        ),
        Format(
            name="pdf", label="PDF", ending="pdf", media_type="application/pdf", write=write_pdf
        ),
        Format(
            name="focus",
            label="FOCUS 1.2",
            ending="focus.csv",
            media_type="text/csv; charset=utf-8",
            write=write_focus,
        ),
    )
}
BILLED = frozenset({SubjectKind.TENANT, SubjectKind.PROVIDER})


def formats_for(subject: Subject) -> tuple[Format, ...]:
    """What files there are of this statement. FOCUS speaks of charges between two parties."""
    return tuple(f for f in FORMATS.values() if f.name != "focus" or subject.kind in BILLED)


def make_file(subject: Subject, period: Period, name: str, *, now: datetime) -> IO[bytes]:
    """The whole file, at its beginning; large ones lie on disk until they are closed.

    Raises:
        BadInput: no such format, or none for this statement.
    """
    found = FORMATS.get(name)
    if found is None:
        raise BadInput("format", f"没有“{name[:20]}”这种格式", f"可以写 {'、'.join(FORMATS)}")
    if found not in formats_for(subject):
        mend = "请改用用算主体或算力企业的对账单，或换一种格式"
        raise BadInput("format", f"{subject.kind.label}的对账单没有 {found.label} 格式", mend)
    file = cast(IO[bytes], tempfile.SpooledTemporaryFile(max_size=IN_MEMORY_BYTES))  # noqa: SIM115
    try:
        with one_snapshot():
            found.write(statement(subject, period, now=now), lines(subject, period), file)
    except BaseException:
        file.close()
        raise
    file.seek(0)
    return file


def file_name(subject: Subject, period: Period, name: str) -> str:
    """What the file is called when it is kept."""
    return f"{number_of(subject, period)}.{FORMATS[name].ending}"
