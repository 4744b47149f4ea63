"""Notifications (通知): readers of the sealed book, what they deliver, and what was read.

A reader's new position and what it delivers are one transaction: killed at any moment, it goes on
behind the last row it has dealt with, and the unique key says that nobody is told twice. What a
row means and to whom is not known here; whoever reads brings that along.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.db.models import Count, Q

from jinsuan.kernel.errors import NotFound
from jinsuan.kernel.ref import Actor, Ref, Role
from jinsuan.ledger.audit import SealedView, sealed_since
from jinsuan.ledger.models import Notification, Reader

NOTIFY = "notify"
"""The reader that tells people."""
ROWS = 2_000
"""Read in one transaction."""
MAX_WORDS = 600


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipient:
    """A person as a member of one organisation in one role."""

    person: UUID
    organisation: UUID
    role: Role


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """What one sealed row means to some recipients.

    Args:
        kind: a stable name for programs, such as "case.returned".
        subject: the thing to look at.
        number: what people call it; empty where it has no name of its own.
    """

    position: int
    to: frozenset[Recipient]
    kind: str
    subject: Ref
    number: str
    title: str
    words: str
    occurred_at: datetime


Compose = Callable[[Sequence[SealedView]], Iterable[Letter]]
"""Makes letters of sealed rows."""


@transaction.atomic
def deliver(name: str, compose: Compose, *, now: datetime, limit: int = ROWS) -> int:
    """Read on where this reader stopped, in the order of the seal, and deliver (送达).

    Returns:
        How many sealed rows were read; fewer than `limit` when the end is reached. 0 also when
        another process is reading for the same reader at this moment.
    """
    Reader.objects.bulk_create([Reader(name=name)], ignore_conflicts=True)
    reader = Reader.objects.select_for_update(skip_locked=True).filter(name=name).first()
    if reader is None:
        return 0
    rows = sealed_since(reader.position, limit=limit)
    if not rows:
        return 0
    Notification.objects.bulk_create(
        Notification(
            reader=reader,
            position=letter.position,
            person=one.person,
            organisation=one.organisation,
            role=one.role,
            kind=letter.kind,
            subject=str(letter.subject),
            number=letter.number,
            title=letter.title,
            words=letter.words[:MAX_WORDS],
            occurred_at=letter.occurred_at,
            delivered_at=now,
        )
        for letter in compose(rows)
        for one in sorted(letter.to, key=lambda r: (r.person, r.organisation, r.role))
    )
    reader.position = rows[-1].position
    reader.save(update_fields=["position"])
    return len(rows)


def _of(viewer: Actor) -> Q:
    """What was sent to this person in this role; nothing at all for the platform itself."""
    if viewer.person is None or viewer.organisation is None:
        return Q(pk__in=[])
    return Q(
        reader=NOTIFY,
        person=viewer.person,
        organisation=viewer.organisation,
        role=str(viewer.role),
    )


@transaction.atomic
def mark_read(which: UUID, *, actor: Actor, now: datetime) -> None:
    """Note that the recipient has seen it (已读). Again changes nothing.

    Raises:
        NotFound: there is none for this person in this role.
    """
    row = Notification.objects.filter(_of(actor), id=which)
    if not row.exists():
        raise NotFound("通知", str(Ref("notification", which)))
    row.filter(read_at=None).update(read_at=now)


@transaction.atomic
def mark_all_read(*, through: int, actor: Actor, now: datetime) -> int:
    """Note that all up to a position were seen (全部已读); later ones, not yet shown, stay unread."""
    rows = Notification.objects.filter(_of(actor), read_at=None, position__lte=through)
    return rows.update(read_at=now)


@dataclass(frozen=True, slots=True, kw_only=True)
class NotificationView:
    """One notification for its recipient."""

    ref: Ref
    position: int
    kind: str
    subject: Ref
    number: str
    title: str
    words: str
    occurred_at: datetime
    read_at: datetime | None


def notifications_of(
    viewer: Actor, *, before: int | None = None, unread: bool = False, limit: int = 50
) -> list[NotificationView]:
    """What this person was told in this role, the newest first.

    Args:
        before: the `position` of the last one of the page before.
        unread: only what was not read yet.
    """
    rows = Notification.objects.filter(_of(viewer))
    if before is not None:
        rows = rows.filter(position__lt=before)
    if unread:
        rows = rows.filter(read_at=None)
    return [_view(row) for row in rows.order_by("-position")[:limit]]


def access_notification(viewer: Actor, which: UUID) -> NotificationView:
    """The door to one notification.

    Raises:
        NotFound: there is none for this person in this role.
    """
    row = Notification.objects.filter(_of(viewer), id=which).first()
    if row is None:
        raise NotFound("通知", str(Ref("notification", which)))
    return _view(row)


def unread_count(viewer: Actor) -> int:
    """How many this person has not read in this role."""
    return Notification.objects.filter(_of(viewer), read_at=None).count()


def unread_elsewhere(viewer: Actor) -> int:
    """How many wait for the same person in other roles or organisations."""
    if viewer.person is None:
        return 0
    rows = Notification.objects.filter(reader=NOTIFY, person=viewer.person, read_at=None)
    found = rows.exclude(_of(viewer)).aggregate(count=Count("pk"))
    return int(found["count"])


def _view(row: Notification) -> NotificationView:
    return NotificationView(
        ref=Ref("notification", row.id),
        position=row.position,
        kind=row.kind,
        subject=Ref.read(row.subject),
        number=row.number,
        title=row.title,
        words=row.words,
        occurred_at=row.occurred_at,
        read_at=row.read_at,
    )
