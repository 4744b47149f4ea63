"""How much a centre had on a day, and has now (算力规模): the reads of the capacity history."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from django.db import connection
from django.db.models import Count, Q, Sum
from django.db.models.functions import Coalesce

from jinsuan.registry.capacity import CapacityNow, CapacityOn, ModelCount
from jinsuan.registry.catalogue import catalogue
from jinsuan.registry.models import CapacityChange, Card, Centre, Reservation

WHOLE_CARD = 1000

# Per node the last row of the last day that is not after the one asked for.
_ON = """
    SELECT model, count(*), count(*) FILTER (WHERE online),
           sum(cards), coalesce(sum(cards) FILTER (WHERE online), 0),
           sum(cpu_milli), coalesce(sum(cpu_milli) FILTER (WHERE online), 0),
           sum(memory_mib), coalesce(sum(memory_mib) FILTER (WHERE online), 0)
    FROM (
        SELECT DISTINCT ON (c.node_id) c.*
        FROM registry_capacitychange AS c
        JOIN registry_node AS n ON n.id = c.node_id
        JOIN registry_cluster AS k ON k.id = n.cluster_id
        WHERE k.centre_id = %s AND c.effective_on <= %s
          AND (%s::timestamptz IS NULL OR c.recorded_at <= %s)
        ORDER BY c.node_id, c.effective_on DESC, c.id DESC
    ) AS last
    GROUP BY model ORDER BY model
"""


def capacity_on(centre: UUID, day: date, *, known_at: datetime | None = None) -> CapacityOn:
    """What a centre had at the end of a Beijing day; nothing outside its own dates.

    Args:
        known_at: as we knew it then, for a decision that is replayed; None is as we know it now.
    """
    row = Centre.objects.get(id=centre)
    lives = row.effective_from <= day and (row.effective_to is None or day < row.effective_to)
    found = _models_on(centre, day, known_at) if lives else []
    totals = [sum(line.totals[i] for line in found) for i in range(6)]
    return CapacityOn(
        centre=row.code,
        day=day,
        nodes_installed=totals[0],
        nodes_online=totals[1],
        cpu_milli_installed=totals[2],
        cpu_milli_online=totals[3],
        memory_mib_installed=totals[4],
        memory_mib_online=totals[5],
        models=tuple(
            ModelCount(
                model=line.model,
                installed=line.installed,
                online=line.online,
                millitflops_fp16=_power(line.model),
            )
            for line in found
            if line.model is not None
        ),
    )


@dataclass(frozen=True, slots=True)
class _ModelLine:
    """Nodes with one model, or with none: cards, and totals in the order of CapacityOn."""

    model: str | None
    installed: int
    online: int
    totals: tuple[int, ...]


def _models_on(centre: UUID, day: date, known_at: datetime | None) -> list[_ModelLine]:
    with connection.cursor() as cursor:
        cursor.execute(_ON, [centre, day, known_at, known_at])
        rows = cursor.fetchall()
    return [
        _ModelLine(
            model=row[0],
            installed=int(row[3]),
            online=int(row[4]),
            totals=tuple(int(n) for n in (*row[1:3], *row[5:])),
        )
        for row in rows
    ]


def _power(model: str) -> int | None:
    """One card's figure; a model that the catalogue has not is unknown, like one without figure."""
    card = catalogue().get(model)
    return None if card is None else card.millitflops_fp16


def capacity_now(centre: UUID, *, running: Collection[UUID] | None = None) -> CapacityNow:
    """A centre's cards now: installed >= online >= open >= allocated >= used.

    What is allocated stays so while its centre is closed to new orders or a node is out of sight;
    `open` counts those cards too, so that the order of the five always holds.

    Args:
        running: attempts that run now, as dispatch knows; without them `used` is unknown.
    """
    row = Centre.objects.get(id=centre)
    cards = Card.objects.filter(node__cluster__centre=centre).aggregate(
        installed=Count("id"),
        online=Count("id", filter=Q(node__online=True)),
        allocated=Coalesce(Sum("reserved_milli"), 0),
        offline_allocated=Coalesce(Sum("reserved_milli", filter=Q(node__online=False)), 0),
    )
    allocated = int(cards["allocated"])
    online = cards["online"] * WHOLE_CARD + int(cards["offline_allocated"])
    return CapacityNow(
        centre=row.code,
        installed_milli=cards["installed"] * WHOLE_CARD,
        online_milli=online,
        open_milli=online if row.state == Centre.State.OPEN else allocated,
        allocated_milli=allocated,
        used_milli=None if running is None else _used(centre, running),
    )


def _used(centre: UUID, running: Collection[UUID]) -> int:
    held = Reservation.objects.filter(node__cluster__centre=centre, attempt__in=list(running))
    rows = held.values_list("cards", "card_milli")
    return sum(len(cards) * milli for cards, milli in rows)


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeMoment:
    """One line of a node's history."""

    effective_on: date
    recorded_at: datetime
    model: str | None
    cards: int
    online: bool
    source: str


def history_of(node: UUID) -> list[NodeMoment]:
    """Everything that was said of one node, first to last."""
    rows = CapacityChange.objects.filter(node=node).order_by("effective_on", "id")
    return [
        NodeMoment(
            effective_on=row.effective_on,
            recorded_at=row.recorded_at,
            model=row.model,
            cards=row.cards,
            online=row.online,
            source=row.get_source_display(),
        )
        for row in rows
    ]


def doubts_of(centre: UUID) -> dict[str, str]:
    """Reports that are kept out at a centre, by cluster and node name."""
    rows = Centre.objects.filter(id=centre, clusters__nodes__doubt__gt="").values_list(
        "clusters__name", "clusters__nodes__name", "clusters__nodes__doubt"
    )
    ordered = rows.order_by("clusters__name", "clusters__nodes__name")
    return {f"{cluster}/{node}": doubt for cluster, node, doubt in ordered}
