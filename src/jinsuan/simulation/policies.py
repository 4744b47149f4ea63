"""Published policies, written anew from their description, to compare with. Pure.

Source: Weng et al., "Beware of Fragmentation" (USENIX ATC 2023), sections 4 and 6, and the behaviour
of the simulator published with it. Equal scores go to the lowest node name, as there.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from jinsuan.dispatch.aftermath import aftermath, best_ways
from jinsuan.dispatch.demand import FULL, Demand
from jinsuan.dispatch.fragmentation import Potentials
from jinsuan.dispatch.rooms import Nodes, Rooms
from jinsuan.dispatch.scoring import NEVER, Cards, Scores

MOST_CPU_MILLI = 128_000
MOST_CARD_MILLI = 8_000


class Random:
    """Any node where the job fits, and on it any card that has room."""

    def __init__(self, *, seed: int) -> None:
        self._draw = np.random.default_rng([seed, 1])

    def scores(self, job: Demand, rooms: Rooms, nodes: Nodes) -> tuple[Scores, Cards]:
        lots = self._draw.random((len(nodes), rooms.most_cards))
        lots[rooms.cards[nodes] < job.card_milli] = -1.0
        return np.zeros(len(nodes), dtype=np.int32), lots.argmax(axis=1).astype(np.int8)

    def pick(self, row: Scores) -> int:
        fitting = np.flatnonzero(row != NEVER)
        return int(fitting[self._draw.integers(len(fitting))]) if len(fitting) else 0


class BestFit:
    """The node with the least left of processor and cards, each as a part of the largest node's.

    The score is a whole number up to 100, as the scheduler of Kubernetes wants it.
    """

    def scores(self, job: Demand, rooms: Rooms, nodes: Nodes) -> tuple[Scores, Cards]:
        cards = rooms.cards[nodes]
        cpu = rooms.cpu[nodes] - job.cpu_milli
        card = cards.sum(axis=1) - job.cards * job.card_milli
        left = cpu / MOST_CPU_MILLI * 0.5 + card / MOST_CARD_MILLI * 0.5
        room = np.where(cards >= job.card_milli, cards, FULL + 1)
        return ((1.0 - left) * 100).astype(np.int32), room.argmin(axis=1).astype(np.int8)

    def pick(self, row: Scores) -> int:
        return int(row.argmax())


class Fgd:
    """Fragmentation gradient descent: the node where the expected fragment grows least.

    The score is 100 times the logistic function of the change in whole cards, cut to a whole number.
    """

    def __init__(self, potentials: Potentials) -> None:
        self._potentials = potentials
        self._scale = potentials.mix.total * FULL

    def scores(self, job: Demand, rooms: Rooms, nodes: Nodes) -> tuple[Scores, Cards]:
        found = aftermath(job, rooms, nodes, self._potentials)
        grown: npt.NDArray[np.float64] = found.change[:, 0] / self._scale
        scores = (100.0 / (1.0 + np.exp(grown))).astype(np.int64)
        return best_ways(scores, found, len(nodes))

    def pick(self, row: Scores) -> int:
        return int(row.argmax())
