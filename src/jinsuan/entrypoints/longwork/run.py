"""Take one work and see it through, or leave it to whoever comes next."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from threading import Lock

import structlog
from django.db import InterfaceError, OperationalError, connection

from jinsuan.entrypoints.longwork.actions import Held, Lost, claim, fail
from jinsuan.entrypoints.longwork.kinds import KINDS
from jinsuan.kernel.errors import DomainError

log = structlog.get_logger(__name__)
_one_at_a_time = Lock()
BROKEN = "程序出错，没有做成；做过的部分不会丢。请把这一项的编号交给平台运营查看日志。"


def run_next(now: Callable[[], datetime]) -> int:
    """One work, if any waits and this process is at none yet: the other timers need their turn."""
    if not _one_at_a_time.acquire(blocking=False):
        return 0
    try:
        held = claim(now=now())
        if held is None:
            return 0
        log.info("longwork.claimed", work=str(held.id), kind=held.kind, fence=held.fence)
        return _through(held, now)
    finally:
        _one_at_a_time.release()


def _through(held: Held, now: Callable[[], datetime]) -> int:
    try:
        KINDS[held.kind](held, now)
    except Lost:
        log.info("longwork.let_go", work=str(held.id), fence=held.fence)
        return 0
    except (OperationalError, InterfaceError) as error:
        # The database went away: the lease runs out, and somebody goes on behind the last step.
        log.warning("longwork.database_away", work=str(held.id), detail=str(error)[:200])
        connection.close()
        return 0
    except DomainError as error:
        _give_up(held, error.explain(), now)
    except Exception:
        _give_up(held, BROKEN, now)
        raise
    return 1


def _give_up(held: Held, words: str, now: Callable[[], datetime]) -> None:
    try:
        fail(held, error=words, now=now())
    except Lost:
        log.info("longwork.let_go", work=str(held.id), fence=held.fence)
