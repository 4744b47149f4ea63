"""`jinsuan worker`: procrastinate's worker, started again whenever the database was away."""

from __future__ import annotations

import asyncio
import contextlib
import signal

import structlog
from procrastinate.contrib.django import app
from procrastinate.contrib.django.django_connector import DjangoConnector

log = structlog.get_logger(__name__)

CONCURRENCY = 3
HEARTBEAT_SECONDS = 5
AGAIN_SECONDS = 1.0
GRACE_SECONDS = 10


def run_worker() -> None:
    """Run the timers until SIGTERM or SIGINT."""
    log.info("worker.started")
    asyncio.run(_serve())
    log.info("worker.stopped")


async def _serve() -> None:
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    asked = asyncio.create_task(stopping.wait())
    while not stopping.is_set():
        working = asyncio.create_task(_work())
        await asyncio.wait({working, asked}, return_when=asyncio.FIRST_COMPLETED)
        if stopping.is_set():
            working.cancel()
        # It ends by itself, with or without an error, when the database went away.
        problem = (await asyncio.gather(working, return_exceptions=True))[0]
        if not stopping.is_set():
            log.warning("worker.interrupted", problem=repr(problem)[:300])
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stopping.wait(), AGAIN_SECONDS)


async def _work() -> None:
    connector = app.connector
    assert isinstance(connector, DjangoConnector)
    with app.replace_connector(connector.get_worker_connector()) as worker:
        async with worker.open_async():
            await worker.run_worker_async(
                concurrency=CONCURRENCY,
                update_heartbeat_interval=HEARTBEAT_SECONDS,
                fetch_job_polling_interval=1,
                delete_jobs="always",
                shutdown_graceful_timeout=GRACE_SECONDS,
                install_signal_handlers=False,
            )
