"""Published policies, written anew from their description, to compare with. Pure.

Source: Weng et al., "Beware of Fragmentation" (USENIX ATC 2023), sections 4 and 6, and the behaviour
of the simulator published with it. Equal scores go to the lowest node name, as there.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from jinsuan.dispatch.aftermath import aftermath, best_ways
from jinsuan.dispatch.fragmentation import FULL, Potentials
from jinsuan.dispatch.scoring import NEVER, Kinds, Room, Scores

MOST_CPU_MILLI = 128_000
MOST_CARD_MILLI = 8_000


def _fullest(room: Room, milli: npt.NDArray[np.int64]) -> list[int]:
    """For each share the fullest card that still has room."""
    order = sorted(range(len(room.cards)), key=lambda i: (room.cards[i], i))
    if not order:
        return [0] * len(milli)
    place = np.searchsorted([room.cards[i] for i in order], milli)
    return [order[min(i, len(order) - 1)] for i in place.tolist()]


class Random:
    """Any node where the job fits, and on it any card that has room."""

    def __init__(self, kinds: Kinds, *, seed: int) -> None:
        self._kinds = kinds
        self._draw = np.random.default_rng([seed, 1])

    def column(self, room: Room, fitting: npt.NDArray[np.intp]) -> tuple[Scores, Sequence[int]]:
        cards = []
        for kind in fitting.tolist():
            milli = int(self._kinds.milli[kind])
            having = [i for i, left in enumerate(room.cards) if left >= milli]
            cards.append(having[self._draw.integers(len(having))] if having else 0)
        return np.zeros(len(fitting), dtype=np.int32), cards

    def pick(self, row: Scores) -> int:
        return int(self._draw.choice(np.flatnonzero(row != NEVER)))


class BestFit:
    """The node with the least left of processor and cards, each as a part of the largest node's.

    The score is a whole number up to 100, as the scheduler of Kubernetes wants it.
    """

    def __init__(self, kinds: Kinds) -> None:
        self._kinds = kinds

    def column(self, room: Room, fitting: npt.NDArray[np.intp]) -> tuple[Scores, Sequence[int]]:
        kinds = self._kinds
        milli = kinds.milli[fitting]
        cpu = room.cpu - kinds.cpu[fitting]
        card = sum(room.cards) - kinds.cards[fitting] * milli
        left = cpu / MOST_CPU_MILLI * 0.5 + card / MOST_CARD_MILLI * 0.5
        return ((1.0 - left) * 100).astype(np.int32), _fullest(room, milli)

    def pick(self, row: Scores) -> int:
        return int(row.argmax())


class Fgd:
    """Fragmentation gradient descent: the node where the expected fragment grows least.

    The score is 100 times the logistic function of the change in whole cards, cut to a whole number.
    """

    def __init__(self, kinds: Kinds, potentials: Potentials) -> None:
        self._kinds = kinds
        self._potentials = potentials
        self._scale = potentials.mix.total * FULL

    def column(self, room: Room, fitting: npt.NDArray[np.intp]) -> tuple[Scores, Sequence[int]]:
        found = aftermath(room, fitting, self._kinds, self._potentials)
        change = found.change[:, 0] / self._scale
        scores = (100.0 / (1.0 + np.exp(change))).astype(np.int64)
        best, cards = best_ways(scores, found, len(fitting))
        return best, cards.tolist()

    def pick(self, row: Scores) -> int:
        return int(row.argmax())
