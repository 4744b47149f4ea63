"""Decide what one applicant may get, and say why and why not. A pure function of law and facts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum
from typing import Any

from jinsuan.kernel.money import Money
from jinsuan.policy.facts import Known, plain_values
from jinsuan.policy.law import ENGINE, BoundRule, Law
from jinsuan.policy.pack import Mode, Pack
from jinsuan.policy.scalar import compiled
from jinsuan.policy.tree import Comparison, Test


class Outcome(StrEnum):
    """What the law says of one rule and one applicant."""

    ELIGIBLE = "eligible"
    NOT_ELIGIBLE = "not_eligible"
    NEEDS = "needs"
    SUPERSEDED = "superseded"
    REFERRED = "referred"
    OUT_OF_FORCE = "out_of_force"
    NO_EFFECT = "no_effect"

    @property
    def label(self) -> str:
        return _LABELS[self]

    @property
    def mark(self) -> str:
        return {"eligible": "✓", "needs": "?", "referred": "→", "no_effect": "·"}.get(self, "✗")


_LABELS = {
    Outcome.ELIGIBLE: "符合",
    Outcome.NOT_ELIGIBLE: "不符合",
    Outcome.NEEDS: "待核实",
    Outcome.SUPERSEDED: "另一支更高",
    Outcome.REFERRED: "转其他政策",
    Outcome.OUT_OF_FORCE: "不在施行期",
    Outcome.NO_EFFECT: "没有可执行的内容",
}


@dataclass(frozen=True, slots=True)
class Dates:
    """Four times with four names; a date that is not known is not tested."""

    application: date
    event: date | None = None
    decision: date | None = None
    payment: date | None = None


@dataclass(frozen=True, slots=True)
class Compared:
    """One comparison with its numbers: numerators over the sides' denominators."""

    comparison: Comparison
    left: int | None
    right: int | None


@dataclass(frozen=True, slots=True)
class Reason:
    """One condition: whether it holds (None: not known), and the numbers compared."""

    test: Test
    truth: bool | None
    compared: tuple[Compared, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What one rule says.

    Args:
        amount: what is due by a fixed rule, or the most that may be given under a ceiling.
        missing: facts that are unknown and would settle it.
        weak: facts that are proven less well than the rule asks.
    """

    bound: BoundRule
    outcome: Outcome
    amount: Money | None
    reasons: tuple[Reason, ...]
    missing: tuple[str, ...]
    weak: tuple[str, ...]
    note: str = ""

    @property
    def failed(self) -> tuple[Reason, ...]:
        return tuple(reason for reason in self.reasons if reason.truth is False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """All rules of a pack for one applicant."""

    pack: str
    digest: str
    engine: str
    dates: Dates
    decisions: tuple[Decision, ...]

    def of(self, rule: str) -> Decision:
        return next(d for d in self.decisions if d.bound.rule.id == rule)

    def total(self, *modes: Mode) -> Money:
        """The sum of amounts of eligible rules of these modes."""
        return Money.total(
            d.amount
            for d in self.decisions
            if d.outcome is Outcome.ELIGIBLE and d.amount and d.bound.rule.mode in modes
        )


def decide(law: Law, facts: Mapping[str, Known], dates: Dates | None = None) -> Decided:
    """Apply every rule that is in force; a refusal lists all its reasons, not the first."""
    when = dates or Dates(application=law.on)
    outside = window_problem(law.pack, when)
    values = plain_values(facts)
    shared: dict[Test, Reason] = {}
    found = [_one(bound, facts, values, outside, shared) for bound in law.rules.values()]
    return Decided(
        pack=law.pack.id,
        digest=law.pack.digest,
        engine=ENGINE,
        dates=when,
        decisions=tuple(_higher_branch(found)),
    )


def window_problem(pack: Pack, dates: Dates) -> str:
    """Why the document does not apply on these dates; empty when it does."""
    words = {"event": "事项发生", "application": "申报", "decision": "判定", "payment": "拨付"}
    until = {"decision": pack.run_off.decide_until, "payment": pack.run_off.pay_until}
    for name in ("event", "application", "decision", "payment"):
        day: date | None = getattr(dates, name)
        last = until.get(name)
        if day is None or (name not in pack.window and last is None):
            continue
        last = max(pack.last_day, last) if last else pack.last_day
        if not pack.first_day <= day <= last:
            return f"{words[name]}日 {day} 不在 {pack.first_day} 至 {last}（含）之内"
    return ""


def _one(
    bound: BoundRule,
    facts: Mapping[str, Known],
    values: Mapping[str, Any],
    outside: str,
    shared: dict[Test, Reason],
) -> Decision:
    rule = bound.rule
    if rule.mode is Mode.NO_EFFECT:
        return _plain(bound, Outcome.NO_EFFECT, rule.why)
    if outside:
        return _plain(bound, Outcome.OUT_OF_FORCE, outside)
    reasons = []
    for test in bound.tests:
        reason = shared.get(test)
        if reason is None:
            reason = shared[test] = _reason(test, values)
        reasons.append(reason)
    truths = {reason.truth for reason in reasons}
    amount = None
    if bound.amount is not None and False not in truths:
        fen = compiled(bound.amount)(values)
        amount = None if fen is None else Money(fen)
    outcome = _outcome(bound, truths, amount)
    return Decision(
        bound=bound,
        outcome=outcome,
        amount=amount if outcome is Outcome.ELIGIBLE else None,
        reasons=tuple(reasons),
        missing=_missing(bound, reasons, values) if outcome is Outcome.NEEDS else (),
        weak=_weak(bound, facts) if outcome is Outcome.ELIGIBLE else (),
        note=rule.refers_to if outcome is Outcome.REFERRED else "",
    )


def _plain(bound: BoundRule, outcome: Outcome, note: str) -> Decision:
    return Decision(
        bound=bound, outcome=outcome, amount=None, reasons=(), missing=(), weak=(), note=note
    )


def _outcome(bound: BoundRule, truths: set[bool | None], amount: Money | None) -> Outcome:
    if False in truths:
        return Outcome.NOT_ELIGIBLE
    if None in truths or (bound.amount is not None and amount is None):
        return Outcome.NEEDS
    return Outcome.REFERRED if bound.rule.mode is Mode.REFER else Outcome.ELIGIBLE


def _reason(test: Test, values: Mapping[str, Any]) -> Reason:
    truth = compiled(test.node)(values)
    compared = tuple(
        Compared(c, compiled(c.left.top)(values), compiled(c.right.top)(values))
        for c in test.comparisons
    )
    return Reason(test, None if truth is None else bool(truth), compared)


def _missing(
    bound: BoundRule, reasons: Iterable[Reason], values: Mapping[str, Any]
) -> tuple[str, ...]:
    """Unknown facts of undecided conditions and of the amount, in the order of asking."""
    asked = [name for reason in reasons if reason.truth is None for name in reason.test.facts]
    if bound.amount is not None:
        asked += bound.amount.facts()
    return tuple(name for name in dict.fromkeys(asked) if values.get(name) is None)


def _weak(bound: BoundRule, facts: Mapping[str, Known]) -> tuple[str, ...]:
    declared = bound.facts
    return tuple(
        name
        for name in declared
        if name in facts and facts[name].attest.rank < bound.needs.get(name, 0)
    )


def _higher_branch(found: list[Decision]) -> list[Decision]:
    """Of rules that stand for one another only the highest counts; the first in order wins a tie."""
    by_id = {d.bound.rule.id: d for d in found}
    order = {name: place for place, name in enumerate(by_id)}
    beaten: dict[str, str] = {}
    for decision in found:
        for other_id in decision.bound.rule.instead_of:
            pair = sorted((decision, by_id[other_id]), key=lambda d: order[d.bound.rule.id])
            first, second = pair
            if first.amount is None or second.amount is None:
                continue
            lower, higher = (second, first) if first.amount >= second.amount else (first, second)
            beaten[lower.bound.rule.id] = higher.bound.rule.id
    return [
        replace(
            d,
            outcome=Outcome.SUPERSEDED,
            amount=None,
            note=f"与 {beaten[d.bound.rule.id]} 只取高的一支",
        )
        if d.bound.rule.id in beaten
        else d
        for d in found
    ]
