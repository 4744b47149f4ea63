"""One statement into one file, from one snapshot of the book."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import IO, cast

from jinsuan.entrypoints.exports.errors import StatementTooLong
from jinsuan.entrypoints.exports.focus import begin_focus, more_focus, write_focus
from jinsuan.entrypoints.exports.paper import write_pdf
from jinsuan.entrypoints.exports.plain import begin_csv, end_csv, more_csv, write_csv
from jinsuan.entrypoints.exports.sheet import write_xlsx
from jinsuan.kernel.errors import BadInput
from jinsuan.kernel.money import Money
from jinsuan.kernel.period import Period
from jinsuan.ledger.snapshot import one_snapshot
from jinsuan.vouchers.statements import Line, Statement, lines, number_of, statement
from jinsuan.vouchers.subjects import Subject, SubjectKind

IN_MEMORY_BYTES = 2**20
AT_ONCE_LINES = 5_000
"""A file of so many lines is made while somebody waits (a second or two); a longer one is long work."""
TOLD_EVERY = 1_000
Writer = Callable[[Statement, Iterable[Line], IO[bytes]], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pieces:
    """How a file is written a piece at a time, so that a piece once written stays.

    Args:
        more: some lines; is told the balance before the first of them.
        end: None where nothing follows the last line.
    """

    begin: Callable[[Statement, IO[bytes]], None]
    more: Callable[[Statement, Iterable[Line], Money, IO[bytes]], None]
    end: Callable[[Statement, IO[bytes]], None] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """One kind of file. Without `pieces` it can only be written from the first line to the last."""

    name: str
    label: str
    ending: str
    media_type: str
    write: Writer
    pieces: Pieces | None = None


FORMATS = {
    one.name: one
    for one in (
        Format(
            name="csv",
            label="CSV",
            ending="csv",
            media_type="text/csv; charset=utf-8",
            write=write_csv,
            pieces=Pieces(begin=begin_csv, more=more_csv, end=end_csv),
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
            pieces=Pieces(begin=begin_focus, more=more_focus),
        ),
    )
}
BILLED = frozenset({SubjectKind.TENANT, SubjectKind.PROVIDER})


def formats_for(subject: Subject) -> tuple[Format, ...]:
    """What files there are of this statement. FOCUS speaks of charges between two parties."""
    return tuple(f for f in FORMATS.values() if f.name != "focus" or subject.kind in BILLED)


def format_of(subject: Subject, name: str) -> Format:
    """The format of this name.

    Raises:
        BadInput: no such format, or none for this statement.
    """
    found = FORMATS.get(name)
    if found is None:
        raise BadInput("format", f"没有“{name[:20]}”这种格式", f"可以写 {'、'.join(FORMATS)}")
    if found not in formats_for(subject):
        mend = "请改用用算主体或算力企业的对账单，或换一种格式"
        raise BadInput("format", f"{subject.kind.label}的对账单没有 {found.label} 格式", mend)
    return found


def make_file(
    subject: Subject,
    period: Period,
    name: str,
    *,
    now: datetime,
    most_lines: int | None = None,
    told: Callable[[int, int], None] | None = None,
) -> IO[bytes]:
    """The whole file, at its beginning; large ones lie on disk until they are closed.

    Args:
        most_lines: refuse more than so many.
        told: is told how many lines are written, and of how many, every thousand.

    Raises:
        BadInput: no such format, or none for this statement.
        StatementTooLong: more lines than `most_lines`.
    """
    found = format_of(subject, name)
    file = cast(IO[bytes], tempfile.SpooledTemporaryFile(max_size=IN_MEMORY_BYTES))  # noqa: SIM115
    try:
        with one_snapshot():
            head = statement(subject, period, now=now)
            _check_length(head, most_lines)
            found.write(head, _counted(lines(subject, period), head.totals.lines, told), file)
    except BaseException:
        file.close()
        raise
    file.seek(0)
    return file


def _check_length(head: Statement, most: int | None) -> None:
    if most is not None and head.totals.lines > most:
        raise StatementTooLong(head.totals.lines, most)


def _counted(
    found: Iterable[Line], total: int, told: Callable[[int, int], None] | None
) -> Iterator[Line]:
    for number, line in enumerate(found, start=1):
        yield line
        if told is not None and (number % TOLD_EVERY == 0 or number == total):
            told(number, total)


def file_name(subject: Subject, period: Period, name: str) -> str:
    """What the file is called when it is kept."""
    return f"{number_of(subject, period)}.{FORMATS[name].ending}"
