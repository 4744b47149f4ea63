"""What the platform does by itself: one tick is one action in its own transaction.

Every action is guarded by row locks with SKIP LOCKED, so a second worker helps instead of
disturbing, and a kill in the middle rolls back to the state before.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

import structlog
from django.db import InterfaceError, OperationalError, connection

from jinsuan.casework.errors import CaseFrozen, NoticeNotOver
from jinsuan.dispatch import actions as dispatch
from jinsuan.entrypoints.api import once
from jinsuan.entrypoints.longwork.actions import forget as forget_results
from jinsuan.entrypoints.longwork.run import run_next
from jinsuan.entrypoints.seal_keys import digest, signer
from jinsuan.kernel.errors import DomainError
from jinsuan.kernel.ref import Actor
from jinsuan.ledger.delivery import NOTIFY, ROWS, deliver
from jinsuan.ledger.seal import seal_all
from jinsuan.metering.queries_usage_files import left_undone
from jinsuan.vouchers.actions import book_differences, expire_due, sweep_ended, warn_expiring
from jinsuan.vouchers.actions.grant import (
    cases_in_check,
    cases_in_notice,
    pass_checks,
)
from jinsuan.vouchers.actions.grant_many import CHUNK, issue_granted_many
from jinsuan.vouchers.letters import letters
from jinsuan.vouchers.queries_bank import bank_totals
from jinsuan.vouchers.reconcile import differences

log = structlog.get_logger(__name__)

PAUSE_SECONDS = 0.05
"""Between two ticks of a turn: what comes in meanwhile is done together."""
LONGEST_TURN_SECONDS = 20
LEFT_ALONE = timedelta(minutes=10)
"""After this an import that is not done is taken for one that was cut off."""
TURN_LOCK = 0x6A73_7475_726E
"""PostgreSQL's advisory lock of who has the turn. It goes with its connection, so a killed worker
never keeps it."""

VOUCHERS = Actor.system("worker:vouchers")
CASES = Actor.system("worker:cases")
HELD_UP = frozenset({NoticeNotOver.code, CaseFrozen.code})
RECONCILE = Actor.system("worker:reconcile")

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
    """Drop what is older than we promise to keep it: answers to keyed requests, files."""
    answers = tried(lambda: once.forget(now=now()), "sweep")
    return answers + tried(lambda: forget_results(now=now()), "results")


def longwork(now: Clock) -> int:
    """Go on with the work that waits longest, to its end."""
    return tried(lambda: run_next(now), "longwork")


def vouchers(now: Clock) -> int:
    """End vouchers whose last day is over, and take back what ended ones still have."""
    ended = tried(lambda: expire_due(actor=VOUCHERS, now=now()), "expire")
    return ended + tried(lambda: sweep_ended(actor=VOUCHERS, now=now()).fen, "take_back")


def cases(now: Clock) -> int:
    """What the platform does on vouchers' cases: its own check, and issuing when a notice is over.

    Each case stands for itself: one that is held up keeps nobody else waiting.
    """
    done = 0
    for case in cases_in_check():
        done += tried(partial(pass_checks, case, actor=CASES, now=now()), "check")
    due = cases_in_notice(now=now())
    for start in range(0, len(due), CHUNK):
        chunk = due[start : start + CHUNK]
        done += tried(partial(_end_notices, chunk, now()), "notice")
    return done


def _end_notices(chunk: list[UUID], now: datetime) -> int:
    """Issue, or end cases with their year; a notice that is held up waits without a word."""
    found = issue_granted_many(chunk, actor=CASES, now=now)
    for left in found.left:
        if left.code not in HELD_UP:
            log.warning("notice.left", case=left.number, code=left.code, detail=left.words)
    return len(found.issued) + len(found.ended)


def warn(now: Clock) -> int:
    """Tell holders of vouchers that will expire soon; each is told once."""
    return tried(lambda: warn_expiring(actor=VOUCHERS, now=now()), "warn")


def reconcile(now: Clock) -> int:
    """Compare the books and write down what does not agree; the reading holds no lock."""
    found = tried(lambda: _reconciled(now), "reconcile")
    log.info("books.reconciled", new=found)
    return found


def _reconciled(now: Clock) -> int:
    return book_differences(differences(bank_totals()), actor=RECONCILE, now=now())


def usage_files(now: Clock) -> int:
    """Go on with usage files that somebody began to import and left; returns how many stretches.

    Whoever still works on one loses nothing: where a file is cut changes no figure.
    """
    ends, done = time.monotonic() + LONGEST_TURN_SECONDS, 0
    for file in left_undone(received_before=now() - LEFT_ALONE):
        while time.monotonic() < ends and tried(partial(_booked, file, now), "usage_files"):
            done += 1
    return done


def _booked(file: UUID, now: Clock) -> int:
    return int(dispatch.book_next(file, now=now()))


def seal(now: Clock) -> int:
    """Seal audit rows into blocks. Without a key they are chained but unsigned, and the log says so.

    A key that cannot be used seals nothing: it will be mended, and an unsigned block stays.
    """

    def act() -> int:
        key = signer()
        rows = seal_all(signer=key, now=now(), algorithm=digest())
        if rows and key is None:
            log.warning("seal.unsigned", rows=rows)
        return rows

    return tried(act, "seal")


def notify(now: Clock) -> int:
    """Read what was sealed and tell whom it concerns; returns how many sealed rows were read."""
    done = 0
    while rows := tried(_told(now), "notify"):
        done += rows
        if rows < ROWS:
            break
    return done


def _told(now: Clock) -> Callable[[], int]:
    at = now()
    return partial(deliver, NOTIFY, partial(letters, now=at), now=at)
