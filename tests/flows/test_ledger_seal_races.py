"""Several sealers, and rows that commit in another order than their ids."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from threading import Barrier
from uuid import UUID

import pytest
from django.db import connection, transaction

from jinsuan.kernel.ref import Actor, Ref
from jinsuan.ledger.actions import Note, record
from jinsuan.ledger.models import AuditRow
from jinsuan.ledger.queries import seal_status, sealed_since
from jinsuan.ledger.seal import export_lines, seal_all
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
