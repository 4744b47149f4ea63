"""A statement on paper (PDF, A4 across), drawn line by line with the pure Python library ReportLab.

STSong-Light is one of the Chinese fonts that PDF readers bring along, so no font file is needed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from typing import IO, Any

from reportlab.lib.pagesizes import A4, landscape
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.pdfgen.canvas import Canvas

from jinsuan.entrypoints.exports.columns import Hours, days_of, summary
from jinsuan.kernel.capitals import capitals
from jinsuan.kernel.money import Money
from jinsuan.kernel.period import BEIJING
from jinsuan.metering.rating import spoken
from jinsuan.vouchers.statements import Line, Statement, counterparty

FONT = "STSong-Light"
WIDTH, HEIGHT = landscape(A4)
MARGIN = 36
STEP = 14
SIZE = 8
MOST_LINES = 5_000
"""Who needs more than some 200 pages takes the table; the paper says so and keeps the sums."""
HEAD = ("时间", "事项", "对方", "用量", "费用", "券付", "现金付", "欠款", "更正", "其他", "余额")
RIGHT_FROM = 4
"""Columns from here on are amounts and end at their right edge."""
EDGES = (36, 104, 146, 246, *(414 + 56 * column for column in range(7)), WIDTH - MARGIN)


@dataclass(slots=True)
class Paper:
    """Where the pen is."""

    canvas: Any
    title: str
    y: int = 0
    pages: int = 0

    def new_page(self) -> None:
        """Begin a page with its title, and end the one before."""
        if self.pages:
            self.canvas.showPage()
        self.pages += 1
        self.canvas.setFont(FONT, SIZE)
        self.canvas.drawString(MARGIN, 20, self.title)
        self.canvas.drawRightString(WIDTH - MARGIN, 20, f"第 {self.pages} 页")
        self.y = int(HEIGHT) - MARGIN

    def room_for(self, rows: int) -> bool:
        return self.y - rows * STEP > MARGIN

    def text(self, x: int, words: str, *, size: int = SIZE) -> None:
        self.canvas.setFont(FONT, size)
        self.canvas.drawString(x, self.y, words)

    def row(self, cells: Iterable[str]) -> None:
        """One row of the table."""
        if not self.room_for(1):
            self.new_page()
            self.head()
        self._cells(cells)

    def note(self, words: str) -> None:
        """One row across all columns."""
        self.row([])
        self.canvas.drawString(MARGIN, self.y + STEP, words)

    def head(self) -> None:
        self._cells(HEAD)
        self.canvas.line(MARGIN, self.y + STEP - 3, WIDTH - MARGIN, self.y + STEP - 3)

    def _cells(self, cells: Iterable[str]) -> None:
        self.canvas.setFont(FONT, SIZE)
        for column, words in enumerate(cells):
            left, right = EDGES[column], EDGES[column + 1]
            if column < RIGHT_FROM:
                self.canvas.drawString(left, self.y, fit(words, right - left - 4))
            else:  # never shortened: a part of an amount is another amount
                self.canvas.drawRightString(right - 2, self.y, words)
        self.y -= STEP


def fit(words: str, width: float) -> str:
    """As much of a name as there is room for."""
    if pdfmetrics.stringWidth(words, FONT, SIZE) <= width:
        return words
    while words and pdfmetrics.stringWidth(f"{words}…", FONT, SIZE) > width:
        words = words[:-1]
    return f"{words}…"


def write_pdf(statement: Statement, lines: Iterable[Line], file: IO[bytes]) -> None:
    """Head, sums, lines, place for the seals."""
    pdfmetrics.registerFont(UnicodeCIDFont(FONT))
    # Without the date of making, the same statement gives the same file.
    canvas = Canvas(file, pagesize=(WIDTH, HEIGHT), invariant=1)
    canvas.setTitle(f"对账单 {statement.number}")
    canvas.setAuthor("晋算")
    paper = Paper(canvas, f"对账单 {statement.number}　{days_of(statement)}")
    paper.new_page()
    _head(paper, statement)
    _lines(paper, statement, lines)
    _end(paper, statement)
    canvas.save()


def _head(paper: Paper, statement: Statement) -> None:
    paper.text(MARGIN, "对账单", size=18)
    paper.y -= 24
    facts = summary(statement)
    half = (len(facts) + 1) // 2
    top = paper.y
    for place, (label, cell) in enumerate(facts):
        left = MARGIN if place < half else int(WIDTH / 2)
        paper.y = top - (place if place < half else place - half) * STEP
        paper.text(left, label)
        words = str(cell)
        paper.text(left + 110, fit(words, WIDTH / 2 - 150))
    paper.y = top - half * STEP
    due = statement.totals.charge - statement.totals.voucher
    paper.text(MARGIN, f"费用减券付 {due}（大写：{capitals(due)}）")
    paper.y -= 2 * STEP


def _lines(paper: Paper, statement: Statement, lines: Iterable[Line]) -> None:
    paper.head()
    balance = statement.opening
    for line in islice(lines, MOST_LINES):
        balance += line.amount
        paper.row(
            [
                f"{line.at.astimezone(BEIJING):%Y-%m-%d %H:%M}",
                "费用" if line.charge else line.reason.label,
                counterparty(line, statement.subject),
                "，".join(_used(one.resource, one.milli_unit_seconds) for one in line.used),
                *(_amount(line.charge), _amount(line.voucher), _amount(line.cash)),
                *(_amount(line.shortfall), _amount(line.correction), _amount(line.other)),
                balance.plain,
            ]
        )
    if statement.totals.lines > MOST_LINES:
        rest = statement.totals.lines - MOST_LINES
        paper.note(f"其余 {rest} 行见同一对账单的 CSV 或 Excel 文件；合计包括全部明细。")


def _used(resource: str, milli_unit_seconds: int) -> str:
    name, unit = spoken(resource)
    return f"{name} {Hours(milli_unit_seconds)} {unit}"


def _amount(money: Money) -> str:
    return money.plain if money else ""


def _end(paper: Paper, statement: Statement) -> None:
    totals = statement.totals
    paper.row(
        [
            *("合计", f"{totals.lines} 行", "", ""),
            *(totals.charge.plain, totals.voucher.plain, totals.cash.plain),
            *(totals.shortfall.plain, totals.correction.plain, totals.other.plain),
            statement.closing.plain,
        ]
    )
    if not paper.room_for(5):
        paper.new_page()
    paper.y -= 2 * STEP
    paper.text(MARGIN, "金额单位：元。有不同意见的，请写明对账单编号和业务标识。")
    paper.y -= 2 * STEP
    paper.text(MARGIN, "平台（盖章）：")
    paper.text(int(WIDTH / 2), "对账单位（盖章）：")
