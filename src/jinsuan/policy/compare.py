"""Before and after: one population under two laws, and what differs between two packs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from jinsuan.policy.decide import Outcome
from jinsuan.policy.law import Law
from jinsuan.policy.pack import Fact, Pack
from jinsuan.policy.population import Population
from jinsuan.policy.runs import Simulation
from jinsuan.policy.sharing import exact_sum
from jinsuan.policy.simulate import simulate

TOP = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleChange:
    """One rule before and after; None where that law does not have it."""

    rule: str
    title: str
    eligible: tuple[int | None, int | None]
    granted_fen: tuple[int | None, int | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplicantChange:
    """What one applicant is granted in all, before and after."""

    applicant: str
    before_fen: int
    after_fen: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Who gains and who loses.

    Args:
        top: the largest changes; equal ones in the order of ids.
    """

    before: Simulation
    after: Simulation
    rules: tuple[RuleChange, ...]
    winners: int
    won_fen: int
    losers: int
    lost_fen: int
    top: tuple[ApplicantChange, ...]


def what_if(
    before: Law,
    after: Law,
    population: Population,
    *,
    sharing: tuple[Mapping[str, str], Mapping[str, str]] = ({}, {}),
    top: int = TOP,
) -> Comparison:
    """Run both laws over the same applicants.

    Args:
        sharing: other ways to share pools, before and after, as `simulate` takes them.
    """
    first = simulate(before, population, sharing=sharing[0], keep=False)
    second = simulate(after, population, sharing=sharing[1], keep=False)
    old, new = first.by_applicant, second.by_applicant
    change = new - old
    gains, losses = change[change > 0], change[change < 0]
    return Comparison(
        before=first,
        after=second,
        rules=tuple(_rules(first, second)),
        winners=len(gains),
        won_fen=_total(gains),
        losers=len(losses),
        lost_fen=-_total(losses),
        top=tuple(
            ApplicantChange(
                applicant=population.name(row), before_fen=int(old[row]), after_fen=int(new[row])
            )
            for row in _largest(change, population, top)
        ),
    )


def _total(values: Any) -> int:
    return exact_sum(values) if values.dtype == np.int64 else sum(values.tolist())


def _largest(change: Any, population: Population, top: int) -> list[int]:
    rows = np.flatnonzero(change)
    if len(rows) > top:
        size = np.abs(change[rows])
        if size.dtype == np.int64:
            # Only what reaches the edge needs an order.
            rows = rows[size >= np.partition(size, len(size) - top)[len(size) - top]]
    places = population.places
    return sorted(rows.tolist(), key=lambda row: (-abs(int(change[row])), int(places[row])))[:top]


def _rules(first: Simulation, second: Simulation) -> Iterator[RuleChange]:
    names = [*first.rules, *(name for name in second.rules if name not in first.rules)]
    for name in names:
        runs = (first.rules.get(name), second.rules.get(name))
        some = runs[0] or runs[1]
        assert some is not None
        if some.due is None and (runs[1] is None or runs[1].due is None):
            continue
        counts = [None if run is None else run.counts[Outcome.ELIGIBLE] for run in runs]
        fen = [None if run is None else run.granted_fen for run in runs]
        yield RuleChange(
            rule=name,
            title=some.bound.rule.title,
            eligible=(counts[0], counts[1]),
            granted_fen=(fen[0], fen[1]),
        )


# ── packs without a population ────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Something that two packs do not say alike.

    Args:
        kind: document, fact, param, define, general, rule or interpretation.
        field: which part of it; empty where one pack does not have it at all.
    """

    kind: str
    name: str
    field: str
    before: str
    after: str


def differences(before: Pack, after: Pack) -> list[Difference]:
    """What changed from one pack to the other; wording of restatements and cases is left out."""
    document = ("number", "title", "version", "first_day", "last_day", "window", "run_off")
    old, new = asdict(before), asdict(after)
    found = [
        _difference("document", before.id, key, old[key], new[key])
        for key in document
        if old[key] != new[key]
    ]
    for kind, key in (
        ("fact", "facts"),
        ("param", "params"),
        ("define", "defines"),
        ("rule", "rules"),
    ):
        found += _between(kind, old[key], new[key])
    general = [{c["label"]: c["test"] for c in pack["general"]} for pack in (old, new)]
    found += _between("general", general[0], general[1])
    readings = [{str(i["number"]): i for i in pack["interpretations"]} for pack in (old, new)]
    found += _between("interpretation", readings[0], readings[1])
    return found


def _between(kind: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Difference]:
    for name in [*old, *(n for n in new if n not in old)]:
        a, b = old.get(name), new.get(name)
        if a is None or b is None:
            yield Difference(kind=kind, name=name, field="", before=_has(a), after=_has(b))
            continue
        for field in a:
            if field != "line" and _plain(a[field]) != _plain(b[field]):
                yield _difference(kind, name, field, a[field], b[field])


def _has(value: Any) -> str:
    return "没有" if value is None else "有"


def _difference(kind: str, name: str, field: str, a: Any, b: Any) -> Difference:
    return Difference(kind=kind, name=name, field=field, before=_plain(a), after=_plain(b))


def _plain(value: Any) -> str:
    """As a line of text, without the lines of the file."""
    if isinstance(value, dict):
        if set(value) == {"text", "line"}:
            return str(value["text"])
        if set(value) == {"number", "over"}:
            return (
                str(value["number"]) if value["over"] == 1 else f"{value['number']}/{value['over']}"
            )
        return "，".join(f"{k}：{_plain(v)}" for k, v in value.items() if k != "line")
    if isinstance(value, list | tuple):
        return "；".join(_plain(item) for item in value)
    return "" if value is None else str(value)


def shared_facts(before: Pack, after: Pack) -> tuple[dict[str, Fact], list[str]]:
    """The facts of both packs, and those that the two understand differently."""
    facts, odd = dict(before.facts), []
    for name, fact in after.facts.items():
        known = facts.setdefault(name, fact)
        if _meaning(known) != _meaning(fact):
            odd.append(name)
    return facts, odd


def _meaning(fact: Fact) -> tuple[Any, ...]:
    keys = tuple(key for key, _ in fact.options)
    return fact.base, fact.unit, fact.places, keys, fact.item, fact.low, fact.high, fact.max_items
