"""What one applicant alone cannot tell: places of a contest, and yearly pools that are too small."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date

import numpy as np

from jinsuan.policy.columns import Column, Ints
from jinsuan.policy.pack import Base
from jinsuan.policy.population import Population
from jinsuan.policy.runs import Contest, PoolRun, RuleRun, Simulation
from jinsuan.policy.sharing import exact_sum, in_turn, ordered, pro_rata

SHARINGS = ("first_come", "ranked", "pro_rata")
FEW_YEARS = 8


def _years(found: Simulation, rows: Ints) -> Ints:
    """The calendar year in which each of these applied."""
    applied_on, default = found.population.applied_on, np.int64(found.law.on.year)
    if applied_on is None or not len(rows):
        return np.full(len(rows), default)
    days = applied_on.values[rows].astype(np.int64)
    missing = None if applied_on.missing is None else applied_on.missing[rows]
    if missing is not None:
        days[missing] = found.law.on.toordinal()
    first = date.fromordinal(int(days.min())).year
    last = date.fromordinal(int(days.max())).year
    starts = np.array([date(y, 1, 1).toordinal() for y in range(first + 1, last + 1)], np.int64)
    if len(starts) > FEW_YEARS:
        years: Ints = np.searchsorted(starts, days, side="right").astype(np.int64) + first
        return years
    years = np.full(len(rows), np.int64(first))
    for start in starts:
        years += days >= start
    return years


def _distinct(years: list[Ints]) -> list[int]:
    """The years that occur, without sorting a million of them."""
    some = [y for y in years if len(y)]
    if not some:
        return []
    first, last = min(int(y.min()) for y in some), max(int(y.max()) for y in some)
    if first == last:
        return [first]
    return sorted({year for y in some for year in np.unique(y).tolist()})


def contests(found: Simulation) -> Iterator[Contest]:
    """Only so many a year win; what the others were due is not granted."""
    for name, run in found.rules.items():
        rule = run.bound.rule
        if not rule.quota:
            continue
        places = found.law.values[rule.quota].number
        rows = np.flatnonzero(run.eligible)
        years = _years(found, rows)
        wins = np.zeros(found.population.size, np.bool_)
        for year in _distinct([years]):
            entries = rows[years == year]
            keys = _keys(found, run, "ranked")
            winners = ordered(keys, entries, found.population.places, most=places)
            wins[winners] = True
            yield Contest(
                rule=name,
                year=year,
                places=places,
                entries=len(entries),
                winners=tuple(winners.tolist()),
            )
        if run.due is not None:
            run.granted = run.due * wins


def _keys(found: Simulation, run: RuleRun, sharing: str) -> list[tuple[Column, bool]]:
    """What goes first: the rule's ranks, or the day of application."""
    population = found.population
    if sharing == "ranked":
        facts = found.law.pack.facts
        ranks = [(n, larger) for n, larger in run.bound.rule.rank if facts[n].base is not Base.LIST]
        return [(population.column(name), larger) for name, larger in ranks]
    return [] if population.applied_on is None else [(population.applied_on, False)]


def pools(found: Simulation, other: Mapping[str, str]) -> Iterator[PoolRun]:
    """Rules that name one pool share it, a new one every year."""
    by_pool: dict[str, list[RuleRun]] = {}
    for run in found.rules.values():
        if run.bound.rule.pool and run.granted is not None:
            by_pool.setdefault(run.bound.rule.pool, []).append(run)
    for pool, runs in by_pool.items():
        claimed = [np.flatnonzero(_granted(run)) for run in runs]
        years = [_years(found, rows) for rows in claimed]
        for run in runs:
            run.granted = _granted(run).copy()
        every = _distinct(years)
        for year in every:
            rows = claimed
            if len(every) > 1:
                rows = [r[y == year] for r, y in zip(claimed, years, strict=True)]
            yield _share(found, pool, runs, rows, year, other)


def _share(
    found: Simulation,
    pool: str,
    runs: list[RuleRun],
    rows: list[Ints],
    year: int,
    other: Mapping[str, str],
) -> PoolRun:
    """One year of one pool; with several rules a claim is one of an applicant under a rule."""
    size = found.law.values[pool].number
    claims = np.concatenate([_granted(run)[r] for run, r in zip(runs, rows, strict=True)])
    who = np.concatenate(rows)
    rule = runs[0].bound.rule
    sharing = other.get(rule.id, rule.sharing or "first_come")
    total = exact_sum(claims)
    short_at = None
    # Claims of one applicant under several rules follow the order of the rules.
    which = np.repeat(np.arange(len(rows), dtype=np.int64), [len(r) for r in rows])
    ties = found.population.places[who] * np.int64(len(rows)) + which
    paid = claims
    if total > size and sharing == "pro_rata":
        paid = pro_rata(claims, size, ties)
    elif total > size:
        keys = [
            (Column(c.values[who], None if c.missing is None else c.missing[who]), larger)
            for c, larger in _keys(found, runs[0], sharing)
        ]
        order = ordered(keys, np.arange(len(who), dtype=np.int64), ties)
        paid = np.empty(len(claims), np.int64)
        paid[order], met = in_turn(claims[order], size)
        short_at = int(who[order[met]])
    for number, (run, r) in enumerate(zip(runs, rows, strict=True)):
        _granted(run)[r] = paid[which == number] if len(rows) > 1 else paid
    return PoolRun(
        pool=pool,
        rules=tuple(run.bound.rule.id for run in runs),
        year=year,
        sharing=sharing,
        size=size,
        claimed=total,
        paid=exact_sum(paid),
        claims=len(claims),
        short_at=short_at,
        short_on=_applied(found.population, short_at),
    )


def _granted(run: RuleRun) -> Ints:
    assert run.granted is not None
    return run.granted


def _applied(population: Population, row: int | None) -> date | None:
    days = population.applied_on
    if row is None or days is None or (days.missing is not None and days.missing[row]):
        return None
    return date.fromordinal(int(days.values[row]))
