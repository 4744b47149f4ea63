"""An order (POST of a job), by phase: one thread, in process, through the whole WSGI application.

The database is a process of its own, so its time is in the wall time and not in the CPU time.
"""

from __future__ import annotations

import io
import json
import statistics
import time
from collections.abc import Callable, Iterable
from typing import Any

from benchmarks.database import database
from benchmarks.stopwatch import Stopwatch
from jinsuan.entrypoints import clock

WARM_UP = 20


def watched() -> Stopwatch:
    """The phases of an order."""
    order = "jinsuan.dispatch.actions.order"
    found = Stopwatch()
    found.watch("auth", "jinsuan.entrypoints.api.auth:authenticate_token")
    found.watch("read body", "jinsuan.entrypoints.api.jobs:read_json")
    found.watch("parse", "jinsuan.entrypoints.api.jobs:parse_spec")
    found.watch("board (kept for 2 s)", "jinsuan.entrypoints.api.board:RecentBoard.get")
    found.watch("plan: is there a place", f"{order}:place")
    found.watch("plan: is there money", f"{order}:wallets")
    found.watch("insert", f"{order}:_insert")
    found.watch("audit", f"{order}:record")
    found.watch("submit, rest", "jinsuan.dispatch.actions:submit")
    found.watch("kept answer", "jinsuan.entrypoints.api.jobs:once")
    found.watch("answer: read back", "jinsuan.dispatch.queries:access_job")
    found.watch("answer: shape", "jinsuan.entrypoints.api.present:job")
    return found


def run(*, orders: int) -> dict[str, Any]:
    """Order so many jobs one after the other."""
    with database():
        found = measured(orders)
    show(found)
    return found


def measured(count: int) -> dict[str, Any]:
    """The figures of one run on an empty province."""
    from benchmarks import world

    tenants = world.fill(clock.now())
    stopwatch = watched()
    from jinsuan.entrypoints.site.wsgi import application

    wall: list[float] = []
    cpu: list[float] = []
    for number, spec in enumerate(world.orders(count + WARM_UP)):
        if number == WARM_UP:
            stopwatch.sums.clear()
        environ = request(spec, tenants[number % len(tenants)].token, f"bench-{number}")
        began, began_cpu = time.perf_counter(), time.thread_time()
        with stopwatch.measure("framework: routing, middleware, JSON"):
            status = call(application, environ)
        wall.append((time.perf_counter() - began) * 1000)
        cpu.append((time.thread_time() - began_cpu) * 1000)
        assert status.startswith("201"), status
    wall, cpu = wall[WARM_UP:], cpu[WARM_UP:]
    sums = stopwatch.plain()
    return {
        "orders": count,
        "wall_ms": spread(wall),
        "cpu_ms": spread(cpu),
        "phases": {
            name: {
                "calls": one["calls"],
                "cpu_ms": round(one["cpu_ms"] / count, 3),
                "wall_ms": round(one["wall_ms"] / count, 3),
            }
            for name, one in sorted(sums["sums"].items(), key=lambda i: -i[1]["wall_ms"])
        },
        "not_found": sums["missing"],
    }


def request(spec: dict[str, Any], token: str, key: str) -> dict[str, Any]:
    """The WSGI environment of one order."""
    body = json.dumps(spec).encode()
    return {
        "REQUEST_METHOD": "POST",
        "SCRIPT_NAME": "",
        "PATH_INFO": "/api/v1/jobs",
        "QUERY_STRING": "",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "HTTP_HOST": "127.0.0.1",
        "HTTP_AUTHORIZATION": f"Bearer {token}",
        "HTTP_IDEMPOTENCY_KEY": key,
        "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": io.StringIO(),
        "wsgi.url_scheme": "http",
        "wsgi.version": (1, 0),
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }


def call(application: Callable[..., Iterable[bytes]], environ: dict[str, Any]) -> str:
    """One request, read to its end; the status."""
    told: list[str] = []

    def start(status: str, _headers: Any, _error: Any = None) -> None:
        told.append(status)

    answer = application(environ, start)
    b"".join(answer)
    close = getattr(answer, "close", None)
    if close is not None:
        close()
    return told[0]


def spread(values: list[float]) -> dict[str, float]:
    """Least, median and most."""
    return {
        "min": round(min(values), 2),
        "median": round(statistics.median(values), 2),
        "max": round(max(values), 2),
    }


def show(found: dict[str, Any]) -> None:
    """For people."""
    wall, cpu = found["wall_ms"], found["cpu_ms"]
    print(f"{found['orders']} orders, one at a time, after {WARM_UP} to warm up")
    print(f"  wall ms: min {wall['min']}, median {wall['median']}, max {wall['max']}")
    print(
        f"  CPU ms:  min {cpu['min']}, median {cpu['median']}, max {cpu['max']} (without PostgreSQL)"
    )
    print("  mean per order, each phase without the others:  wall ms   CPU ms   calls")
    for name, one in found["phases"].items():
        print(f"    {name:44} {one['wall_ms']:9.3f} {one['cpu_ms']:8.3f} {one['calls']:7}")
    for place in found["not_found"]:
        print(f"    not found, so not measured: {place}")
