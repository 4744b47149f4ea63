"""Several sealers, and rows that commit in another order than their ids."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from threading import Barrier
from uuid import UUID

import pytest
from django.db import IntegrityError, connection, transaction

from jinsuan.kernel.ref import Actor, Ref
from jinsuan.ledger.actions import Note, record
from jinsuan.ledger.models import AuditRow, WaitingRow
from jinsuan.ledger.queries import seal_status, sealed_since
from jinsuan.ledger.seal import export_lines, find_missed, seal_all
from jinsuan.ledger.verify import verify

pytestmark = pytest.mark.usefixtures("committed_db")

NOW = datetime(2025, 3, 1, 8, tzinfo=UTC)


def write(action: str, count: int = 1) -> None:
    note = Note(action=action, subject=Ref("job", UUID(int=1)))
    record([note] * count, actor=Actor.system("test"), now=NOW)


def test_sealers_at_once_give_each_row_one_place() -> None:
    write("job.submit", 200)
    gate = Barrier(4)

    def run(_: int) -> int:
        try:
            connection.ensure_connection()
            gate.wait(30)
            return seal_all(signer=None, now=NOW, most=7)
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        sealed = list(pool.map(run, range(4)))

    assert sum(sealed) == 200
    assert [one.position for one in sealed_since(0)] == list(range(1, 201))
    assert verify(export_lines()).differences == ()
    assert not WaitingRow.objects.exists()


def test_what_is_rolled_back_does_not_wait() -> None:
    with transaction.atomic():
        write("job.submit", 3)
        assert WaitingRow.objects.count() == 3
        transaction.set_rollback(True)
    assert not WaitingRow.objects.exists()
    assert seal_all(signer=None, now=NOW) == 0


def test_rows_taken_off_the_waiting_ones_are_found_and_sealed() -> None:
    write("job.submit", 5)
    assert seal_all(signer=None, now=NOW) == 5
    write("job.submit", 4)
    first = WaitingRow.objects.order_by("row_id").values_list("row_id", flat=True)[0]
    WaitingRow.objects.filter(row_id=first).delete()
    assert seal_all(signer=None, now=NOW) == 3
    assert seal_status().waiting == 1  # counted in the book, not in what waits

    assert find_missed() == 1
    assert find_missed() == 0
    assert seal_all(signer=None, now=NOW) == 1
    assert seal_status().waiting == 0

    WaitingRow.objects.create(row_id=first)  # it has its place already
    write("job.submit")
    with pytest.raises(IntegrityError):
        seal_all(signer=None, now=NOW)
    assert find_missed() == 0
    assert seal_all(signer=None, now=NOW) == 1
    assert verify(export_lines()).differences == ()


def test_sealers_and_whoever_looks_for_missed_rows_do_not_disturb_each_other() -> None:
    write("job.submit", 200)
    gate = Barrier(4)

    def run(place: int) -> int:
        try:
            connection.ensure_connection()
            gate.wait(30)
            if place % 2:
                return sum(find_missed() for _ in range(10))
            return seal_all(signer=None, now=NOW, most=7)
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(run, range(4)))

    assert found[1] == found[3] == 0 and found[0] + found[2] == 200
    assert seal_status().waiting == 0 and not WaitingRow.objects.exists()
    assert verify(export_lines()).differences == ()


def test_a_lower_id_that_commits_later_is_sealed_later_and_not_skipped() -> None:
    def late() -> None:
        try:
            write("job.late")
        finally:
            connection.close()

    with transaction.atomic():
        write("job.early")  # has its id, and is not committed
        with ThreadPoolExecutor(1) as pool:
            pool.submit(late).result(30)
            assert pool.submit(_seal).result(30) == 1
    assert seal_all(signer=None, now=NOW) == 1

    ids = list(AuditRow.objects.order_by("id").values_list("action", flat=True))
    assert ids == ["job.early", "job.late"]
    assert [one.row.action for one in sealed_since(0)] == ["job.late", "job.early"]
    assert seal_status().waiting == 0
    assert verify(export_lines()).differences == ()


def _seal() -> int:
    try:
        return seal_all(signer=None, now=NOW)
    finally:
        connection.close()
