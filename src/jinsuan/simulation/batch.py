"""Jobs of a trace through the queue of `dispatch.queueing` on one machine of equal cards.

The rules are those of the experiment of RLScheduler (Zhang et al., SC 2020): a chosen job keeps its
place until it starts; the clock moves only while it waits or while nobody waits; jobs arrive and end
one at a time, an arrival before an end of the same second.
"""

from __future__ import annotations

import gzip
import math
import time
from bisect import insort
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from pathlib import Path

from jinsuan.dispatch.queueing import (
    SHORTEST_SECONDS,
    Backfill,
    Chooser,
    Decision,
    Machine,
    Running,
    Waiting,
    decide,
)


@dataclass(frozen=True, slots=True)
class TraceJob:
    """A job as the queue sees it, and how long it truly runs; the queue never sees that."""

    asked: Waiting
    runs: int


def read_swf(path: Path) -> list[TraceJob]:
    """Jobs of a file in Standard Workload Format, gzipped or not; run time stands for request time.

    Columns (from 1): 1 number, 2 submitted, 4 run time in seconds, 5 processors.
    """
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as file:
        rows = [line.split() for line in file if not line.startswith(";")]
    return [
        TraceJob(
            Waiting(
                id=row[0].zfill(9), submitted=int(row[1]), seconds=int(row[3]), cards=int(row[4])
            ),
            runs=int(row[3]),
        )
        for row in rows
        if row
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One sequence. Seconds by job, in order of submission.

    Args:
        utilisation: busy card-seconds over all card-seconds from the first arrival to the last end.
        events: how often the queue was asked.
        thinking: seconds of wall clock that the queue took.
    """

    waits: tuple[int, ...]
    slowdowns: tuple[float, ...]
    utilisation: float
    events: int
    thinking: float

    @property
    def slowdown(self) -> float:
        """Mean bounded slowdown."""
        return sum(self.slowdowns) / len(self.slowdowns)

    @property
    def longest_wait(self) -> int:
        return max(self.waits)


def quantile(values: Sequence[int], share: float) -> int:
    """The smallest value that at least this share of the values does not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


class Run:
    """One sequence on one machine; `play` runs it to the end.

    Args:
        keeps_head: whether a chosen job keeps its place, as in the experiment, or the queue chooses
            anew at every event, as the platform does.
    """

    def __init__(
        self,
        jobs: Sequence[TraceJob],
        *,
        cards: int,
        chooser: Chooser,
        backfill: Backfill,
        keeps_head: bool = True,
    ) -> None:
        assert jobs and all(0 < job.asked.cards <= cards for job in jobs), "every job must fit"
        assert all(job.runs <= job.asked.seconds for job in jobs), "a job ends by what it asked for"
        self.jobs, self.chooser = jobs, chooser
        self.backfill, self.keeps_head = backfill, keeps_head
        self.runs = {job.asked.id: job.runs for job in jobs}
        self.arriving = 0
        self.now, self.free, self.cards = jobs[0].asked.submitted, cards, cards
        self.waiting: list[Waiting] = []
        self.running: list[Running] = []
        self.ends: list[tuple[int, int, Running]] = []
        self.started: dict[str, int] = {}
        self.events, self.thinking = 0, 0.0

    def play(self) -> Outcome:
        for _ in self.steps():
            pass
        return self._outcome()

    def steps(self) -> Iterator[tuple[Machine, Decision]]:
        """Each moment at which the queue was asked, and its answer."""
        head: Waiting | None = None
        while self.arriving < len(self.jobs) or self.waiting:
            if not self.waiting:
                self._wait_for_arrival()
            machine = Machine(now=self.now, free=self.free, running=tuple(self.running))
            begun = time.perf_counter()
            found = decide(self.waiting, machine, self.chooser, backfill=self.backfill, head=head)
            self.thinking += time.perf_counter() - begun
            self.events += 1
            for job in (*found.started, *found.slipped):
                self._start(job)
            head = found.head if self.keeps_head else None
            yield machine, found
            if self.waiting:
                self._next_event()

    def _wait_for_arrival(self) -> None:
        arrives = self.jobs[self.arriving].asked.submitted
        while self.ends and self.ends[0][0] <= arrives:
            self._end_one()
        self._arrive()

    def _next_event(self) -> None:
        """An arrival or an end, whichever comes first."""
        if self.arriving < len(self.jobs):
            arrives = self.jobs[self.arriving].asked.submitted
            if not self.ends or arrives <= self.ends[0][0]:
                self._arrive()
                return
        self._end_one()

    def _arrive(self) -> None:
        job = self.jobs[self.arriving].asked
        self.arriving += 1
        self.now = max(self.now, job.submitted)
        self.waiting.append(job)

    def _start(self, job: Waiting) -> None:
        self.waiting.remove(job)
        self.free -= job.cards
        assert self.free >= 0, "more cards in use than there are"
        self.started[job.id] = self.now
        running = Running(self.now + job.seconds, job.cards)
        insort(self.running, running)
        heappush(self.ends, (self.now + self.runs[job.id], len(self.started), running))

    def _end_one(self) -> None:
        ends, _, running = heappop(self.ends)
        self.now = max(self.now, ends)
        self.running.remove(running)
        self.free += running.cards

    def _outcome(self) -> Outcome:
        waits = tuple(self.started[job.asked.id] - job.asked.submitted for job in self.jobs)
        slowdowns = tuple(
            max(1.0, (wait + job.runs) / max(job.runs, SHORTEST_SECONDS))
            for wait, job in zip(waits, self.jobs, strict=True)
        )
        begun = self.jobs[0].asked.submitted
        over = max(self.started[job.asked.id] + job.runs for job in self.jobs)
        busy = sum(job.runs * job.asked.cards for job in self.jobs)
        return Outcome(
            waits=waits,
            slowdowns=slowdowns,
            utilisation=busy / (self.cards * max(1, over - begun)),
            events=self.events,
            thinking=self.thinking,
        )
