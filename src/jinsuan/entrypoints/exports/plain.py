"""A statement as CSV: UTF-8 with a mark that spreadsheets recognise, one line after the other."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from typing import IO

from jinsuan.entrypoints.exports.columns import Cell, Hours, header, rows
from jinsuan.kernel.money import Money
from jinsuan.vouchers.statements import Line, Statement

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
"""How a text begins that a spreadsheet would calculate instead of showing it."""


def shown(cell: Cell | Hours) -> str:
    """What to write. Amounts are our own numbers; a text can never become a formula."""
    if isinstance(cell, Money):
        return cell.plain
    return safe(cell) if isinstance(cell, str) else str(cell)


def safe(text: str) -> str:
    """A text that a spreadsheet shows as it is: an apostrophe keeps it from being calculated."""
    return f"'{text}" if text.lstrip(" ").startswith(FORMULA) else text


def write_csv(statement: Statement, lines: Iterable[Line], file: IO[bytes]) -> None:
    """The lines, then one row of sums."""
    begin_csv(statement, file)
    more_csv(statement, lines, statement.opening, file)
    end_csv(statement, file)


def begin_csv(statement: Statement, file: IO[bytes]) -> None:
    """The mark and the header."""
    _write([header(statement)], file, "utf-8-sig")


def more_csv(statement: Statement, lines: Iterable[Line], balance: Money, file: IO[bytes]) -> None:
    """Some lines; the balance is the one before the first of them."""
    _write(([shown(cell) for cell in row] for row in rows(statement, lines, balance)), file)


def end_csv(statement: Statement, file: IO[bytes]) -> None:
    """The sums."""
    _write([[shown(cell) for cell in sums(statement)]], file)


def _write(rows: Iterable[list[str]], file: IO[bytes], encoding: str = "utf-8") -> None:
    text = io.TextIOWrapper(file, encoding, newline="", write_through=False)
    csv.writer(text).writerows(rows)
    text.flush()
    text.detach()


def sums(statement: Statement) -> list[Cell | Hours]:
    """The closing row; the columns are those of the lines."""
    totals = statement.totals
    return [
        "合计",
        f"{totals.lines} 行",
        *("" for _ in range(4)),
        *(Hours(one.milli_unit_seconds) for one in statement.used),
        totals.charge,
        totals.voucher,
        totals.cash,
        totals.shortfall,
        totals.correction,
        totals.other,
        statement.amount,
        statement.closing,
        statement.number,
        "",
        "",
    ]
