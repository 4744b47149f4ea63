"""A decision as one canonical text, and back: what is needed to decide it again. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from jinsuan.policy.decide import Dates, Decided, Outcome
from jinsuan.policy.facts import Known
from jinsuan.policy.pack import Attest

_DATES = ("application", "event", "decision", "payment")


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleSaid:
    """What one rule said."""

    outcome: Outcome
    fen: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """Everything a decision rests on, and what every rule said of it.

    Args:
        law_on: the day whose parameters applied.
        weak: facts of the deciding rule that were proven less well than it asks.
    """

    pack: str
    pack_digest: str
    engine: str
    law_on: date
    dates: Dates
    facts: Mapping[str, Known]
    rules: Mapping[str, RuleSaid]
    weak: tuple[str, ...]


def take(decided: Decided, facts: Mapping[str, Known], *, law_on: date, rule: str) -> Snapshot:
    """The snapshot of a decision just made."""
    return Snapshot(
        pack=decided.pack,
        pack_digest=decided.digest,
        engine=decided.engine,
        law_on=law_on,
        dates=decided.dates,
        facts=dict(facts),
        rules=said(decided),
        weak=decided.of(rule).weak,
    )


def said(decided: Decided) -> dict[str, RuleSaid]:
    """Outcome and fen by rule."""
    return {
        d.bound.rule.id: RuleSaid(outcome=d.outcome, fen=None if d.amount is None else d.amount.fen)
        for d in decided.decisions
    }


def plain(snapshot: Snapshot) -> dict[str, object]:
    """As texts, whole numbers and lists, ready for canonical text."""
    days = {name: getattr(snapshot.dates, name) for name in _DATES}
    return {
        "pack": snapshot.pack,
        "pack_digest": snapshot.pack_digest,
        "engine": snapshot.engine,
        "law_on": snapshot.law_on.isoformat(),
        "dates": {name: day.isoformat() for name, day in days.items() if day is not None},
        "facts": {
            name: {
                "value": list(known.value) if isinstance(known.value, tuple) else known.value,
                "attest": str(known.attest),
                "evidence": known.evidence,
            }
            for name, known in snapshot.facts.items()
        },
        "rules": {
            name: {"outcome": str(one.outcome), "fen": one.fen}
            for name, one in snapshot.rules.items()
        },
        "weak": list(snapshot.weak),
    }


def read(text: str) -> Snapshot:
    """The snapshot of a stored text. Its digest is checked by the database, so a surprise is a bug."""
    raw: dict[str, Any] = json.loads(text)
    return Snapshot(
        pack=raw["pack"],
        pack_digest=raw["pack_digest"],
        engine=raw["engine"],
        law_on=date.fromisoformat(raw["law_on"]),
        dates=Dates(**{name: date.fromisoformat(day) for name, day in raw["dates"].items()}),
        facts={name: _known(one) for name, one in raw["facts"].items()},
        rules={
            name: RuleSaid(outcome=Outcome(one["outcome"]), fen=one["fen"])
            for name, one in raw["rules"].items()
        },
        weak=tuple(raw["weak"]),
    )


def _known(raw: dict[str, Any]) -> Known:
    value = tuple(raw["value"]) if isinstance(raw["value"], list) else raw["value"]
    return Known(value, Attest(raw["attest"]), raw["evidence"])


def differences(then: Snapshot, now: Decided) -> tuple[str, ...]:
    """What another run says differently, in words; empty when it says the same."""
    found = []
    if then.pack_digest != now.digest:
        found.append(f"规则包 {then.pack} 已不是当时那一版（{then.pack_digest} → {now.digest}）")
    if then.engine != now.engine:
        found.append(f"判定程序的版本不同（{then.engine} → {now.engine}）")
    after = said(now)
    for name in sorted(then.rules.keys() | after.keys()):
        one, other = then.rules.get(name), after.get(name)
        if one != other:
            found.append(f"规则 {name}：当时 {_words(one)}，现在 {_words(other)}")
    return tuple(found)


def _words(one: RuleSaid | None) -> str:
    if one is None:
        return "没有这条规则"
    return one.outcome.label if one.fen is None else f"{one.outcome.label}，{one.fen} 分"
