"""Reconciling while jobs are charged finds nothing: all is read from one snapshot."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

from django.db import connection, transaction

from jinsuan.kernel.money import Money
from jinsuan.kernel.period import month
from jinsuan.ledger.snapshot import one_snapshot
from jinsuan.vouchers.reconcile import differences
from jinsuan.vouchers.statements import lines, statement
from jinsuan.vouchers.subjects import access_subject
from tests.flows.statement_world import MeteredJob
from tests.flows.world import make_world

NOW = datetime(2025, 9, 16, 1, 0, tzinfo=UTC)


def test_nothing_is_found_while_charges_come_in(committed_db: None) -> None:
    world = make_world(now=NOW, voucher="20")
    job = MeteredJob(world)
    job.begin(cover="5000", authorised="5000", now=NOW)
    stop = threading.Event()
    charged, broken = [0], []

    def charge() -> None:
        try:
            while not stop.is_set():
                charged[0] += 1
                with transaction.atomic():
                    job.used(charged[0], now=NOW + timedelta(hours=charged[0]))
        except BaseException as error:  # noqa: BLE001
            broken.append(error)
        finally:
            connection.close()

    worker = threading.Thread(target=charge)
    worker.start()
    try:
        subject, period = access_subject(world.researcher, ""), month("2025-09")
        before = 0
        for _ in range(12):
            assert differences() == []
            with one_snapshot():
                head = statement(subject, period, now=NOW)
                moved = Money.total(line.amount for line in lines(subject, period))
            assert head.opening + moved == head.closing
            before = max(before, head.totals.lines)
    finally:
        stop.set()
        worker.join()

    assert not broken
    assert before > 5
    assert differences() == []
