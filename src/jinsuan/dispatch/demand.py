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


def counted(jobs: Iterable[Demand]) -> Mix:
    """How often each kind is among these jobs."""
    counts = Counter(jobs)
    return Mix(tuple(counts), tuple(counts.values()))


def typical(past: Mix, *, percent: int = 95) -> Mix:
    """The most frequent kinds of past jobs, until they make up so many per cent of them.

    Memory does not tell kinds apart, as in the ATC 2023 paper; a kind gets the largest memory seen.
    """
    seen: Counter[tuple[int, int, int, tuple[str, ...]]] = Counter()
    memory: dict[tuple[int, int, int, tuple[str, ...]], int] = {}
    for job, count in zip(past.kinds, past.counts, strict=True):
        key = (job.cpu_milli, job.card_milli, job.cards, job.models)
        seen[key] += count
        memory[key] = max(memory.get(key, 0), job.memory_mib)
    enough, covered = seen.total() * percent, 0
    kinds, counts = [], []
    for key in sorted(seen, key=lambda key: (seen[key], key), reverse=True):
        if covered * 100 >= enough:
            break
        cpu, milli, cards, models = key
        kinds.append(Demand(cpu, memory[key], cards, milli, models))
        counts.append(seen[key])
        covered += seen[key]
    return Mix(tuple(kinds), tuple(counts))
