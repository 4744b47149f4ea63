"""The bank's two sheets of a batch: what goes out is fixed to the byte, what comes back is checked."""

from __future__ import annotations

import csv
import io
from datetime import date
from uuid import UUID

import pytest
from hypothesis import given, strategies as st

from jinsuan.casework.bank_sheets import (
    ANSWER_COLUMNS,
    BankAnswer,
    OrderLine,
    control_sum,
    read_answers,
    write_order,
)
from jinsuan.casework.errors import SheetInvalid
from jinsuan.kernel.money import Money
from jinsuan.kernel.ref import Ref

BATCH = "2025-m09-p0001"
ONE, TWO = UUID(int=1), UUID(int=2)
ORDERED = {ONE: Money(1), TWO: Money(140_950)}
DAY = date(2025, 9, 17)


def line(pk: UUID = ONE, holder: str = "甲企业", fen: int = 1) -> OrderLine:
    return OrderLine(
        line=pk, holder=holder, number="0502123409300012345", bank="工行", amount=Money(fen)
    )


def answer(pk: UUID, yuan: str, result: str = "成功", **more: str) -> dict[str, str]:
    told = {
        "成功": {"银行流水号": f"R{pk.int}"},
        "退回": {"退回原因": "账号户名不符"},
        "处理中": {"日期": ""},
    }[result]
    return {
        "批次号": BATCH,
        "明细号": str(Ref("paymentline", pk)),
        "金额": yuan,
        "结果": result,
        "日期": "2025-09-17",
        **told,
        **more,
    }


GOOD = (answer(ONE, "0.01"), answer(TWO, "1409.50", "退回"))


def sheet(*rows: dict[str, str], count: str = "", total: str = "1409.51") -> bytes:
    last = {"批次号": "合计", "明细号": count or str(len(rows)), "金额": total}
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, ANSWER_COLUMNS, restval="")
    writer.writeheader()
    writer.writerows([*rows, last])
    return out.getvalue().encode("gb18030")


def test_the_order_is_the_same_bytes_each_time_and_carries_its_totals() -> None:
    lines = [line(), line(TWO, "㐂氏（集团）,公司", 140_950)]
    order = write_order(BATCH, lines)

    assert write_order(BATCH, lines) == order
    rows = list(csv.reader(io.StringIO(order.data.decode("gb18030"), newline="")))
    assert [len(row) for row in rows] == [7, 7, 7, 7]
    assert rows[2][2] == "㐂氏（集团）,公司"
    assert rows[-1] == ["合计", "2", "", "", "", "1409.51", control_sum(rows[1:-1])]
    assert control_sum([rows[1], [*rows[2][:-1], "x"]]) != rows[-1][-1]
    assert lines[0].number not in repr(lines) + repr(order)


@pytest.mark.parametrize("name", ["=cmd|' /C calc'!A0", "+甲", "-甲", "@甲", "甲\n乙"])
def test_a_name_like_a_formula_never_goes_out(name: str) -> None:
    with pytest.raises(SheetInvalid) as refused:
        write_order(BATCH, [line(), line(TWO, name)])
    assert refused.value.problems[0].line == 3


def test_answers_are_read_and_what_is_in_work_gives_none() -> None:
    assert read_answers(sheet(*GOOD), batch=BATCH, ordered=ORDERED) == [
        BankAnswer(line=ONE, accepted=True, reference="R1", answered_on=DAY),
        BankAnswer(line=TWO, accepted=False, reason="账号户名不符", answered_on=DAY),
    ]
    in_work = sheet(GOOD[1], answer(ONE, "0.01", "处理中"))
    assert [a.line for a in read_answers(in_work, batch=BATCH, ordered=ORDERED)] == [TWO]


@pytest.mark.parametrize(
    ("data", "at", "column", "says"),
    [
        (sheet({**GOOD[0], "批次号": "2025-m09-p0002"}, GOOD[1]), 2, "批次号", "不是 2025"),
        (sheet(answer(UUID(int=3), "0.01"), GOOD[1]), 2, "明细号", "没有明细"),
        (sheet(GOOD[0], GOOD[0], total="0.02"), 3, "明细号", "与第 2 行是同一笔"),
        (sheet(answer(ONE, "0.02"), GOOD[1], total="1409.52"), 2, "金额", "批次里是 ¥0.01"),
        (sheet(GOOD[0], total="0.01"), 3, "明细号", "缺批次的第 2 笔"),
        (sheet(*GOOD, count="3"), 4, "明细号", "合计写 3 笔"),
        (sheet(*GOOD, total="1409.50"), 4, "金额", "各行之和是"),
        (sheet(*GOOD, count="两"), 4, "明细号", "不是笔数"),
        (sheet({**GOOD[0], "银行流水号": ""}, GOOD[1]), 2, "银行流水号", "没有填写"),
        (sheet({**GOOD[0], "退回原因": "x"}, GOOD[1]), 2, "退回原因", "而有退回原因"),
        (sheet(GOOD[0], {**GOOD[1], "退回原因": ""}), 3, "退回原因", "没有填写"),
        (sheet(GOOD[0], {**GOOD[1], "银行流水号": "R9"}), 3, "银行流水号", "而有流水号"),
        (sheet(GOOD[0], answer(TWO, "1409.50", 银行流水号="R1")), 3, "银行流水号", "重复"),
        (sheet({**GOOD[0], "日期": ""}, GOOD[1]), 2, "日期", "没有填写"),
        (sheet({**GOOD[0], "结果": "付讫"}, GOOD[1]), 2, "结果", "不在"),
        (b"\r\n".join(sheet(*GOOD).split(b"\r\n")[:-2]), 3, "批次号", "合计行不在最后"),
    ],
)
def test_a_wrong_result_file_is_refused_whole(data: bytes, at: int, column: str, says: str) -> None:
    with pytest.raises(SheetInvalid) as refused:
        read_answers(data, batch=BATCH, ordered=ORDERED)

    first = refused.value.problems[0]
    assert (first.line, first.column) == (at, column)
    assert says in first.problem
    assert first.mend


@given(st.binary(max_size=300))
def test_bytes_never_crash_it(data: bytes) -> None:
    with pytest.raises(SheetInvalid):
        read_answers(data, batch=BATCH, ordered=ORDERED)


@given(
    st.lists(
        st.lists(st.text(max_size=20).map(lambda t: t.replace("\r", "")), max_size=7), max_size=5
    )
)
def test_cells_never_crash_it(rows: list[list[str]]) -> None:
    text = "\n".join([",".join(ANSWER_COLUMNS), *(",".join(row) for row in rows)])
    with pytest.raises(SheetInvalid):
        read_answers(text.encode("utf-8", "surrogatepass"), batch=BATCH, ordered=ORDERED)


@given(st.lists(st.tuples(st.integers(1, 10**12), st.booleans()), min_size=1, max_size=9))
def test_what_the_bank_answers_of_an_order_comes_back(lines: list[tuple[int, bool]]) -> None:
    ordered = {UUID(int=n): Money(fen) for n, (fen, _) in enumerate(lines, 1)}
    rows = [
        answer(UUID(int=n), Money(fen).plain, "成功" if good else "退回")
        for n, (fen, good) in enumerate(lines, 1)
    ]
    data = sheet(*reversed(rows), total=Money.total(ordered.values()).plain)

    found = read_answers(data, batch=BATCH, ordered=ordered)

    assert {a.line: a.accepted for a in found} == {
        UUID(int=n): good for n, (_, good) in enumerate(lines, 1)
    }
