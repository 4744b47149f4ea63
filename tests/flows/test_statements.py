"""Statements agree with the book to the fen, whoever asks, and only those may ask who should."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from jinsuan.kernel.errors import NotFound
from jinsuan.kernel.money import Money
from jinsuan.kernel.period import Period, days, month
from jinsuan.kernel.ref import Actor, Ref, Role
from jinsuan.ledger import accounts
from jinsuan.ledger.models import Account, Transfer
from jinsuan.ledger.reasons import Reason
from jinsuan.metering.models import Charge
from jinsuan.vouchers.models import Voucher
from jinsuan.vouchers.statements import Statement, lines, page, statement
from jinsuan.vouchers.subjects import Subject, access_subject, choices
from tests.flows.statement_world import MeteredJob, move
from tests.flows.world import SYSTEM, World, make_world, organisation, person

pytestmark = pytest.mark.django_db
SEPTEMBER = datetime(2025, 9, 16, 1, 0, tzinfo=UTC)
LAST_MOMENT = datetime(2025, 9, 30, 15, 59, 59, 999_999, tzinfo=UTC)  # Beijing: still September
FIRST_MOMENT = datetime(2025, 9, 30, 16, 0, tzinfo=UTC)  # Beijing: October began
OCTOBER = datetime(2025, 10, 9, 1, 0, tzinfo=UTC)
MONTHS = (month("2025-08"), month("2025-09"), month("2025-10"), month("2025-11"))


@pytest.fixture
def world() -> World:
    """Charges on both sides of a month's end, a shortfall, a correction, a payout."""
    world = make_world(now=SEPTEMBER, voucher="20")
    one, two = MeteredJob(world), MeteredJob(world)
    one.begin(cover="60", authorised="100", now=SEPTEMBER)
    one.used(1, now=SEPTEMBER + timedelta(hours=1))
    one.used(2, now=LAST_MOMENT)
    two.begin(cover="8", authorised="50", now=LAST_MOMENT - timedelta(hours=2), voucher="none")
    (step,) = two.used(2, now=FIRST_MOMENT)  # costs 14.24, 8.00 was held: 6.24 are owed
    one.used(5, now=OCTOBER)
    one.end(now=OCTOBER)
    two.end(now=OCTOBER)
    provider, tenant = Ref("organisation", world.provider), Ref("organisation", world.tenant)
    cash, charge = accounts.payable(provider, "cash"), Ref("charge", step.charge)
    back = accounts.cash(tenant)
    move(cash, back, 24, Reason.CORRECTION, charge, key="correct:1", now=OCTOBER)
    bank = accounts.bank("supervised")
    move(cash, bank, 500, Reason.PAYOUT, provider, key="payout:1", now=OCTOBER)
    return world


def subjects(world: World) -> list[Subject]:
    voucher = str(Ref("voucher", Voucher.objects.get().id))
    return [
        access_subject(world.researcher, ""),
        access_subject(world.auditor, "provider", str(Ref("organisation", world.provider))),
        access_subject(world.researcher, "voucher", voucher),
        access_subject(world.treasury, "pool", "2025:m09"),
    ]


def told(subject: Subject, period: Period) -> Statement:
    return statement(subject, period, now=OCTOBER)


def recomputed(subject: Subject, until: datetime) -> int:
    """What stood on the subject's accounts, transfer by transfer, in plain Python."""
    owns = set(subject.codes)
    if subject.escrow:
        vouchers = [code.partition(":")[2] for code in owns if code.startswith("voucher:")]
        sources = [*vouchers, *(["cash"] if subject.kind == "tenant" else [])]
        holds = Account.objects.filter(kind="hold").values_list("code", flat=True)
        owns |= {code for code in holds if accounts.parse(code).sub in sources}
    fen = 0
    for t in Transfer.objects.filter(recorded_at__lt=until).select_related("debit", "credit"):
        fen += t.fen * ((t.credit.code in owns) - (t.debit.code in owns))
    return fen


def test_opening_lines_and_closing_agree_with_every_transfer(world: World) -> None:
    for subject in subjects(world):
        for period in MONTHS:
            found, told_lines = told(subject, period), list(lines(subject, period))

            assert found.opening.fen == recomputed(subject, period.start), subject.kind
            assert found.closing.fen == recomputed(subject, period.end), subject.kind
            assert found.opening + Money.total(li.amount for li in told_lines) == found.closing
            totals = found.totals
            assert totals.lines == len(told_lines)
            for name in ("charge", "voucher", "cash", "shortfall", "correction", "other"):
                added = Money.total(getattr(li, name) for li in told_lines)
                assert getattr(totals, name) == added, (subject.kind, name)
        for before, after in pairwise(MONTHS):
            assert told(subject, before).closing == told(subject, after).opening


def test_a_tenants_charges_are_metering_s_and_fall_into_their_beijing_month(world: World) -> None:
    tenant = subjects(world)[0]
    september, october = (list(lines(tenant, period)) for period in MONTHS[1:3])

    assert [li.charge.fen for li in september if li.basis] == [712, 712]
    assert [li.charge.fen for li in october if li.basis and li.charge] == [1424, 2136]
    assert all(li.charge == li.basis.amount for li in september + october if li.basis and li.charge)
    short = next(li for li in october if li.shortfall)
    assert (short.cash.fen, short.shortfall.fen, short.voucher.fen) == (800, 624, 0)
    assert {r.resource: r.milli_unit_seconds for r in short.used} == {
        "card:T4": 4 * 3_600_000,
        "cpu_core": 4 * 3_600_000,
    }
    (mended,) = [li for li in october if li.correction]
    assert (mended.correction.fen, mended.charge.fen, mended.used) == (24, 0, ())
    assert mended.basis is not None and mended.basis.ref == short.ref
    assert Charge.objects.count() == 4


def test_the_use_of_a_period_is_the_sum_of_its_lines(world: World) -> None:
    for subject in subjects(world)[:2]:
        for period in MONTHS:
            added: dict[str, int] = {}
            for line in lines(subject, period):
                for one in line.used:
                    added[one.resource] = added.get(one.resource, 0) + one.milli_unit_seconds
            assert {u.resource: u.milli_unit_seconds for u in told(subject, period).used} == added


def test_a_voucher_shows_its_share_and_what_is_left(world: World) -> None:
    _, _, voucher, pool = subjects(world)
    found = told(voucher, month("2025-10"))

    # 30 % of 35.60 is 10.68; the job gave the rest of its hold back.
    assert told(voucher, month("2025-09")).totals.voucher.fen == 427
    assert found.totals.voucher.fen == 1068 - 427
    assert {p.label: p.closing.fen for p in found.parts} == {
        "算力券": 2000 - 1068,
        "冻结（算力券）": 0,
    }
    assert told(pool, month("2025-09")).closing.fen == 5_000_000_000 - 2000


def test_pages_follow_each_other_without_a_gap(world: World) -> None:
    tenant, period = subjects(world)[0], days(date(2025, 9, 1), date(2025, 10, 31))
    whole = list(lines(tenant, period))
    found, after = [], 0
    while some := page(tenant, period, after=after, limit=2):
        found += some
        after = some[-1].number

    assert found == whole
    assert len(whole) > 4


def test_lines_cost_as_many_statements_for_ten_charges_as_for_one(world: World) -> None:
    tenant, period = subjects(world)[0], month("2025-10")
    counts = []
    for hours in (2, 12):
        job = MeteredJob(world)
        job.begin(cover="100", authorised="100", now=OCTOBER)
        for hour in range(1, hours):
            job.used(hour, now=OCTOBER + timedelta(hours=hour))
        with CaptureQueriesContext(connection) as queries:
            list(lines(tenant, period))
        counts.append(len(queries))
    assert counts[0] == counts[1]


def test_only_those_who_should_get_through_the_door(world: World) -> None:
    other = organisation(9, "丁公司", SEPTEMBER)
    stranger = person("stranger", other, Role.TENANT, SEPTEMBER)
    operator = person("operator", world.provider, Role.CENTRE_OPERATOR, SEPTEMBER)
    voucher = str(Ref("voucher", Voucher.objects.get().id))
    tenant, provider = (str(Ref("organisation", pk)) for pk in (world.tenant, world.provider))
    asked = [("tenant", tenant), ("provider", provider), ("voucher", voucher), ("pool", "2025:m09")]

    def allowed(actor: Actor) -> list[bool]:
        found = []
        for kind, name in asked:
            try:
                access_subject(actor, kind, name)
                found.append(True)
            except NotFound:
                found.append(False)
        return found

    assert allowed(world.researcher) == [True, False, True, False]
    assert allowed(operator) == [False, True, False, False]
    assert allowed(stranger) == [False, False, False, False]
    for seer in (world.officer, world.treasury, world.auditor, SYSTEM):
        assert allowed(seer) == [True, True, True, True]
    for kind, name in (
        *(("tenant", "x"), ("voucher", tenant), ("pool", "x"), ("all", "")),
        *(("pool", "\0"), ("tenant", "\0"), ("provider", "\ud800"), ("voucher", "\0")),
    ):
        with pytest.raises(NotFound):
            access_subject(world.auditor, kind, name)
    # Within one organisation a role sees its own side only.
    both = person("both", world.provider, Role.TENANT, SEPTEMBER)
    assert allowed(both) == [False, False, False, False]
    for actor in (world.researcher, operator, stranger, world.auditor):
        for choice in choices(actor):
            assert access_subject(actor, choice.kind, choice.key).name
