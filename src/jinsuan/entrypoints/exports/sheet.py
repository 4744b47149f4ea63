"""A statement as a spreadsheet: a sheet of sums, then the lines. Written row by row."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC
from decimal import Decimal
from itertools import chain, islice
from typing import IO, Any

import xlsxwriter

from jinsuan.entrypoints.exports.columns import Cell, Hours, header, rows, summary
from jinsuan.entrypoints.exports.plain import sums
from jinsuan.kernel.money import Money
from jinsuan.vouchers.statements import Line, Statement

ROWS_PER_SHEET = 1_000_000
"""A sheet ends at row 1,048,576; what is longer goes on upon the next one."""


def write_xlsx(statement: Statement, lines: Iterable[Line], file: IO[bytes]) -> None:
    """Write the workbook. Texts are written as texts, so none of them is ever calculated."""
    with xlsxwriter.Workbook(file, {"constant_memory": True}) as book:
        # Made when the statement was: written again, the file is the same to the byte.
        book.set_properties({"created": statement.made_at.astimezone(UTC)})
        formats = {
            "money": book.add_format({"num_format": "#,##0.00"}),
            "hours": book.add_format({"num_format": "#,##0.000000"}),
            "head": book.add_format({"bold": True, "bg_color": "#E8EEF4"}),
        }
        first = book.add_worksheet("汇总")
        first.set_column(0, 1, 28)
        for place, (label, cell) in enumerate(summary(statement)):
            first.write_string(place, 0, label)
            _write(first, place, 1, cell, formats)
        whole = chain(rows(statement, lines), [sums(statement)])
        for number, part in enumerate(_parts(whole), start=1):
            _sheet(book, number, header(statement), part, formats)


def _parts(
    whole: Iterator[list[Cell | Hours]],
) -> Iterator[Iterator[list[Cell | Hours]]]:
    """The rows cut to the length of a sheet."""
    for first in whole:
        yield chain([first], islice(whole, ROWS_PER_SHEET - 1))


def _sheet(
    book: Any, number: int, head: list[str], part: Iterator[list[Cell | Hours]], formats: Any
) -> None:
    sheet = book.add_worksheet("明细" if number == 1 else f"明细{number}")
    sheet.freeze_panes(1, 0)
    sheet.set_column(0, len(head) - 1, 16)
    for column, word in enumerate(head):
        sheet.write_string(0, column, word, formats["head"])
    for place, row in enumerate(part, start=1):
        for column, cell in enumerate(row):
            _write(sheet, place, column, cell, formats)


def _write(sheet: Any, place: int, column: int, cell: Cell | Hours, formats: Any) -> None:
    if isinstance(cell, Money):
        sheet.write_number(place, column, Decimal(cell.plain), formats["money"])
    elif isinstance(cell, Hours):
        sheet.write_number(place, column, Decimal(str(cell)), formats["hours"])
    else:
        sheet.write_string(place, column, cell)
