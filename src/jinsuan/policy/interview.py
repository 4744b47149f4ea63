"""Which questions to ask next: only facts that can still change a result, few at a time.

A rule that has failed already is asked nothing more; a fact that was skipped is not asked again, it
stays unknown and is listed as missing evidence.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from jinsuan.policy.decide import Decided, Decision, Outcome
from jinsuan.policy.law import Law
from jinsuan.policy.pack import Fact

MOST = 4
"""Questions on one screen."""


@dataclass(frozen=True, slots=True)
class Screen:
    """The next questions, all of one rule.

    Args:
        left: how many facts could still be asked at most, these included.
    """

    rule: Decision
    questions: tuple[Fact, ...]
    left: int


def next_screen(
    law: Law, decided: Decided, *, rules: Collection[str] = (), skipped: Collection[str] = ()
) -> Screen | None:
    """The next screen, or None when nothing is left that matters.

    Args:
        rules: only these, when given.
    """
    open_decisions = [
        d
        for d in decided.decisions
        if d.outcome is Outcome.NEEDS and (not rules or d.bound.rule.id in rules)
    ]
    asked = [[name for name in d.missing if name not in skipped] for d in open_decisions]
    left = len({name for names in asked for name in names})
    for decision, names in zip(open_decisions, asked, strict=True):
        if names:
            first = _together(decision, names)
            return Screen(decision, tuple(law.pack.facts[name] for name in first), left)
    return None


def _together(decision: Decision, names: list[str]) -> list[str]:
    """The facts of the first open condition, and of the following ones while they fit a screen."""
    chosen: list[str] = []
    for reason in decision.reasons:
        if reason.truth is not None:
            continue
        more = [n for n in reason.test.facts if n in names and n not in chosen]
        if chosen and len(chosen) + len(more) > MOST:
            return chosen
        chosen += more
    return (chosen or names)[: max(MOST, len(chosen))]


def answered(facts: Mapping[str, object]) -> int:
    """How many facts are known."""
    return sum(1 for known in facts.values() if known is not None)
