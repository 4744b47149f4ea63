"""The interview over the Shanxi pack: it ends, asks little, and decides what all answers decide."""

from __future__ import annotations

from datetime import date

import pytest

from jinsuan.policy.cases import case_facts
from jinsuan.policy.decide import Outcome, Reason, decide
from jinsuan.policy.facts import Known
from jinsuan.policy.interview import MOST, answered, next_screen
from jinsuan.policy.law import Law
from jinsuan.policy.library import law_on, load_pack
from jinsuan.policy.pack import Case

PACK = "shanxi-2024-35"
ONE_EACH = list({case.rule: case for case in load_pack(PACK).cases}.values())


@pytest.fixture(scope="module")
def law() -> Law:
    return law_on(PACK, date(2025, 3, 1))


def interviewed(law: Law, answers: dict[str, Known], rules: tuple[str, ...]) -> dict[str, Known]:
    """Answer every screen; what the answers do not know is skipped."""
    told: dict[str, Known] = {}
    skipped: set[str] = set()
    for _ in range(len(law.pack.facts) + 1):
        decided = decide(law, told)
        screen = next_screen(law, decided, rules=rules, skipped=skipped)
        if screen is None:
            return told
        names = [fact.name for fact in screen.questions]
        _is_fair(screen.rule.reasons, names)
        assert not rules or screen.rule.bound.rule.id in rules
        assert decided.of(screen.rule.bound.rule.id).outcome is Outcome.NEEDS
        assert set(names) <= set(screen.rule.missing)
        assert not set(names) & (told.keys() | skipped)
        assert screen.left >= len(names)
        for name in names:
            if name in answers and answers[name].value is not None:
                told[name] = answers[name]
            else:
                skipped.add(name)
    raise AssertionError("the interview does not end")


def _is_fair(reasons: tuple[Reason, ...], names: list[str]) -> None:
    one_condition = any(set(names) <= set(reason.test.facts) for reason in reasons)
    assert names
    assert len(names) == len(set(names))
    assert len(names) <= MOST or one_condition


@pytest.mark.parametrize("case", ONE_EACH, ids=lambda case: case.rule)
def test_an_interview_on_one_rule_decides_as_all_answers_do(law: Law, case: Case) -> None:
    answers = case_facts(law.pack, case)
    told = interviewed(law, answers, (case.rule,))

    rivals = law.rules[case.rule].rule.instead_of
    after, whole = decide(law, told).of(case.rule), decide(law, answers).of(case.rule)
    if not rivals and whole.outcome is not Outcome.SUPERSEDED:
        assert (after.outcome, after.amount) == (whole.outcome, whole.amount)


@pytest.mark.parametrize("case", ONE_EACH[::4], ids=lambda case: case.rule)
def test_an_interview_on_all_rules_decides_as_all_answers_do(law: Law, case: Case) -> None:
    answers = case_facts(law.pack, case)
    told = interviewed(law, answers, ())

    after, whole = decide(law, told), decide(law, answers)
    assert [(d.outcome, d.amount) for d in after.decisions] == [
        (d.outcome, d.amount) for d in whole.decisions
    ]


def test_who_knows_nothing_is_asked_everything_once(law: Law) -> None:
    assert interviewed(law, {}, ()) == {}


def test_nothing_is_asked_when_no_chosen_rule_is_open(law: Law) -> None:
    answers = case_facts(law.pack, ONE_EACH[0])
    settled = [d.bound.rule.id for d in decide(law, answers).decisions if not d.missing]

    assert settled
    assert next_screen(law, decide(law, answers), rules=settled) is None


def test_only_known_facts_count_as_answered() -> None:
    assert answered({"a": 1, "b": None, "c": 0}) == 2
