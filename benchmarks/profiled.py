"""Stands in for `jinsuan serve` and `jinsuan worker` while the whole path is measured.

The same server and the same worker, with a stopwatch around the functions that a job passes. The
stopwatch itself costs some microseconds per call; the sum over the process includes it.
"""

from __future__ import annotations

import atexit
import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from benchmarks.stopwatch import Stopwatch

FOLDER = "JINSUAN_BENCH_FOLDER"
stopwatch = Stopwatch()


def application(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
    """The product's WSGI application, measured by address."""
    path = environ["PATH_INFO"]
    if path == "/agent/v1/sync":
        name = "sync: HTTP and JSON"
    elif path == "/api/v1/jobs" and environ["REQUEST_METHOD"] == "POST":
        name = "order: HTTP and JSON"
    else:
        name = "start-up and other requests, once"
    with stopwatch.measure(name):
        answer = _product()(environ, start)
    stopwatch.dump(Path(os.environ[FOLDER]), "server")
    return answer


_made: list[Callable[..., Iterable[bytes]]] = []


def _product() -> Callable[..., Iterable[bytes]]:
    if not _made:
        from jinsuan.entrypoints.site.wsgi import application as product

        watch_server()
        _made.append(product)
    return _made[0]


def watch_server() -> None:
    """What a request does."""
    order, sync = "jinsuan.dispatch.actions.order", "jinsuan.dispatch.actions.sync"
    agent = "jinsuan.entrypoints.api.agent"
    stopwatch.watch("auth", "jinsuan.entrypoints.api.auth:authenticate_token")
    stopwatch.watch("order: board", "jinsuan.entrypoints.api.board:RecentBoard.get")
    stopwatch.watch("order: plan", f"{order}:_feasible")
    stopwatch.watch("order: submit", "jinsuan.dispatch.actions:submit")
    stopwatch.watch("order: audit", f"{order}:record")
    stopwatch.watch("sync: envelope", f"{agent}:accept_envelope")
    stopwatch.watch("sync: inventory", f"{agent}:apply_inventory")
    stopwatch.watch("sync: decode", f"{agent}:decode")
    stopwatch.watch("sync: encode", f"{agent}:encode")
    stopwatch.watch("sync: reports", f"{sync}:_apply")
    stopwatch.watch("sync: readings", f"{sync}:metering.record")
    stopwatch.watch("sync: ends", f"{sync}:after_end")
    stopwatch.watch("sync: logs", f"{sync}:_keep_logs")
    stopwatch.watch("sync: what to tell", f"{sync}:_to_tell")
    stopwatch.watch("sync: rest", "jinsuan.dispatch.actions:sync")


def watch_worker() -> None:
    """What a turn does."""
    place = "jinsuan.dispatch.actions.place"
    settle = "jinsuan.dispatch.actions.settle"
    stopwatch.watch("place: board", f"{place}:packing_board_now")
    stopwatch.watch("place: choose", f"{place}:_plan")
    stopwatch.watch("place: reserve", f"{place}:capacity.reserve")
    stopwatch.watch("place: hold", f"{place}:hold")
    stopwatch.watch("place: meters", f"{place}:open_meters")
    stopwatch.watch("place: write", f"{place}:_write")
    stopwatch.watch("place: rest", "jinsuan.dispatch.actions:place_queued")
    stopwatch.watch("settle: charge", f"{settle}:metering.charge")
    stopwatch.watch("settle: capture", f"{settle}:capture")
    stopwatch.watch("settle: release", f"{settle}:release")
    stopwatch.watch("settle: rest", "jinsuan.dispatch.actions:settle")
    stopwatch.watch("watch", "jinsuan.dispatch.actions:mark_silent")
    stopwatch.watch("fund", "jinsuan.dispatch.actions:keep_funded")


def serve(port: int, workers: int) -> None:
    """As `jinsuan serve` does, with our application in between."""
    from granian import Granian
    from granian.constants import Interfaces

    Granian(
        "benchmarks.profiled:application",
        address="127.0.0.1",
        port=port,
        interface=Interfaces.WSGI,
        workers=workers,
        blocking_threads=8,
        backpressure=64,
        log_access=False,
        log_level="warning",  # type: ignore[arg-type]
    ).serve()


def main() -> None:
    from jinsuan.entrypoints.site.boot import boot

    boot()
    what, *rest = sys.argv[1:]
    if what == "serve":
        options = dict(zip(rest[::2], rest[1::2], strict=True))
        serve(int(options["--port"]), int(options["--workers"]))
        return
    assert what == "worker", sys.argv
    watch_worker()
    atexit.register(lambda: stopwatch.dump(Path(os.environ[FOLDER]), "worker", now=True))
    from jinsuan.entrypoints.worker import ticks
    from jinsuan.entrypoints.worker.run import run_worker

    turn = ticks.turn

    def turned(*args: Any) -> int:
        with stopwatch.measure("turn: rest"):
            done = turn(*args)
        stopwatch.dump(Path(os.environ[FOLDER]), "worker")
        return done

    ticks.turn = turned
    run_worker()


if __name__ == "__main__":
    main()
