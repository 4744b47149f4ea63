"""What would make it yes: over every case of the Shanxi pack that came out as no."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from functools import cache
from typing import Any

from jinsuan.policy.cases import ON, case_facts
from jinsuan.policy.decide import Decided, Decision, decide
from jinsuan.policy.facts import plain_values
from jinsuan.policy.law import Law
from jinsuan.policy.library import law_on, load_pack
from jinsuan.policy.pack import Base
from jinsuan.policy.scalar import compiled
from jinsuan.policy.whynot import Change, Remedy, remedies

PACK = "shanxi-2024-35"


@cache
def refused() -> list[tuple[Law, Decided, Decision, dict[str, Any], tuple[Remedy, ...]]]:
    """Every refusal that a case of the pack leads to, with what would mend it."""
    pack = load_pack(PACK)
    found = []
    for case in pack.cases:
        day = date.fromisoformat(dict(case.facts).get(ON, str(pack.first_day)))
        law, facts = law_on(PACK, day), case_facts(pack, case)
        values = plain_values(facts)
        decided = decide(law, facts)
        decision = decided.of(case.rule)
        if decision.failed:
            found.append((law, decided, decision, values, remedies(law, decision, values)))
    return found


def changes() -> Iterator[tuple[Law, Decision, dict[str, Any], Remedy, Change]]:
    for law, _, decision, values, found in refused():
        for remedy in found:
            for change in remedy.changes:
                yield law, decision, values, remedy, change


def test_there_are_refusals_and_changes_to_look_at() -> None:
    assert len(refused()) > 20
    assert len(list(changes())) > 20


def test_each_failed_condition_has_its_remedy_in_order() -> None:
    for _, _, decision, _, found in refused():
        assert [remedy.reason for remedy in found] == list(decision.failed)


def test_a_change_stays_in_its_facts_range_and_satisfies_the_condition() -> None:
    for law, _, values, remedy, change in changes():
        fact = law.pack.facts[change.fact]
        assert fact.low <= change.after <= fact.high
        assert change.before == values[change.fact] != change.after
        assert compiled(remedy.reason.test.node)({**values, change.fact: change.after}) == 1


def test_one_unit_less_of_a_change_does_not_satisfy_the_condition() -> None:
    looked_at = 0
    for law, _, values, remedy, change in changes():
        if law.pack.facts[change.fact].base in (Base.BOOL, Base.ENUM):
            continue
        less = change.after + (1 if change.after < change.before else -1)
        assert compiled(remedy.reason.test.node)({**values, change.fact: less}) != 1
        looked_at += 1
    assert looked_at > 10


def test_then_is_what_the_rule_pays_on_the_changed_facts() -> None:
    priced = 0
    for law, decision, values, _, change in changes():
        amount = law.rules[decision.bound.rule.id].amount
        fen = None if amount is None else compiled(amount)({**values, change.fact: change.after})
        assert (None if change.then is None else change.then.fen) == fen
        priced += fen is not None
    assert priced > 10


def test_enough_is_said_exactly_when_nothing_else_stands_in_the_way() -> None:
    seen = set()
    for law, decision, values, _, change in changes():
        changed = {**values, change.fact: change.after}
        tests = law.rules[decision.bound.rule.id].tests
        assert change.enough == all(compiled(test.node)(changed) == 1 for test in tests)
        seen.add(change.enough)
    assert True in seen
