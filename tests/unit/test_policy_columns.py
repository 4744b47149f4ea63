"""The corners of the column back end: empty lists, unknown tests, one number for all."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from jinsuan.policy.columns import Column, Columns
from jinsuan.policy.grammar import parse
from jinsuan.policy.scalar import compiled
from tests.policy_world import FACTS, checker
from tests.properties.test_policy_expressions import column_answers, columns_of

NOBODY: dict[str, Any] = dict.fromkeys(FACTS)


@pytest.mark.parametrize(
    ("lists", "sums"),
    [
        ([(), (1, 2), (), (3,), ()], [0, 3, 0, 3, 0]),
        ([(), ()], [0, 0]),
        ([(5,), None, ()], [5, None, 0]),
        ([None, (7,)], [None, 7]),
    ],
)
def test_the_sum_of_an_empty_list_is_nought(lists: list[Any], sums: list[int | None]) -> None:
    node = checker().amount(parse("sum(bills)"))
    crowd = [{**NOBODY, "bills": items} for items in lists]

    assert column_answers(node, crowd) == sums
    assert [compiled(node)(facts) for facts in crowd] == sums


@pytest.mark.parametrize(
    ("facts", "answer"),
    [
        ({"good": None, "cash": 5, "debt": 5}, 5),  # whichever it is
        ({"good": None, "cash": 5, "debt": 6}, None),
        ({"good": None, "cash": 5, "debt": None}, None),
        ({"good": None, "cash": None, "debt": None}, None),
        ({"good": 1, "cash": 5, "debt": None}, 5),
        ({"good": 0, "cash": 5, "debt": None}, None),
        ({"good": 0, "cash": None, "debt": 6}, 6),
    ],
)
def test_an_unknown_test_is_no_matter_where_both_branches_agree(
    facts: dict[str, Any], answer: int | None
) -> None:
    node = checker().amount(parse("max(pick(good, cash, debt), 0)"))
    crowd = [{**NOBODY, **facts}, {**NOBODY, "good": 1, "cash": 1, "debt": 2}]

    assert column_answers(node, crowd) == [answer, 1]
    assert compiled(node)(crowd[0]) == answer


@pytest.mark.parametrize(
    ("text", "answers"),
    [
        ("good and local", [0, 0, None, 0, None, 1]),
        ("good or local", [0, None, None, 1, 1, 1]),
        ("not good", [1, 1, None, None, 0, 0]),
    ],
)
def test_logic_is_known_as_soon_as_one_part_decides(text: str, answers: list[int | None]) -> None:
    pairs = [(0, 0), (0, None), (None, None), (None, 0), (1, None), (1, 1)]
    if "or" in text:
        pairs[3] = (None, 1)
    crowd = [{**NOBODY, "good": good, "local": local} for good, local in pairs]
    node, _ = checker().condition(parse(text))

    assert column_answers(node, crowd) == answers
    assert [compiled(node)(facts) for facts in crowd] == answers


def test_a_part_of_the_crowd_is_computed_like_the_whole() -> None:
    lists = [(1, 2), (), None, (3,), (4, 5, 6)]
    crowd = [{**NOBODY, "bills": items, "cash": n} for n, items in enumerate(lists)]
    node = checker().amount(parse("sum(bills) + cash"))
    columns = columns_of(crowd)._facts

    whole = column_answers(node, crowd)
    halves = [
        answer
        for begin, end in ((0, 2), (2, 5))
        for answer in column_answers(
            node,
            crowd[begin:end],
            Columns({n: c.part(begin, end) for n, c in columns.items()}, end - begin),
        )
    ]

    assert halves == whole == [3, 1, None, 6, 19]


def test_a_number_for_all_needs_no_column() -> None:
    node = checker().amount(parse("share(cap, share_rate)"))
    values, missing = Columns({}, 3).evaluate(node)

    assert np.broadcast_to(values, 3).tolist() == [75_000_000] * 3
    assert missing is None


def test_a_column_without_unknowns_carries_no_mask() -> None:
    node = checker().amount(parse("share(cash, share_rate)"))
    values, missing = Columns({"cash": Column(np.array([7, 6], np.int64))}, 2).evaluate(node)

    assert values.tolist() == [1, 0]
    assert missing is None
