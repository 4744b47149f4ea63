"""Our order where the chosen job blocks all others: a plan, searched with bounded effort. Pure; no Django.

Without backfilling nearly all time passes while some head waits, and whoever arrives then waits at
least until the head starts. So a choice is judged by what the whole plan does, not by the job alone:
the plan starts the waiting jobs one after the other as their cards come back, up to a horizon, and costs

* for each waiting job, its wait from now on (up to the horizon) over the time it asks for: the
  slowdown that it still gathers;
* for each gap between two starts, half its square times the rate at which arriving jobs so far
  brought slowdown with them (jobs per second, each one over the time it asks for): what unknown
  arrivals would lose in that gap.

The search starts from the best of the last plan and two sorted orders, and moves or swaps one job at
a time, `tries` times, keeping what is not worse. It is made again when a job has arrived. One plan over
n waiting and r running jobs takes at most (tries + 4 + 2 · newcomers) · (n + r) · log(n + r) steps. The
dice have a fixed seed, so the same calls give the same answers. Nothing is known of later arrivals.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from math import inf, log, log2, log10
from random import Random

from jinsuan.dispatch.queueing import (
    PATIENCE,
    SHORTEST_SECONDS,
    Backfill,
    Bounded,
    Chooser,
    Machine,
    Waiting,
)
from jinsuan.dispatch.weighing import Weighed


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """How the search is done; frozen after tuning.

    Args:
        tries: moves per plan.
        horizon: seconds that a plan looks ahead.
        front: places at the head of the plan where most moves go.
        unknown: how much the loss of unknown arrivals counts.
        size, work: the first sorted order, by the logarithm of the time, plus `size` per doubling of
            the cards, plus `work` per 100 of cards (in 256ths of the machine) times its decimal logarithm.
    """

    tries: int = 200
    horizon: int = 100_000
    front: int = 30
    unknown: float = 0.5
    size: float = 0.5
    work: float = 1.5


@dataclass(frozen=True, slots=True)
class _Piece:
    """A waiting job as the search needs it; `weight` is one over the time that it asks for."""

    job: Waiting
    cards: int
    seconds: int
    weight: float
    key: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ahead:
    """What a plan starts from. `loss` is per squared second of a gap."""

    now: int
    until: int
    free: int
    ends: list[tuple[int, int]]
    loss: float

    def cost(self, plan: Sequence[_Piece], best: float = inf) -> float:
        """Of starting in this order; gives up and says infinity beyond `best`."""
        at, free, heap, found = self.now, self.free, self.ends.copy(), 0.0
        left = sum([piece.weight for piece in plan])
        for piece in plan:
            cards = piece.cards
            if cards > free:
                since = at
                while cards > free:
                    end, back = heappop(heap)
                    free += back
                    at = max(at, end)
                gap = min(at, self.until) - since
                found += self.loss * gap * gap
                if at >= self.until:
                    break
            found += piece.weight * (at - self.now)
            if found > best:
                return inf
            left -= piece.weight
            free -= cards
            heappush(heap, (at + piece.seconds, cards))
        else:
            left = 0.0
        return found + left * (self.until - self.now)


def our_order(cards: int, backfill: Backfill) -> Chooser:
    """A new one for each queue: it may remember."""
    inner = Planned(cards) if backfill is Backfill.OFF else Weighed(cards)
    return Bounded(inner, PATIENCE)


class Planned:
    """Follows its plan and makes a new one when a job has arrived. One object per queue."""

    def __init__(self, cards: int, effort: Effort | None = None, seed: int = 1) -> None:
        self.cards, self.effort = cards, effort or Effort()
        self._dice = Random(seed)  # noqa: S311  (no secret)
        self._plan: list[_Piece] = []
        self._first: int | None = None
        self._brought = 0.0

    def choose(self, waiting: Sequence[Waiting], machine: Machine) -> Waiting:
        here = {job.id for job in waiting}
        self._plan = [piece for piece in self._plan if piece.job.id in here]
        known = {piece.job.id for piece in self._plan}
        new = [self._piece(job) for job in waiting if job.id not in known]
        for piece in new:
            self._brought += piece.weight
            if self._first is None or piece.job.submitted < self._first:
                self._first = piece.job.submitted
        if len(waiting) == 1:
            self._plan = self._plan or new
        elif new:
            self._plan = self._search(new, machine)
        lane = min(job.lane for job in waiting)
        return next(piece.job for piece in self._plan if piece.job.lane == lane)

    def _piece(self, job: Waiting) -> _Piece:
        seconds = max(job.seconds, SHORTEST_SECONDS)
        parts = job.cards * 256 / self.cards
        key = log(seconds) + self.effort.size * log2(parts)
        key += self.effort.work * parts * log10(seconds) / 100
        return _Piece(job, job.cards, job.seconds, 1 / seconds, key)

    def _search(self, new: Sequence[_Piece], machine: Machine) -> list[_Piece]:
        assert self._first is not None
        span = max(machine.now - self._first, 7200)
        ahead = _Ahead(
            now=machine.now,
            until=machine.now + self.effort.horizon,
            free=machine.free,
            ends=[(job.ends, job.cards) for job in machine.running],
            loss=self.effort.unknown * self._brought / span / 2,
        )
        every = [*self._plan, *new]
        best = min(
            self._with(new, ahead),
            sorted(every, key=lambda piece: (piece.key, piece.job.id)),
            sorted(every, key=lambda piece: (piece.job.seconds, piece.job.id)),
            key=ahead.cost,
        )
        return self._improve(best, ahead)

    def _with(self, new: Sequence[_Piece], ahead: _Ahead) -> list[_Piece]:
        """The last plan with each newcomer at its sorted place or at the very front."""
        plan = self._plan
        for piece in new:
            place = next((i for i, p in enumerate(plan) if p.key > piece.key), len(plan))
            sorted_in = [*plan[:place], piece, *plan[place:]]
            plan = min(sorted_in, [piece, *plan], key=ahead.cost)
        return list(plan)

    def _improve(self, plan: list[_Piece], ahead: _Ahead) -> list[_Piece]:
        dice, best = self._dice.random, ahead.cost(plan)
        count, front = len(plan), min(len(plan), self.effort.front)
        for _ in range(self.effort.tries):
            one = int(dice() * (count if dice() < 0.5 else front))
            other = int(front * dice() * dice())
            if one == other:
                continue
            tried = plan.copy()
            if dice() < 0.3:
                tried[one], tried[other] = tried[other], tried[one]
            else:
                tried.insert(other, tried.pop(one))
            cost = ahead.cost(tried, best)
            if cost <= best:
                plan, best = tried, cost
        return plan
