"""GET of a job through the whole product, beside the bare stack, in one run on one database.

Both servers are up all the time and are asked in turn, round after round, by the same load
generator (Debian's `wrk`, else our own), each with many tokens so that no rate limit is met.
Requests per second depend on whatever else the machine does; processor time per request hardly,
so both are told.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from benchmarks import load
from benchmarks.database import database
from benchmarks.machine import Neighbours
from benchmarks.targets import SHARE_OF_BARE
from jinsuan.entrypoints import clock
from jinsuan.entrypoints.demo.processes import free_port
from jinsuan.entrypoints.replay.command import postmaster
from jinsuan.entrypoints.replay.cpu import used

WORKERS = 2
TOKENS = 400
CONNECTIONS = 32


@dataclass(frozen=True, slots=True)
class Server:
    """One of the two, running."""

    name: str
    url: str
    pid: int
    targets: list[load.Target]


def run(*, rounds: int, seconds: int) -> dict[str, Any]:
    """Both, in turn."""
    with database() as postgres, tempfile.TemporaryDirectory() as folder:
        pid = postmaster(postgres)
        with _both(Path(folder)) as servers:
            found = {s.name: _Series() for s in servers}
            for server in servers:
                load.ask(server.url, server.targets, seconds=2, connections=CONNECTIONS)
            neighbours = Neighbours()
            ours = 0.0
            for _ in range(rounds):
                for server in servers:
                    ours += found[server.name].add(server, pid, seconds)
            cores = neighbours.cores(ours)
    result = {
        "generator": load.generator(),
        "rounds": rounds,
        "seconds": seconds,
        "connections": CONNECTIONS,
        "workers": WORKERS,
        "tokens": TOKENS,
        "neighbours_cores": round(cores, 2),
        **{name: series.plain() for name, series in found.items()},
    }
    product, bare = result["product"], result["bare"]
    result["share_by_rate"] = round(
        product["per_second"]["median"] / bare["per_second"]["median"], 3
    )
    result["share_by_cpu"] = round(bare["cpu_ms"]["median"] / product["cpu_ms"]["median"], 3)
    show(result)
    return result


class _Series:
    """The rounds of one server."""

    def __init__(self) -> None:
        self.rates: list[float] = []
        self.cpu: list[float] = []
        self.database: list[float] = []
        self.p50: list[float] = []
        self.p99: list[float] = []

    def add(self, server: Server, postgres: int, seconds: int) -> float:
        """One round; returns the processor milliseconds that it cost in all."""
        before, before_pg = used(server.pid).all_ms, used(postgres).all_ms
        client = _children_ms()
        answer = load.ask(server.url, server.targets, seconds=seconds, connections=CONNECTIONS)
        assert answer.wrong == 0, f"{server.name}: {answer.wrong} answers were not 200"
        cpu, pg = used(server.pid).all_ms - before, used(postgres).all_ms - before_pg
        self.rates.append(answer.requests / answer.seconds)
        self.cpu.append(cpu / answer.requests)
        self.database.append(pg / answer.requests)
        self.p50.append(answer.p50_ms)
        self.p99.append(answer.p99_ms)
        return cpu + pg + _children_ms() - client

    def plain(self) -> dict[str, Any]:
        return {
            "per_second": _spread(self.rates),
            "cpu_ms": _spread(self.cpu),
            "postgres_ms": _spread(self.database),
            "p50_ms": _spread(self.p50),
            "p99_ms": _spread(self.p99),
        }


def _children_ms() -> float:
    times = os.times()
    return 1000 * (times.children_user + times.children_system + times.user + times.system)


def _spread(values: Sequence[float]) -> dict[str, float]:
    return {
        "min": round(min(values), 2),
        "median": round(statistics.median(values), 2),
        "max": round(max(values), 2),
    }


@contextmanager
def _both(folder: Path) -> Iterator[list[Server]]:
    product_targets, bare_targets = _fill()
    ports = [free_port(8047), free_port(8048)]
    commands = [
        [
            "-m",
            "jinsuan.entrypoints.cli",
            "serve",
            "--port",
            str(ports[0]),
            "--workers",
            str(WORKERS),
        ],
        ["-m", "benchmarks.bare", str(ports[1]), str(WORKERS)],
    ]
    names, targets = ("product", "bare"), (product_targets, bare_targets)
    processes = []
    try:
        for command, name in zip(commands, names, strict=True):
            with (folder / f"{name}.log").open("wb") as log:
                processes.append(
                    subprocess.Popen(
                        [sys.executable, *command],
                        env={**os.environ, "JINSUAN_SECRET_KEY": "bench"},
                        stdout=log,
                        stderr=log,
                    )
                )
        servers = [
            Server(name, f"http://127.0.0.1:{port}", process.pid, target)
            for name, port, process, target in zip(names, ports, processes, targets, strict=True)
        ]
        for server in servers:
            load.await_answer(server.url, server.targets[0])
        yield servers
    except AssertionError:
        for log in folder.glob("*.log"):
            print(log.read_text("utf-8", "replace")[-2000:], file=sys.stderr)
        raise
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait(20)


def _fill() -> tuple[list[load.Target], list[load.Target]]:
    """Settled jobs with attempts and money for the product; as many rows for the bare stack."""
    from benchmarks import world

    now = clock.now()
    tenants = world.fill(now)
    jobs = settled_jobs(world.orders(120), tenants, now)
    product, bare = [], []
    tokens = more_tokens(TOKENS, now)
    from django.db import connection

    from benchmarks.bare import TABLES, hashed

    with connection.cursor() as cursor:
        cursor.execute(TABLES)
        for number, (owner, token) in enumerate(tokens):
            mine = [job for job, tenant in jobs if tenant == owner]
            job = mine[number % len(mine)]
            product.append(load.Target(f"/api/v1/jobs/{job}", token))
            thing = UUID(int=number + 1)
            cursor.execute(
                "INSERT INTO bare_token (sha256, owner) VALUES (%s, %s)", [hashed(token), owner]
            )
            cursor.execute(
                "INSERT INTO bare_thing VALUES (%s, %s, 'bench', 'settled', 12.34, %s)",
                [thing, owner, now],
            )
            bare.append(load.Target(f"/api/things/{thing}", token))
        cursor.execute("ANALYZE")
    return product, bare


def settled_jobs(
    specs: Sequence[dict[str, Any]], tenants: Sequence[Any], now: Any
) -> list[tuple[str, UUID]]:
    """Jobs that went the whole way, with hand-made agent messages instead of agents."""
    from benchmarks.by_hand import speak_for_all
    from jinsuan.dispatch import actions as dispatch
    from jinsuan.dispatch.actions.place import board_now
    from jinsuan.kernel.ref import Role
    from jinsuan.protocol.parse import parse_spec
    from jinsuan.registry.queries import holders

    actors = {actor.organisation: actor for actor in holders(Role.TENANT)}
    board = board_now(now=now)
    found = []
    for number, spec in enumerate(specs):
        tenant = tenants[number % len(tenants)].organisation
        ref = dispatch.submit(
            parse_spec(spec), board=board, order_key=str(number), actor=actors[tenant], now=now
        )
        found.append((str(ref), tenant))
    assert dispatch.place_queued(now=now) == len(found)
    speak_for_all(now=now, seconds=600)
    later = now + timedelta(seconds=601)
    assert dispatch.settle(now=later) == len(found)
    return found


def more_tokens(count: int, now: Any) -> list[tuple[UUID, str]]:
    """Further tokens of the same people."""
    from jinsuan.entrypoints.replay.setup import SCOPES
    from jinsuan.kernel.ref import Role
    from jinsuan.registry.actions.agents import issue_token
    from jinsuan.registry.queries import holders

    actors = holders(Role.TENANT)
    found = []
    for number in range(count):
        actor = actors[number % len(actors)]
        assert actor.person is not None and actor.organisation is not None
        token = issue_token(
            person=actor.person,
            organisation=actor.organisation,
            role=actor.role,
            scopes=SCOPES,
            label=f"bench {number}",
            expires_at=now + timedelta(days=1),
            actor=actor,
            now=now,
        )
        found.append((actor.organisation, token))
    return found


def show(found: dict[str, Any]) -> None:
    """For people."""
    print(
        f"{found['rounds']} rounds of {found['seconds']} s each, in turn, {found['generator']}, "
        f"{CONNECTIONS} connections, {TOKENS} tokens, {WORKERS} workers x 8 threads each; "
        f"{found['neighbours_cores']} cores were busy with other work"
    )
    print(f"  {'':8} {'requests/s':>26} {'app CPU ms':>20} {'PG CPU ms':>18} {'p50':>7} {'p99':>8}")
    for name in ("product", "bare"):
        one = found[name]
        rate, cpu, pg = one["per_second"], one["cpu_ms"], one["postgres_ms"]
        print(
            f"  {name:8} {rate['min']:8.0f} {rate['median']:8.0f} {rate['max']:8.0f}"
            f" {cpu['min']:6.2f} {cpu['median']:6.2f} {cpu['max']:6.2f}"
            f" {pg['min']:6.2f} {pg['median']:5.2f} {pg['max']:5.2f}"
            f" {one['p50_ms']['median']:7.1f} {one['p99_ms']['median']:8.1f}"
        )
    verdict = "meets" if found["share_by_rate"] >= SHARE_OF_BARE else "misses"
    print(
        f"  product / bare: {found['share_by_rate']:.0%} by requests per second, which {verdict} the "
        f"target of {SHARE_OF_BARE:.0%}; {found['share_by_cpu']:.0%} by processor time of the application"
    )
