"""Which accounts are stopped, by which difference. Ask before a payment is ordered.

What jobs use goes on being captured: the provider has delivered, and holding back the entry would
only add a second difference. What the bank has already done is booked as well, for it is a fact.
Only orders to pay, and vouchers given out of a pool, wait until the difference is cleared.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from jinsuan.kernel.money import Money
from jinsuan.kernel.ref import Actor, Ref, Role
from jinsuan.vouchers.errors import PaymentStopped
from jinsuan.vouchers.models import Difference

SEES_DIFFERENCES = frozenset({Role.AUDITOR, Role.PROVINCIAL_OFFICER, Role.TREASURY, Role.SYSTEM})


@dataclass(frozen=True, slots=True, kw_only=True)
class DifferenceView:
    """One difference for a page."""

    ref: Ref
    kind: str
    account: str
    place: str
    words: str
    expected: Money
    found: Money
    found_at: datetime
    cleared_at: datetime | None
    cleared_by: Ref | None
    reason: str

    @property
    def apart(self) -> Money:
        return self.found - self.expected


def stopped_accounts(codes: Iterable[str]) -> set[str]:
    """Those of these accounts that have an open difference."""
    rows = Difference.objects.filter(account__in=set(codes), cleared_at__isnull=True)
    return set(rows.values_list("account", flat=True))


def check_not_stopped(codes: Iterable[str]) -> None:
    """Refuse a payment that touches an account with an open difference.

    Raises:
        PaymentStopped: naming the account, the difference and its place.
    """
    rows = Difference.objects.filter(account__in=set(codes), cleared_at__isnull=True)
    first = rows.order_by("found_at", "id").first()
    if first is not None:
        raise PaymentStopped(
            account=first.account,
            kind=first.get_kind_display(),
            place=first.place,
            words=first.words,
            expected=Money(first.expected_fen),
            found=Money(first.found_fen),
        )


def open_differences(viewer: Actor) -> list[DifferenceView]:
    """What is not cleared yet, oldest first; nothing for those whom it does not concern."""
    if viewer.role not in SEES_DIFFERENCES:
        return []
    rows = Difference.objects.filter(cleared_at__isnull=True).order_by("found_at", "id")
    return [view_of(row) for row in rows]


def cleared_differences(viewer: Actor, *, limit: int) -> list[DifferenceView]:
    """What was cleared, by whom and why, the latest first; nothing for those whom it does not
    concern.
    """
    if viewer.role not in SEES_DIFFERENCES:
        return []
    rows = Difference.objects.filter(cleared_at__isnull=False).order_by("-cleared_at", "-id")
    return [view_of(row) for row in rows[:limit]]


def view_of(row: Difference) -> DifferenceView:
    """A row as a value."""
    return DifferenceView(
        ref=Ref("difference", row.id),
        kind=row.get_kind_display(),
        account=row.account,
        place=row.place,
        words=row.words,
        expected=Money(row.expected_fen),
        found=Money(row.found_fen),
        found_at=row.found_at,
        cleared_at=row.cleared_at,
        cleared_by=None if row.cleared_by_id is None else Ref("person", row.cleared_by_id),
        reason=row.reason,
    )
