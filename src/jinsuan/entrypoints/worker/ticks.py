"""What the platform does by itself: one tick is one action in its own transaction.

Every action is guarded by row locks with SKIP LOCKED, so a second worker helps instead of
disturbing, and a kill in the middle rolls back to the state before.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from functools import partial
from uuid import UUID

import structlog
from django.db import InterfaceError, OperationalError, connection

from jinsuan.casework.errors import CaseFrozen, NoticeNotOver
from jinsuan.dispatch import actions as dispatch
from jinsuan.entrypoints.api import once
from jinsuan.entrypoints.seal_keys import signer
from jinsuan.kernel.errors import DomainError
from jinsuan.kernel.ref import Actor
from jinsuan.ledger.seal import seal_all
from jinsuan.vouchers.actions import expire_due, sweep_ended, warn_expiring
from jinsuan.vouchers.actions.grant import (
    cases_in_notice,
    end_with_year,
    issue_granted,
    pass_checks,
)
from jinsuan.vouchers.errors import ProgrammeClosed
from jinsuan.vouchers.queries_pool import cases_checking

log = structlog.get_logger(__name__)

PAUSE_SECONDS = 0.05
"""Between two ticks of a turn: what comes in meanwhile is done together."""
LONGEST_TURN_SECONDS = 20
TURN_LOCK = 0x6A73_7475_726E
"""PostgreSQL's advisory lock of who has the turn. It goes with its connection, so a killed worker
never keeps it."""

VOUCHERS = Actor.system("worker:vouchers")
CASES = Actor.system("worker:cases")

Clock = Callable[[], datetime]


def tried(act: Callable[[], int], name: str) -> int:
    """A refusal rolls one tick back and is tried again; a bug crashes the task, visibly."""
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


def tick(now: Clock) -> int:
    """Place what waits and settle what ended; returns how much was done."""
    placed = tried(lambda: dispatch.place_queued(now=now()), "place")
    return placed + tried(lambda: dispatch.settle(now=now()), "settle")


def turn(now: Clock) -> int:
    """Tick as long as there is something to do, if nobody else has the turn."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [TURN_LOCK])
        (mine,) = cursor.fetchone()
    if not mine:
        return 0
    ends, done = time.monotonic() + LONGEST_TURN_SECONDS, 0
    try:
        while (more := tick(now)) and time.monotonic() < ends:
            done += more
            time.sleep(PAUSE_SECONDS)
        return done + more
    finally:
        if connection.connection is not None:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [TURN_LOCK])


def watch(now: Clock) -> int:
    """Notice silence, and keep running jobs funded."""
    silent = tried(lambda: dispatch.mark_silent(now=now()), "watch")
    return silent + tried(lambda: dispatch.keep_funded(now=now()), "fund")


def sweep(now: Clock) -> int:
    """Drop answers to keyed requests that are older than we promise to keep them."""
    return tried(lambda: once.forget(now=now()), "sweep")


def vouchers(now: Clock) -> int:
    """End vouchers whose last day is over, and take back what ended ones still have."""
    ended = tried(lambda: expire_due(actor=VOUCHERS, now=now()), "expire")
    return ended + tried(lambda: sweep_ended(actor=VOUCHERS, now=now()).fen, "take_back")


def cases(now: Clock) -> int:
    """Pass on checked cases, and issue what stood through its notice; each by itself, so that one
    that is refused holds up no other.
    """
    done = 0
    for case in cases_checking():
        done += tried(partial(_pass, case, now), "checks")
    for case in cases_in_notice(now=now()):
        done += tried(partial(_issue, case, now), "issue")
    return done


def _pass(case: UUID, now: Clock) -> int:
    return int(pass_checks(case, actor=CASES, now=now()))


def _issue(case: UUID, now: Clock) -> int:
    try:
        issue_granted(case, actor=CASES, now=now())
    except (NoticeNotOver, CaseFrozen):
        return 0  # an objection or a doubt is open; somebody has to answer it first
    except ProgrammeClosed:
        end_with_year(case, actor=CASES, now=now())
    return 1


def warn(now: Clock) -> int:
    """Tell holders that a voucher will expire soon."""
    return tried(lambda: warn_expiring(actor=VOUCHERS, now=now()), "warn")


def seal(now: Clock) -> int:
    """Seal audit rows into blocks. Without a key they are chained but unsigned, and the log says so.

    A key that cannot be used seals nothing: it will be mended, and an unsigned block stays.
    """

    def act() -> int:
        key = signer()
        rows = seal_all(signer=key, now=now())
        if rows and key is None:
            log.warning("seal.unsigned", rows=rows)
        return rows

    return tried(act, "seal")
