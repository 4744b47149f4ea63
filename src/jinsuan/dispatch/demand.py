"""What kinds of jobs ask of one node, and the typical mix of them. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

FULL = 1000
"""Thousandths of a card in a whole card."""


@dataclass(frozen=True, slots=True, order=True)
class Demand:
    """What one kind of job asks of one node.

    Args:
        cpu_milli, memory_mib: thousandths of a core, MiB.
        cards, card_milli: cards and the part of each; a share is one card with less than 1000.
        models: the card models that will do; empty means any.
    """

    cpu_milli: int
    memory_mib: int
    cards: int
    card_milli: int
    models: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        assert self.card_milli == FULL or (self.cards, self.card_milli) == (0, 0) or self.is_share

    @property
    def is_share(self) -> bool:
        return self.cards == 1 and 0 < self.card_milli < FULL

    def accepts(self, model: str) -> bool:
        """Whether the model will do; work without cards runs anywhere."""
        return not self.cards or (bool(model) and (not self.models or model in self.models))


@dataclass(frozen=True, slots=True)
class Mix:
    """A typical mix of demand: kinds with how often each was seen."""

    kinds: tuple[Demand, ...]
    counts: tuple[int, ...]

    @property
    def total(self) -> int:
        return sum(self.counts)


def typical(past: Iterable[Demand], *, percent: int = 95) -> Mix:
    """The most frequent kinds of past jobs, until they make up so many per cent of them.

    Memory does not tell kinds apart, as in the ATC 2023 paper; a kind gets the largest memory seen.
    """
    counted: Counter[tuple[int, int, int, tuple[str, ...]]] = Counter()
    memory: dict[tuple[int, int, int, tuple[str, ...]], int] = {}
    for job in past:
        key = (job.cpu_milli, job.card_milli, job.cards, job.models)
        counted[key] += 1
        memory[key] = max(memory.get(key, 0), job.memory_mib)
    order = sorted(counted, key=lambda key: (counted[key], key), reverse=True)
    enough, seen = counted.total() * percent, 0
    kinds, counts = [], []
    for key in order:
        if seen * 100 >= enough:
            break
        cpu, milli, cards, models = key
        kinds.append(Demand(cpu, memory[key], cards, milli, models))
        counts.append(counted[key])
        seen += counted[key]
    return Mix(tuple(kinds), tuple(counts))
