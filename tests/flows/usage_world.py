"""A centre with a few jobs that run, and files of readings of them."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from jinsuan.dispatch import actions as dispatch
from jinsuan.dispatch.models import Attempt
from jinsuan.kernel.period import BEIJING
from jinsuan.kernel.ref import Actor, Ref, Role
from jinsuan.metering.usage_sheet import COLUMNS
from tests.flows.world import World, make_world, person

NOW = datetime(2025, 9, 16, 1, 0, tzinfo=UTC)
RECEIVED = NOW + timedelta(hours=60)
SHAPE = {"card:T4": 1000, "cpu_core": 2000, "memory_gib": 1000}
Row = tuple[str, str, int, datetime]


def start_jobs(
    *, jobs: int = 3, cash: str = "100000", voucher: str = "20"
) -> tuple[World, list[Ref]]:
    """Jobs of at most 72 hours, placed; each holds a day at first."""
    world = make_world(now=NOW, cash=cash, voucher=voucher)
    refs = [world.submit(key=f"job-{n}", now=NOW, max_duration="72h") for n in range(jobs)]
    assert dispatch.place_queued(now=NOW) == jobs
    return world, refs


def operator(world: World, name: str = "operator") -> Actor:
    """Somebody of the centre's owner."""
    return person(name, world.provider, Role.CENTRE_OPERATOR, NOW)


def attempt_of(job: Ref) -> Ref:
    return Ref("attempt", Attempt.objects.get(job=job.id).id)


def honest(
    jobs: Sequence[Ref], *, moments: int = 17, every: timedelta = timedelta(hours=3)
) -> list[Row]:
    """All three resources of each job at so many moments, by time, as a meter would write them."""
    return [
        (str(job), resource, milli * int(every.total_seconds()) * n + turn, NOW + every * n)
        for n in range(1, moments + 1)
        for turn, job in enumerate(jobs)
        for resource, milli in SHAPE.items()
    ]


def sheet(rows: Sequence[Row], *, encoding: str = "utf-8") -> io.BytesIO:
    """The file of these rows, with Beijing times."""
    out = io.StringIO(newline="")
    written = csv.writer(out)
    written.writerow(COLUMNS)
    for job, resource, value, at in rows:
        written.writerow((job, resource, value, f"{at.astimezone(BEIJING):%Y-%m-%d %H:%M:%S}"))
    return io.BytesIO(out.getvalue().encode(encoding))


def take_all(
    world: World, rows: Sequence[Row], *, actor: Actor, now: datetime = RECEIVED, size: int = 40
) -> Ref:
    """Take a file and book all of it."""
    taken = dispatch.take_usage_file(
        sheet(rows), name="读数.csv", centre=world.centre, actor=actor, now=now
    )
    while dispatch.book_next(taken.file.id, now=now, size=size):
        pass
    return taken.file
