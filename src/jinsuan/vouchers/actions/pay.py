"""The treasury's side of 兑付: a batch of approved redemptions, and the book when the bank has paid."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from django.db import transaction

from jinsuan.casework.actions.cases import move_case
from jinsuan.casework.actions.payments import PaymentOrder, make_batch
from jinsuan.casework.models import Case, PaymentLine
from jinsuan.kernel.errors import NotAllowed
from jinsuan.kernel.money import Money
from jinsuan.kernel.ref import Actor, Ref, Role
from jinsuan.ledger import accounts
from jinsuan.ledger.actions import Posting, post
from jinsuan.ledger.reasons import Reason
from jinsuan.vouchers.actions.redeem import redemption_code
from jinsuan.vouchers.differences import check_not_stopped
from jinsuan.vouchers.errors import RedemptionRefused
from jinsuan.vouchers.models import Redemption

LIVE = ("pending", "sent", "accepted", "rejected")


def redemptions_to_pay() -> list[Redemption]:
    """Approved redemptions that no live payment line names, oldest first."""
    rows = Redemption.objects.filter(case__state="payable").select_related(
        "case", "payee", "voucher__programme"
    )
    ordered = set(
        PaymentLine.objects.filter(case__kind="redemption", state__in=LIVE).values_list(
            "basis", flat=True
        )
    )
    return [
        row
        for row in rows.order_by("case__opened_at", "id")
        if str(Ref("redemption", row.id)) not in ordered
    ]


@transaction.atomic
def make_redemption_batch(cases: Sequence[UUID], *, actor: Actor, now: datetime) -> Ref:
    """Put approved redemptions of one programme into a payment batch (编制拨付批次). The amounts are
    the approved ones; nobody types any.

    Raises:
        NotAllowed: not the treasury.
        RedemptionRefused: none given, or not of one programme.
        PaymentRefused, CaseFrozen, ConflictOfInterest: see casework.
    """
    _lock(cases)
    rows = list(
        Redemption.objects.filter(case__in=cases)
        .select_related("voucher__programme", "case")
        .order_by("case__number")
    )
    codes = {redemption_code(row.voucher) for row in rows}
    if actor.role is not Role.TREASURY:
        raise NotAllowed("编制拨付批次", "财政")
    if len(codes) != 1 or len(rows) != len(set(cases)):
        raise RedemptionRefused("没有选出同一个项目的待拨付兑付", "请按项目分别编制批次。")
    check_not_stopped(
        [
            *(accounts.due(Ref("redemption", row.id)) for row in rows),
            *(accounts.paid(row.voucher.programme.code) for row in rows),
        ]
    )
    orders = [
        PaymentOrder(
            case=row.case_id,
            basis=Ref("redemption", row.id),
            payee=row.payee_id,
            amount=Money(row.amount_fen),
        )
        for row in rows
    ]
    return make_batch(codes.pop(), orders, actor=actor, now=now)


@transaction.atomic
def retry_payment(line: UUID, *, actor: Actor, now: datetime) -> Ref:
    """Order a line again that the bank sent back (重拨), in a batch of its own. The amount is the
    approved one, which may have changed since.

    Raises:
        RedemptionRefused: no such line of a redemption.
        PaymentRefused: it was not sent back.
    """
    old = PaymentLine.objects.filter(id=line, case__kind="redemption").first()
    if old is not None:
        _lock([old.case_id])
    row = None if old is None else Redemption.objects.filter(case=old.case_id).first()
    if old is None or row is None:
        raise RedemptionRefused("没有这一笔拨付", "请从批次的明细里选一笔。")
    order = PaymentOrder(
        case=old.case_id,
        basis=Ref("redemption", row.id),
        payee=row.payee_id,
        amount=Money(row.amount_fen),
        retry_of=line,
    )
    return make_batch(redemption_code(row.voucher), [order], actor=actor, now=now)


def _lock(cases: Sequence[UUID]) -> None:
    """Before the amounts are read: an approval taken back at this moment waits, or we for it."""
    rows = Case.objects.select_for_update(no_key=True).filter(id__in=cases).order_by("id")
    list(rows.values_list("id"))


@transaction.atomic
def book_paid_lines(batch: UUID, *, actor: Actor, now: datetime) -> int:
    """Book the lines that the bank accepted and end their cases (拨付完成). Again finds nothing new.

    Returns:
        How many cases ended.
    """
    if actor.role is not Role.TREASURY:
        raise NotAllowed("登记拨付完成", "财政")
    lines = PaymentLine.objects.filter(
        batch=batch,
        state=PaymentLine.State.ACCEPTED,
        case__kind="redemption",
        case__state="payable",
    )
    done = 0
    for line in lines.select_related("case").order_by("place"):
        row = Redemption.objects.select_related("voucher__programme").get(case=line.case_id)
        posting = Posting(
            key=f"paid:{Ref('redemption', row.id)}",
            debit=accounts.due(Ref("redemption", row.id)),
            credit=accounts.paid(row.voucher.programme.code),
            amount=Money(line.amount_fen),
            reason=Reason.REDEMPTION_PAID,
            cause=Ref("paymentline", line.id),
            occurred_at=now,
        )
        post([posting], actor=actor, now=now)
        move_case(line.case_id, "拨付完成", reason=line.bank_reference, actor=actor, now=now)
        done += 1
    return done
