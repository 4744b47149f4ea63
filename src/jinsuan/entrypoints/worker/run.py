"""`jinsuan worker`: procrastinate's worker, started again when the database comes back."""

from __future__ import annotations

import signal
import threading
from types import FrameType

import structlog
from procrastinate.contrib.django import app
from procrastinate.exceptions import ConnectorException
from psycopg import Error as DatabaseError
from psycopg_pool import PoolTimeout

log = structlog.get_logger(__name__)

CONCURRENCY = 3
HEARTBEAT_SECONDS = 5
AGAIN_SECONDS = 1.0


def run_worker() -> None:
    """Run the timers until SIGTERM or SIGINT."""
    stopping = threading.Event()

    def stop(_signal: int, _frame: FrameType | None) -> None:
        stopping.set()

    log.info("worker.started")
    while not stopping.is_set():
        try:
            with app.replace_connector(app.connector.get_worker_connector()) as worker:
                worker.run_worker(
                    concurrency=CONCURRENCY,
                    update_heartbeat_interval=HEARTBEAT_SECONDS,
                    fetch_job_polling_interval=1,
                    delete_jobs="always",
                    shutdown_graceful_timeout=10,
                )
            break
        except (ConnectorException, DatabaseError, PoolTimeout, OSError) as error:
            log.warning("worker.database_away", detail=str(error)[:200])
        # Between two runs procrastinate does not listen to signals.
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, stop)
        stopping.wait(AGAIN_SECONDS)
    log.info("worker.stopped")
