"""A report or a list that takes cards away, against a job that is taking them at that moment."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime
from uuid import UUID

import pytest
from django.db import connection, transaction

from jinsuan.kernel.ids import new_id
from jinsuan.kernel.ref import Actor, Role
from jinsuan.protocol.messages import NodeOffer, Offer
from jinsuan.registry.actions.capacity import apply_inventory, reserve
from jinsuan.registry.capacity import Share
from jinsuan.registry.errors import InventoryRefused
from jinsuan.registry.models import Card, Centre, Node
from tests.flows.inventories import rows, sheet, take
from tests.flows.world import SYSTEM, organisation

NOW = datetime(2025, 9, 16, 1, 0, tzinfo=UTC)
pytestmark = pytest.mark.usefixtures("committed_db")


@pytest.fixture
def node(committed_db: None) -> Node:
    organisation(1, "甲算力", NOW)
    take(sheet(rows(1)), SYSTEM)
    Node.objects.update(online=True)
    return Node.objects.get()


def while_a_job_takes_card_seven(node: Node, other: Callable[[], None]) -> None:
    """Start `other` while the reservation is made and not committed; it has to wait for it."""
    begun, done = threading.Event(), threading.Event()

    def run() -> None:
        begun.set()
        try:
            other()
        finally:
            connection.close()
            done.set()

    thread = threading.Thread(target=run)
    with transaction.atomic():
        share = Share(node_id=node.id, cards=(7,), card_milli=1000, cpu_milli=1000, memory_mib=1)
        assert reserve([(new_id(), [share])], now=NOW) == []
        thread.start()
        assert begun.wait(5)
        assert not done.wait(0.5), "it did not wait for the lock, so it saw an older state"
    thread.join(10)
    assert done.is_set()


def test_a_report_that_waited_sees_the_job_and_is_kept_out(node: Node) -> None:
    fewer = NodeOffer(
        name=node.name,
        model=node.model,
        cards_free_milli=(1000,) * 4,
        cpu_milli=node.cpu_milli,
        cpu_free_milli=node.cpu_milli,
        memory_mib=node.memory_mib,
        memory_free_mib=node.memory_mib,
    )
    centre = Centre.objects.get().id
    offers = [Offer(cluster="main", engine="slurm", nodes=(fewer,))]
    while_a_job_takes_card_seven(
        node, lambda: apply_inventory(centre, offers, actor=SYSTEM, now=NOW)
    )

    assert Card.objects.count() == 8
    assert "卡上还有作业" in Node.objects.get().doubt


def test_a_list_that_waited_sees_the_job_and_is_refused(node: Node) -> None:
    owner: UUID = Centre.objects.get().owner_id
    actor = Actor(person=new_id(), organisation=owner, role=Role.CENTRE_OPERATOR, via="test")
    refused: list[InventoryRefused] = []

    def fewer() -> None:
        try:
            take(sheet(rows(1, cards="4")), actor)
        except InventoryRefused as error:
            refused.append(error)

    while_a_job_takes_card_seven(node, fewer)

    assert [p.row for error in refused for p in error.problems] == [2]
    assert Card.objects.count() == 8
