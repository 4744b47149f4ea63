"""A proposed change is the smallest that works; an interview ends, and decides as all answers do."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from jinsuan.policy.cases import case_facts
from jinsuan.policy.decide import Outcome, decide
from jinsuan.policy.facts import Known, plain_values
from jinsuan.policy.interview import MOST, next_screen
from jinsuan.policy.law import bind
from jinsuan.policy.library import load_pack
from jinsuan.policy.pack import Base, Case
from jinsuan.policy.scalar import compiled
from jinsuan.policy.whynot import remedies

PACK = load_pack("shanxi-2024-35")
LAW = bind(PACK, date(2025, 3, 1))


@pytest.mark.parametrize("case", PACK.cases, ids=lambda case: f"{case.rule}:{case.line}")
def test_a_change_satisfies_the_condition_and_one_unit_less_does_not(case: Case) -> None:
    facts = case_facts(PACK, case)
    values: dict[str, Any] = plain_values(facts)
    decision = decide(LAW, facts).of(case.rule)
    for remedy in remedies(LAW, decision, values):
        run = compiled(remedy.reason.test.node)
        assert run(values) == 0
        for change in remedy.changes:
            name = change.fact
            assert run({**values, name: change.after}) == 1
            if PACK.facts[name].base not in (Base.BOOL, Base.ENUM):
                back = -1 if change.after > change.before else 1
                assert run({**values, name: change.after + back}) != 1
            if change.enough:
                then = decide(LAW, {**facts, name: Known(change.after)}).of(case.rule)
                if then.outcome is Outcome.ELIGIBLE:
                    assert then.amount == change.then


@pytest.mark.parametrize("case", PACK.cases[::9], ids=lambda case: f"{case.rule}:{case.line}")
def test_an_interview_ends_and_decides_as_all_answers_do(case: Case) -> None:
    all_facts = {n: k for n, k in case_facts(PACK, case).items() if k.value is not None}
    told: dict[str, Known] = {}
    skipped: set[str] = set()
    for _ in range(len(PACK.facts) + 1):
        screen = next_screen(LAW, decide(LAW, told), skipped=skipped)
        if screen is None:
            break
        names = [fact.name for fact in screen.questions]
        assert 0 < len(names) <= MOST
        assert screen.left >= len(names)
        assert not set(names) & (told.keys() | skipped)
        assert set(names) <= set(screen.rule.missing)
        told |= {name: all_facts[name] for name in names if name in all_facts}
        skipped |= set(names) - all_facts.keys()
    else:
        pytest.fail("the interview does not end")

    end, whole = decide(LAW, told), decide(LAW, all_facts)
    assert [(d.outcome, d.amount) for d in end.decisions] == [
        (d.outcome, d.amount) for d in whole.decisions
    ]
