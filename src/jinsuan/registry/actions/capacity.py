"""Reserve and free capacity for many attempts at once, and take over what agents report.

Nodes are always locked first and in id order, so two rounds can wait for each other but never
deadlock. What is reserved is counted on the node and card rows, whose CHECKs are the second guard.

What refuses nothing needs no savepoint of its own inside its caller's transaction.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import connection, transaction

from jinsuan.kernel.period import beijing_date
from jinsuan.kernel.ref import Actor, Ref
from jinsuan.ledger.actions import Note, record
from jinsuan.ledger.statements import read
from jinsuan.protocol.messages import NodeOffer, Offer
from jinsuan.registry.actions.nodes import take_over
from jinsuan.registry.capacity import Machine, Share
from jinsuan.registry.models import CapacityChange, Card, Cluster, Node, Reservation

WHOLE_CARD = 1000


@dataclass(slots=True)
class _Room:
    """What is left of one locked node while wants are tried in order."""

    online: bool
    cpu: int
    memory: int
    cards: list[int]

    def holds(self, share: Share) -> bool:
        return (
            self.online
            and share.cpu_milli <= self.cpu
            and share.memory_mib <= self.memory
            and all(i < len(self.cards) and share.card_milli <= self.cards[i] for i in share.cards)
        )

    def take(self, share: Share) -> None:
        self.cpu -= share.cpu_milli
        self.memory -= share.memory_mib
        for i in share.cards:
            self.cards[i] -= share.card_milli


def _locked(nodes: Iterable[UUID]) -> dict[UUID, _Room]:
    rows = list(
        Node.objects.select_for_update(no_key=True)
        .filter(id__in=set(nodes))
        .order_by("id")
        .values_list(
            "id", "online", "cpu_milli", "cpu_reserved_milli", "memory_mib", "memory_reserved_mib"
        )
    )
    cards: dict[UUID, list[int]] = {row[0]: [] for row in rows}
    found = Card.objects.filter(node__in=cards).order_by("node_id", "index")
    for node, reserved in found.values_list("node_id", "reserved_milli"):
        cards[node].append(WHOLE_CARD - reserved)
    return {
        pk: _Room(online, cpu - cpu_taken, memory - memory_taken, cards[pk])
        for pk, online, cpu, cpu_taken, memory, memory_taken in rows
    }


@transaction.atomic(savepoint=False)
def reserve(wants: Sequence[tuple[UUID, Sequence[Share]]], *, now: datetime) -> list[UUID]:  # noqa: ARG001
    """Reserve for as many attempts as still fit, in order; all nodes of one attempt or none.

    Returns:
        The attempts that did not fit any more. An attempt that holds its part already is fine.
    """
    rooms = _locked(share.node_id for _, shares in wants for share in shares)
    attempts = [attempt for attempt, _ in wants]
    known = set(Reservation.objects.filter(attempt__in=attempts).values_list("attempt", flat=True))
    late: list[UUID] = []
    taken: list[tuple[UUID, Share]] = []
    for attempt, shares in wants:
        if attempt in known:
            continue
        fits = len({s.node_id for s in shares}) == len(shares) and all(
            s.node_id in rooms and rooms[s.node_id].holds(s) for s in shares
        )
        if not fits:
            late.append(attempt)
            continue
        for share in shares:
            rooms[share.node_id].take(share)
            taken.append((attempt, share))
    _write(taken)
    return late


def _write(taken: Sequence[tuple[UUID, Share]]) -> None:
    Reservation.objects.bulk_create(
        Reservation(
            attempt=attempt,
            node_id=share.node_id,
            cards=list(share.cards),
            card_milli=share.card_milli,
            cpu_milli=share.cpu_milli,
            memory_mib=share.memory_mib,
        )
        for attempt, share in taken
    )
    _count([share for _, share in taken], sign=1)


def _count(shares: Sequence[Share], *, sign: int) -> None:
    """Add shares to the counters of nodes and cards, or take them away."""
    cpu: Counter[UUID] = Counter()
    memory: Counter[UUID] = Counter()
    cards: Counter[tuple[UUID, int]] = Counter()
    for share in shares:
        cpu[share.node_id] += sign * share.cpu_milli
        memory[share.node_id] += sign * share.memory_mib
        for i in share.cards:
            cards[share.node_id, i] += sign * share.card_milli
    with connection.cursor() as cursor:
        if cpu:
            ids = list(cpu)
            cursor.execute(
                "UPDATE registry_node AS n SET cpu_reserved_milli = cpu_reserved_milli + d.cpu,"
                " memory_reserved_mib = memory_reserved_mib + d.memory"
                " FROM unnest(%s::uuid[], %s::bigint[], %s::bigint[]) AS d(id, cpu, memory)"
                " WHERE n.id = d.id",
                [ids, [cpu[i] for i in ids], [memory[i] for i in ids]],
            )
        if cards:
            keys = list(cards)
            cursor.execute(
                "UPDATE registry_card AS c SET reserved_milli = reserved_milli + d.milli"
                " FROM unnest(%s::uuid[], %s::int[], %s::int[]) AS d(node, index, milli)"
                " WHERE c.node_id = d.node AND c.index = d.index",
                [[node for node, _ in keys], [i for _, i in keys], [cards[k] for k in keys]],
            )


def _share(row: Reservation) -> Share:
    return Share(
        node_id=row.node_id,
        cards=tuple(row.cards),
        card_milli=row.card_milli,
        cpu_milli=row.cpu_milli,
        memory_mib=row.memory_mib,
    )


_LOCK_HELD = """
    SELECT n.id FROM registry_node n
    WHERE n.id IN (
        SELECT r.node_id FROM registry_reservation r WHERE r.attempt = ANY (%s::uuid[]))
    ORDER BY n.id FOR NO KEY UPDATE
"""


@transaction.atomic(savepoint=False)
def release(attempts: Sequence[UUID], *, now: datetime) -> None:  # noqa: ARG001
    """Free what these attempts hold. Again is harmless."""
    read(_LOCK_HELD, [list(attempts)])
    # Taken after the locks: who freed them in between has committed by now.
    with connection.cursor() as cursor:
        cursor.execute(
            "DELETE FROM registry_reservation WHERE attempt = ANY (%s::uuid[])"
            " RETURNING node_id, cards, card_milli, cpu_milli, memory_mib",
            [list(attempts)],
        )
        shares = [
            Share(
                node_id=node,
                cards=tuple(cards),
                card_milli=card_milli,
                cpu_milli=cpu_milli,
                memory_mib=memory_mib,
            )
            for node, cards, card_milli, cpu_milli, memory_mib in cursor.fetchall()
        ]
    _count(shares, sign=-1)


@transaction.atomic(savepoint=False)
def reassign(attempt: UUID, shares: Sequence[Share], *, now: datetime) -> bool:
    """Let the reservation follow the engine's own allocation.

    Returns:
        Whether it could. When the engine put the job where we promised the room to another one,
        our reservation stays as it was: over-promising twice would only hide the difference.
    """
    current = Reservation.objects.filter(attempt=attempt)
    _locked({*current.values_list("node_id", flat=True), *(s.node_id for s in shares)})
    before = [_share(row) for row in current]
    if not before:
        return False
    release([attempt], now=now)
    if not reserve([(attempt, shares)], now=now):
        return True
    reserve([(attempt, before)], now=now)
    return False


@transaction.atomic
def apply_inventory(centre: UUID, offers: Sequence[Offer], *, actor: Actor, now: datetime) -> None:
    """Take over clusters, nodes and cards as the centre's agent reports them.

    A node that is not reported any more goes offline; it is never deleted. A report that would take
    away what jobs hold is kept out and noted as a doubt until the jobs there have ended.
    """
    for offer in offers:
        if _is_known(centre, offer):
            continue
        cluster, _ = Cluster.objects.get_or_create(
            centre_id=centre, name=offer.cluster, defaults={"engine": offer.engine}
        )
        found = take_over(
            {cluster.id: [_machine(node) for node in offer.nodes]},
            source=CapacityChange.Source.AGENT,
            effective_on=beijing_date(now),
            actor=actor,
            now=now,
        )
        if found.new or found.changed:
            after = {
                "new": found.new,
                "changed": found.changed,
                "nodes": len(offer.nodes),
            }
            subject = Ref("cluster", cluster.id)
            note = Note(action="cluster.inventory", subject=subject, after=after)
            record([note], actor=actor, now=now)


_STANDING = """
    SELECT n.name, n.model, n.cpu_milli, n.memory_mib, n.doubt, count(d.node_id)
    FROM registry_cluster c
    JOIN registry_node n ON n.cluster_id = c.id AND n.online
    LEFT JOIN registry_card d ON d.node_id = n.id
    WHERE c.centre_id = %s AND c.name = %s
    GROUP BY n.id
"""


def _is_known(centre: UUID, offer: Offer) -> bool:
    """Whether the cluster stands just so in the tables already: nearly always, and then no row is
    locked. An agent reports its nodes again whenever their free room changes.
    """
    known = {row[0]: row[1:] for row in read(_STANDING, [centre, offer.cluster])}
    told = {
        node.name: (node.model, node.cpu_milli, node.memory_mib, "", len(node.cards_free_milli))
        for node in offer.nodes
    }
    return bool(known) and known == told


def _machine(node: NodeOffer) -> Machine:
    return Machine(
        name=node.name,
        model=node.model,
        cards=len(node.cards_free_milli),
        cpu_milli=node.cpu_milli,
        memory_mib=node.memory_mib,
    )
