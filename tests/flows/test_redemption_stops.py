"""Stopping, ordering again, redeeming again and giving back: nobody gets more than was approved."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction

from jinsuan.casework.actions.payments import cancel_batch
from jinsuan.casework.errors import PaymentRefused
from jinsuan.casework.models import Case, PaymentLine
from jinsuan.kernel.money import Money
from jinsuan.kernel.ref import Ref
from jinsuan.ledger import accounts
from jinsuan.ledger.queries import check_book
from jinsuan.vouchers.actions.clawback import book_repayment, confirm_clawback, propose_clawback
from jinsuan.vouchers.actions.grant import end_with_year
from jinsuan.vouchers.actions.pay import book_paid_lines, retry_payment
from jinsuan.vouchers.actions.redeem import stop_redemption, submit_redemption
from jinsuan.vouchers.errors import ClawbackRefused, ProgrammeRuns, RedemptionRefused
from jinsuan.vouchers.models import Redemption
from jinsuan.vouchers.queries_redeem import owed
from tests.flows.redemption_steps import LATE, answer, approve, asked, bill, left, order, send
from tests.flows.voucher_world import AFTER_NOTICE, NOW, Cast, make_cast
from tests.flows.world import SYSTEM

pytestmark = pytest.mark.django_db


def used(cast: Cast) -> Ref:
    """A granted voucher of which one job drew 142.60 of 713.00 yuan."""
    voucher = cast.grant()
    cast.use(100, AFTER_NOTICE)
    return voucher


def stop(cast: Cast, case: object) -> None:
    stop_redemption(case, reason="再核", actor=cast.officer, now=LATE)  # type: ignore[arg-type]


def again(cast: Cast, case: object) -> None:
    """Sent back and handed in with the invoices that came since."""
    from jinsuan.casework.actions.cases import move_case
    from jinsuan.vouchers.actions.grant import pass_checks

    move_case(case, "退回补正", reason="补发票", actor=cast.officer, now=LATE)  # type: ignore[arg-type]
    submit_redemption(case, actor=cast.provider, now=LATE)  # type: ignore[arg-type]
    assert pass_checks(case, actor=SYSTEM, now=LATE)  # type: ignore[arg-type]


def test_an_ordered_redemption_is_stopped_only_after_its_batch_was_cancelled() -> None:
    cast = make_cast()
    voucher = used(cast)
    bill(cast, voucher, "500")
    case = asked(cast, voucher)
    approve(cast, case)
    batch = order(cast, case)
    with pytest.raises(RedemptionRefused, match=r"2025-m09r-p0001.*先取消"):
        stop(cast, case)
    cancel_batch(batch.id, reason="要重核", actor=cast.payer, now=LATE)
    stop(cast, case)
    bill(cast, voucher, "100")
    again(cast, case)
    approve(cast, case)
    batch = order(cast, case)
    send(cast, batch)
    answer(cast, batch)
    assert book_paid_lines(batch.id, actor=cast.payer, now=LATE) == 1
    due = accounts.due(Ref("redemption", Redemption.objects.get(case=case).id))
    assert (left(due), left(accounts.paid("2025:m09"))) == (Money(0), Money.yuan("120"))


def test_what_went_to_the_bank_cannot_be_stopped_and_is_booked() -> None:
    cast = make_cast()
    voucher = used(cast)
    bill(cast, voucher, "500")
    case = asked(cast, voucher)
    approve(cast, case)
    batch = order(cast, case)
    send(cast, batch)
    with pytest.raises(RedemptionRefused, match="已送银行"):
        stop(cast, case)
    answer(cast, batch)
    with pytest.raises(RedemptionRefused, match="银行已付"):
        stop(cast, case)
    assert book_paid_lines(batch.id, actor=cast.payer, now=LATE) == 1
    assert Case.objects.get(id=case).state == "paid"


def test_the_database_keeps_the_amount_of_an_ordered_redemption() -> None:
    cast = make_cast()
    voucher = used(cast)
    bill(cast, voucher, "500")
    case = asked(cast, voucher)
    approve(cast, case)
    order(cast, case)
    row = Redemption.objects.get(case=case)
    with pytest.raises(IntegrityError, match="ordered"), transaction.atomic():
        Redemption.objects.filter(id=row.id).update(
            amount_fen=row.amount_fen + 1, cumulative_fen=row.cumulative_fen + 1
        )


def test_a_line_sent_back_gives_way_to_the_amount_approved_last() -> None:
    cast = make_cast()
    voucher = used(cast)
    bill(cast, voucher, "500")
    case = asked(cast, voucher)
    approve(cast, case)
    batch = order(cast, case)
    send(cast, batch)
    line = answer(cast, batch, accepted=False)
    stop(cast, case)
    bill(cast, voucher, "100")
    again(cast, case)
    approve(cast, case)
    with pytest.raises(PaymentRefused):
        retry_payment(line, actor=cast.payer, now=LATE)
    second = order(cast, case)
    assert PaymentLine.objects.get(batch=second.id).amount_fen == 12_000
    send(cast, second)
    answer(cast, second)
    assert book_paid_lines(second.id, actor=cast.payer, now=LATE) == 1
    assert left(accounts.paid("2025:m09")) == Money.yuan("120")
    assert check_book().differences == ()


def pay(cast: Cast, voucher: Ref) -> None:
    case = asked(cast, voucher)
    approve(cast, case)
    batch = order(cast, case)
    send(cast, batch)
    answer(cast, batch)
    assert book_paid_lines(batch.id, actor=cast.payer, now=LATE) == 1


def clawed(cast: Cast, voucher: Ref, yuan: str) -> None:
    ref = propose_clawback(
        voucher.id, Money.yuan(yuan), reason="不实", actor=cast.officer, now=LATE
    )
    confirm_clawback(ref.id, actor=cast.second, now=LATE)


def repay(cast: Cast, yuan: str, reference: str = "R1", programme: str = "2025:m09") -> None:
    book_repayment(
        cast.world.provider,
        programme,
        Money.yuan(yuan),
        bank_reference=reference,
        actor=cast.payer,
        now=LATE,
    )


def test_after_a_clawback_a_voucher_pays_only_what_its_own_jobs_still_have() -> None:
    cast = make_cast()
    first = used(cast)
    bill(cast, first, "700")
    pay(cast, first)  # 140.00 of 142.60
    clawed(cast, first, "140")
    repay(cast, "140")
    bill(cast, first, "100")
    case = asked(cast, first)
    assert Redemption.objects.get(case=case).amount_fen == 260, "another voucher's money"
    approve(cast, case)
    owner = Ref("organisation", cast.world.provider)
    assert left(accounts.payable(owner, "voucher")) == Money(0)


def test_a_repayment_counts_against_its_own_programme_and_once() -> None:
    cast = make_cast()
    voucher = used(cast)
    bill(cast, voucher, "700")
    pay(cast, voucher)
    clawed(cast, voucher, "140")
    with pytest.raises(ClawbackRefused, match=r"0\.00"):
        repay(cast, "10", programme="2025:b01")
    repay(cast, "100")
    repay(cast, "40", "R2")
    repay(cast, "40", "R2")
    assert owed(cast.world.provider) == Money(0)
    with pytest.raises(ClawbackRefused):
        repay(cast, "40", "R3")


def test_a_year_that_runs_ends_no_grant() -> None:
    cast = make_cast()
    case = cast.apply()
    cast.recommend(case)
    cast.approve(case)
    with pytest.raises(ProgrammeRuns, match="2025-12-31"):
        end_with_year(case, actor=SYSTEM, now=NOW + timedelta(days=10))
