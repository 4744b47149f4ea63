"""The worker's loop: one tick after another, quickly while there is work, slowly when there is none.

Each tick is one action in its own transaction, guarded by row locks with SKIP LOCKED, so a second
worker helps instead of disturbing, and a kill in the middle rolls back to the state before.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from types import FrameType

import structlog
from django.db import InterfaceError, OperationalError, close_old_connections, connection

from jinsuan.dispatch import actions as dispatch
from jinsuan.kernel.errors import DomainError

log = structlog.get_logger(__name__)

BUSY_SECONDS = 0.05
IDLE_SECONDS = 0.5
WATCH_EVERY_SECONDS = 5


@dataclass(slots=True)
class Worker:
    """Runs ticks until asked to stop.

    Args:
        now: the business clock.
    """

    now: Callable[[], datetime]
    stopping: threading.Event = field(default_factory=threading.Event)
    _watched: float = 0.0

    def tick(self) -> int:
        """Do everything that is due once; returns how much was done."""
        done = self._try(lambda: dispatch.place_queued(now=self.now()), "place")
        done += self._try(lambda: dispatch.settle(now=self.now()), "settle")
        if time.monotonic() - self._watched >= WATCH_EVERY_SECONDS:
            self._watched = time.monotonic()
            self._try(lambda: dispatch.mark_silent(now=self.now()), "watch")
            self._try(lambda: dispatch.keep_funded(now=self.now()), "fund")
        return done

    def _try(self, act: Callable[[], int], name: str) -> int:
        """A refusal rolls one tick back and is tried again; a bug crashes the worker, visibly."""
        try:
            return act()
        except (OperationalError, InterfaceError) as error:
            # The database went away (a restart, a fail-over). Nothing was committed; come back.
            log.warning("tick.database_away", tick=name, detail=str(error)[:200])
            connection.close()
            return 0
        except DomainError as error:
            log.warning("tick.refused", tick=name, code=error.code, detail=error.explain())
            return 0

    def run(self) -> None:
        """Tick until SIGTERM or SIGINT."""
        while not self.stopping.is_set():
            close_old_connections()
            done = self.tick()
            self.stopping.wait(BUSY_SECONDS if done else IDLE_SECONDS)


def run_worker(now: Callable[[], datetime]) -> None:
    """The `jinsuan worker` command."""
    worker = Worker(now=now)

    def stop(_signal: int, _frame: FrameType | None) -> None:
        worker.stopping.set()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    log.info("worker.started")
    worker.run()
    log.info("worker.stopped")
