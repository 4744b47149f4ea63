"""What placing each kind of job would do to the potentials of one node. Pure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from jinsuan.dispatch.fragmentation import FULL, Potentials, Real
from jinsuan.dispatch.scoring import Kinds, Room


@dataclass(frozen=True, slots=True)
class Aftermath:
    """All ways to place the fitting kinds on a node; a share has one way for each different card.

    Args:
        which: for each way the position in the list of fitting kinds, ascending.
        card: for each way the card a share would get, the first of equal ones; 0 for others.
        opens: for each way how many untouched cards it starts to use.
        change: for each way the potentials afterwards less those before.
    """

    which: npt.NDArray[np.intp]
    card: npt.NDArray[np.int8]
    opens: npt.NDArray[np.int64]
    left: npt.NDArray[np.int64]
    change: Real


def aftermath(
    room: Room, fitting: npt.NDArray[np.intp], kinds: Kinds, potentials: Potentials
) -> Aftermath:
    """Measure all ways at once."""
    table = potentials.table
    milli = kinds.milli[fitting]
    share = kinds.share[fitting]
    values = list(dict.fromkeys(room.cards))
    if values and share.any():
        left = np.array(values)
        # One column for each different card; work that is not a share has one way only.
        ways = (milli[:, None] <= left) & share[:, None]
        ways[:, 0] |= ~share
        which, column = np.nonzero(ways)
    else:
        which = np.arange(len(fitting))
        column = np.zeros(len(fitting), dtype=np.intp)
        left = np.array(values or [0])
    first = np.array([room.cards.index(value) for value in values] or [0], dtype=np.int8)
    way_share, way_milli, way_left = share[which], milli[which], left[column]
    count = np.where(kinds.whole[fitting], kinds.cards[fitting], 0)[which]
    before_row = potentials.row(room.cards)
    # The cards used lose their features and get those of what is left of them.
    used = np.where(way_share, way_left, FULL)
    times = np.where(way_share, 1, count)
    rest = np.where(way_share, way_left - way_milli, 0)
    rows = before_row + times[:, None] * (table[rest] - table[used])
    kind = fitting[which]
    access = potentials.access(room.model)
    cpu = np.concatenate(([room.cpu], room.cpu - kinds.cpu[kind])).astype(np.float64)
    memory = np.concatenate(([room.memory], room.memory - kinds.memory[kind])).astype(np.float64)
    measured = potentials.measure(cpu, memory, access, np.vstack([before_row, rows]))
    return Aftermath(
        which=which,
        card=np.where(way_share, first[column], 0).astype(np.int8),
        opens=np.where(way_share, way_left == FULL, count).astype(np.int64),
        left=np.where(way_share, rest, 0),
        change=measured[1:] - measured[0],
    )


def best_ways(
    scores: npt.NDArray[np.int64], found: Aftermath, kinds: int
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int8]]:
    """For each fitting kind the best score and the card of it, the first one of equals."""
    starts = np.searchsorted(found.which, np.arange(kinds))
    best = np.maximum.reduceat(scores, starts)
    position = np.where(scores == best[found.which], np.arange(len(scores)), len(scores))
    chosen = np.minimum.reduceat(position, starts)
    return best.astype(np.int32), found.card[chosen]
