"""Laws of the queue under any arrivals, any inner preference and owners who guess badly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from hypothesis import given, strategies as st

from jinsuan.dispatch.planning import Effort, Planned
from jinsuan.dispatch.queueing import (
    F1,
    FCFS,
    SJF,
    Backfill,
    Bounded,
    Chooser,
    Decision,
    Machine,
    Ordered,
    Patience,
    Reservation,
    Running,
    Waiting,
    decide,
    reserve,
)
from jinsuan.dispatch.weighing import Weighed
from jinsuan.simulation.batch import Run, TraceJob

CARDS = 8


@dataclass(frozen=True)
class Whim:
    """Prefers without reason: some fixed shuffle of the jobs."""

    seed: int

    def choose(self, waiting: Sequence[Waiting], machine: Machine) -> Waiting:
        return min(waiting, key=lambda job: (int(job.id) * 7919 + self.seed) % 101)


def newest(job: Waiting) -> tuple[float, ...]:
    return (-job.submitted,)


def narrowest(job: Waiting) -> tuple[float, ...]:
    return (job.cards, job.seconds)


inner = st.one_of(
    st.sampled_from([FCFS, SJF, F1, Ordered(newest), Ordered(narrowest), Weighed(CARDS)]),
    st.builds(Whim, st.integers(0, 100)),
    st.builds(Planned, st.just(CARDS), st.just(Effort(tries=20, horizon=100))),
)
patience = st.builds(Patience, base=st.integers(0, 40), times=st.integers(0, 3))
backfills = st.sampled_from(list(Backfill))


@st.composite
def traces(draw: st.DrawFn) -> list[TraceJob]:
    jobs: list[TraceJob] = []
    at = draw(st.integers(1, 50))
    for number in range(draw(st.integers(1, 25))):
        at += draw(st.integers(0, 15))
        asked = draw(st.integers(1, 60))
        jobs.append(
            TraceJob(
                Waiting(
                    id=f"{number:03}",
                    cards=draw(st.integers(1, CARDS)),
                    seconds=asked,
                    submitted=at,
                    rank=draw(st.integers(0, 1)),
                    share=draw(st.integers(0, 1)),
                ),
                runs=draw(st.integers(0, asked)),
            )
        )
    return jobs


def steps(
    jobs: list[TraceJob], chooser: Chooser, backfill: Backfill, keeps_head: bool
) -> tuple[Run, list[tuple[Machine, Decision]]]:
    run = Run(jobs, cards=CARDS, chooser=chooser, backfill=backfill, keeps_head=keeps_head)
    return run, list(run.steps())


@given(traces(), inner, backfills, st.booleans())
def test_every_job_starts_once_after_it_came_and_no_card_is_used_twice(
    jobs: list[TraceJob], chooser: Chooser, backfill: Backfill, keeps_head: bool
) -> None:
    run, _ = steps(jobs, chooser, backfill, keeps_head)

    assert set(run.started) == {job.asked.id for job in jobs}
    for job in jobs:
        begun = run.started[job.asked.id]
        assert begun >= job.asked.submitted
        in_use = sum(
            other.asked.cards
            for other in jobs
            if run.started[other.asked.id] <= begun < run.started[other.asked.id] + other.runs
        )
        assert in_use <= CARDS


@given(traces(), inner, backfills, st.booleans())
def test_nobody_who_slips_in_makes_the_reservation_of_the_head_later(
    jobs: list[TraceJob], chooser: Chooser, backfill: Backfill, keeps_head: bool
) -> None:
    run, found = steps(jobs, chooser, backfill, keeps_head)

    promised: dict[str, int] = {}
    before: str | None = None
    for _, decision in found:
        head, reserved = decision.head, decision.reserved
        if head is not None and reserved is not None:
            if before == head.id and not decision.started:
                assert reserved.start <= promised[head.id]
            promised[head.id] = reserved.start
            before = head.id
        else:
            before = None
    if keeps_head:
        assert all(run.started[name] <= start for name, start in promised.items())


@given(traces(), inner, patience, backfills, st.booleans())
def test_no_job_starves(
    jobs: list[TraceJob],
    chooser: Chooser,
    patience: Patience,
    backfill: Backfill,
    keeps_head: bool,
) -> None:
    """The bound of `Bounded`, number by number."""
    run, _ = steps(jobs, Bounded(chooser, patience), backfill, keeps_head)

    longest = max(job.asked.seconds for job in jobs)
    for job in jobs:
        due = patience.until(job.asked)
        ahead = sum(
            1
            for other in jobs
            if other is not job
            and patience.until(other.asked) <= due
            and run.started[other.asked.id] >= due
        )
        assert run.started[job.asked.id] <= due + (ahead + 2) * longest


@given(traces(), inner, patience, backfills, st.booleans())
def test_while_a_job_is_overdue_nobody_less_overdue_is_chosen(
    jobs: list[TraceJob],
    chooser: Chooser,
    patience: Patience,
    backfill: Backfill,
    keeps_head: bool,
) -> None:
    run, found = steps(jobs, Bounded(chooser, patience), backfill, keeps_head)

    kept: str | None = None
    for machine, decision in found:
        chosen = [*decision.started, *([decision.head] if decision.head else [])]
        for name in chosen:
            if name.id == kept:
                continue
            for job in (job.asked for job in jobs):
                waits = job.submitted <= machine.now < run.started[job.id]
                if waits and patience.until(job) <= machine.now and job not in chosen:
                    assert patience.until(name) <= patience.until(job)
        kept = decision.head.id if decision.head and keeps_head else None


def test_without_the_bound_a_job_does_starve() -> None:
    """So that the law above can fail: a stream of small jobs before a large one."""
    small = [
        TraceJob(Waiting(id=f"{i:03}", cards=5, seconds=9, submitted=10 + 4 * i), runs=9)
        for i in range(60)
    ]
    large = TraceJob(Waiting(id="999", cards=8, seconds=20, submitted=15), runs=20)
    jobs = sorted([*small, large], key=lambda job: job.asked.submitted)
    patience = Patience(base=30, times=1)

    free = Run(jobs, cards=CARDS, chooser=SJF, backfill=Backfill.BEFORE)
    bound = Run(jobs, cards=CARDS, chooser=Bounded(SJF, patience), backfill=Backfill.BEFORE)
    free.play()
    bound.play()

    assert free.started["999"] > 500
    assert bound.started["999"] <= patience.until(large.asked) + 2 * 20


@given(traces(), st.randoms(use_true_random=False))
def test_our_choice_does_not_depend_on_the_order_of_the_list(
    jobs: list[TraceJob], dice: Random
) -> None:
    waiting = [job.asked for job in jobs]
    now = max(job.submitted for job in waiting)
    machine = Machine(now=now, free=3, running=(Running(now + 7, 2), Running(now + 90, 3)))
    first = Weighed(CARDS).choose(waiting, machine)
    dice.shuffle(waiting)

    assert Weighed(CARDS).choose(waiting, machine) is first
    assert first.lane == min(job.lane for job in waiting)


@given(traces(), backfills)
def test_the_same_arrivals_get_the_same_plan(jobs: list[TraceJob], backfill: Backfill) -> None:
    effort = Effort(tries=20, horizon=100)
    one, _ = steps(jobs, Planned(CARDS, effort), backfill, keeps_head=True)
    two, _ = steps(jobs, Planned(CARDS, effort), backfill, keeps_head=True)

    assert one.started == two.started


def test_the_head_gets_the_earliest_moment_and_the_rest_may_be_used() -> None:
    machine = Machine(now=100, free=2, running=(Running(110, 1), Running(120, 3), Running(120, 2)))
    head = Waiting(id="h", cards=5, seconds=50, submitted=1)

    assert reserve(head, machine) == Reservation(start=120, spare=3)


def test_cards_that_come_back_after_the_start_of_the_head_are_not_spare() -> None:
    machine = Machine(now=100, free=2, running=(Running(120, 3), Running(121, 3)))
    head = Waiting(id="h", cards=5, seconds=50, submitted=1)

    assert reserve(head, machine) == Reservation(start=120, spare=0)


def test_class_then_priority_then_share_go_before_the_order_of_the_policy() -> None:
    machine = Machine(now=100, free=8)
    jobs = [
        Waiting(id="plain", cards=1, seconds=1, submitted=1),
        Waiting(id="has less", cards=1, seconds=9, submitted=2, share=-1),
        Waiting(id="urgent", cards=1, seconds=9, submitted=3, priority=1),
        Waiting(id="higher class", cards=1, seconds=9, submitted=4, rank=-1),
    ]

    for chooser in (FCFS, SJF, F1, Weighed(CARDS), Planned(CARDS)):
        found = decide(jobs, machine, chooser, backfill=Backfill.OFF)
        assert [job.id for job in found.started] == ["higher class", "urgent", "has less", "plain"]


def test_who_runs_beside_the_head_never_takes_more_than_it_leaves() -> None:
    machine = Machine(now=100, free=4, running=(Running(120, 4),))
    head = Waiting(id="h", cards=6, seconds=50, submitted=1)
    long = [Waiting(id=f"{i}", cards=2, seconds=500, submitted=2 + i) for i in range(2)]
    short = Waiting(id="s", cards=2, seconds=19, submitted=9)
    late = Waiting(id="l", cards=2, seconds=20, submitted=8)

    found = decide([head, *long, late, short], machine, FCFS, backfill=Backfill.BESIDE)
    strict = decide([head, *long, late, short], machine, FCFS, backfill=Backfill.BEFORE)

    assert [job.id for job in found.slipped] == ["0", "s"]
    assert [job.id for job in strict.slipped] == ["s"]
