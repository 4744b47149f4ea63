"""An approval is taken back: what the treasury has ordered by then decides whether it may be."""

from __future__ import annotations

from datetime import timedelta

import pytest

from jinsuan.casework.actions.payments import (
    BankAnswer,
    cancel_batch,
    confirm_batch,
    record_answers,
    send_batch,
)
from jinsuan.casework.errors import PaymentRefused
from jinsuan.casework.models import Case, PaymentBatch
from jinsuan.kernel.money import Money
from jinsuan.kernel.ref import Ref
from jinsuan.ledger import accounts
from jinsuan.ledger.queries import balance, check_book
from jinsuan.metering.actions.invoices import register_invoice
from jinsuan.vouchers.actions.grant import pass_checks
from jinsuan.vouchers.actions.pay import book_paid_lines, make_redemption_batch, retry_payment
from jinsuan.vouchers.actions.redeem import (
    approve_redemption,
    start_redemption,
    stop_redemption,
    submit_redemption,
)
from jinsuan.vouchers.errors import RedemptionRefused
from jinsuan.vouchers.models import Redemption, Voucher
from tests.flows.voucher_world import AFTER_NOTICE, TODAY, Cast, make_cast
from tests.flows.world import SYSTEM

pytestmark = pytest.mark.django_db
LATE = AFTER_NOTICE + timedelta(days=7)
BILL = "2" * 20


def bill(cast: Cast, voucher: Ref, number: str, yuan: str, original: str = "") -> None:
    register_invoice(
        number,
        seller=cast.world.provider,
        buyer=cast.world.tenant,
        amount=Money.yuan(yuan),
        issued_on=TODAY,
        contract=Voucher.objects.get(id=voucher.id).contract_id,
        original=original,
        actor=cast.provider,
        now=LATE,
    )


def approved(cast: Cast, voucher: Ref) -> Ref:
    """713.00 yuan metered, 700.00 invoiced: 140.00 are due."""
    cast.use(100, AFTER_NOTICE)
    bill(cast, voucher, BILL, "700")
    case = start_redemption(
        voucher.id, through=LATE.date() - timedelta(days=1), actor=cast.provider, now=LATE
    )
    submit_redemption(case.id, actor=cast.provider, now=LATE)
    assert pass_checks(case.id, actor=SYSTEM, now=LATE)
    approve_redemption(case.id, reason="一致", actor=cast.officer, now=LATE)
    return case


def stop(cast: Cast, case: Ref) -> None:
    stop_redemption(case.id, reason="再核", actor=cast.officer, now=LATE)


def sent(cast: Cast, batch: Ref) -> None:
    confirm_batch(batch.id, actor=cast.checker, now=LATE)
    send_batch(batch.id, actor=cast.payer, now=LATE)


def answer(cast: Cast, batch: Ref, *, accepted: bool) -> int:
    line = PaymentBatch.objects.get(id=batch.id).lines.get()
    told = BankAnswer(
        line=line.id,
        accepted=accepted,
        reference="BK1" if accepted else "",
        reason="" if accepted else "户名不符",
        answered_on=TODAY,
    )
    return record_answers(batch.id, [told], actor=cast.payer, now=LATE)


def test_money_that_is_ordered_is_not_taken_back() -> None:
    cast = make_cast()
    voucher = cast.grant()
    case = approved(cast, voucher)
    batch = make_redemption_batch([case.id], actor=cast.payer, now=LATE)
    with pytest.raises(RedemptionRefused, match="先取消这个批次"):
        stop(cast, case)
    sent(cast, batch)
    with pytest.raises(RedemptionRefused, match="已送银行"):
        stop(cast, case)
    answer(cast, batch, accepted=True)
    with pytest.raises(RedemptionRefused, match="银行已付"):
        stop(cast, case)
    assert book_paid_lines(batch.id, actor=cast.payer, now=LATE) == 1
    assert balance(accounts.paid("2025:m09")).available == Money.yuan("140")
    assert check_book().differences == ()


def test_after_a_cancelled_batch_the_new_amount_is_paid() -> None:
    cast = make_cast()
    voucher = cast.grant()
    case = approved(cast, voucher)
    batch = make_redemption_batch([case.id], actor=cast.payer, now=LATE)
    cancel_batch(batch.id, reason="再核", actor=cast.payer, now=LATE)
    stop(cast, case)
    bill(cast, voucher, "3" * 20, "-200", original=BILL)
    approve_redemption(case.id, reason="冲红以后", actor=cast.officer, now=LATE)
    assert Redemption.objects.get(case=case.id).amount_fen == 10_000
    batch = make_redemption_batch([case.id], actor=cast.payer, now=LATE)
    sent(cast, batch)
    answer(cast, batch, accepted=True)
    assert book_paid_lines(batch.id, actor=cast.payer, now=LATE) == 1
    assert balance(accounts.paid("2025:m09")).available == Money.yuan("100")
    assert Case.objects.get(id=case.id).state == "paid"


def test_a_returned_line_is_not_ordered_again_at_the_old_amount() -> None:
    cast = make_cast()
    voucher = cast.grant()
    case = approved(cast, voucher)
    batch = make_redemption_batch([case.id], actor=cast.payer, now=LATE)
    sent(cast, batch)
    answer(cast, batch, accepted=False)
    stop(cast, case)
    bill(cast, voucher, "3" * 20, "-200", original=BILL)
    approve_redemption(case.id, reason="冲红以后", actor=cast.officer, now=LATE)
    line = PaymentBatch.objects.get(id=batch.id).lines.get()
    with pytest.raises((PaymentRefused, RedemptionRefused)):
        retry_payment(line.id, actor=cast.payer, now=LATE)
    assert answer(cast, batch, accepted=False) == 0
    again = make_redemption_batch([case.id], actor=cast.payer, now=LATE)
    assert PaymentBatch.objects.get(id=again.id).total_fen == 10_000
