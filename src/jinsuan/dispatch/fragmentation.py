"""How much of a node's idle cards no coming job can use, as potentials of the node. Pure.

A placement is judged by the change of four potentials, all in thousandths of a card:

1. `stranded`: the fragmentation of Weng et al., "Beware of Fragmentation: Scheduling GPU-Sharing
   Workloads with Fragmentation Gradient Descent" (USENIX ATC 2023): of a job drawn from the typical
   mix, the expected part of the idle cards that it could not use.
2. `brim`: what would stay idle if the node were filled to the brim with copies of one job of the mix,
   on average over the mix; it sees processor and memory run out, which the first does not.
3. `starved`: idle cards beyond what the idle processor and memory feed at the average demand per card.
4. `value`: what the remainders of the cards are worth by the prices of the cutting-stock problem
   (Gilmore and Gomory, 1961), see `jinsuan.dispatch.remainders`.

The mix comes from jobs of the past, never from the future. (In the published experiment the mix of
the workload is known beforehand to every policy that uses one, FGD as well as ours.)

Numbers are whole and far below 2**53 until weights are applied. They are held in float64, where they
are exact and the order of addition does not matter.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FULL = 1000
"""Thousandths of a card in a whole card."""

Whole = npt.NDArray[np.int64]
Real = npt.NDArray[np.float64]


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

    @property
    def is_share(self) -> bool:
        return self.cards == 1 and self.card_milli < FULL

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


class Potentials:
    """The potentials of node states for one mix, many states at once.

    A state is (free processor, free memory, model, free thousandths of each card). Cards enter by a
    row of features that is a sum over the cards, so that a changed card is one subtraction and one
    addition.
    """

    def __init__(self, mix: Mix, *, value: Sequence[float] | None = None) -> None:
        kinds = mix.kinds
        self.mix = mix
        self._k = len(kinds)
        self._count = np.array(mix.counts, dtype=np.float64)
        self._cpu = np.array([kind.cpu_milli for kind in kinds], dtype=np.float64)
        self._memory = np.array([kind.memory_mib for kind in kinds], dtype=np.float64)
        self._cards = np.array([kind.cards for kind in kinds], dtype=np.float64)
        self._milli = np.array([kind.card_milli for kind in kinds], dtype=np.float64)
        self._takes = self._cards * self._milli
        self._access: dict[str, Real] = {}
        self.table = self._features(np.zeros(FULL + 1) if value is None else np.asarray(value))
        # Average demand of a thousandth of a card, as a fraction of whole numbers.
        self._card_sum = float(self._count @ self._takes)
        with_cards = self._cards > 0
        self._cpu_sum = float((self._count * self._cpu)[with_cards].sum())
        self._memory_sum = float((self._count * self._memory)[with_cards].sum())

    def _features(self, value: Real) -> Real:
        """Row `r`: what a card with `r` thousandths free adds: idle, value, then per kind three."""
        left = np.arange(FULL + 1, dtype=np.float64)[:, None]
        milli = np.maximum(self._milli, 1)[None, :]
        usable = (left >= milli) & (self._cards > 0)[None, :] & (left > 0)
        copies = np.floor(left / milli) * usable
        return np.hstack([left, value[:, None], usable, usable * left, copies])

    def access(self, model: str) -> Real:
        """Per kind of the mix 1 when it has cards and the model will do, else 0."""
        found = self._access.get(model)
        if found is None:
            kinds = self.mix.kinds
            found = np.array([bool(k.cards) and k.accepts(model) for k in kinds], dtype=np.float64)
            self._access[model] = found
        return found

    def row(self, cards: Sequence[int]) -> Real:
        """The features of all cards of a node together."""
        return np.asarray(self.table[list(cards)].sum(axis=0))

    def measure(self, cpu: Real, memory: Real, access: Real, rows: Real) -> Real:
        """The potentials of many states.

        Args:
            cpu, memory: one number a state.
            access: one row a state, or one for all.
            rows: one row of card features a state.

        Returns:
            One row a state: stranded and brim, each times the size of the mix; starved and value.
        """
        k = self._k
        idle, value = rows[:, 0], rows[:, 1]
        usable, usable_milli, copies = (rows[:, 2 + i * k : 2 + (i + 1) * k] for i in range(3))
        out = np.empty((len(rows), 4))
        fits = (cpu[:, None] >= self._cpu) & (usable >= self._cards)
        weighed = access * self._count
        out[:, 0] = idle * self.mix.total - (fits * usable_milli * weighed).sum(axis=1)
        # Copies of a kind: by cards (whole groups of cards), by processor, by memory.
        with np.errstate(divide="ignore", invalid="ignore"):
            most = np.floor(np.where(self._cards > 1, copies / self._cards, copies))
            np.minimum(most, np.floor(cpu[:, None] / self._cpu), out=most)
            np.minimum(most, np.floor(memory[:, None] / self._memory), out=most)
        out[:, 1] = idle * self.mix.total - (most * (weighed * self._takes)).sum(axis=1)
        fed = idle
        if self._cpu_sum:
            fed = np.minimum(fed, cpu * (self._card_sum / self._cpu_sum))
        if self._memory_sum:
            fed = np.minimum(fed, memory * (self._card_sum / self._memory_sum))
        out[:, 2] = idle - fed
        out[:, 3] = value
        return out
