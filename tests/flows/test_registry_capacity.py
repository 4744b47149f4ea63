"""What a centre had on which day, and agents whose nodes grow, shrink, vanish or change."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest
from django.db import DatabaseError, connection, transaction

from jinsuan.kernel.ids import new_id
from jinsuan.kernel.ref import Ref
from jinsuan.ledger.models import AuditRow
from jinsuan.protocol.messages import NodeOffer, Offer
from jinsuan.registry.actions.capacity import apply_inventory, release, reserve
from jinsuan.registry.actions.centres import register_centre, set_centre_state
from jinsuan.registry.capacity import Share, show_pflops
from jinsuan.registry.models import CapacityChange, Card, Centre, Node
from jinsuan.registry.queries_capacity import (
    capacity_now,
    capacity_on,
    doubts_of,
    history_of,
)
from tests.flows.world import SYSTEM, organisation

FIRST = datetime(2025, 3, 1, 1, 0, tzinfo=UTC)
KNOWN = "Ascend 910B3"  # 313 TFLOPS
UNKNOWN = "G2"  # a label of a public trace, without figures
pytestmark = pytest.mark.django_db


def on(day: int, month: int = 3) -> datetime:
    return datetime(2025, month, day, 1, 0, tzinfo=UTC)


@pytest.fixture
def centre() -> UUID:
    ref = register_centre(
        code="T01",
        name="测试中心",
        owner=organisation(1, "甲算力", FIRST),
        adcode="140100",
        kind="智算",
        network="",
        industry="",
        effective_from=date(2025, 3, 1),
        actor=SYSTEM,
        now=FIRST,
    )
    return ref.id


def offer(name: str, cards: int = 8, model: str | None = KNOWN, cores: int = 64) -> NodeOffer:
    return NodeOffer(
        name=name,
        model=model if cards else None,
        cards_free_milli=(1000,) * cards,
        cpu_milli=cores * 1000,
        cpu_free_milli=cores * 1000,
        memory_mib=2**18,
        memory_free_mib=2**18,
    )


@pytest.fixture
def report(centre: UUID) -> Callable[..., None]:
    def apply(at: datetime, *nodes: NodeOffer) -> None:
        offers = [Offer(cluster="main", engine="embedded", nodes=nodes)]
        apply_inventory(centre, offers, actor=SYSTEM, now=at)

    return apply


def hold(name: str, *cards: int, cores: int = 1) -> UUID:
    node = Node.objects.get(name=name)
    share = Share(
        node_id=node.id, cards=cards, card_milli=1000, cpu_milli=cores * 1000, memory_mib=1
    )
    attempt = new_id()
    assert reserve([(attempt, [share])], now=FIRST) == []
    return attempt


def test_cards_of_a_past_day_are_those_of_that_day(
    centre: UUID, report: Callable[..., None]
) -> None:
    report(on(1), offer("a"), offer("b"))
    report(on(5), offer("a"), offer("b"), offer("c", 4))
    report(on(9), offer("a"), offer("c", 4))  # b is out of sight: installed, not online

    def cards(day: date) -> tuple[int, int]:
        count = capacity_on(centre, day).cards(KNOWN)
        return count.installed, count.online

    assert cards(date(2025, 2, 28)) == (0, 0)
    assert cards(date(2025, 3, 1)) == (16, 16)
    assert cards(date(2025, 3, 4)) == (16, 16)
    assert cards(date(2025, 3, 5)) == (20, 20)
    assert cards(date(2025, 3, 9)) == (20, 12)
    assert cards(date(2026, 1, 1)) == (20, 12)


def test_a_day_is_a_day_in_beijing(centre: UUID, report: Callable[..., None]) -> None:
    report(datetime(2025, 3, 1, 16, 30, tzinfo=UTC), offer("a"))

    assert capacity_on(centre, date(2025, 3, 1)).cards(KNOWN).installed == 0
    assert capacity_on(centre, date(2025, 3, 2)).cards(KNOWN).installed == 8


def test_power_counts_known_figures_and_says_what_it_does_not_know(
    centre: UUID, report: Callable[..., None]
) -> None:
    report(on(1), offer("a"), offer("b", 4, UNKNOWN), offer("c", 2, "nobody's card"), offer("d", 0))

    found = capacity_on(centre, date(2025, 3, 1))
    assert show_pflops(found.installed_millitflops_fp16) == "2.504"  # 8 x 313 TFLOPS
    assert found.cards_of_unknown_power == 6
    assert found.cards(UNKNOWN).millitflops_fp16 is None
    assert (found.nodes_installed, found.cpu_milli_online) == (4, 4 * 64_000)


def test_what_was_known_at_a_time_can_be_asked(centre: UUID, report: Callable[..., None]) -> None:
    report(on(1), offer("a"))
    node = Node.objects.get(name="a")
    later = on(20)
    CapacityChange.objects.create(  # somebody says on the 20th that 4 cards were there on the 2nd
        node=node,
        effective_on=date(2025, 3, 2),
        recorded_at=later,
        model=KNOWN,
        cards=4,
        cpu_milli=1,
        memory_mib=1,
        online=True,
        source="import",
    )

    assert capacity_on(centre, date(2025, 3, 3)).cards(KNOWN).installed == 4
    then = capacity_on(centre, date(2025, 3, 3), known_at=later - timedelta(days=1))
    assert then.cards(KNOWN).installed == 8


def test_the_history_cannot_be_edited(centre: UUID, report: Callable[..., None]) -> None:
    report(on(1), offer("a"))
    for sql in (
        "UPDATE registry_capacitychange SET cards = 99",
        "DELETE FROM registry_capacitychange",
    ):
        with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(sql)


def test_the_same_report_again_writes_nothing(centre: UUID, report: Callable[..., None]) -> None:
    report(on(1), offer("a"), offer("b", 0))
    rows, notes = CapacityChange.objects.count(), AuditRow.objects.count()
    report(on(2), offer("a"), offer("b", 0))

    assert (CapacityChange.objects.count(), AuditRow.objects.count()) == (rows, notes)


def test_a_free_node_grows_shrinks_and_changes_its_model(
    centre: UUID, report: Callable[..., None]
) -> None:
    report(on(1), offer("a", 4))
    report(on(2), offer("a", 8))
    assert list(Card.objects.order_by("index").values_list("index", flat=True)) == list(range(8))
    report(on(3), offer("a", 2))
    assert Card.objects.count() == 2
    report(on(4), offer("a", 2, "Ascend 910B2"))
    report(on(5), offer("a", 0))

    node = Node.objects.get()
    assert node.model is None
    assert Card.objects.count() == 0
    said = [(m.effective_on.day, m.model, m.cards) for m in history_of(node.id)]
    assert said == [
        (1, KNOWN, 4),
        (2, KNOWN, 8),
        (3, KNOWN, 2),
        (4, "Ascend 910B2", 2),
        (5, None, 0),
    ]


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"cards": 4}, id="fewer cards"),
        pytest.param({"model": "Ascend 910B2"}, id="another model"),
        pytest.param({"cards": 0}, id="no cards"),
        pytest.param({"cores": 1}, id="fewer cores than held"),
    ],
)
def test_what_jobs_hold_is_not_taken_away_by_a_report(
    change: dict[str, object], centre: UUID, report: Callable[..., None]
) -> None:
    report(on(1), offer("a"))
    attempt = hold("a", 7, cores=2)
    report(on(2), offer("a", **change))  # type: ignore[arg-type]

    node = Node.objects.get()
    assert (node.model, node.cpu_milli, Card.objects.count()) == (KNOWN, 64_000, 8)
    assert "main/a" in doubts_of(centre)
    notes = AuditRow.objects.filter(subject=str(Ref("node", node.id)))
    assert [n.action for n in notes] == ["node.doubt"]
    report(on(2), offer("a", **change))  # type: ignore[arg-type]
    assert notes.count() == 1, "the same doubt is noted once, not with every report"

    release([attempt], now=on(3))
    report(on(3), offer("a", **change))  # type: ignore[arg-type]
    node.refresh_from_db()
    assert (node.model, node.cpu_milli, Card.objects.count()) != (KNOWN, 64_000, 8)
    assert doubts_of(centre) == {}
    assert [n.action for n in notes.order_by("id")] == ["node.doubt", "node.doubt_over"]


def test_cards_may_be_added_while_others_are_held(
    centre: UUID, report: Callable[..., None]
) -> None:
    report(on(1), offer("a", 4))
    hold("a", 0)
    report(on(2), offer("a", 8))

    assert Card.objects.count() == 8
    assert Card.objects.get(index=0).reserved_milli == 1000


def test_a_node_with_jobs_that_is_out_of_sight_goes_offline_and_comes_back(
    centre: UUID, report: Callable[..., None]
) -> None:
    report(on(1), offer("a"), offer("b"))
    hold("b", 0, 1)
    report(on(2), offer("a"))
    assert Node.objects.get(name="b").online is False
    report(on(3), offer("a"), offer("b"))
    assert Node.objects.get(name="b").online is True


def test_installed_online_open_allocated_used_never_cross(
    centre: UUID, report: Callable[..., None]
) -> None:
    report(on(1), offer("a"), offer("b"))
    running, waiting = hold("a", 0, 1), hold("b", 0)
    steps = [
        lambda: None,
        lambda: report(on(2), offer("a")),
        lambda: set_centre_state(
            centre, Centre.State.DRAINING, reason="检修", actor=SYSTEM, now=on(3)
        ),
        lambda: report(on(4)),
    ]
    for step in steps:
        step()
        found = capacity_now(centre, running=[running])
        five = [
            found.installed_milli,
            found.online_milli,
            found.open_milli,
            found.allocated_milli,
            found.used_milli or 0,
        ]
        assert five == sorted(five, reverse=True), five
    assert (found.installed_milli, found.allocated_milli, found.used_milli) == (16000, 3000, 2000)
    assert capacity_now(centre).used_milli is None
    assert waiting != running


def test_a_closed_centre_has_nothing_after_its_last_day(
    centre: UUID, report: Callable[..., None]
) -> None:
    report(on(1), offer("a"))
    Centre.objects.filter(id=centre).update(effective_to=date(2025, 6, 1))

    assert capacity_on(centre, date(2025, 5, 31)).cards(KNOWN).installed == 8
    assert capacity_on(centre, date(2025, 6, 1)).cards(KNOWN).installed == 0
