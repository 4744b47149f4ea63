"""Made-up applicants for demos, tests and benchmarks: seeded, from the pack's own examples.

Values mostly come from the hand-worked cases, so that many rows stand on or beside a boundary and
many rules are met; the rest are anything that the declared ranges allow. Nobody real is in it, and
every id says so.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise

import numpy as np

from jinsuan.policy.cases import case_facts
from jinsuan.policy.columns import EPOCH, Column, Ints
from jinsuan.policy.pack import Base, Fact, Pack
from jinsuan.policy.population import APPLIED_ON, ID, Population
from jinsuan.policy.values import Unreadable, show_fraction

UNKNOWN_PER_MILLE = 10
FROM_CASES_PER_MILLE = 800
LABEL = "虚构"
WRITTEN_AT_ONCE = 4096


def made_up(pack: Pack, rows: int, seed: int, *, unknown: int = UNKNOWN_PER_MILLE) -> Population:
    """A population that is the same for the same pack, number and seed.

    Args:
        unknown: how many cells of a thousand are unknown.
    """
    dice = np.random.default_rng(seed)
    examples = _examples(pack)
    columns = {
        fact.name: _column(dice, fact, examples.get(fact.name, []), rows, unknown)
        for fact in pack.facts.values()
    }
    first, last = pack.first_day.toordinal(), pack.last_day.toordinal()
    applied_on = Column(dice.integers(first, last + 1, rows, np.int64))
    width = max(7, len(str(rows)))
    ids = np.char.add(f"{LABEL}-", np.char.zfill(np.arange(1, rows + 1).astype(np.str_), width))
    return Population(np.char.encode(ids, "utf-8"), columns, applied_on)


def _examples(pack: Pack) -> dict[str, list[int | tuple[int, ...]]]:
    """What the cases with an amount, and those beside them, write of each fact."""
    found: dict[str, list[int | tuple[int, ...]]] = {}
    for case in pack.cases:
        try:
            known = case_facts(pack, case)
        except Unreadable:
            continue
        for name, fact in known.items():
            if fact.value is not None:
                found.setdefault(name, []).append(fact.value)
    return found


def _column(
    dice: np.random.Generator,
    fact: Fact,
    examples: list[int | tuple[int, ...]],
    rows: int,
    unknown: int,
) -> Column:
    missing = dice.integers(0, 1000, rows) < unknown
    blank = missing if missing.any() else None
    if fact.base is Base.LIST:
        lengths = np.where(missing, 0, dice.integers(0, min(fact.max_items, 3) + 1, rows))
        starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        plain = [item for value in examples if isinstance(value, tuple) for item in value]
        return Column(_values(dice, fact, plain, int(starts[-1])), blank, starts)
    values = _values(dice, fact, [v for v in examples if isinstance(v, int)], rows)
    values[missing] = 0
    return Column(values.astype(np.bool_) if fact.base is Base.BOOL else values, blank)


def _values(dice: np.random.Generator, fact: Fact, examples: list[int], rows: int) -> Ints:
    """Of any size: first how many digits, then which."""
    span = fact.high - fact.low
    digits = len(str(span))
    powers = np.array([10**n for n in range(min(digits, 19))], np.int64)
    most = powers[dice.integers(0, len(powers), rows)]
    anything = dice.integers(0, np.minimum(most * 9, span) + 1, rows, np.int64)
    values: Ints = anything + np.int64(fact.low)
    if examples:
        chosen = np.array(examples, np.int64)[dice.integers(0, len(examples), rows)]
        values = np.where(dice.integers(0, 1000, rows) < FROM_CASES_PER_MILLE, chosen, values)
    return values


# ── writing ───────────────────────────────────────────────────────────────────────────────────────


def as_csv(population: Population, facts: Mapping[str, Fact]) -> Iterator[str]:
    """A population as lines of a CSV file, as `read_population` reads them."""
    names = [name for name in facts if name in population.columns]
    heads = [ID, *([APPLIED_ON] if population.applied_on is not None else []), *names]
    yield ",".join(heads) + "\n"
    for begin in range(0, population.size, WRITTEN_AT_ONCE):
        end = min(begin + WRITTEN_AT_ONCE, population.size)
        columns = [[population.name(row) for row in range(begin, end)]]
        if population.applied_on is not None:
            columns.append(_written(population.applied_on.part(begin, end), _DATE))
        columns += [_written(population.columns[n].part(begin, end), facts[n]) for n in names]
        for cells in zip(*columns, strict=True):
            yield ",".join(cells) + "\n"


def _written(column: Column, fact: Fact) -> list[str]:
    values = column.values.tolist()
    if column.starts is not None:
        starts = column.starts.tolist()
        texts = [
            '"[' + ",".join(_text(v, fact) for v in values[a:b]) + ']"' for a, b in pairwise(starts)
        ]
    else:
        texts = [_text(value, fact) for value in values]
    if column.missing is not None:
        for row in np.flatnonzero(column.missing).tolist():
            texts[row] = ""
    return texts


def _text(value: int, fact: Fact) -> str:
    match fact.item or fact.base:
        case Base.MONEY:
            return f"{'-' * (value < 0)}{abs(value) // 100}.{abs(value) % 100:02d}"
        case Base.RATIO:
            return show_fraction(value, 10**fact.places)
        case Base.BOOL:
            return "yes" if value else "no"
        case Base.DATE:
            return str(np.datetime64(value - EPOCH, "D"))
        case Base.ENUM:
            return fact.options[value][0]
        case _:
            return str(value)


_DATE = Fact(name=APPLIED_ON, base=Base.DATE, label="", line=0, low=0, high=0)
