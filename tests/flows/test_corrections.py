"""更正 of charges after the fact, both signs: book, vouchers, statements, trace and clawbacks."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

import pytest
from django.db import DatabaseError, transaction

from jinsuan.entrypoints.exports.focus import write_focus
from jinsuan.kernel.errors import BadInput, NotAllowed, NotFound
from jinsuan.kernel.money import Money
from jinsuan.kernel.period import month
from jinsuan.kernel.ref import Actor, Ref
from jinsuan.ledger import accounts
from jinsuan.ledger.queries import check_book, transfers_caused_by
from jinsuan.metering import actions as metering
from jinsuan.metering.errors import CorrectionRefused
from jinsuan.metering.models import Charge, DoubtfulReading, Meter, UsageReading, UseCorrection
from jinsuan.metering.rating import card
from jinsuan.registry.models import Organisation
from jinsuan.trace.bundle import make_bundle
from jinsuan.trace.queries import path
from jinsuan.trace.verify import verify
from jinsuan.vouchers.actions.clawback import confirm_clawback
from jinsuan.vouchers.actions.correct import confirm_correction, correct_use, reject_correction
from jinsuan.vouchers.actions.life import revoke
from jinsuan.vouchers.actions.redeem import stop_redemption
from jinsuan.vouchers.models import Clawback, Funding, Redemption
from jinsuan.vouchers.queries_redeem import owed
from jinsuan.vouchers.reconcile import differences
from jinsuan.vouchers.statements import lines, statement
from jinsuan.vouchers.subjects import provider, tenant
from tests.flows.redemption_steps import LATE, answer, approve, asked, bill, left, order, send
from tests.flows.voucher_world import AFTER_NOTICE, Cast, make_cast

pytestmark = pytest.mark.django_db
T4 = card("T4")
HOUR = 3600 * 2000  # of two cards, in milli-unit-seconds
CASH = Money.yuan("100000")


def attempt(cast: Cast, *, hours: int = 100) -> tuple[Ref, UUID]:
    """A granted voucher of which one job drew 142.60 of 713.00 yuan (700.00 of it for cards)."""
    voucher = cast.grant()
    job = cast.use(hours, AFTER_NOTICE)
    return voucher, Meter.objects.get(job=job.id).attempt


def propose(cast: Cast, of: UUID, hours: int, *, resource: str = T4) -> Ref:
    return correct_use(
        of,
        resource,
        hours * HOUR,
        reason="计量程序重复计数",
        document="故障报告 7 号",
        actor=cast.provider,
        now=LATE,
    )


def correct(cast: Cast, of: UUID, hours: int) -> tuple[Ref, ...]:
    ref = propose(cast, of, hours)
    return confirm_correction(ref.id, actor=cast.officer, now=LATE)


def payable(cast: Cast, source: str) -> Money:
    return left(accounts.payable(Ref("organisation", cast.world.provider), source))


def tenants(cast: Cast, kind: str) -> Money:
    ref = Ref("organisation", cast.world.tenant)
    return left(accounts.cash(ref) if kind == "cash" else accounts.receivable(ref))


def clean() -> None:
    assert differences() == []
    assert check_book().differences == ()


def test_down_gives_voucher_and_cash_back_by_the_same_formula() -> None:
    cast = make_cast()
    voucher, of = attempt(cast)
    full, cash = left(accounts.voucher(voucher)), tenants(cast, "cash")
    assert correct(cast, of, 50) == ()  # 363.00: 72.60 from the voucher
    assert left(accounts.voucher(voucher)) - full == Money.yuan("70")
    assert tenants(cast, "cash") - cash == Money.yuan("280")
    assert (payable(cast, "voucher"), payable(cast, "cash")) == (
        Money.yuan("72.60"),
        Money.yuan("290.40"),
    )
    row = Charge.objects.get(correction__isnull=False)
    assert (row.amount_fen, row.cumulative_fen) == (-35_000, 36_300)
    clean()


def test_up_is_owed_like_a_late_charge_and_down_again_forgives_it_first() -> None:
    cast = make_cast()
    _, of = attempt(cast)
    Meter.objects.filter(attempt=of).update(authorised_fen=10_000_000)
    Funding.objects.filter(attempt=of).update(authorised_fen=10_000_000)
    correct(cast, of, 110)
    assert tenants(cast, "owed") == -Money.yuan("70")
    assert payable(cast, "cash") == Money.yuan("640.40")
    cash = tenants(cast, "cash")
    correct(cast, of, 105)
    assert (tenants(cast, "owed"), tenants(cast, "cash")) == (-Money.yuan("35"), cash)
    clean()


def test_nobody_pays_more_than_was_authorised() -> None:
    cast = make_cast()
    _, of = attempt(cast)
    most = Meter.objects.get(attempt=of).authorised_fen
    correct(cast, of, 150)
    assert Meter.objects.get(attempt=of).charged_fen == most
    clean()


def test_twice_the_same_changes_nothing() -> None:
    cast = make_cast()
    _, of = attempt(cast)
    ref = propose(cast, of, 50)
    assert propose(cast, of, 50) == ref
    with pytest.raises(CorrectionRefused, match="等待复核"):
        propose(cast, of, 60)
    confirm_correction(ref.id, actor=cast.officer, now=LATE)
    assert confirm_correction(ref.id, actor=cast.second, now=LATE) == ()
    assert propose(cast, of, 50) == ref
    assert Charge.objects.filter(attempt=of).count() == 2
    with pytest.raises(CorrectionRefused, match="现在的读数"):
        propose(cast, of, 100, resource="cpu_core")


def test_two_people_of_whom_none_is_a_party() -> None:
    cast = make_cast()
    _, of = attempt(cast)
    with pytest.raises(NotAllowed):
        correct_use(of, T4, 1, reason="错", document="1", actor=cast.tenant, now=LATE)
    with pytest.raises(BadInput):
        correct_use(of, T4, 1, reason="错", document=" ", actor=cast.provider, now=LATE)
    stranger = Actor(
        person=cast.provider.person,
        organisation=cast.world.tenant,
        role=cast.provider.role,
        via="test",
    )
    with pytest.raises(NotFound):
        correct_use(of, T4, 1, reason="错", document="1", actor=stranger, now=LATE)
    with pytest.raises(CorrectionRefused, match="上限"):
        propose(cast, of, 10_000)
    with pytest.raises(CorrectionRefused, match="占用范围"):
        propose(cast, of, 1, resource="card:H100")
    ref = propose(cast, of, 50)
    with pytest.raises(NotAllowed):
        confirm_correction(ref.id, actor=cast.provider, now=LATE)
    reject_correction(ref.id, reason="不实", actor=cast.officer, now=LATE)
    with pytest.raises(CorrectionRefused, match="已经驳回"):
        confirm_correction(ref.id, actor=cast.officer, now=LATE)
    assert correct(cast, of, 50) == ()
    with pytest.raises(DatabaseError), transaction.atomic():
        UseCorrection.objects.filter(id=ref.id).update(agreed=True)


def test_a_running_attempt_is_not_corrected() -> None:
    cast = make_cast()
    _, of = attempt(cast)
    Funding.objects.filter(attempt=of).update(released_at=None)
    with pytest.raises(CorrectionRefused, match="还没有结清"):
        propose(cast, of, 50)
    assert not UseCorrection.objects.exists()


def test_what_the_meter_says_after_a_correction_is_put_aside() -> None:
    cast = make_cast()
    _, of = attempt(cast)
    correct(cast, of, 50)
    more = [
        metering.Reading(attempt=of, resource=T4, milli_unit_seconds=hours * HOUR, occurred_at=LATE)
        for hours in (100, 101)  # the old one again, and one more
    ]
    assert metering.record(more, now=LATE) == 1
    assert metering.charge([of], now=LATE) == []
    assert DoubtfulReading.objects.get().doubt == "corrected"
    assert UsageReading.objects.filter(attempt=of, resource=T4).count() == 2


def test_an_ended_voucher_gives_it_on_to_its_pool() -> None:
    cast = make_cast()
    voucher, of = attempt(cast)
    revoke(voucher.id, reason="不实", actor=cast.officer, now=LATE)
    pool = left(accounts.pool("2025:m09"))
    correct(cast, of, 50)
    assert left(accounts.voucher(voucher)) == Money(0)
    assert left(accounts.pool("2025:m09")) - pool == Money.yuan("70")
    clean()


def paid(cast: Cast, voucher: Ref) -> None:
    from jinsuan.vouchers.actions.pay import book_paid_lines

    case = asked(cast, voucher)
    approve(cast, case)
    batch = order(cast, case)
    send(cast, batch)
    answer(cast, batch)
    assert book_paid_lines(batch.id, actor=cast.payer, now=LATE) == 1


def test_what_was_paid_out_is_proposed_to_be_clawed_back() -> None:
    cast = make_cast()
    voucher, of = attempt(cast)
    bill(cast, voucher, "700")
    paid(cast, voucher)  # 140.00 of 142.60
    full = left(accounts.voucher(voucher))
    (ref,) = correct(cast, of, 50)
    row = Clawback.objects.get(id=ref.id)
    assert (row.amount_fen, row.confirmed_at) == (6_740, None)  # 140.00 - 72.60
    assert left(accounts.voucher(voucher)) - full == Money.yuan("70")
    assert payable(cast, "voucher") == Money(0)
    assert owed(cast.world.provider) == Money(0), "nobody confirmed it yet"
    with pytest.raises(NotAllowed):
        confirm_clawback(ref.id, actor=cast.officer, now=LATE)
    clean()
    confirm_clawback(ref.id, actor=cast.second, now=LATE)
    assert owed(cast.world.provider) == Money.yuan("67.40")
    assert left(accounts.clawback("2025:m09")) == Money(0), "it went to the voucher"
    owner = Ref("organisation", cast.world.provider)
    assert left(accounts.receivable(owner, "voucher")) == Money(0)
    clean()


def test_new_use_after_a_correction_is_redeemed_again_to_the_fen() -> None:
    cast = make_cast()
    voucher, of = attempt(cast)
    bill(cast, voucher, "2000")
    paid(cast, voucher)  # 142.60
    (ref,) = correct(cast, of, 50)
    assert Clawback.objects.get(id=ref.id).amount_fen == 7_000
    cast.use(50, AFTER_NOTICE + timedelta(hours=108), key="second")  # draws 71.30
    case = asked(cast, voucher)
    row = Redemption.objects.get(case=case)
    # Without the clawback, later use pays off what was too much: 143.90 in all, 142.60 before.
    assert (row.cumulative_fen, row.amount_fen) == (14_390, 130)
    approve(cast, case)
    assert payable(cast, "voucher") == Money.yuan("70")
    clean()


def test_an_approval_waits_neither_unseen_nor_silently_changed() -> None:
    cast = make_cast()
    voucher, of = attempt(cast)
    bill(cast, voucher, "700")
    case = asked(cast, voucher)
    approve(cast, case)
    ref = propose(cast, of, 50)
    with pytest.raises(CorrectionRefused, match="先暂停拨付"):
        confirm_correction(ref.id, actor=cast.officer, now=LATE)
    assert UseCorrection.objects.get().agreed is None
    stop_redemption(case, reason="更正", actor=cast.officer, now=LATE)
    assert confirm_correction(ref.id, actor=cast.officer, now=LATE) == ()
    approve(cast, case)
    assert Redemption.objects.get(case=case).amount_fen == 7_260
    clean()


def test_where_the_user_claims_its_cash_returns_and_the_share_is_proposed() -> None:
    from jinsuan.vouchers.actions.grant import issue_granted
    from tests.flows.world import SYSTEM

    cast = make_cast("beijing-2023-ai-voucher")
    case = cast.apply(yuan="10000")
    cast.recommend(case)
    cast.approve(case, chosen=Money.yuan("1500"))
    voucher = issue_granted(case, actor=SYSTEM, now=AFTER_NOTICE)
    of = Meter.objects.get(job=cast.use(100, AFTER_NOTICE).id).attempt
    bill(cast, voucher, "713")
    paid(cast, voucher)
    cash = tenants(cast, "cash")
    (ref,) = correct(cast, of, 50)
    assert tenants(cast, "cash") - cash == Money.yuan("350")
    assert Clawback.objects.get(id=ref.id).amount_fen == 7_000
    confirm_clawback(ref.id, actor=cast.second, now=LATE)
    assert left(accounts.clawback("2025:b01")) == Money.yuan("70")
    clean()


def focus(of: Sequence[object]) -> list[dict[str, str]]:
    file = io.BytesIO()
    write_focus(*of, file)  # type: ignore[arg-type]
    return list(csv.DictReader(io.StringIO(file.getvalue().decode())))


def test_statements_and_focus_show_corrections_and_add_up() -> None:
    cast = make_cast()
    voucher, of = attempt(cast)
    bill(cast, voucher, "700")
    paid(cast, voucher)
    correct(cast, of, 50)
    period = month(f"{LATE:%Y-%m}")
    for make, pk, came in (
        (tenant, cast.world.tenant, Money.yuan("350")),
        # 67.40 of it was paid: that is no claim of the provider's any more, but a clawback's.
        (provider, cast.world.provider, -Money.yuan("282.60")),
    ):
        subject = make(Organisation.objects.get(id=pk))
        head = statement(subject, period, now=LATE)
        told = list(lines(subject, period))
        assert head.opening + Money.total(one.amount for one in told) == head.closing
        assert head.totals.correction == came
        rows = [row for row in focus([head, told]) if row["ChargeClass"] == "Correction"]
        assert sum(Money.yuan(row["BilledCost"]).fen for row in rows) == -28_000
        assert {row["ResourceType"] for row in rows} == {"Job"}


def test_the_trace_explains_a_correction_and_its_bundle_verifies() -> None:
    cast = make_cast()
    voucher, of = attempt(cast)
    bill(cast, voucher, "700")
    paid(cast, voucher)
    correct(cast, of, 50)
    charge = Ref("charge", Charge.objects.get(correction__isnull=False).id)
    moved = transfers_caused_by(charge)
    assert {one.key.partition(":")[0] for one in moved} == {
        "correct",
        "correct-paid",
        "correct-cash",
    }
    for one in moved:
        told = str(path(cast.officer, one.ref, now=LATE).steps)
        assert "故障报告 7 号" in told and "更正" in told and "⌊1/5 × ¥363.00⌋" in told
        bundle = make_bundle(cast.officer, one.ref, now=LATE)
        bad = [
            check
            for check in verify(bundle)
            if check.differences and not check.name.startswith(("封存", "签名", "留痕"))
        ]
        assert bad == []
    cut = make_bundle(cast.officer, moved[0].ref, now=LATE)
    for attempt_told in cut["attempts"]:
        attempt_told["rate"] = [1, 4]
    assert any(check.differences and check.name.startswith("券付") for check in verify(cut))


def test_a_claim_counts_what_was_corrected_after_its_last_day() -> None:
    from jinsuan.vouchers.actions.grant import issue_granted
    from tests.flows.world import SYSTEM

    cast = make_cast("beijing-2023-ai-voucher")
    case = cast.apply(yuan="10000")
    cast.recommend(case)
    cast.approve(case, chosen=Money.yuan("1500"))
    voucher = issue_granted(case, actor=SYSTEM, now=AFTER_NOTICE)
    of = Meter.objects.get(job=cast.use(100, AFTER_NOTICE).id).attempt
    bill(cast, voucher, "713")
    assert correct(cast, of, 50) == ()
    assert Redemption.objects.get(case=asked(cast, voucher)).amount_fen == 7_260
