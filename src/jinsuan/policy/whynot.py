"""What would make it yes: for each failed condition the smallest change of one fact, and what is due then.

Only single facts are tried, within their declared ranges: that is what a person can act on. A fact
that the condition follows one way only (more is better, or less is) is found by bisection with the
same compiled condition that decided, so the answer is exact to a fen, a unit or a day.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from jinsuan.kernel.money import Money
from jinsuan.policy.decide import Decision, Reason
from jinsuan.policy.law import Law
from jinsuan.policy.pack import Base, Fact
from jinsuan.policy.scalar import compiled
from jinsuan.policy.tree import Test


@dataclass(frozen=True, slots=True)
class Change:
    """One fact changed just enough.

    Args:
        then: what is due if every other failed condition held, too; None when that is unknown.
        enough: whether this change alone makes the whole rule apply.
    """

    fact: str
    before: int
    after: int
    then: Money | None
    enough: bool


@dataclass(frozen=True, slots=True)
class Remedy:
    """A failed condition and the changes that would each satisfy it, smallest first."""

    reason: Reason
    changes: tuple[Change, ...]


def remedies(law: Law, decision: Decision, values: Mapping[str, Any]) -> tuple[Remedy, ...]:
    """For each failed condition of a decision, in order."""
    found = []
    for reason in decision.failed:
        changes = [
            _priced(law, decision, values, fact, after)
            for fact, after in _changes(law, reason.test, values)
        ]
        found.append(Remedy(reason, tuple(changes)))
    return tuple(found)


def _changes(law: Law, test: Test, values: Mapping[str, Any]) -> Iterator[tuple[Fact, int]]:
    for name in test.facts:
        fact, now = law.pack.facts[name], values.get(name)
        if fact.base is Base.LIST or now is None:
            continue
        if fact.base in (Base.BOOL, Base.ENUM):
            after = _other_choice(test, values, fact, now)
        else:
            after = _nearest(test, values, fact, now)
        if after is not None:
            yield fact, after


def _holds(test: Test, values: Mapping[str, Any], name: str, value: int) -> bool:
    return compiled(test.node)({**values, name: value}) == 1


def _other_choice(test: Test, values: Mapping[str, Any], fact: Fact, now: int) -> int | None:
    choices = range(fact.low, fact.high + 1)
    return next((v for v in choices if v != now and _holds(test, values, fact.name, v)), None)


def _nearest(test: Test, values: Mapping[str, Any], fact: Fact, now: int) -> int | None:
    """The nearest value on either side that satisfies the condition, if the way there is one step."""
    found = []
    for end in (fact.low, fact.high):
        if end == now or not _holds(test, values, fact.name, end):
            continue
        bad, good = now, end
        while abs(good - bad) > 1:
            middle = (good + bad) // 2
            if _holds(test, values, fact.name, middle):
                good = middle
            else:
                bad = middle
        found.append(good)
    return min(found, key=lambda v: abs(v - now), default=None)


def _priced(
    law: Law, decision: Decision, values: Mapping[str, Any], fact: Fact, after: int
) -> Change:
    """What is due with the change: of the rule as it stands, and whether anything else fails."""
    changed = {**values, fact.name: after}
    bound = law.rules[decision.bound.rule.id]
    truths = {compiled(test.node)(changed) for test in bound.tests}
    fen = None if bound.amount is None else compiled(bound.amount)(changed)
    return Change(
        fact=fact.name,
        before=values[fact.name],
        after=after,
        then=None if fen is None else Money(fen),
        enough=truths <= {1},
    )
