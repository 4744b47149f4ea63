"""A redemption step by step: invoiced, asked for, approved, ordered, sent, answered by the bank."""

from __future__ import annotations

from datetime import timedelta
from itertools import count
from uuid import UUID

from jinsuan.casework.actions.payments import BankAnswer, confirm_batch, record_answers, send_batch
from jinsuan.casework.models import PaymentBatch
from jinsuan.kernel.money import Money
from jinsuan.kernel.ref import Ref
from jinsuan.ledger.queries import balance
from jinsuan.metering.actions.invoices import register_invoice
from jinsuan.vouchers.actions.grant import pass_checks
from jinsuan.vouchers.actions.pay import make_redemption_batch
from jinsuan.vouchers.actions.redeem import approve_redemption, start_redemption, submit_redemption
from jinsuan.vouchers.models import Voucher
from tests.flows.voucher_world import AFTER_NOTICE, TODAY, Cast
from tests.flows.world import SYSTEM

LATE = AFTER_NOTICE + timedelta(days=7)
_numbers = count(1)


def left(code: str) -> Money:
    return balance(code).available


def bill(cast: Cast, voucher: Ref, yuan: str) -> None:
    """One more invoice under the voucher's contract."""
    register_invoice(
        f"{next(_numbers):020d}",
        seller=cast.world.provider,
        buyer=cast.world.tenant,
        amount=Money.yuan(yuan),
        issued_on=TODAY,
        contract=Voucher.objects.get(id=voucher.id).contract_id,
        actor=cast.provider,
        now=LATE,
    )


def asked(cast: Cast, voucher: Ref) -> UUID:
    """Handed in and through the checks."""
    deduct = cast.pack.startswith("shanxi")
    payee = cast.provider if deduct else cast.tenant
    case = start_redemption(
        voucher.id, through=LATE.date() - timedelta(days=1), actor=payee, now=LATE
    ).id
    submit_redemption(case, actor=payee, now=LATE)
    assert pass_checks(case, actor=SYSTEM, now=LATE)
    return case


def approve(cast: Cast, case: UUID) -> None:
    approve_redemption(case, reason="一致", actor=cast.officer, now=LATE)


def order(cast: Cast, case: UUID) -> Ref:
    return make_redemption_batch([case], actor=cast.payer, now=LATE)


def send(cast: Cast, batch: Ref) -> None:
    confirm_batch(batch.id, actor=cast.checker, now=LATE)
    send_batch(batch.id, actor=cast.payer, now=LATE)


def answer(cast: Cast, batch: Ref, *, accepted: bool = True) -> UUID:
    """The bank's word on the only line of a batch; returns the line."""
    line = PaymentBatch.objects.get(id=batch.id).lines.get()
    said = BankAnswer(
        line=line.id,
        accepted=accepted,
        reference=f"BK{next(_numbers)}" if accepted else "",
        reason="" if accepted else "账号有误",
        answered_on=TODAY,
    )
    record_answers(batch.id, [said], actor=cast.payer, now=LATE)
    return line.id
