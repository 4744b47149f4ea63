"""The jobs that the weights of `jinsuan.dispatch.weighing` were tuned on: none is in a reported window.

Three windows of the trace lie before every reported one. The others are drawn: blocks of 64 jobs, each
with its distance to the job before, from the parts of the trace that no reported window touches.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from jinsuan.dispatch.queueing import Waiting
from jinsuan.simulation.batch import TraceJob

STARTS = (1981, 2756, 4299, 8850, 3316, 2714, 5228, 7762, 4022, 7085)
"""The published start indices, from 0."""
LENGTH, CARDS = 1024, 256
BEFORE = (0, 480, 957)
FREE = ((0, 1981), (6252, 7085), (9874, 10_000))
"""What no reported window touches."""
BLOCK, DRAWN, SEED = 64, 57, 4711


def sequences(jobs: Sequence[TraceJob]) -> list[list[TraceJob]]:
    """Sixty sequences, always the same."""
    found = [list(jobs[start : start + LENGTH]) for start in BEFORE]
    pool = [
        (jobs[i].asked.submitted - jobs[i - 1].asked.submitted, jobs[i])
        for first, end in FREE
        for i in range(first + 1, end)
    ]
    dice = random.Random(SEED)
    for _ in range(DRAWN):
        at = 1_000_000 + dice.randrange(3_000_000)
        drawn: list[TraceJob] = []
        while len(drawn) < LENGTH:
            place = dice.randrange(len(pool) - BLOCK)
            for distance, job in pool[place : place + BLOCK]:
                at += distance
                asked = Waiting(
                    id=str(len(drawn)).zfill(9),
                    cards=job.asked.cards,
                    seconds=job.asked.seconds,
                    submitted=at,
                )
                drawn.append(TraceJob(asked, runs=job.runs))
        found.append(drawn[:LENGTH])
    return found
