"""Write what agents report and inventories declare into nodes, cards and the capacity history.

One function for both, so that a node says the same whichever way it came. Every change of a node
adds one row to its history, from a day on; nothing there is ever edited.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from uuid import UUID

from django.db import connection
from django.db.models import Count, Sum

from jinsuan.kernel.ref import Actor, Ref
from jinsuan.ledger.actions import Note, record
from jinsuan.registry.capacity import Machine, Standing, objection
from jinsuan.registry.models import CapacityChange, Card, Node

BATCH = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What is to happen to one node. `row` is None for a new one."""

    cluster: UUID
    row: Node | None
    before: Standing | None
    machine: Machine
    online: bool
    objection: str = ""

    @property
    def changes(self) -> bool:
        if self.before is None:
            return True
        return (self.machine, self.online) != (self.before.machine, self.before.online)


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """How many nodes became what, and what was kept out."""

    new: int
    changed: int
    unchanged: int
    kept_out: tuple[Step, ...]


def standing_nodes(clusters: Sequence[UUID]) -> dict[tuple[UUID, str], tuple[Node, Standing]]:
    """The nodes of these clusters with what is reserved, locked in id order like everywhere."""
    rows = list(
        Node.objects.select_for_update(no_key=True).filter(cluster__in=clusters).order_by("id")
    )
    # Read after the locks: who reserved in between has committed by now.
    cards = Card.objects.filter(node__cluster__in=clusters).order_by().values_list("node_id")
    counted = {
        node: (count, reserved)
        for node, count, reserved in cards.annotate(Count("id"), Sum("reserved_milli"))
    }
    return {
        (row.cluster_id, row.name): (row, _standing(row, *counted.get(row.id, (0, 0))))
        for row in rows
    }


def _standing(row: Node, cards: int, cards_reserved_milli: int) -> Standing:
    machine = Machine(
        name=row.name,
        model=row.model,
        cards=cards,
        cpu_milli=row.cpu_milli,
        memory_mib=row.memory_mib,
    )
    return Standing(
        machine=machine,
        online=row.online,
        cards_reserved_milli=cards_reserved_milli,
        cpu_reserved_milli=row.cpu_reserved_milli,
        memory_reserved_mib=row.memory_reserved_mib,
    )


def plan(said: Mapping[UUID, Sequence[Machine]], *, source: CapacityChange.Source) -> list[Step]:
    """What would happen to every node named, and for an agent to every node it leaves out.

    An agent sees machines run: what it reports is online, what it leaves out is not. A list on
    paper says what is installed: it brings nothing online and takes nothing offline.
    """
    known = standing_nodes(list(said))
    by_agent = source is CapacityChange.Source.AGENT
    steps = []
    for cluster, machines in said.items():
        for machine in machines:
            row, before = known.pop((cluster, machine.name), (None, None))
            online = by_agent or (before is not None and before.online)
            steps.append(
                Step(
                    cluster=cluster,
                    row=row,
                    before=before,
                    machine=machine,
                    online=online,
                    objection="" if before is None else objection(before, machine),
                )
            )
    if by_agent:
        for (cluster, _), (row, before) in known.items():
            gone = Step(
                cluster=cluster, row=row, before=before, machine=before.machine, online=False
            )
            steps.append(gone)
    return steps


def take_over(
    said: Mapping[UUID, Sequence[Machine]],
    *,
    source: CapacityChange.Source,
    effective_on: date,
    actor: Actor,
    now: datetime,
) -> Taken:
    """Plan and write, in the caller's transaction."""
    return write(
        plan(said, source=source), source=source, effective_on=effective_on, actor=actor, now=now
    )


def write(
    steps: Sequence[Step],
    *,
    source: CapacityChange.Source,
    effective_on: date,
    actor: Actor,
    now: datetime,
) -> Taken:
    """Write planned steps. A step with an objection only moves `online` and leaves a doubt."""
    kept_out = tuple(step for step in steps if step.objection)
    if source is CapacityChange.Source.AGENT:  # a doubt is the agent's to raise and to clear
        _note_doubts(steps, actor=actor, now=now)
    settled = [_without_objection(step) for step in steps]
    new = [_new_row(step, effective_on) for step in settled if step.row is None]
    Node.objects.bulk_create((row for row, _ in new), batch_size=BATCH)
    changed = [step for step in settled if step.row is not None and step.changes]
    _update_nodes(changed)
    _shrink(changed)
    _grow(
        [(row.id, 0, step.machine.cards) for row, step in new]
        + [
            (s.row.id, s.before.machine.cards, s.machine.cards)
            for s in changed
            if s.row and s.before
        ]
    )
    pairs = [(row.id, step) for row, step in new] + [(s.row.id, s) for s in changed if s.row]
    CapacityChange.objects.bulk_create(
        (_history(node, step, source, effective_on, now) for node, step in pairs),
        batch_size=BATCH,
    )
    return Taken(
        new=len(new),
        changed=len(changed),
        unchanged=len(settled) - len(new) - len(changed),
        kept_out=kept_out,
    )


def _without_objection(step: Step) -> Step:
    if not step.objection:
        return step
    assert step.before is not None
    return replace(step, machine=step.before.machine)


def _note_doubts(steps: Sequence[Step], *, actor: Actor, now: datetime) -> None:
    """Write a doubt once when it appears or changes, and clear it when the report fits again."""
    notes, rows = [], []
    for step in steps:
        if step.row is None or step.row.doubt == step.objection:
            continue
        step.row.doubt = step.objection[:200]
        rows.append(step.row)
        notes.append(
            Note(
                action="node.doubt" if step.objection else "node.doubt_over",
                subject=Ref("node", step.row.id),
                reason=step.objection,
            )
        )
    Node.objects.bulk_update(rows, ["doubt"], batch_size=BATCH)
    record(notes, actor=actor, now=now)


def _new_row(step: Step, effective_on: date) -> tuple[Node, Step]:
    row = Node(
        cluster_id=step.cluster,
        name=step.machine.name,
        model=step.machine.model,
        cpu_milli=step.machine.cpu_milli,
        memory_mib=step.machine.memory_mib,
        online=step.online,
        effective_from=effective_on,
    )
    return row, step


def _update_nodes(steps: Sequence[Step]) -> None:
    if not steps:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE registry_node AS n SET model = d.model, cpu_milli = d.cpu,"
            " memory_mib = d.memory, online = d.online"
            " FROM unnest(%s::uuid[], %s::text[], %s::bigint[], %s::bigint[], %s::boolean[])"
            " AS d(id, model, cpu, memory, online) WHERE n.id = d.id",
            [
                [s.row.id for s in steps if s.row],
                [s.machine.model for s in steps],
                [s.machine.cpu_milli for s in steps],
                [s.machine.memory_mib for s in steps],
                [s.online for s in steps],
            ],
        )


def _shrink(steps: Sequence[Step]) -> None:
    """Take away the cards with the highest numbers; `objection` saw to it that all are free."""
    for step in steps:
        if step.row and step.before and step.machine.cards < step.before.machine.cards:
            Card.objects.filter(node=step.row, index__gte=step.machine.cards).delete()


def _grow(spans: Sequence[tuple[UUID, int, int]]) -> None:
    """Add the cards from one number up to another (not included) on each node."""
    wanted = [span for span in spans if span[1] < span[2]]
    if not wanted:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO registry_card (node_id, index, reserved_milli)"
            " SELECT d.node, i, 0 FROM unnest(%s::uuid[], %s::int[], %s::int[])"
            " AS d(node, first, stop), generate_series(d.first, d.stop - 1) AS i",
            [list(column) for column in zip(*wanted, strict=True)],
        )


def _history(
    node: UUID, step: Step, source: CapacityChange.Source, effective_on: date, now: datetime
) -> CapacityChange:
    return CapacityChange(
        node_id=node,
        effective_on=effective_on,
        recorded_at=now,
        model=step.machine.model,
        cards=step.machine.cards,
        cpu_milli=step.machine.cpu_milli,
        memory_mib=step.machine.memory_mib,
        online=step.online,
        source=source,
    )
