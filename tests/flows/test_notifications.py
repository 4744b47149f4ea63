"""Notifications follow the seal: in order, and to whom it concerns."""

from __future__ import annotations

from datetime import date, datetime

import pytest
from django.db import connection

from jinsuan.casework.actions.cases import move_case
from jinsuan.casework.actions.evidence import open_finding
from jinsuan.casework.actions.notices import record_objection
from jinsuan.casework.actions.payments import BankAnswer, confirm_batch, record_answers, send_batch
from jinsuan.casework.models import Case, PaymentBatch
from jinsuan.entrypoints.worker import ticks
from jinsuan.kernel.errors import NotFound
from jinsuan.kernel.money import Money
from jinsuan.kernel.ref import Actor, Ref, Role
from jinsuan.ledger.actions import Note, record
from jinsuan.ledger.audit import seal_status
from jinsuan.ledger.delivery import (
    NOTIFY,
    NotificationView,
    mark_all_read,
    mark_read,
    notifications_of,
    unread_count,
)
from jinsuan.ledger.models import Reader
from jinsuan.ledger.seal import seal_all
from jinsuan.registry.actions.people import end_membership
from jinsuan.registry.models import Membership
from jinsuan.vouchers.actions import revoke, suspend, warn_expiring
from jinsuan.vouchers.actions.clawback import confirm_clawback, propose_clawback
from jinsuan.vouchers.actions.grant import pass_checks
from jinsuan.vouchers.actions.pay import retry_payment
from tests.flows.paid_world import LATE, make_paid
from tests.flows.voucher_world import AFTER_NOTICE, NOW, make_cast
from tests.flows.world import SYSTEM


def told(actor: Actor) -> list[NotificationView]:
    """What somebody was told, the oldest first."""
    return notifications_of(actor, limit=500)[::-1]


def kinds(actor: Actor) -> list[str]:
    """Of what kinds; the platform's own checks leave findings that these tests are not about."""
    return [one.kind for one in told(actor) if one.kind != "finding.opened"]


def go(now: datetime = NOW) -> None:
    """Seal and notify as the worker does."""
    seal_all(signer=None, now=now)
    ticks.notify(lambda: now)
    assert Reader.objects.get(name=NOTIFY).position == seal_status().rows


@pytest.mark.django_db
def test_the_whole_life_of_a_voucher_is_told_in_order_to_whom_it_concerns() -> None:
    paid = make_paid()
    go(LATE)
    cast = paid.cast

    assert kinds(cast.tenant) == [
        "case.checked",
        "case.recommended",
        "case.approved",
        "notice.published",
        "voucher.issued",
    ]
    assert kinds(cast.provider) == ["redemption.checked", "redemption.approved", "redemption.paid"]
    assert kinds(cast.city) == ["case.checked.next", "notice.published"]
    # The officer approved both by their own hand; what waits for them was told.
    assert kinds(cast.officer) == ["case.recommended.next", "redemption.checked.next"]
    # The payer made the batch and is not told of it; the checker is.
    assert kinds(cast.payer) == ["redemption.approved.next", "payment.confirmed"]
    assert kinds(cast.checker) == ["redemption.approved.next", "payment.made"]
    assert kinds(cast.world.auditor) == []
    issued = told(cast.tenant)[-1]
    assert issued.subject == paid.voucher
    assert "2,000.00" in issued.words or "2000.00" in issued.words
    assert "BK77" in told(cast.provider)[-1].words
    positions = [one.position for one in told(cast.tenant)]
    assert positions == sorted(set(positions))


@pytest.mark.django_db
def test_every_event_of_the_list_reaches_somebody() -> None:
    cast = make_cast()
    case = cast.apply()
    assert pass_checks(case, actor=SYSTEM, now=NOW)
    move_case(case, "退回补正", reason="合同缺页", actor=cast.city, now=NOW)
    other = cast.apply("HT-2")
    cast.recommend(other)
    cast.approve(other)
    later = datetime(2025, 9, 18, 1, tzinfo=NOW.tzinfo)
    day = later.date()
    record_objection(other, text="不是本地单位", received_on=day, actor=cast.second, now=later)
    third = cast.apply("HT-3")
    open_finding(
        third,
        code="x",
        title="两份合同同一天签",
        blocking=True,
        evidence=[Ref("case", other)],
        detail="",
        owner=Role.PROVINCIAL_OFFICER,
        actor=SYSTEM,
        now=NOW,
    )
    go()

    returned = next(one for one in told(cast.tenant) if one.kind == "case.returned")
    assert (returned.title, returned.number) == ("退回补正", Case.objects.get(id=case).number)
    assert "合同缺页" in returned.words
    assert "objection.recorded" in kinds(cast.tenant)
    assert "objection.recorded" in kinds(cast.officer)
    assert "objection.recorded" not in kinds(cast.second)  # recorded it
    assert all("不是本地单位" not in one.words for one in told(cast.tenant))
    # The applicant learns that it is frozen, and not by what.
    frozen = next(one for one in told(cast.tenant) if one.kind == "case.frozen")
    assert "两份合同" not in frozen.words
    assert any("两份合同" in one.words for one in told(cast.officer))
    assert kinds(cast.provider) == []


@pytest.mark.django_db
def test_the_ends_of_vouchers_and_of_payments_are_told() -> None:
    paid = make_paid()
    cast = paid.cast
    voucher = paid.voucher.id
    suspend(voucher, reason="核实中", actor=cast.officer, now=LATE)
    revoke(voucher, reason="查实造假", actor=cast.officer, now=LATE)
    asked = propose_clawback(
        voucher, amount=Money.yuan("10"), reason="查实造假", actor=cast.officer, now=LATE
    )
    confirm_clawback(asked.id, actor=cast.second, now=LATE)
    go(LATE)

    assert kinds(cast.tenant)[-2:] == ["voucher.suspended", "voucher.revoked"]
    assert "clawback.proposed" in kinds(cast.second)
    assert "clawback.proposed" not in kinds(cast.officer)
    demanded = told(cast.provider)[-1]
    assert demanded.kind == "clawback.demanded"
    assert "10.00" in demanded.words


@pytest.mark.django_db
def test_a_voucher_that_will_expire_is_told_once() -> None:
    cast = make_cast()
    voucher = cast.grant()
    soon = datetime(2025, 12, 20, 1, tzinfo=NOW.tzinfo)
    assert warn_expiring(actor=SYSTEM, now=soon) == 1
    go(soon)
    assert warn_expiring(actor=SYSTEM, now=soon) == 0
    go(soon)
    warned = [one for one in told(cast.tenant) if one.kind == "voucher.expires_soon"]
    assert [one.subject for one in warned] == [voucher]


@pytest.mark.django_db
def test_the_bank_sends_a_line_back_and_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second answer of the same batch tells only what is new in it."""
    from tests.flows import paid_world

    def stop(*_: object, **__: object) -> int:
        return 1

    monkeypatch.setattr(paid_world, "book_paid_lines", stop)
    monkeypatch.setattr(paid_world, "record_answers", stop)
    paid = make_paid()
    cast = paid.cast
    line = PaymentBatch.objects.get(id=paid.batch.id).lines.get()
    back = BankAnswer(
        line=line.id, accepted=False, reason="账号不符", answered_on=date(2025, 10, 6)
    )
    record_answers(paid.batch.id, [back], actor=cast.payer, now=LATE)
    go(LATE)
    rejected = [one for one in told(cast.provider) if one.kind == "redemption.rejected"]
    assert len(rejected) == 1
    assert "账号不符" in rejected[0].words
    assert kinds(cast.checker).count("payment.rejected") == 1
    # The bank answers for another line later; the row tells the state of all lines again.
    after = {"number": "x", "state": "sent", "lines": {"1": "rejected", "2": "accepted"}}
    record(
        [Note(action="payment.answer", subject=paid.batch, after=after)], actor=cast.payer, now=LATE
    )
    go(LATE)
    assert kinds(cast.provider).count("redemption.rejected") == 1
    again = retry_payment(line.id, actor=cast.checker, now=LATE)
    confirm_batch(again.id, actor=cast.payer, now=LATE)
    send_batch(again.id, actor=cast.payer, now=LATE)
    go(LATE)
    assert kinds(cast.provider).count("redemption.rejected") == 1
    assert kinds(cast.payer)[-1] == "payment.made"


@pytest.mark.django_db
def test_a_difference_is_told_to_who_may_clear_it() -> None:
    from jinsuan.vouchers.actions import book_differences
    from jinsuan.vouchers.reconcile import differences

    cast = make_cast()
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE ledger_account DISABLE TRIGGER USER")
        cursor.execute(
            "UPDATE ledger_account SET credits_fen = credits_fen + 1 WHERE kind = 'pool'"
        )
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("ALTER TABLE ledger_account ENABLE TRIGGER USER")
    assert book_differences(differences({}), actor=SYSTEM, now=NOW)
    go()
    for actor in (cast.officer, cast.second, cast.payer, cast.checker, cast.world.auditor):
        assert "difference.found" in kinds(actor)
    assert kinds(cast.tenant) == []


@pytest.mark.django_db
def test_who_left_is_not_told_and_nobody_reads_or_marks_for_another() -> None:
    cast = make_cast()
    case = cast.apply()
    gone = Membership.objects.get(person=cast.second.person)
    end_membership(gone.id, effective_to=NOW.date(), reason="调离", actor=SYSTEM, now=NOW)
    cast.recommend(case)
    go()
    assert kinds(cast.second) == []
    first = told(cast.officer)[-1]
    for stranger in (cast.second, cast.tenant, cast.city, SYSTEM):
        with pytest.raises(NotFound):
            mark_read(first.ref.id, actor=stranger, now=NOW)
    other_role = Actor(
        person=cast.officer.person,
        organisation=cast.officer.organisation,
        role=Role.AUDITOR,
        via="test",
    )
    assert notifications_of(other_role) == []
    before = unread_count(cast.officer)
    mark_read(first.ref.id, actor=cast.officer, now=NOW)
    mark_read(first.ref.id, actor=cast.officer, now=AFTER_NOTICE)
    assert told(cast.officer)[-1].read_at == NOW
    assert unread_count(cast.officer) == before - 1


@pytest.mark.django_db
def test_marking_all_read_leaves_what_came_after_the_page() -> None:
    cast = make_cast()
    first = cast.apply()
    cast.recommend(first)
    go()
    seen = told(cast.tenant)[-1].position
    cast.approve(first)
    go()
    assert mark_all_read(through=seen, actor=cast.tenant, now=NOW) == 2
    assert {one.kind for one in notifications_of(cast.tenant, unread=True)} == {
        "case.approved",
        "notice.published",
    }
    whole = notifications_of(cast.tenant, limit=9)
    pages: list[NotificationView] = []
    while more := notifications_of(
        cast.tenant, before=pages[-1].position if pages else None, limit=1
    ):
        pages += more
    assert pages == whole
