"""Our order of the queue: each waiting job gets a number, the smallest goes first. Pure; no Django here.

The number is a weighted sum of what the platform knows at that moment, and of nothing else: what the
jobs ask for (cards, longest time), how long they have waited, what is free, and when running jobs end
at the latest. So one choice over n waiting jobs and r
running ones costs about n + r steps, without search.

What the weights express: small work first (as F1 does); of the jobs that fit, wide ones that leave
little over; and of those that do not fit, one that waits briefly, because others slip in beside it.

The weights were found by an evolution strategy (CMA-ES, Hansen 2016) on sequences that share no job
with the reported ones (`benchmarks/lublin_tuning.py`), and then frozen. They are for a queue with
backfilling; where the head blocks everybody they gain nothing over F1, and `planning` is used.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import log, log2, log10

from jinsuan.dispatch.queueing import SHORTEST_SECONDS, Machine, Waiting

_PARTS = 256
"""Sizes count in 256ths of the machine, so that weights hold for a machine of any size."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """What each thing counts, beside 1 for the logarithm of the time asked for.

    Logarithms are natural except of sizes (doublings); delay and wait in seconds, one added.

    Args:
        size: per doubling of the cards.
        part: for the whole machine, in proportion.
        work: per 100 of parts times the decimal logarithm of the time, as in F1.
        waited: taken off per logarithm of the wait.
        size_waited, length_waited: a tenth of the products.
        blocked: for a job that does not fit now.
        delay: per logarithm of the time until it fits.
        held_up: per logarithm of that time in units of the slowdown it gives to all others.
        length_delay: a tenth of the product.
        spare: for the whole machine left free beside it at its start, in proportion.
    """

    size: float
    delay: float
    blocked: float
    waited: float
    part: float
    work: float
    held_up: float
    spare: float
    length_delay: float
    size_waited: float
    length_waited: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Moment:
    """What is the same for all jobs at one moment.

    Args:
        room: by number of cards: seconds until so many are free, and how many are left then.
    """

    room: dict[int, tuple[int, int]]
    others: float


class Weighed:
    """Chooses by `Weights`, within the lane."""

    def __init__(self, cards: int, weights: Weights | None = None) -> None:
        self.cards, self.weights = cards, weights or SLIPPING

    def choose(self, waiting: Sequence[Waiting], machine: Machine) -> Waiting:
        if len(waiting) == 1:
            return waiting[0]
        first = min(job.lane for job in waiting)
        among = [job for job in waiting if job.lane == first]
        moment = self._moment(among, machine)
        return min(
            among, key=lambda job: (self._weigh(job, machine.now, moment), job.submitted, job.id)
        )

    def _moment(self, waiting: Sequence[Waiting], machine: Machine) -> _Moment:
        room: dict[int, tuple[int, int]] = {}
        free, at, ends = machine.free, machine.now, iter(machine.running)
        for cards in sorted({job.cards for job in waiting}):
            while free < cards:
                job = next(ends)
                free += job.cards
                at = max(at, job.ends)
            room[cards] = (at - machine.now, free - cards)
        return _Moment(
            room=room,
            others=sum(1 / max(job.seconds, SHORTEST_SECONDS) for job in waiting),
        )

    def _weigh(self, job: Waiting, now: int, moment: _Moment) -> float:
        """Small goes first."""
        by = self.weights
        seconds = max(job.seconds, SHORTEST_SECONDS)
        parts = job.cards * _PARTS / self.cards
        length, size, waited = log(seconds), log2(parts), log(1 + max(0, now - job.submitted))
        late, spare = moment.room[job.cards]
        found = (
            length
            + by.size * size
            + by.part * parts / _PARTS
            + by.work * parts * log10(seconds) / 100
            - by.waited * waited
            + by.size_waited * size * waited / 10
            + by.length_waited * length * waited / 10
            + by.spare * spare / self.cards
        )
        if late:
            delay = log(1 + late)
            found += (
                by.blocked
                + by.delay * delay
                + by.length_delay * length * delay / 10
                + by.held_up * log(1 + late * max(0.0, moment.others - 1 / seconds))
            )
        return found


SLIPPING = Weights(
    size=-0.3232,
    delay=0.5575,
    blocked=0.8655,
    waited=0.2483,
    part=-1.998,
    work=2.03,
    held_up=-0.1669,
    spare=-6.149,
    length_delay=-0.8618,
    size_waited=-1.317,
    length_waited=1.072,
)
"""For a queue in which others slip in while the head waits."""
