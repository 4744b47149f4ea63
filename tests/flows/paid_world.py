"""A voucher that was granted in a case, used by one job, redeemed and paid."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from jinsuan.casework.actions.payments import BankAnswer, confirm_batch, record_answers, send_batch
from jinsuan.casework.models import PaymentBatch
from jinsuan.kernel.money import Money
from jinsuan.kernel.ref import Actor, Ref
from jinsuan.ledger.queries import TransferView, transfers_with_key_prefix
from jinsuan.metering.actions.invoices import register_invoice
from jinsuan.vouchers.actions.grant import issue_granted, pass_checks
from jinsuan.vouchers.actions.pay import book_paid_lines, make_redemption_batch
from jinsuan.vouchers.actions.redeem import approve_redemption, start_redemption, submit_redemption
from jinsuan.vouchers.models import Voucher
from tests.flows.voucher_world import AFTER_NOTICE, TODAY, Cast, make_cast
from tests.flows.world import SYSTEM

LATE = AFTER_NOTICE + timedelta(days=7)


@dataclass(slots=True)
class Paid:
    """What tests of the trace name."""

    cast: Cast
    voucher: Ref
    case: UUID
    contract: UUID
    job: Ref
    redemption: UUID
    batch: Ref

    @property
    def capture(self) -> TransferView:
        found = transfers_with_key_prefix(f"capture:{self.job}:")
        return next(one for one in found if one.key.endswith(str(self.voucher)))

    @property
    def paid(self) -> TransferView:
        (found,) = transfers_with_key_prefix("paid:")
        return found


def make_paid(hours: int = 100) -> Paid:
    """A job of 7.13 yuan an hour: a fifth from the voucher, paid back to the provider."""
    cast = make_cast()
    voucher = cast.grant()
    return _paid(cast, voucher, cast.use(hours, AFTER_NOTICE), payee=cast.provider)


def make_claimed() -> Paid:
    """The other way of paying: the user pays the job in full and claims a fifth."""
    cast = make_cast("beijing-2023-ai-voucher")
    case = cast.apply(yuan="10000")
    cast.recommend(case)
    cast.approve(case, chosen=Money.yuan("1500"))
    voucher = issue_granted(case, actor=SYSTEM, now=AFTER_NOTICE)
    return _paid(cast, voucher, cast.use(100, AFTER_NOTICE), payee=cast.tenant)


def _paid(cast: Cast, voucher: Ref, job: Ref, *, payee: Actor) -> Paid:
    row = Voucher.objects.get(id=voucher.id)
    assert row.contract_id is not None and row.case_id is not None
    register_invoice(
        "2" * 20,
        seller=cast.world.provider,
        buyer=cast.world.tenant,
        amount=Money.yuan("713"),
        issued_on=TODAY,
        contract=row.contract_id,
        actor=cast.provider,
        now=LATE,
    )
    asked = start_redemption(
        voucher.id, through=LATE.date() - timedelta(days=1), actor=payee, now=LATE
    )
    submit_redemption(asked.id, actor=payee, now=LATE)
    assert pass_checks(asked.id, actor=SYSTEM, now=LATE)
    approve_redemption(asked.id, reason="四数一致", actor=cast.officer, now=LATE)
    batch = make_redemption_batch([asked.id], actor=cast.payer, now=LATE)
    confirm_batch(batch.id, actor=cast.checker, now=LATE)
    send_batch(batch.id, actor=cast.payer, now=LATE)
    line = PaymentBatch.objects.get(id=batch.id).lines.get()
    answer = BankAnswer(line=line.id, accepted=True, reference="BK77", answered_on=TODAY)
    record_answers(batch.id, [answer], actor=cast.payer, now=LATE)
    assert book_paid_lines(batch.id, actor=cast.payer, now=LATE) == 1
    return Paid(
        cast=cast,
        voucher=voucher,
        case=row.case_id,
        contract=row.contract_id,
        job=job,
        redemption=asked.id,
        batch=batch,
    )
