"""Write differences down, and clear one that is gone."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import structlog
from django.db import transaction

from jinsuan.kernel.errors import BadInput, NotAllowed, NotFound
from jinsuan.kernel.money import Money
from jinsuan.kernel.ref import Actor, Ref, Role
from jinsuan.ledger.actions import Note, record
from jinsuan.vouchers.errors import DifferenceStays
from jinsuan.vouchers.models import Difference
from jinsuan.vouchers.reconcile import BankTotals, Found, differences

log = structlog.get_logger(__name__)
CLEARS = frozenset({Role.PROVINCIAL_OFFICER, Role.TREASURY})
MAX_REASON = 300


@transaction.atomic
def book_differences(found: Sequence[Found], *, actor: Actor, now: datetime) -> int:
    """Write down what was found (登记差异); each stops its account from now on.

    Returns:
        How many are new. What stands open already is not written again.
    """
    made = [
        Difference(
            kind=one.kind,
            account=one.account,
            place=one.place,
            words=one.words,
            expected_fen=one.expected.fen,
            found_fen=one.found.fen,
            found_at=now,
        )
        for one in found
    ]
    Difference.objects.bulk_create(made, ignore_conflicts=True)
    new = list(Difference.objects.filter(id__in=[row.id for row in made]).order_by("id"))
    notes = [
        Note(
            action="difference.found",
            subject=Ref("difference", row.id),
            reason=row.words,
            after={
                "kind": row.kind,
                "account": row.account,
                "place": row.place,
                "expected_fen": row.expected_fen,
                "found_fen": row.found_fen,
            },
        )
        for row in new
    ]
    record(notes, actor=actor, now=now)
    for row in new:
        log.error(
            "difference.found",
            kind=row.kind,
            account=row.account,
            place=row.place,
            expected=row.expected_fen,
            found=row.found_fen,
        )
    return len(new)


@transaction.atomic
def clear_difference(
    difference: UUID,
    *,
    reason: str,
    actor: Actor,
    now: datetime,
    bank_totals: BankTotals | None = None,
) -> None:
    """Close a difference that is gone (销差), by name and with a reason; its account pays again.

    Args:
        bank_totals: what the bank says now; without it a difference with the bank stays.

    Raises:
        NotAllowed: the actor is no provincial officer and not of the treasury.
        NotFound: there is none open.
        BadInput: no reason.
        DifferenceStays: the books still do not agree at that place.
    """
    if actor.role not in CLEARS or actor.person is None:
        raise NotAllowed("销差", "省级经办或财政")
    given = reason.strip()
    if not given or len(given) > MAX_REASON:
        raise BadInput(
            "理由", f"现在是 {len(given)} 个字", f"写 1 至 {MAX_REASON} 个字，说明怎样查清。"
        )
    row = (
        Difference.objects.select_for_update(no_key=True)
        .filter(id=difference, cleared_at__isnull=True)
        .first()
    )
    if row is None:
        raise NotFound("未销的差异", str(Ref("difference", difference)))
    still = _still(row, bank_totals)
    if still is not None:
        raise DifferenceStays(row.account, row.place, *still)
    row.cleared_at, row.cleared_by_id, row.reason = now, actor.person, given
    row.save(update_fields=["cleared_at", "cleared_by", "reason"])
    note = Note(action="difference.clear", subject=Ref("difference", row.id), reason=given)
    record([note], actor=actor, now=now)


def _still(row: Difference, bank_totals: BankTotals | None) -> tuple[Money, Money] | None:
    """What is expected and found at the place now, if that is not the same."""
    if row.kind == Difference.Kind.BANK and row.account not in (bank_totals or {}):
        return Money(row.expected_fen), Money(row.found_fen)
    for one in differences(bank_totals):
        if (one.kind, one.account, one.place) == (row.kind, row.account, row.place):
            return one.expected, one.found
    return None
