"""What placing a job would do to the potentials of nodes. Pure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from jinsuan.dispatch.demand import FULL, Demand
from jinsuan.dispatch.fragmentation import Potentials, Real
from jinsuan.dispatch.rooms import Nodes, Rooms


@dataclass(frozen=True, slots=True)
class Aftermath:
    """All ways to place a job on some nodes; a share has one way for each different card of a node.

    Args:
        which: for each way the position in the list of nodes, ascending.
        card: for each way the card a share would get, the first of equal ones; 0 for others.
        opens: for each way how many untouched cards it starts to use.
        change: for each way the potentials afterwards less those before.
        cpu: for each way the thousandths of cores left afterwards.
    """

    which: npt.NDArray[np.intp]
    card: npt.NDArray[np.intp]
    opens: npt.NDArray[np.int64]
    change: Real
    cpu: npt.NDArray[np.int64]


def aftermath(job: Demand, rooms: Rooms, nodes: Nodes, potentials: Potentials) -> Aftermath:
    """Measure all ways at once, on nodes where the job fits."""
    table, size = potentials.table, len(nodes)
    cards = rooms.cards[nodes]
    before = table[cards].sum(axis=1)
    if job.is_share:
        which, card = np.nonzero((cards >= job.card_milli) & _first_of_equal(cards))
        left = cards[which, card]
        after = before[which] + table[left - job.card_milli] - table[left]
        opens = (left == FULL).astype(np.int64)
    else:
        which, card = np.arange(size), np.zeros(size, dtype=np.intp)
        after = before - job.cards * table[FULL]
        opens = np.full(size, job.cards)
    cpu, memory = rooms.cpu[nodes], rooms.memory[nodes]
    access = potentials.access(rooms.models)[rooms.model[nodes]]
    cpu_after = (cpu - job.cpu_milli)[which]
    measured = potentials.measure(
        np.concatenate((cpu, cpu_after)),
        np.concatenate((memory, (memory - job.memory_mib)[which])),
        np.concatenate((access, access[which])),
        np.concatenate((before, after)),
    )
    return Aftermath(
        which=which,
        card=card,
        opens=opens,
        change=measured[size:] - measured[:size][which],
        cpu=cpu_after,
    )


def _first_of_equal(cards: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """For each card whether no earlier card of its node has as much left."""
    size = cards.shape[1]
    earlier = np.arange(size)[:, None] > np.arange(size)
    first: npt.NDArray[np.bool_] = ~((cards[:, :, None] == cards[:, None, :]) & earlier).any(axis=2)
    return first


def best_ways(
    scores: npt.NDArray[np.int64], found: Aftermath, size: int
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int8]]:
    """For each of so many nodes the best score and the card of it, the first one of equals."""
    if len(scores) == size:
        return scores.astype(np.int32), found.card.astype(np.int8)
    starts = np.searchsorted(found.which, np.arange(size))
    best = np.maximum.reduceat(scores, starts)
    position = np.where(scores == best[found.which], np.arange(len(scores)), len(scores))
    chosen = np.minimum.reduceat(position, starts)
    return best.astype(np.int32), found.card[chosen].astype(np.int8)
