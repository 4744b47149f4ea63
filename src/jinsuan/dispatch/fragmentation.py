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

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from jinsuan.dispatch.demand import FULL, Mix

Real = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]


class Potentials:
    """The potentials of node states for one mix, many states at once.

    A state is (free processor, free memory, model, free thousandths of each card). Cards enter by a
    row of features that is a sum over the cards, so that a changed card is one subtraction and one
    addition.
    """

    def __init__(self, mix: Mix, *, value: Sequence[int] | None = None) -> None:
        """`value`: what a card with so many free thousandths is worth, 0 to 1000; nought without."""
        pairs = zip(mix.kinds, mix.counts, strict=True)
        # Work without cards can use no card: it counts in the size of the mix only.
        counted = [(kind, count) for kind, count in pairs if kind.cards]
        self.mix = mix
        self._kinds = tuple(kind for kind, _ in counted)
        kinds = self._kinds
        self._count = np.array([count for _, count in counted], dtype=np.float64)
        # At least one, to divide by: a job that asks for none of it is no concern here.
        self._cpu = np.array([max(1, kind.cpu_milli) for kind in kinds], dtype=np.float64)
        self._memory = np.array([max(1, kind.memory_mib) for kind in kinds], dtype=np.float64)
        self._takes = np.array([kind.cards * kind.card_milli for kind in kinds], dtype=np.float64)
        # Kinds that ask for the same of the cards see the same in them: few columns for many kinds.
        asked = sorted({(kind.card_milli, kind.cards) for kind in kinds})
        self._column = np.array([asked.index((kind.card_milli, kind.cards)) for kind in kinds], int)
        self._milli = np.array([milli for milli, _ in asked], dtype=np.float64)
        self._cards = np.array([cards for _, cards in asked], dtype=np.float64)
        self._access: dict[tuple[str, ...], Real] = {}
        worth = np.zeros(FULL + 1) if value is None else np.asarray(value, dtype=np.float64)
        self.table = self._features(worth)
        # Cards fed by a thousandth of a core, and by a MiB, at the average demand of the mix.
        taken = float(self._count @ self._takes)
        self._per_cpu = taken / max(float(self._count @ self._cpu), 1.0)
        self._per_memory = taken / max(float(self._count @ self._memory), 1.0)

    def _features(self, value: Real) -> Real:
        """Row `r`: what a card with `r` thousandths free adds: idle, value, then three a column."""
        left = np.arange(FULL + 1, dtype=np.float64)[:, None]
        copies = np.floor(left / self._milli)
        usable = (copies > 0).astype(np.float64)
        return np.hstack([left, value[:, None], usable, usable * left, copies])

    def access(self, models: tuple[str, ...]) -> Real:
        """One row a model: per kind how often it was seen if the model will do, else 0."""
        found = self._access.get(models)
        if found is None:
            accepts = [[kind.accepts(model) for kind in self._kinds] for model in models]
            found = np.array(accepts, dtype=np.float64).reshape(len(models), -1) * self._count
            self._access[models] = found
        return found

    def measure(self, cpu: Whole, memory: Whole, access: Real, rows: Real) -> Real:
        """The potentials of many states.

        Args:
            cpu, memory: what is free, one number a state.
            access: one row a state, see `access`.
            rows: one row a state: the rows of `table` of all its cards, added up.

        Returns:
            One row a state: stranded and brim, each times the size of the mix; starved and value.
        """
        size = len(self._cards)
        idle, value = rows[:, 0], rows[:, 1]
        usable, usable_milli, copies = (
            rows[:, 2 + i * size : 2 + (i + 1) * size] for i in range(3)
        )
        real_cpu, real_memory = cpu[:, None].astype(np.float64), memory[:, None].astype(np.float64)
        out = np.empty((len(rows), 4))
        by_cpu = real_cpu / self._cpu
        whole = idle * self.mix.total
        useful = np.where(usable >= self._cards, usable_milli, 0).take(self._column, axis=1)
        useful *= access
        useful *= by_cpu >= 1.0
        out[:, 0] = whole - useful.sum(axis=1)
        # Copies of a kind: by processor, by memory, by cards in whole groups.
        most = np.minimum(by_cpu, real_memory / self._memory)
        np.minimum(most, (copies / self._cards).take(self._column, axis=1), out=most)
        np.floor(most, out=most)
        most *= access
        out[:, 1] = whole - most @ self._takes
        fed = np.minimum(real_cpu[:, 0] * self._per_cpu, real_memory[:, 0] * self._per_memory)
        out[:, 2] = np.maximum(idle - fed, 0)
        out[:, 3] = value
        return out
