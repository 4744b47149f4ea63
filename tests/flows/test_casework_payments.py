"""Payment batches: two people, figures and capitals, the bank's answers, nothing paid twice."""

from __future__ import annotations

from datetime import date
from typing import Any
from uuid import UUID

import pytest
from django.db import DatabaseError, IntegrityError, transaction

from jinsuan.casework.actions.evidence import open_finding
from jinsuan.casework.actions.payments import (
    BankAnswer,
    PaymentOrder,
    cancel_batch,
    confirm_batch,
    make_batch,
    record_answers,
    send_batch,
)
from jinsuan.casework.errors import (
    CaseFrozen,
    ConflictOfInterest,
    PaymentRefused,
)
from jinsuan.casework.models import PaymentBatch, PaymentLine
from jinsuan.casework.queries import batch_view, links
from jinsuan.kernel.errors import NotAllowed, NotFound
from jinsuan.kernel.ids import new_id
from jinsuan.kernel.money import Money
from jinsuan.kernel.ref import Actor, Ref, Role
from tests.flows.casework_world import NOW, Desk, make_desk, state
from tests.flows.world import SYSTEM

pytestmark = pytest.mark.django_db
DAY = date(2025, 9, 17)


@pytest.fixture
def desk() -> Desk:
    return make_desk()


def order(case: UUID, actor: Actor, yuan: str = "1409.50", **more: Any) -> PaymentOrder:
    assert actor.organisation is not None
    basis = more.pop("basis", None) or Ref("redemption", new_id())
    return PaymentOrder(
        case=case, basis=basis, payee=actor.organisation, amount=Money.yuan(yuan), **more
    )


def sent(desk: Desk, orders: list[PaymentOrder]) -> UUID:
    batch = make_batch("m09", orders, actor=desk.payer, now=NOW).id
    confirm_batch(batch, actor=desk.checker, now=NOW)
    send_batch(batch, actor=desk.payer, now=NOW)
    return batch


def line(batch: UUID, place: int = 1) -> PaymentLine:
    return PaymentLine.objects.get(batch=batch, place=place)


def paid(batch: UUID, place: int = 1) -> BankAnswer:
    return BankAnswer(
        line=line(batch, place).id, accepted=True, reference=f"TR{place}", answered_on=DAY
    )


def returned(batch: UUID, place: int = 1) -> BankAnswer:
    return BankAnswer(
        line=line(batch, place).id, accepted=False, reason="户名不符", answered_on=DAY
    )


def test_a_batch_states_its_total_in_figures_and_capitals(desk: Desk) -> None:
    cases = [desk.to_payable(), desk.to_payable(desk.rival)]
    batch = make_batch(
        "m09",
        [order(cases[0], desk.tenant), order(cases[1], desk.rival, "105591.03")],
        actor=desk.payer,
        now=NOW,
    )
    view = batch_view(desk.auditor, batch.id, now=NOW)

    assert (view.number, str(view.total)) == ("2025-m09-p0001", "¥107,000.53")
    assert view.capitals == "壹拾万柒仟元伍角叁分"
    assert [one.payee for one in view.lines] == ["甲企业", "乙企业"]
    for viewer in (desk.tenant, desk.city, desk.expert):
        with pytest.raises(NotFound):
            batch_view(viewer, batch.id, now=NOW)


def test_whoever_made_a_batch_does_not_confirm_it(desk: Desk) -> None:
    batch = make_batch("m09", [order(desk.to_payable(), desk.tenant)], actor=desk.payer, now=NOW).id

    with pytest.raises(ConflictOfInterest):
        confirm_batch(batch, actor=desk.payer, now=NOW)
    with pytest.raises(PaymentRefused):
        send_batch(batch, actor=desk.payer, now=NOW)
    with pytest.raises(NotAllowed):
        confirm_batch(batch, actor=desk.officer, now=NOW)
    with pytest.raises(IntegrityError), transaction.atomic():
        PaymentBatch.objects.filter(id=batch).update(confirmed_by=desk.payer.person)


def test_a_paid_line_closes_its_case_and_leads_back_to_it(desk: Desk) -> None:
    case = desk.to_payable()
    one = order(case, desk.tenant)
    batch = sent(desk, [one])
    with pytest.raises(PaymentRefused):
        desk.move(case, "拨付完成", desk.payer)

    assert record_answers(batch, [paid(batch)], actor=desk.payer, now=NOW) == 1
    assert record_answers(batch, [paid(batch)], actor=desk.payer, now=NOW) == 0
    desk.move(case, "拨付完成", desk.payer)
    assert state(case) == "paid"
    ref = Ref("paymentline", line(batch).id)
    assert links(one.basis) == [ref]
    assert links(ref)[:2] == [one.basis, Ref("case", case)]


def test_a_fact_is_paid_once_and_a_returned_line_is_replaced(desk: Desk) -> None:
    case = desk.to_payable()
    one = order(case, desk.tenant)
    batch = sent(desk, [one])
    with pytest.raises(PaymentRefused, match="已经拨付过"):
        make_batch("m09", [one], actor=desk.payer, now=NOW)
    again = order(case, desk.tenant, basis=one.basis, retry_of=line(batch).id)
    with pytest.raises(PaymentRefused):
        make_batch("m09", [again], actor=desk.payer, now=NOW)

    record_answers(batch, [returned(batch)], actor=desk.payer, now=NOW)
    with pytest.raises(PaymentRefused):
        make_batch("m09", [one], actor=desk.payer, now=NOW)
    another_fact = order(case, desk.tenant, retry_of=line(batch).id)
    with pytest.raises(PaymentRefused):
        make_batch("m09", [another_fact], actor=desk.payer, now=NOW)
    second = sent(desk, [again])
    assert line(batch).state == "retried"
    # The same old file again, after the retry, still changes nothing.
    assert record_answers(batch, [returned(batch)], actor=desk.payer, now=NOW) == 0
    record_answers(second, [paid(second)], actor=desk.payer, now=NOW)
    desk.move(case, "拨付完成", desk.payer)


def test_a_file_for_other_lines_or_against_an_earlier_one_books_nothing(desk: Desk) -> None:
    first = sent(desk, [order(desk.to_payable(), desk.tenant)])
    second = sent(desk, [order(desk.to_payable(), desk.tenant)])

    with pytest.raises(PaymentRefused):
        record_answers(first, [paid(first), paid(second)], actor=desk.payer, now=NOW)
    assert {line(first).state, line(second).state} == {"sent"}
    record_answers(first, [paid(first)], actor=desk.payer, now=NOW)
    with pytest.raises(PaymentRefused):
        record_answers(first, [returned(first)], actor=desk.payer, now=NOW)
    with pytest.raises(DatabaseError), transaction.atomic():
        PaymentLine.objects.filter(batch=first).update(amount_fen=1)
    with pytest.raises(DatabaseError), transaction.atomic():
        PaymentLine.objects.filter(batch=second).update(state="pending")


def test_a_frozen_case_is_not_paid_at_any_step(desk: Desk) -> None:
    case = desk.to_payable()
    batch = make_batch("m09", [order(case, desk.tenant)], actor=desk.payer, now=NOW).id
    open_finding(
        case, code="late", title="用量存疑", blocking=True, evidence=[],
        owner=Role.PROVINCIAL_OFFICER, actor=SYSTEM, now=NOW,
    )  # fmt: skip

    with pytest.raises(CaseFrozen):
        confirm_batch(batch, actor=desk.checker, now=NOW)
    with pytest.raises(CaseFrozen):
        make_batch("m09", [order(case, desk.tenant)], actor=desk.payer, now=NOW)


def test_only_a_payable_case_of_the_programme_is_paid(desk: Desk) -> None:
    draft = desk.open(kind="redemption")
    case = desk.to_payable()

    for programme, orders in (
        ("m09", []),
        ("m09", [order(draft, desk.tenant)]),
        ("m10", [order(case, desk.tenant)]),
        ("m09", [order(case, desk.tenant, "0")]),
        ("m09", [order(case, desk.tenant, basis=Ref("decision", new_id()))]),
    ):
        with pytest.raises(PaymentRefused):
            make_batch(programme, orders, actor=desk.payer, now=NOW)


def test_a_cancelled_batch_frees_its_lines(desk: Desk) -> None:
    one = order(desk.to_payable(), desk.tenant)
    batch = make_batch("m09", [one], actor=desk.payer, now=NOW).id

    cancel_batch(batch, reason="金额待核", actor=desk.checker, now=NOW)
    make_batch("m09", [one], actor=desk.payer, now=NOW)


def test_a_case_taken_back_stops_its_batch(desk: Desk) -> None:
    case = desk.to_payable()
    batch = make_batch("m09", [order(case, desk.tenant)], actor=desk.payer, now=NOW).id
    confirm_batch(batch, actor=desk.checker, now=NOW)
    desk.move(case, "暂停拨付", desk.second)

    with pytest.raises(PaymentRefused, match="省级核定"):
        send_batch(batch, actor=desk.payer, now=NOW)
    assert line(batch).state == "pending"
    cancel_batch(batch, reason="案件退回核定", actor=desk.payer, now=NOW)
    with pytest.raises(PaymentRefused, match="已取消"):
        cancel_batch(batch, reason="再取消", actor=desk.payer, now=NOW)
