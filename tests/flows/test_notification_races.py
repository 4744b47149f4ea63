"""Notifications through kills, races and rows that commit late: none lost, none twice."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from urllib.parse import urlsplit, urlunsplit

import pytest
from django.db import connection, transaction

from jinsuan.kernel.ref import Ref
from jinsuan.ledger.actions import Note, record
from jinsuan.ledger.audit import seal_status
from jinsuan.ledger.delivery import (
    NOTIFY,
    deliver,
)
from jinsuan.ledger.models import Notification, Reader
from jinsuan.ledger.seal import seal_all
from jinsuan.vouchers.letters import letters
from tests.flows.test_notifications import go, kinds
from tests.flows.voucher_world import NOW, Cast, make_cast
from tests.flows.world import SYSTEM

ROOT = Path(__file__).parents[2]


def write(cast: Cast, case: Ref, moves: int) -> None:
    """A row that concerns the applicant, as a return does."""
    side = {"kind": "voucher", "state": "city", "moves_made": moves}
    note = Note(
        action="case.move", subject=case, reason="补", before=side,
        after={**side, "state": "returned"},
    )  # fmt: skip
    record([note], actor=SYSTEM, now=NOW)


@pytest.fixture
def cast(committed_db: None) -> Cast:
    return make_cast()


def closed(act: object) -> object:
    try:
        return act()  # type: ignore[operator]
    finally:
        connection.close()


def test_a_row_with_a_lower_id_that_commits_later_is_told_later_and_not_lost(cast: Cast) -> None:
    case = Ref("case", cast.apply())
    go()
    before = kinds(cast.tenant)
    with transaction.atomic():
        write(cast, case, 1)  # has its id, and is not committed
        with ThreadPoolExecutor(1) as pool:
            pool.submit(closed, lambda: write(cast, case, 2)).result(30)
            pool.submit(closed, go).result(30)
            assert len(kinds(cast.tenant)) == len(before) + 1
    go()
    assert kinds(cast.tenant) == [*before, "case.returned", "case.returned"]


def test_workers_at_once_tell_each_recipient_once(cast: Cast) -> None:
    case = Ref("case", cast.apply())
    for number in range(40):
        write(cast, case, number)
    seal_all(signer=None, now=NOW, most=7)
    gate = Barrier(4)

    def run(_: int) -> int:
        def act() -> int:
            connection.ensure_connection()
            gate.wait(30)
            return sum(
                deliver(NOTIFY, lambda rows: letters(rows, now=NOW), now=NOW, limit=3)
                for _ in range(100)
            )

        return int(str(closed(act)))

    with ThreadPoolExecutor(4) as pool:
        read = list(pool.map(run, range(4)))
    go()
    assert sum(read) <= seal_status().rows
    assert kinds(cast.tenant) == ["case.returned"] * 40
    positions = list(Notification.objects.values_list("position", flat=True))
    assert len(positions) == len(set(positions)) == 40


KILLED = """
import os, signal, sys
from datetime import datetime, UTC
from jinsuan.entrypoints.site.boot import boot
boot()
from jinsuan.ledger import delivery
from jinsuan.ledger.models import Reader
from jinsuan.vouchers.letters import letters
now = datetime(2025, 9, 16, 1, tzinfo=UTC)
if sys.argv[1] == "before":
    save = Reader.save
    def die(self, *a, **k):
        save(self, *a, **k)
        os.kill(os.getpid(), signal.SIGKILL)
    Reader.save = die
delivery.deliver("notify", lambda rows: letters(rows, now=now), now=now, limit=5)
os.kill(os.getpid(), signal.SIGKILL)
"""


def killed(when: str) -> None:
    """A process that is killed with everything written, before its commit or after it."""
    given = urlsplit(os.environ["DATABASE_URL"])
    url = urlunsplit(given._replace(path=f"/{connection.settings_dict['NAME']}"))
    environment = {**os.environ, "DATABASE_URL": url, "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(
        [sys.executable, "-c", KILLED, when], env=environment, cwd=ROOT, timeout=60, check=False
    )
    assert done.returncode == -signal.SIGKILL


def test_a_kill_before_the_commit_doubles_nothing_and_after_it_loses_nothing(cast: Cast) -> None:
    case = Ref("case", cast.apply())
    go()
    start = Reader.objects.get(name=NOTIFY).position
    for number in range(12):
        write(cast, case, number)
    seal_all(signer=None, now=NOW)
    killed("before")
    assert Reader.objects.get(name=NOTIFY).position == start
    assert kinds(cast.tenant) == []
    killed("after")
    assert Reader.objects.get(name=NOTIFY).position == start + 5
    killed("before")
    go()
    assert kinds(cast.tenant) == ["case.returned"] * 12


def test_a_letter_that_cannot_be_made_moves_nothing(cast: Cast) -> None:
    case = Ref("case", cast.apply())
    write(cast, case, 1)
    seal_all(signer=None, now=NOW)

    def broken(rows: Sequence[object]) -> list[object]:
        raise AssertionError(len(rows))

    with pytest.raises(AssertionError):
        deliver(NOTIFY, broken, now=NOW)  # type: ignore[arg-type]
    assert not Reader.objects.filter(name=NOTIFY).exists()
    go()
    assert kinds(cast.tenant) == ["case.returned"]
