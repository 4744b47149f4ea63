"""Redemption, payment and clawback, to the fen, both ways of paying."""

from __future__ import annotations

from datetime import timedelta

import pytest

from jinsuan.casework.actions.payments import (
    BankAnswer,
    confirm_batch,
    record_answers,
    send_batch,
)
from jinsuan.casework.errors import (
    ConflictOfInterest,
)
from jinsuan.casework.models import Case, PaymentBatch
from jinsuan.kernel.errors import NotAllowed, NotFound
from jinsuan.kernel.money import Money
from jinsuan.kernel.ref import Ref
from jinsuan.ledger import accounts
from jinsuan.ledger.queries import balance, check_book
from jinsuan.metering.actions.invoices import register_invoice, register_payment
from jinsuan.vouchers.actions.clawback import book_repayment, confirm_clawback, propose_clawback
from jinsuan.vouchers.actions.grant import (
    issue_granted,
    pass_checks,
)
from jinsuan.vouchers.actions.pay import book_paid_lines, make_redemption_batch, redemptions_to_pay
from jinsuan.vouchers.actions.redeem import (
    approve_redemption,
    start_redemption,
    stop_redemption,
    submit_redemption,
)
from jinsuan.vouchers.errors import (
    ApplicantOwes,
    ClawbackRefused,
    RedemptionRefused,
)
from jinsuan.vouchers.models import Redemption, Voucher
from jinsuan.vouchers.queries_redeem import owed
from tests.flows.voucher_world import (
    AFTER_NOTICE,
    TODAY,
    Cast,
    make_cast,
)
from tests.flows.world import SYSTEM

pytestmark = pytest.mark.django_db
LATER = AFTER_NOTICE + timedelta(days=2)


def left(code: str) -> Money:
    return balance(code).available


def pay(cast: Cast, case: Ref, *, accepted: bool = True) -> Ref:
    batch = make_redemption_batch([case.id], actor=cast.payer, now=LATER)
    with pytest.raises(ConflictOfInterest):
        confirm_batch(batch.id, actor=cast.payer, now=LATER)
    confirm_batch(batch.id, actor=cast.checker, now=LATER)
    send_batch(batch.id, actor=cast.payer, now=LATER)
    line = PaymentBatch.objects.get(id=batch.id).lines.get()
    answer = BankAnswer(line=line.id, accepted=accepted, reference="BK1", answered_on=TODAY)
    record_answers(batch.id, [answer], actor=cast.payer, now=LATER)
    assert book_paid_lines(batch.id, actor=cast.payer, now=LATER) == 1
    assert book_paid_lines(batch.id, actor=cast.payer, now=LATER) == 0
    return batch


def test_deduction_the_provider_is_paid_what_jobs_drew() -> None:
    cast = make_cast()
    voucher = cast.grant()
    cast.use(100, AFTER_NOTICE)  # 713.00 yuan; a fifth from the voucher: 142.60
    with pytest.raises(NotFound):
        start_redemption(voucher.id, through=TODAY, actor=cast.tenant, now=LATER + timedelta(9))
    late = LATER + timedelta(days=5)
    case = start_redemption(
        voucher.id, through=late.date() - timedelta(days=1), actor=cast.provider, now=late
    )
    with pytest.raises(RedemptionRefused, match=r"发票金额 ¥0\.00"):
        submit_redemption(case.id, actor=cast.provider, now=late)
    row = Voucher.objects.get(id=voucher.id)
    register_invoice(
        "2" * 20,
        seller=cast.world.provider,
        buyer=cast.world.tenant,
        amount=Money.yuan("700"),
        issued_on=TODAY,
        contract=row.contract_id,
        actor=cast.provider,
        now=late,
    )
    submit_redemption(case.id, actor=cast.provider, now=late)
    found = Redemption.objects.get(case=case.id)
    assert (found.metered_fen, found.invoiced_fen, found.binding) == (71_300, 70_000, "invoiced")
    assert found.amount_fen == 14_000 and found.captured_fen == 14_260
    assert pass_checks(case.id, actor=SYSTEM, now=late)
    approve_redemption(case.id, reason="一致", actor=cast.officer, now=late)
    owner = Ref("organisation", cast.world.provider)
    assert left(accounts.payable(owner, "voucher")) == Money.yuan("2.60")
    stop_redemption(case.id, reason="再核", actor=cast.officer, now=late)
    assert left(accounts.payable(owner, "voucher")) == Money.yuan("142.60")
    approve_redemption(case.id, reason="核过", actor=cast.officer, now=late)
    assert [one.case_id for one in redemptions_to_pay()] == [case.id]
    pay(cast, case)
    assert redemptions_to_pay() == []
    assert left(accounts.paid("2025:m09")) == Money.yuan("140")
    assert Case.objects.get(id=case.id).state == "paid"
    assert check_book().differences == ()


def test_an_invoice_that_came_after_handing_in_pays_nothing() -> None:
    cast = make_cast()
    voucher = cast.grant()
    cast.use(100, AFTER_NOTICE)
    late = LATER + timedelta(days=5)
    contract = Voucher.objects.get(id=voucher.id).contract_id

    def bill(number: str) -> None:
        register_invoice(
            number * 20,
            seller=cast.world.provider,
            buyer=cast.world.tenant,
            amount=Money.yuan("300"),
            issued_on=TODAY,
            contract=contract,
            actor=cast.provider,
            now=late,
        )

    bill("5")
    case = start_redemption(
        voucher.id, through=late.date() - timedelta(days=1), actor=cast.provider, now=late
    )
    submit_redemption(case.id, actor=cast.provider, now=late)
    assert pass_checks(case.id, actor=SYSTEM, now=late)
    bill("6")
    with pytest.raises(RedemptionRefused, match="又登记了发票"):
        approve_redemption(case.id, reason="一致", actor=cast.officer, now=late)


def test_claim_the_user_pays_in_full_and_claims_its_share_then_gives_it_back() -> None:
    cast = make_cast("beijing-2023-ai-voucher")
    case = cast.apply(yuan="10000")
    cast.recommend(case)
    cast.approve(case, chosen=Money.yuan("1500"))
    voucher = issue_granted(case, actor=SYSTEM, now=AFTER_NOTICE)
    job = cast.use(100, AFTER_NOTICE)
    assert left(accounts.voucher(voucher)) == Money.yuan("1500"), "no job draws on a claim"
    del job
    row = Voucher.objects.get(id=voucher.id)
    late = AFTER_NOTICE + timedelta(days=6)
    assert row.contract_id is not None
    register_payment(
        row.contract_id,
        bank_reference="PAY1",
        amount=Money.yuan("10"),
        paid_on=TODAY,
        actor=cast.tenant,
        now=late,
    )
    register_invoice(
        "3" * 20,
        seller=cast.world.provider,
        buyer=cast.world.tenant,
        amount=Money.yuan("713"),
        issued_on=TODAY,
        contract=row.contract_id,
        actor=cast.provider,
        now=late,
    )
    claim = start_redemption(
        voucher.id, through=late.date() - timedelta(days=1), actor=cast.tenant, now=late
    )
    submit_redemption(claim.id, actor=cast.tenant, now=late)
    assert pass_checks(claim.id, actor=SYSTEM, now=late)
    approve_redemption(claim.id, reason="一致", actor=cast.officer, now=late)
    pay(cast, claim)
    assert left(accounts.paid("2025:b01")) == Money.yuan("142.60")

    with pytest.raises(ClawbackRefused):
        propose_clawback(
            voucher.id, Money.yuan("142.61"), reason="假", actor=cast.officer, now=late
        )
    back = propose_clawback(
        voucher.id, Money.yuan("142.60"), reason="合同不实", actor=cast.officer, now=late
    )
    with pytest.raises(NotAllowed):
        confirm_clawback(back.id, actor=cast.officer, now=late)
    assert owed(cast.world.tenant) == Money(0)
    confirm_clawback(back.id, actor=cast.second, now=late)
    assert owed(cast.world.tenant) == Money.yuan("142.60")
    with pytest.raises(ApplicantOwes):
        start_redemption(
            voucher.id, through=late.date() - timedelta(days=1), actor=cast.tenant, now=late
        )
    book_repayment(
        cast.world.tenant,
        "2025:b01",
        Money.yuan("142.60"),
        bank_reference="R1",
        actor=cast.payer,
        now=late,
    )
    assert owed(cast.world.tenant) == Money(0)
    assert check_book().differences == ()
