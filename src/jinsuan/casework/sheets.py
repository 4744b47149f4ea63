"""A sheet (CSV) as banks and people hand it in: read into cells with their places. Pure.

Nothing is taken of a sheet with a mistake in it; every mistake names line, column and mend. Text
that a spreadsheet would run as a formula is text here, and is never written into a sheet of ours.
"""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import TypeVar

from jinsuan.casework.errors import SheetInvalid, SheetProblem
from jinsuan.kernel.money import Money

MOST_BYTES = 16 * 1024 * 1024
MOST_PROBLEMS = 100
MOST_FEN = 10**14
LONGEST_CELL = 300
T = TypeVar("T")
_DATE = re.compile(r"([0-9]{4})-?([0-9]{2})-?([0-9]{2})")
_AMOUNT = re.compile(r"[0-9]{1,13}(\.[0-9]{1,2})?")
_REFERENCE = re.compile(r"[0-9A-Za-z-]{1,60}")
FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""How text begins that a spreadsheet takes for a formula."""


@dataclass(slots=True)
class Row:
    """One line: its cells by column, and where problems go. Reading goes on after a problem, so
    that one reading tells them all; `read_sheet` refuses at its end.
    """

    line: int
    cells: dict[str, str]
    problems: list[SheetProblem] = field(default_factory=list)

    def wrong(self, column: str, problem: str, mend: str) -> None:
        """Note a mistake in this line."""
        self.problems.append(SheetProblem(self.line, column, problem, mend))

    def text(self, column: str, *, empty: bool = False, most: int = LONGEST_CELL) -> str:
        """A cell's text, without the blanks around it."""
        value = self.cells.get(column, "").strip()
        if not value and not empty:
            self.wrong(column, "没有填写", "请对照原件填写。")
        if len(value) > most:
            self.wrong(column, f"{len(value)} 字，超过 {most} 字", "请缩短。")
        return value

    def one_of(self, column: str, words: Sequence[str]) -> str:
        """A cell that holds one of a few words."""
        value = self.text(column)
        if value and value not in words:
            self.wrong(column, f"“{value[:20]}”不在可以写的值里", f"请写{'、'.join(words)}之一。")
        return value

    def reference(self, column: str, *, empty: bool = False) -> str:
        """A bank's reference: letters, digits and dashes."""
        value = self.text(column, empty=empty)
        if value and not _REFERENCE.fullmatch(value):
            self.wrong(
                column, f"“{value[:20]}”不是至多 60 位字母、数字和短横", "请对照银行原件填写。"
            )
        return value

    def digits(self, column: str, *, empty: bool = False) -> str:
        """An account number. A problem never repeats it: problems are shown and logged."""
        value = re.sub(r"[\s\-]", "", self.text(column, empty=empty))
        if value and not re.fullmatch(r"[0-9]{8,30}", value):
            self.wrong(
                column,
                "不是 8 至 30 位数字",
                "请对照原件；从表格软件另存时，账号一列须是文本格式。",
            )
            return ""
        return value

    def amount(self, column: str, *, empty: bool = False) -> Money:
        """Yuan as plain decimal text, more than nothing; nought when it may be empty and is."""
        value = self.text(column, empty=empty)
        if not value:
            return Money(0)
        mend = "请写大于 0 的元数，至多两位小数，不带逗号、符号和单位，如 1409.50。"
        if not _AMOUNT.fullmatch(value):
            self.wrong(column, f"“{value[:20]}”不是金额", mend)
            return Money(0)
        money = Money.yuan(value)
        if not Money(0) < money <= Money(MOST_FEN):
            self.wrong(column, f"{money} 不在 0.01 元至 1 万亿元之间", mend)
        return money

    def day(self, column: str, *, empty: bool = False) -> date:
        """A date such as 2025-09-16 or 20250916."""
        value = self.text(column, empty=empty)
        found = _DATE.fullmatch(value)
        try:
            if found:
                return date(int(found[1]), int(found[2]), int(found[3]))
        except ValueError:
            pass
        if value:
            self.wrong(column, f"“{value[:20]}”不是日期", "请写成 2025-09-16 或 20250916。")
        return date.min


def decode(data: bytes) -> str:
    """The text of a sheet in UTF-8, with or without a mark, or GB18030.

    Raises:
        SheetInvalid: too large, or in neither encoding.
    """
    if len(data) > MOST_BYTES:
        raise SheetInvalid(
            (SheetProblem(1, "", f"文件超过 {MOST_BYTES // 2**20} MiB", "请按日期分成几份。"),)
        )
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    mend = "请另存为 UTF-8 或 GB18030 编码的 CSV。"
    raise SheetInvalid((SheetProblem(1, "", "既不是 UTF-8 也不是 GB18030", mend),))


def read_sheet(
    data: bytes,
    *,
    needed: Sequence[str],
    optional: Sequence[str] = (),
    most_rows: int,
    read_row: Callable[[Row], T],
) -> list[T]:
    """Read every line by `read_row`; the header is line 1 and names the columns in any order.

    Raises:
        SheetInvalid: with every mistake that was found, at most a hundred.
    """
    problems: list[SheetProblem] = []
    found: list[T] = []
    for row in _rows(decode(data), needed, optional, most_rows):
        found.append(read_row(row))
        problems += row.problems
        if len(problems) >= MOST_PROBLEMS:
            break
    if problems:
        raise SheetInvalid(tuple(problems[:MOST_PROBLEMS]))
    if not found:
        raise SheetInvalid((SheetProblem(2, "", "表头下面一行也没有", "请核对是不是空文件。"),))
    return found


def _rows(
    text: str, needed: Sequence[str], optional: Sequence[str], most_rows: int
) -> Iterator[Row]:
    lines = csv.reader(io.StringIO(text, newline=""), strict=True)
    header: list[str] | None = None
    line, rows = 1, 0
    try:
        for cells in lines:
            here, line = line, lines.line_num + 1
            if header is None:
                header = [cell.strip() for cell in cells]
                _check_header(header, needed, optional)
            elif any(cell.strip() for cell in cells):
                rows += 1
                if rows > most_rows:
                    mend = "请按日期分成几份。"
                    raise SheetInvalid((SheetProblem(here, "", f"超过 {most_rows} 行", mend),))
                yield _row(here, header, cells)
    except csv.Error:
        mend = "请检查双引号是否成对、有没有多余的换行。"
        raise SheetInvalid((SheetProblem(line, "", "这一行读不成 CSV", mend),)) from None
    if header is None:
        _check_header([], needed, optional)


def _check_header(header: list[str], needed: Sequence[str], optional: Sequence[str]) -> None:
    problems = [
        SheetProblem(1, column, "表头里没有这一列", f"第一行须有：{'、'.join(needed)}。")
        for column in needed
        if column not in header
    ]
    for place, column in enumerate(header):
        if column in header[:place]:
            problems.append(SheetProblem(1, column[:20], "这一列出现两次", "请删去一列。"))
        elif column not in needed and column not in optional:
            problems.append(
                SheetProblem(1, column[:20], "不认识这一列", "请删去，或改成说明里的列名。")
            )
    if problems:
        raise SheetInvalid(tuple(problems[:MOST_PROBLEMS]))


def _row(line: int, header: list[str], cells: list[str]) -> Row:
    row = Row(line, dict(zip(header, cells, strict=False)))
    if len(cells) != len(header):
        row.wrong("", f"有 {len(cells)} 格，表头有 {len(header)} 列", "请补齐或删去多出的格。")
    for column, cell in row.cells.items():
        if any(unicodedata.category(c) in ("Cc", "Cs") for c in cell.strip()):
            row.wrong(column, "有控制字符或换行", "请删去。")
            row.cells[column] = ""
    return row


def write_sheet(rows: Sequence[Sequence[str]]) -> bytes:
    """A sheet in GB18030, as banks here read it; the same rows always make the same bytes."""
    out = io.StringIO(newline="")
    csv.writer(out, lineterminator="\r\n").writerows(rows)
    return out.getvalue().encode("gb18030")
