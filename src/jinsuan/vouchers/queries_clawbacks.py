"""追缴 for pages: who has to give back what, why, and how much of it came."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Sum

from jinsuan.kernel.errors import NotFound
from jinsuan.kernel.money import Money
from jinsuan.kernel.ref import Actor, Ref, Role
from jinsuan.ledger.queries import balances
from jinsuan.vouchers.models import Clawback, Redemption, Voucher
from jinsuan.vouchers.queries_redeem import owes_account

SEES_CLAWBACKS = frozenset({Role.PROVINCIAL_OFFICER, Role.TREASURY, Role.AUDITOR})
DEBTORS = frozenset({Role.TENANT, Role.CENTRE_OPERATOR})
STATES = {"proposed": "待复核", "confirmed": "已决定追缴", "rejected": "不追缴"}
MOST_CLAIMABLE = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class ClawbackView:
    """One clawback. People are for the desk only.

    Args:
        owed: what the payee has not given back of this programme, over all its clawbacks.
    """

    ref: Ref
    voucher: Ref
    voucher_case: str
    programme: str
    payee: Ref
    payee_name: str
    amount: Money
    reason: str
    state: str
    state_code: str
    proposed_by: Ref
    proposed_at: datetime
    confirmed_by: Ref | None
    answered_at: datetime | None
    owed: Money


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimable:
    """A voucher on which something was paid and not clawed back."""

    ref: Ref
    case: str
    tenant: str
    paid: Money


def clawbacks_page(
    viewer: Actor, *, before: UUID | None = None, limit: int
) -> tuple[tuple[ClawbackView, ...], str]:
    """Clawbacks, newest first, and after which the next page begins ("" for none). A debtor sees
    its own once they are decided.

    Raises:
        NotFound: not for this viewer.
    """
    rows = Clawback.objects.select_related("voucher__programme", "voucher__case", "payee")
    if viewer.role not in SEES_CLAWBACKS:
        if viewer.role not in DEBTORS or viewer.organisation is None:
            raise NotFound("页面", "追缴")
        rows = rows.filter(payee=viewer.organisation, confirmed_at__isnull=False)
    if before is not None:
        rows = rows.filter(id__lt=before)
    found = list(rows.order_by("-id")[: limit + 1])
    owed = _owed(found[:limit])
    views = tuple(_view(row, owed) for row in found[:limit])
    return views, str(views[-1].ref) if len(found) > limit else ""


def access_clawback(viewer: Actor, pk: UUID) -> ClawbackView:
    """The door to one clawback.

    Raises:
        NotFound: there is none, or this viewer may not see it.
    """
    rows = Clawback.objects.select_related("voucher__programme", "voucher__case", "payee")
    row = rows.filter(id=pk).first()
    if row is None or not may_see_clawback(viewer, row):
        raise NotFound("追缴", str(Ref("clawback", pk)))
    return _view(row, _owed([row]))


def may_see_clawback(viewer: Actor, row: Clawback) -> bool:
    """One condition per line; a debtor is told of a decision, not of a proposal."""
    if viewer.role in SEES_CLAWBACKS:
        return True
    if viewer.role not in DEBTORS or row.confirmed_at is None:
        return False
    return viewer.organisation == row.payee_id


def claimable(viewer: Actor) -> tuple[Claimable, ...]:
    """Vouchers on which a clawback can be proposed, the latest first.

    Raises:
        NotFound: not for this viewer.
    """
    if viewer.role is not Role.PROVINCIAL_OFFICER:
        raise NotFound("页面", "追缴")
    paid = dict(
        Redemption.objects.filter(case__state="paid")
        .values_list("voucher")
        .annotate(fen=Sum("amount_fen"))
    )
    back = dict(
        Clawback.objects.filter(confirmed_at__isnull=False)
        .values_list("voucher")
        .annotate(fen=Sum("amount_fen"))
    )
    left = {pk: Money(int(fen) - int(back.get(pk, 0))) for pk, fen in paid.items()}
    wanted = [pk for pk, amount in left.items() if amount > Money(0)]
    rows = Voucher.objects.filter(id__in=wanted, case__isnull=False)
    return tuple(
        Claimable(
            ref=Ref("voucher", row.id),
            case="" if row.case is None else row.case.number,
            tenant=row.tenant.name,
            paid=left[row.id],
        )
        for row in rows.select_related("case", "tenant").order_by("-id")[:MOST_CLAIMABLE]
    )


def open_claims(viewer: Actor) -> tuple[ClawbackView, ...]:
    """Decided clawbacks whose payee still owes something, the oldest first: what unknown money may
    have been paid for.

    Raises:
        NotFound: not for this viewer.
    """
    if viewer.role not in SEES_CLAWBACKS:
        raise NotFound("页面", "追缴")
    rows = Clawback.objects.filter(confirmed_at__isnull=False)
    rows = rows.select_related("voucher__programme", "voucher__case", "payee").order_by("id")
    found = list(rows)
    owed = _owed(found)
    return tuple(view for row in found if (view := _view(row, owed)).owed > Money(0))


def _owed(rows: list[Clawback]) -> dict[str, Money]:
    codes = {owes_account(row.payee_id, row.voucher.programme.code) for row in rows}
    return {code: Money(0) - one.available for code, one in balances(codes).items()}


def _view(row: Clawback, owed: dict[str, Money]) -> ClawbackView:
    state = "confirmed" if row.confirmed_at else "rejected" if row.rejected_at else "proposed"
    programme = row.voucher.programme.code
    return ClawbackView(
        ref=Ref("clawback", row.id),
        voucher=Ref("voucher", row.voucher_id),
        voucher_case="" if row.voucher.case is None else row.voucher.case.number,
        programme=programme,
        payee=Ref("organisation", row.payee_id),
        payee_name=row.payee.name,
        amount=Money(row.amount_fen),
        reason=row.reason,
        state=STATES[state],
        state_code=state,
        proposed_by=Ref("person", row.proposed_by),
        proposed_at=row.proposed_at,
        confirmed_by=None if row.confirmed_by is None else Ref("person", row.confirmed_by),
        answered_at=row.confirmed_at or row.rejected_at,
        owed=owed[owes_account(row.payee_id, programme)],
    )
