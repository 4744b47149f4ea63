"""What holds of every applicant: caps, monotony, replay."""

from __future__ import annotations

from datetime import date
from fractions import Fraction
from functools import cache
from typing import Any

from hypothesis import given, strategies as st

from jinsuan.policy.decide import Outcome, decide
from jinsuan.policy.facts import Known, plain_values
from jinsuan.policy.grammar import parse
from jinsuan.policy.law import Law, bind
from jinsuan.policy.library import load_pack
from jinsuan.policy.pack import Base, Fact
from jinsuan.policy.scalar import compiled
from jinsuan.policy.tree import Comparison
from tests.policy_world import OPERATORS, World, oracle
from tests.properties.test_policy_expressions import column_answers, columns_of, values_of

PACK = "shanxi-2024-35"
ON = date(2025, 3, 1)


@cache
def shanxi() -> Law:
    return bind(load_pack(PACK), ON)


def near(fact: Fact) -> list[int]:
    """Values of a fact at which a case of the pack stands: the boundaries."""
    return sorted(
        {
            value
            for value in BOUNDARIES.get(fact.name, ())
            if isinstance(value, int) and fact.low <= value <= fact.high
        }
    )


def _boundaries() -> dict[str, set[Any]]:
    from jinsuan.policy.cases import case_facts

    found: dict[str, set[Any]] = {}
    pack = shanxi().pack
    for case in pack.cases:
        for name, known in case_facts(pack, case).items():
            found.setdefault(name, set()).add(known.value)
    return found


BOUNDARIES = _boundaries()


def value_of(fact: Fact) -> st.SearchStrategy[Any]:
    at = near(fact)
    return st.sampled_from(at) | values_of(fact) if at else values_of(fact)


applicants = st.fixed_dictionaries(
    {name: st.none() | value_of(fact) for name, fact in shanxi().pack.facts.items()}
)
complete = st.fixed_dictionaries(
    {name: value_of(fact) for name, fact in shanxi().pack.facts.items()}
)


def known(facts: dict[str, Any]) -> dict[str, Known]:
    return {name: Known(value) for name, value in facts.items()}


@given(applicants)
def test_no_applicant_raises_and_no_amount_leaves_its_interval(facts: dict[str, Any]) -> None:
    for decision in decide(shanxi(), known(facts)).decisions:
        node = decision.bound.amount
        if decision.amount is not None:
            assert node is not None
            assert 0 <= node.low <= decision.amount.fen <= node.high
        if decision.outcome is Outcome.NEEDS:
            assert decision.missing
            assert all(facts[name] is None for name in decision.missing)


@given(st.lists(applicants, min_size=1, max_size=4))
def test_every_rule_of_the_pack_comes_to_the_same_four_ways(crowd: list[dict[str, Any]]) -> None:
    law = shanxi()
    pack = law.pack
    defines = {name: parse(text.text) for name, text in pack.defines.items()}
    world = World(pack.facts, pack.params, law.values, defines)
    columns = columns_of(crowd, pack.facts)

    for bound in law.rules.values():
        own = pack.general if bound.general else ()
        texts = [condition.test.text for condition in (*own, *bound.rule.when)]
        nodes = [test.node for test in bound.tests]
        if bound.amount is not None and bound.rule.amount is not None:
            texts.append(bound.rule.amount.text)
            nodes.append(bound.amount)
        for text, node in zip(texts, nodes, strict=True):
            wanted = [oracle(parse(text), facts, world) for facts in crowd]
            assert [compiled(node)(facts) for facts in crowd] == wanted, text
            assert column_answers(node, crowd, columns) == wanted, text
        for comparison in (c for test in bound.tests for c in test.comparisons):
            for facts in crowd:
                traced_as_decided(comparison, facts)


def traced_as_decided(c: Comparison, facts: dict[str, Any]) -> None:
    left, right = compiled(c.left.top)(facts), compiled(c.right.top)(facts)
    holds = None
    if left is not None and right is not None:
        sides = Fraction(left, c.left.bottom), Fraction(right, c.right.bottom)
        holds = OPERATORS[c.op](*sides)
    assert compiled(c.node)(facts) == holds, c


@given(applicants, complete)
def test_learning_more_never_takes_an_answer_back(
    facts: dict[str, Any], rest: dict[str, Any]
) -> None:
    """Whatever the unknown turns out to be, what was decided without it stays decided."""
    told = {name: rest[name] if value is None else value for name, value in facts.items()}
    law = shanxi()
    before, after = plain_values(known(facts)), plain_values(known(told))

    for bound in law.rules.values():
        nodes = [test.node for test in bound.tests]
        for node in [*nodes, *([bound.amount] if bound.amount else [])]:
            answer = compiled(node)(before)
            assert answer is None or compiled(node)(after) == answer
            assert compiled(node)(after) is not None


@given(complete)
def test_the_same_law_and_facts_give_the_same_fen(facts: dict[str, Any]) -> None:
    again = bind(load_pack(PACK), ON)

    one, other = decide(shanxi(), known(facts)), decide(again, known(facts))

    assert one.digest == other.digest
    assert [(d.outcome, d.amount) for d in one.decisions] == [
        (d.outcome, d.amount) for d in other.decisions
    ]


MORE_IS_NEVER_LESS = {
    "m01a_invest": "m01a",
    "m02_racks": "m02",
    "m03_racks": "m03",
    "m04_racks": "m04",
    "m05a_invest": "m05a",
    "m05b_tflops": "m05b",
    "m06b_fee": "m06b",
    "m08b_digital": "m08b",
    "m09_contract": "m09",
    "m10_contracts": "m10",
    "m12a_spend": "m12a",
    "m12b_spend": "m12b",
    "m14_revenue": "m14",
}


@given(complete, st.sampled_from(sorted(MORE_IS_NEVER_LESS)), st.data())
def test_more_of_what_is_paid_for_never_pays_less(
    facts: dict[str, Any], name: str, data: st.DataObject
) -> None:
    law = shanxi()
    fact = law.pack.facts[name]
    assert fact.base in (Base.MONEY, Base.COUNT)
    more = data.draw(st.integers(facts[name], fact.high))
    node = law.rule(MORE_IS_NEVER_LESS[name]).amount
    assert node is not None

    less_due, more_due = (compiled(node)({**facts, name: n}) for n in (facts[name], more))

    assert less_due is not None
    assert more_due is not None
    assert less_due <= more_due
