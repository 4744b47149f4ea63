"""The bank's two sheets of a payment batch: the order that goes out, the answers that come back.

Pure; the columns are in docs/reference/bank-files.md. Both end with a line of totals. The order's
carries a control sum over every line before it, so a line changed on the way is seen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from hashlib import sha256
from uuid import UUID

from jinsuan.casework.errors import SheetInvalid, SheetProblem
from jinsuan.casework.sheets import FORMULA, Row, read_sheet, write_sheet
from jinsuan.kernel.money import Money
from jinsuan.kernel.ref import Ref

BATCH, LINE, HOLDER, NUMBER = "批次号", "明细号", "收款户名", "收款账号"
BANK, AMOUNT, REMARK = "开户行", "金额", "附言"
RESULT, REFERENCE, REASON, DAY = "结果", "银行流水号", "退回原因", "日期"
ORDER_COLUMNS = (BATCH, LINE, HOLDER, NUMBER, BANK, AMOUNT, REMARK)
ANSWER_COLUMNS = (BATCH, LINE, AMOUNT, RESULT, REFERENCE, REASON, DAY)
TOTAL = "合计"
PAID, RETURNED, WAITING = "成功", "退回", "处理中"
MOST_LINES = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class BankAnswer:
    """What the bank says of one line: paid with its reference, or sent back with its reason."""

    line: UUID
    accepted: bool
    reference: str = ""
    reason: str = ""
    answered_on: date


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderLine:
    """One payment as the bank needs it."""

    line: UUID
    holder: str
    number: str
    bank: str
    amount: Money

    def __repr__(self) -> str:
        """Without the account number: a traceback is no place for it."""
        return f"OrderLine({Ref('paymentline', self.line)}, {self.amount})"


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderSheet:
    """A batch's file for the bank and its digest."""

    name: str
    data: bytes
    sha256: str

    def __repr__(self) -> str:
        return f"OrderSheet({self.name}, {self.sha256[:12]})"


def write_order(batch: str, lines: Sequence[OrderLine]) -> OrderSheet:
    """The file for the bank (批量付款文件); the same batch always makes the same bytes.

    Raises:
        SheetInvalid: a name that a spreadsheet or a bank would take for something else.
    """
    assert lines, batch
    problems = [
        SheetProblem(place, column, f"“{text[:20]}”以 = + - @ 开头或有控制字符", "请更正登记。")
        for place, line in enumerate(lines, start=2)
        for column, text in ((HOLDER, line.holder), (BANK, line.bank))
        if text.startswith(FORMULA) or not text.isprintable()
    ]
    if problems:
        raise SheetInvalid(tuple(problems))
    rows = [
        [
            batch,
            str(Ref("paymentline", line.line)),
            line.holder,
            line.number,
            line.bank,
            line.amount.plain,
            f"算力券兑付 {batch}/{place}",
        ]
        for place, line in enumerate(lines, start=1)
    ]
    total = Money.total(line.amount for line in lines)
    last = [TOTAL, str(len(rows)), "", "", "", total.plain, control_sum(rows)]
    data = write_sheet([list(ORDER_COLUMNS), *rows, last])
    return OrderSheet(name=f"{batch}.csv", data=data, sha256=sha256(data).hexdigest())


def control_sum(rows: Sequence[Sequence[str]]) -> str:
    """SHA-256 over all cells of all lines: cells end with a tab, lines with a line feed; UTF-8."""
    text = "".join("".join(f"{cell}\t" for cell in row) + "\n" for row in rows)
    return sha256(text.encode()).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    """One line of the bank's answers, and where it stands."""

    at: int
    batch: str
    line: str
    count: int
    amount: Money
    result: str
    reference: str
    reason: str
    day: date


def read_answers(data: bytes, *, batch: str, ordered: Mapping[UUID, Money]) -> list[BankAnswer]:
    """Read the bank's result file (银行回单) of one batch, wholly or not at all.

    Every line of the batch has to be there with its amount. A line that the bank still works on
    (处理中) is there too and gives no answer yet.

    Args:
        ordered: the batch's lines with what each orders.

    Raises:
        SheetInvalid: another batch, a line that is missing, strange, twice or of another amount,
            wrong totals, or anything that cannot be read; with line, column and mend.
    """
    found = read_sheet(data, needed=ANSWER_COLUMNS, most_rows=MOST_LINES + 1, read_row=_answer)
    names = {str(Ref("paymentline", pk)): pk for pk in ordered}
    lines = [one for one in found if one.batch != TOTAL]
    problems = [*_totals(found, lines), *_strange(lines, batch, names, ordered)]
    missing = [
        place for place, name in enumerate(names, 1) if name not in {one.line for one in lines}
    ]
    if missing and not problems:
        places = "、".join(str(place) for place in missing[:10])
        mend = "请向银行另要一份完整的回单；还没有结果的写处理中。"
        problems.append(SheetProblem(found[-1].at, LINE, f"缺批次的第 {places} 笔", mend))
    if problems:
        raise SheetInvalid(tuple(problems[:100]))
    return [
        BankAnswer(
            line=names[one.line],
            accepted=one.result == PAID,
            reference=one.reference,
            reason=one.reason,
            answered_on=one.day,
        )
        for one in lines
        if one.result != WAITING
    ]


def _answer(row: Row) -> _Answer:
    if row.cells.get(BATCH, "").strip() == TOTAL:
        count = row.text(LINE)
        if not (count.isascii() and count.isdigit() and len(count) <= 6):
            row.wrong(LINE, f"“{count[:20]}”不是笔数", "合计行的这一列写笔数，如 12。")
            count = "0"
        return _Answer(
            at=row.line,
            batch=TOTAL,
            line="",
            count=int(count),
            amount=row.amount(AMOUNT),
            result="",
            reference="",
            reason="",
            day=date.min,
        )
    result = row.one_of(RESULT, (PAID, RETURNED, WAITING))
    answered = result in (PAID, RETURNED)
    reference = row.reference(REFERENCE, empty=result != PAID)
    reason = row.text(REASON, empty=result != RETURNED, most=200)
    if reference and result in (RETURNED, WAITING):
        row.wrong(REFERENCE, f"结果是{result}而有流水号", "请与银行核对。")
    if reason and result in (PAID, WAITING):
        row.wrong(REASON, f"结果是{result}而有退回原因", "请与银行核对。")
    return _Answer(
        at=row.line,
        batch=row.text(BATCH, most=40),
        line=row.text(LINE, most=60),
        count=0,
        amount=row.amount(AMOUNT),
        result=result,
        reference=reference,
        reason=reason,
        day=row.day(DAY, empty=not answered),
    )


def _totals(found: Sequence[_Answer], lines: Sequence[_Answer]) -> list[SheetProblem]:
    last = found[-1]
    if last.batch != TOTAL or len(found) - len(lines) != 1:
        mend = "最后一行写合计、笔数和金额，只有一行。"
        return [SheetProblem(last.at, BATCH, "合计行不在最后，或不是一行", mend)]
    total = Money.total(one.amount for one in lines)
    mend = "文件可能不完整，请向银行另要一份。"
    problems = []
    if last.count != len(lines):
        words = f"合计写 {last.count} 笔，实有 {len(lines)} 笔"
        problems.append(SheetProblem(last.at, LINE, words, mend))
    if last.amount != total:
        words = f"合计写 {last.amount}，各行之和是 {total}"
        problems.append(SheetProblem(last.at, AMOUNT, words, mend))
    return problems


def _strange(
    lines: Sequence[_Answer],
    batch: str,
    names: Mapping[str, UUID],
    ordered: Mapping[UUID, Money],
) -> list[SheetProblem]:
    problems = []
    seen: dict[str, int] = {}
    paid: dict[str, int] = {}
    for one in lines:
        if one.batch != batch:
            words, mend = f"是批次 {one.batch}，不是 {batch}", "请核对是不是这个批次的回单。"
            problems.append(SheetProblem(one.at, BATCH, words, mend))
            continue
        if one.line not in names:
            words, mend = f"批次里没有明细 {one.line}", "请核对是不是这个批次的回单。"
            problems.append(SheetProblem(one.at, LINE, words, mend))
            continue
        first = seen.setdefault(one.line, one.at)
        if first != one.at:
            words, mend = f"与第 {first} 行是同一笔", "一笔一行，请向银行另要一份。"
            problems.append(SheetProblem(one.at, LINE, words, mend))
        wanted = ordered[names[one.line]]
        if one.amount != wanted:
            words, mend = f"是 {one.amount}，批次里是 {wanted}", "请与银行核对后再登记。"
            problems.append(SheetProblem(one.at, AMOUNT, words, mend))
        if one.reference and paid.setdefault(one.reference, one.at) != one.at:
            words = f"{one.reference} 与第 {paid[one.reference]} 行重复"
            mend = "一笔付款一个流水号，请与银行核对。"
            problems.append(SheetProblem(one.at, REFERENCE, words, mend))
    return problems
