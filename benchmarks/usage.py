"""`./run bench usage`: a million usage readings from a file, rated, captured and stated.

import   the file is checked, taken in, rated, charged and captured, as `jinsuan readings import` does
state    the statements of every tenant, the provider and every voucher of the month
live     the same readings one by one, as an agent reports them; a sample, extrapolated

Half of the tenants have vouchers; all have cash. Seconds by step; peak memory from the kernel.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import re
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from datetime import datetime, timedelta
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from typing import Any
from uuid import UUID

from benchmarks.database import database
from benchmarks.machine import machine
from benchmarks.targets import USAGE_MIB, USAGE_SECONDS

CARDS, MODEL = 8, "T4"
SHAPE = {f"card:{MODEL}": 1000, "cpu_core": 2000, "memory_gib": 1000}
CENTRE = "B01"
SAMPLE = 2000


def order_jobs(count: int, hours: int, now: datetime) -> list[UUID]:
    """A centre that holds so many jobs of one card at once, and the jobs, placed."""
    from django.db import connection

    from benchmarks.world import offer
    from jinsuan.dispatch import actions as dispatch
    from jinsuan.dispatch.actions.place import board_now
    from jinsuan.dispatch.models import Attempt
    from jinsuan.entrypoints.replay.province import Centre, Machine
    from jinsuan.entrypoints.replay.setup import register
    from jinsuan.kernel.ref import Actor, Role
    from jinsuan.protocol.parse import parse_spec
    from jinsuan.registry.actions.capacity import apply_inventory
    from jinsuan.registry.models import AgentChannel, Membership
    from jinsuan.registry.queries import centre_id

    machines = tuple(
        Machine(name=f"n{n:04d}", cpu_milli=64_000, memory_mib=2**18, cards=CARDS, model=MODEL)
        for n in range(-(-count // CARDS))
    )
    centre = Centre(
        code=CENTRE, name="测试中心", adcode="140100", city="太原", kind="智算", machines=machines
    )
    tenants = register([centre], speed=1, now=now)
    pk = centre_id(CENTRE)
    assert pk is not None
    apply_inventory(pk, [offer(centre)], actor=dispatch.agent_actor(CENTRE), now=now)
    AgentChannel.objects.update(last_seen_at=now)
    people = dict(Membership.objects.values_list("organisation", "person"))
    board = board_now(now=now)
    for n in range(count):
        organisation = tenants[n % len(tenants)].organisation
        spec = parse_spec(
            {
                "name": f"bench-{n:05d}",
                "run": "true",
                "resources": {"accelerators": f"{MODEL}:1", "cpus": 2, "memory": "1GB"},
                "max_duration": f"{hours}h",
            }
        )
        actor = Actor(people[organisation], organisation, Role.TENANT, "bench")
        dispatch.submit(spec, board=board, order_key=f"b{n}", actor=actor, now=now)
    while dispatch.place_queued(now=now):
        pass
    jobs = list(Attempt.objects.order_by("id").values_list("job", flat=True))
    assert len(jobs) == count, (len(jobs), count)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    return jobs


def readings(
    jobs: list[UUID], each: int, every: timedelta, now: datetime
) -> Iterator[tuple[str, str, int, datetime]]:
    """By time, as a meter writes them down: `each` readings of every job over its resources."""
    from jinsuan.kernel.ref import Ref

    names = [str(Ref("job", job)) for job in jobs]
    step = int(every.total_seconds())
    shape = list(SHAPE.items())
    for n in range(each):
        moment, (resource, milli) = n // len(shape) + 1, shape[n % len(shape)]
        at = now + every * moment
        for turn, name in enumerate(names):
            yield name, resource, milli * step * moment - turn % 7, at


@contextmanager
def timed(name: str, into: dict[str, Any]) -> Iterator[None]:
    began = time.perf_counter()
    yield
    into[name] = round(time.perf_counter() - began, 1)
    print(f"  {name}: {into[name]} s", flush=True)


def peak_mib(pid: int) -> int:
    """The largest resident size of a process so far, from the kernel."""
    found = re.search(r"^VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    assert found
    return int(found[1]) // 1024


def backend_pid() -> int:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return int(cursor.fetchone()[0])


def state(now: datetime) -> int:
    """Every statement of the month: heads, which add up every line and all use."""
    from jinsuan.kernel.period import beijing_date, month
    from jinsuan.kernel.ref import Actor, Ref
    from jinsuan.registry.models import Centre
    from jinsuan.vouchers.models import Funding, Voucher
    from jinsuan.vouchers.statements import statement
    from jinsuan.vouchers.subjects import access_subject

    asked = [
        *(("tenant", "organisation", pk) for pk in Funding.objects.values_list("tenant", flat=True).distinct()),
        *(("provider", "organisation", pk) for pk in Centre.objects.values_list("owner", flat=True).distinct()),
        *(("voucher", "voucher", pk) for pk in Voucher.objects.values_list("id", flat=True)),
    ]  # fmt: skip
    period = month(f"{beijing_date(now):%Y-%m}")
    charged = {"tenant": 0, "provider": 0, "voucher": 0}
    for kind, ref, pk in asked:
        subject = access_subject(Actor.system("bench"), kind, str(Ref(ref, pk)))
        totals = statement(subject, period, now=now).totals
        charged[kind] += totals.charge.fen
    assert charged["tenant"] == charged["provider"] >= charged["voucher"] > 0, charged
    return len(asked)


def live(jobs: list[UUID], rows: list[tuple[str, str, int, datetime]]) -> float:
    """Rows per second of the ordinary way: record one reading, charge, fund, capture, commit."""
    from jinsuan.dispatch import actions as dispatch
    from jinsuan.dispatch.models import Attempt
    from jinsuan.kernel.ref import Ref
    from jinsuan.metering.actions import Reading, record

    attempts = dict(Attempt.objects.filter(job__in=jobs).values_list("job", "id"))
    began = time.perf_counter()
    for name, resource, value, at in rows:
        reading = Reading(
            attempt=attempts[Ref.read(name).id],
            resource=resource,
            milli_unit_seconds=value,
            occurred_at=at,
        )
        record([reading], now=at)
        dispatch.settle(now=at)
        dispatch.keep_funded(now=at)
    return len(rows) / (time.perf_counter() - began)


def run_once(options: argparse.Namespace) -> dict[str, Any]:
    """One run on a new database."""
    with database(), tempfile.TemporaryDirectory() as folder:
        from jinsuan.dispatch import actions as dispatch
        from jinsuan.entrypoints import clock
        from jinsuan.kernel.ref import Actor
        from jinsuan.ledger.models import Transfer
        from jinsuan.ledger.queries import check_book
        from jinsuan.metering.models import UsageFile

        now, every = clock.now(), timedelta(minutes=options.minutes)
        moments = -(-options.each // len(SHAPE))
        hours = int(every.total_seconds()) * moments // 3600 + 2
        found: dict[str, Any] = {}
        with timed("world", found):
            apart = -(-SAMPLE // options.each)
            jobs = order_jobs(options.jobs + apart, hours, now)
        # The sample goes first, on jobs of its own, so that it leaves the file's jobs alone.
        jobs, others = jobs[:-apart], jobs[-apart:]
        sample = list(islice(readings(others, options.each, every, now), SAMPLE))
        found["live_per_second"] = round(live(others, sample))
        path = Path(folder) / "readings.csv"
        with timed("write file", found), path.open("w", newline="") as out:
            written = csv.writer(out)
            written.writerow(("作业", "资源", "累计毫单位秒", "时间"))
            written.writerows(
                (*row, at.isoformat()) for *row, at in readings(jobs, options.each, every, now)
            )
        received = now + every * moments + timedelta(hours=1)
        before = Transfer.objects.count()
        with timed("take", found), path.open("rb") as file:
            taken = dispatch.take_usage_file(
                file, name=path.name, centre=CENTRE, actor=Actor.system("bench"), now=received
            )
        with timed("rate and capture", found):
            while dispatch.book_next(taken.file.id, now=received):
                pass
        with timed("state", found):
            found["statements"] = state(received)
        row = UsageFile.objects.get()
        assert (row.rows, row.kept, row.doubts) == (row.rows_done, row.rows, 0), vars(row)
        assert row.owed_fen == 0, row.owed_fen
        found |= {
            "rows": row.rows,
            "charges": row.charges,
            "transfers": Transfer.objects.count() - before,
            "charged_yuan": f"{row.charged_fen // 100}.{row.charged_fen % 100:02d}",
            "seconds": round(sum(found[k] for k in ("take", "rate and capture", "state")), 1),
            "client_mib": peak_mib(os.getpid()),
            "postgres_mib": peak_mib(backend_pid()),
        }
        found["live_seconds_extrapolated"] = round(row.rows / max(1, found["live_per_second"]))
        assert check_book().differences == ()
        return found


def main() -> int:
    """Run it and print what was run."""
    parser = argparse.ArgumentParser(prog="./run bench usage", description=__doc__)
    parser.add_argument("--jobs", type=int, default=2000, help="jobs of the file")
    parser.add_argument("--each", type=int, default=500, help="readings of each job")
    parser.add_argument("--minutes", type=int, default=60, help="between two moments of a job")
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--json", type=Path, help="write everything to this file, too")
    options = parser.parse_args()
    results: dict[str, Any] = {"machine": machine(), "runs": []}
    print(json.dumps(results["machine"], ensure_ascii=False))
    for number in range(options.runs):
        print(f"\n== usage, run {number + 1}: {options.jobs} jobs x {options.each} readings")
        # In a process of its own: Django can be set up with one database only.
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
            found = process.submit(run_once, options).result()
        results["runs"].append(found)
        print(f"  {found}", flush=True)
    if options.json:
        options.json.write_text(json.dumps(results, ensure_ascii=False, indent=2) + "\n")
    worst = max(run["seconds"] for run in results["runs"])
    memory = max(run["client_mib"] + run["postgres_mib"] for run in results["runs"])
    print(f"\nat most {worst} s (target {USAGE_SECONDS}), {memory} MiB (target {USAGE_MIB})")
    return 0 if worst < USAGE_SECONDS and memory < USAGE_MIB else 1


if __name__ == "__main__":
    raise SystemExit(main())
