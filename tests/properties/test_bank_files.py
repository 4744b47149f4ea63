"""Whatever comes as a bank's file is read or refused, and what is well formed is read as it is."""

from __future__ import annotations

from datetime import date

from hypothesis import given, strategies as st

from jinsuan.casework.errors import SheetInvalid, SheetProblem
from jinsuan.kernel.money import Money
from jinsuan.vouchers.bank_files import NEEDED, names_in, read_statement
from tests.bank_world import OWN, statement

CELLS = st.one_of(
    st.text(max_size=40), st.sampled_from(["", OWN, "收", "2025-09-15", "0.01", '"', "=1+1", "\0"])
)
PRINTED = st.text(
    st.characters(exclude_categories=("C", "Z")), min_size=1, max_size=60
)  # blanks around a cell are not part of it


def told(data: bytes) -> tuple[SheetProblem, ...]:
    """The mistakes of a file, none if it is read."""
    try:
        read_statement(data)
    except SheetInvalid as refused:
        return refused.problems
    return ()


@given(st.binary(max_size=400))
def test_bytes_never_crash_it(data: bytes) -> None:
    told(data)


@given(st.lists(st.lists(CELLS, max_size=10), max_size=6))
def test_cells_never_crash_it(rows: list[list[str]]) -> None:
    text = "\n".join([",".join(NEEDED), *(",".join(row) for row in rows)])
    for problem in told(text.encode("utf-8", "surrogatepass")):
        assert problem.line >= 1
        assert problem.problem
        assert problem.mend


@given(
    st.lists(
        st.tuples(
            st.integers(1, 10**14),
            st.dates(date(2000, 1, 1), date(2099, 12, 31)),
            PRINTED,
            PRINTED,
            st.sampled_from(["收", "付", "借", "贷"]),
        ),
        min_size=1,
        max_size=8,
    ),
    st.sampled_from(["utf-8", "gb18030"]),
)
def test_what_was_written_is_read(
    rows: list[tuple[int, date, str, str, str]], encoding: str
) -> None:
    data = statement(
        *(
            {
                "流水号": f"B{n}",
                "金额": Money(fen).plain,
                "交易日期": str(day),
                "附言": remark,
                "对方户名": other,
                "收付": side,
            }
            for n, (fen, day, remark, other, side) in enumerate(rows)
        )
    )

    lines = read_statement(data.decode().encode(encoding))

    found = [(x.amount.fen, x.booked_on, x.remark, x.other_name) for x in lines]
    assert found == [(fen, day, remark, other) for fen, day, remark, other, _ in rows]
    assert [x.direction == "in" for x in lines] == [side in "收贷" for *_, side in rows]


@given(st.text(max_size=200))
def test_any_remark_may_be_asked_what_it_names(text: str) -> None:
    names_in(text)
