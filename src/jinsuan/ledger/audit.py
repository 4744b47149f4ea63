"""What stands in the audit book and how far it is sealed, as frozen values; `queries` hands it on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from jinsuan.kernel.ref import Ref, Role
from jinsuan.ledger.models import AuditRow, Block, SealedRow


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditView:
    """One line of the audit book. People and organisations are ids; `registry` knows their names."""

    at: datetime
    person: UUID | None
    organisation: UUID | None
    role: Role
    via: str
    action: str
    subject: Ref
    reason: str
    before: Mapping[str, object] | None
    after: Mapping[str, object] | None
    before_digest: str
    after_digest: str


def audit_of(subject: Ref) -> list[AuditView]:
    """Who did what to one thing, oldest first."""
    return [audit_view(r) for r in AuditRow.objects.filter(subject=str(subject)).order_by("id")]


def audit_view(row: AuditRow) -> AuditView:
    """A row as everybody reads it."""
    detail = row.detail or {}
    return AuditView(
        at=row.recorded_at,
        person=row.person,
        organisation=row.organisation,
        role=Role(row.role),
        via=row.via,
        action=row.action,
        subject=Ref.read(row.subject),
        reason=row.reason,
        before=detail.get("before"),
        after=detail.get("after"),
        before_digest=bytes(row.before_digest or b"").hex(),
        after_digest=bytes(row.after_digest or b"").hex(),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedView:
    """One line of the audit book with its place in the chain."""

    position: int
    block: int
    row: AuditView


def sealed_since(position: int, *, limit: int = 500) -> list[SealedView]:
    """The sealed lines after a position, in order (0 for the first).

    A reader that remembers the last position it has dealt with misses nothing and sees nothing
    twice; ids of rows would not do, because a lower one may commit later.
    """
    assert position >= 0 and limit > 0, (position, limit)
    rows = SealedRow.objects.filter(position__gt=position).select_related("row")
    return [
        SealedView(position=one.position, block=one.block_id, row=audit_view(one.row))
        for one in rows.order_by("position")[:limit]
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class SealStatus:
    """How far the seal has come. `head` is what an auditor writes down; empty before the first."""

    blocks: int
    rows: int
    waiting: int
    head: str
    key: str
    sealed_at: datetime | None


def seal_status() -> SealStatus:
    """How many blocks and rows are sealed, how many rows wait, and the last head."""
    last = Block.objects.order_by("-number").first()
    rows = SealedRow.objects.order_by("-position").values_list("position", flat=True).first() or 0
    return SealStatus(
        blocks=last.number if last else 0,
        rows=rows,
        waiting=AuditRow.objects.count() - SealedRow.objects.count(),
        head=bytes(last.head).hex() if last else "",
        key=last.key if last else "",
        sealed_at=last.sealed_at if last else None,
    )
