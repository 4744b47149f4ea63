"""Which waiting job starts next, what is kept free for it, and who may slip in. Pure; no Django here.

Times are whole seconds on one clock of the caller; capacity is a count of equal cards. The product
asks at every event; the simulator asks at the events of a published experiment. Both ask `decide`.

The rule of the head: the job that is chosen first and does not fit becomes the head. It gets a
reservation: the earliest moment at which enough cards are back if every running job takes all the
time it asked for. Nobody starts who could make that moment later.

Never used here: the true run time of a job, and jobs that were not submitted yet.

Sources: EASY backfilling: Lifka, JSSPP 1995. F1: Carastan-Santos and Camargo, SC 2017. Bounded
slowdown with ten seconds: Feitelson and Rudolph, JSSPP 1998.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

SHORTEST_SECONDS = 10
"""Shorter jobs count as this long in a slowdown; otherwise a job of a second outweighs a thousand."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A job in the queue.

    Args:
        seconds: the longest it may run; it is ended then.
        submitted: when it was ordered.
        rank: its class; a lower number goes first, whatever the policy says within a class.
        priority: within the class; a higher number goes first.
        share: what its tenant already has, in steps as coarse as the caller likes; less goes first.
    """

    id: str
    cards: int
    seconds: int
    submitted: int
    rank: int = 0
    priority: int = 0
    share: int = 0

    @property
    def lane(self) -> tuple[int, int, int]:
        """Jobs of a smaller lane go before all others."""
        return (self.rank, -self.priority, self.share)


@dataclass(frozen=True, slots=True, order=True)
class Running:
    """A job on the machine: when it ends at the latest, and the cards it then gives back.

    For a job that has outlived its time the caller guesses a new end that is not in the past.
    """

    ends: int
    cards: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What is free now and what comes back. `running` is sorted by end."""

    now: int
    free: int
    running: tuple[Running, ...] = ()

    @property
    def cards(self) -> int:
        return self.free + sum(job.cards for job in self.running)

    def after(self, job: Waiting) -> Machine:
        """The same machine when the job has started."""
        assert job.cards <= self.free, "a job starts only where it fits"
        started = Running(self.now + job.seconds, job.cards)
        return Machine(
            now=self.now,
            free=self.free - job.cards,
            running=tuple(sorted((*self.running, started))),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Reservation:
    """When the head starts at the latest, and the cards that are free beside it then."""

    start: int
    spare: int


class Backfill(Enum):
    """Who may start while the head waits; always in order of submission."""

    OFF = "off"
    BEFORE = "before"  # who ends before the head starts
    BESIDE = "beside"  # who ends before, or runs on cards that the head will not need


class Chooser(Protocol):
    """Names the job that starts next or, when it does not fit, waits as the head."""

    def choose(self, waiting: Sequence[Waiting], machine: Machine) -> Waiting: ...


@dataclass(frozen=True, slots=True)
class Ordered:
    """The smallest key goes first, within the lane."""

    key: Callable[[Waiting], tuple[float, ...]]

    def choose(self, waiting: Sequence[Waiting], machine: Machine) -> Waiting:  # noqa: ARG002  (others look at it)
        return min(waiting, key=lambda job: (job.lane, self.key(job), job.submitted, job.id))


def _sooner(job: Waiting) -> tuple[float, ...]:
    return (job.submitted,)


def _shorter(job: Waiting) -> tuple[float, ...]:
    return (job.seconds, job.submitted)


def _f1(job: Waiting) -> tuple[float, ...]:
    """`submitted` must be small for this key to mean anything: it was fitted to weeks, not to years."""
    asked, since = max(job.seconds, 0.1), max(job.submitted, 0.1)
    return (math.log10(asked) * job.cards + 870 * math.log10(since),)


FCFS = Ordered(_sooner)
SJF = Ordered(_shorter)
F1 = Ordered(_f1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """After how long a job is overdue: `base` seconds and `times` the time that it asks for."""

    base: int
    times: int

    def until(self, job: Waiting) -> int:
        """From this moment the job is overdue."""
        return job.submitted + self.base + self.times * job.seconds

    def overdue(self, waiting: Sequence[Waiting], now: int) -> Waiting | None:
        """The job that has been overdue longest."""
        late = [job for job in waiting if self.until(job) <= now]
        return min(late, key=lambda job: (self.until(job), job.submitted, job.id), default=None)


PATIENCE = Patience(base=7 * 24 * 3600, times=10)
"""Overdue after a week and ten times what the job asks for."""


@dataclass(frozen=True, slots=True)
class Bounded:
    """A chooser whose jobs cannot starve: who is overdue goes first, whatever the lane.

    The bound. Let d(J) = J.submitted + base + times · J.seconds, R the longest time that any
    job asks for, and m the number of jobs K with d(K) ≤ d(J) that wait at d(J). If running jobs end
    by the time they asked for and `decide` is called at every end, then J starts no later than
    d(J) + (m + 2) · R, whatever is submitted after it and whatever the inner chooser prefers.

    Why: from d(J) on only those m jobs are chosen before J, and at most one head that was chosen
    earlier is still waiting. A head waits at most R, because everything that runs when it is chosen
    ends within R, and who slips in never makes its reservation later.
    """

    inner: Chooser
    patience: Patience

    def choose(self, waiting: Sequence[Waiting], machine: Machine) -> Waiting:
        late = self.patience.overdue(waiting, machine.now)
        return late if late is not None else self.inner.choose(waiting, machine)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What happens at one moment.

    Args:
        started: in order; the jobs that were chosen and fitted.
        head: the one that was chosen and waits, with its reservation.
        slipped: who starts although the head waits.
    """

    started: tuple[Waiting, ...]
    head: Waiting | None
    reserved: Reservation | None
    slipped: tuple[Waiting, ...]


def reserve(head: Waiting, machine: Machine) -> Reservation:
    """The earliest moment at which the head fits if every running job takes all its time."""
    free = machine.free
    if head.cards <= free:
        return Reservation(start=machine.now, spare=free - head.cards)
    start: int | None = None
    for job in machine.running:
        if start is not None and job.ends > start:
            break
        free += job.cards
        if start is None and free >= head.cards:
            start = max(job.ends, machine.now)
    assert start is not None, f"{head.id} asks for {head.cards} of {machine.cards} cards"
    return Reservation(start=start, spare=free - head.cards)


def slip_in(
    waiting: Sequence[Waiting], machine: Machine, reserved: Reservation, backfill: Backfill
) -> Iterator[Waiting]:
    """Who starts now without making the reservation later, in order of submission."""
    if backfill is Backfill.OFF:
        return
    free, spare = machine.free, reserved.spare
    for job in sorted(waiting, key=lambda job: (job.submitted, job.id)):
        if not free:
            return
        if job.cards > free:
            continue
        if machine.now + job.seconds >= reserved.start:
            if backfill is not Backfill.BESIDE or job.cards > spare:
                continue
            spare -= job.cards
        free -= job.cards
        yield job


def decide(
    waiting: Sequence[Waiting],
    machine: Machine,
    chooser: Chooser,
    *,
    backfill: Backfill,
    head: Waiting | None = None,
) -> Decision:
    """Everything that starts at this moment.

    Args:
        waiting: all jobs of the queue, the head included. None asks for more cards than there are.
        head: a job that was chosen earlier and keeps its place. The published experiment keeps it;
            the product chooses anew at every event.
    """
    queue = list(waiting)
    started: list[Waiting] = []
    while queue:
        chosen = head if head is not None else chooser.choose(queue, machine)
        head = None
        queue.remove(chosen)
        if chosen.cards <= machine.free:
            machine = machine.after(chosen)
            started.append(chosen)
            continue
        reserved = reserve(chosen, machine)
        return Decision(
            started=tuple(started),
            head=chosen,
            reserved=reserved,
            slipped=tuple(slip_in(queue, machine, reserved, backfill)),
        )
    return Decision(started=tuple(started), head=None, reserved=None, slipped=())
