"""Let pods arrive one by one and see how much of the cards stays unallocated. Pure."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from jinsuan.dispatch.demand import FULL, Demand
from jinsuan.dispatch.rooms import Room, Rooms
from jinsuan.dispatch.scoring import Policy, ScoreTable
from jinsuan.simulation.openb import Machine

MARKS = (100, 130)
"""Arrived load, in per cent of all cards, at which figures are taken."""


@dataclass(slots=True)
class Failed:
    """Pods that fitted nowhere, by kind."""

    cpu: int = 0
    share: int = 0
    whole: int = 0

    def add(self, job: Demand) -> None:
        if not job.cards:
            self.cpu += 1
        elif job.is_share:
            self.share += 1
        else:
            self.whole += 1

    def copy(self) -> Failed:
        return Failed(self.cpu, self.share, self.whole)


@dataclass(slots=True)
class Outcome:
    """One run.

    Args:
        unallocated: per cent of all cards that were not given out, by arrived load.
        failed: pods that fitted nowhere until then, by arrived load.
        decisions: pods that arrived.
        seconds, cpu_seconds: time of all decisions together, by the clock and of the processor;
            without that of `check`.
    """

    unallocated: dict[int, float] = field(default_factory=dict)
    failed: dict[int, Failed] = field(default_factory=dict)
    decisions: int = 0
    seconds: float = 0.0
    cpu_seconds: float = 0.0


def empty(machines: Sequence[Machine]) -> Rooms:
    """Empty nodes, in the order of the machines."""
    return Rooms([Room(m.model, m.cpu_milli, m.memory_mib, (FULL,) * m.cards) for m in machines])


def run(
    machines: Sequence[Machine],
    pods: Sequence[Demand],
    order: Sequence[int],
    policy: Policy,
    *,
    marks: Sequence[int] = MARKS,
    check: Callable[[ScoreTable, Demand], None] | None = None,
) -> Outcome:
    """Place the pods in this order.

    Args:
        order: positions in `pods`.
        check: is told of every pod that was said to fit nowhere, to see for itself.
    """
    table = ScoreTable(empty(machines), policy)
    all_milli = sum(machine.cards for machine in machines) * FULL
    asked = given = 0
    failed, outcome = Failed(), Outcome(decisions=len(order))
    coming = list(marks)
    start, cpu_start = time.perf_counter(), time.process_time()
    for i in order:
        pod = pods[i]
        milli = pod.cards * pod.card_milli
        asked += milli
        if table.place(pod) is not None:
            given += milli
        else:
            failed.add(pod)
            if check:
                paused, cpu_paused = time.perf_counter(), time.process_time()
                check(table, pod)
                start += time.perf_counter() - paused
                cpu_start += time.process_time() - cpu_paused
        while coming and asked * 100 >= coming[0] * all_milli:
            mark = coming.pop(0)
            outcome.unallocated[mark] = 100 * (all_milli - given) / all_milli
            outcome.failed[mark] = failed.copy()
    outcome.seconds = time.perf_counter() - start
    outcome.cpu_seconds = time.process_time() - cpu_start
    return outcome
