"""A voucher from the application to its issue, and what stands in the way."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from jinsuan.casework.actions.cases import move_case
from jinsuan.casework.actions.notices import decide_objection, record_objection
from jinsuan.casework.errors import (
    ConflictOfInterest,
    DecisionMissing,
    DocumentClaimed,
    MoveNotAllowed,
    NoticeNotOver,
    SamePerson,
)
from jinsuan.casework.models import Case
from jinsuan.kernel.errors import BadInput, DomainError, NotFound
from jinsuan.kernel.money import Money
from jinsuan.kernel.ref import Actor, Ref
from jinsuan.ledger import accounts
from jinsuan.ledger.errors import InsufficientBalance
from jinsuan.ledger.queries import balance, check_book
from jinsuan.vouchers.actions.grant import (
    approve_application,
    end_with_year,
    issue_granted,
    pass_checks,
    refuse_application,
    take_back_approval,
)
from jinsuan.vouchers.errors import (
    ApplicationIncomplete,
    ProgrammeClosed,
    ProgrammeRuns,
)
from jinsuan.vouchers.models import Voucher
from tests.flows.voucher_world import (
    AFTER_NOTICE,
    NOW,
    TODAY,
    Cast,
    make_cast,
    paper,
)
from tests.flows.world import SYSTEM

pytestmark = pytest.mark.django_db
POOL = accounts.pool("2025:m09")
LATER = AFTER_NOTICE + timedelta(days=2)


def left(code: str) -> Money:
    return balance(code).available


def test_a_grant_is_pending_during_the_notice_and_issued_after_it() -> None:
    cast = make_cast()
    full = left(POOL)
    case = cast.apply(yuan="10000")
    cast.recommend(case)
    assert left(POOL) == full
    cast.approve(case)
    assert left(POOL) == full - Money.yuan("2000")
    assert not Voucher.objects.exists()
    limit = accounts.limit(Ref("organisation", cast.world.tenant), "2025-m09")
    assert left(limit) == Money.yuan("998000")
    with pytest.raises(NoticeNotOver):
        issue_granted(case, actor=SYSTEM, now=NOW + timedelta(days=3))

    ref = issue_granted(case, actor=SYSTEM, now=AFTER_NOTICE)

    voucher = Voucher.objects.get(id=ref.id)
    assert (voucher.face_fen, str(voucher.rate)) == (200_000, "1/5")
    assert left(accounts.voucher(ref)) == Money.yuan("2000")
    assert left(POOL) == full - Money.yuan("2000") and left(limit) == Money.yuan("998000")
    assert Case.objects.get(id=case).state == "issued"
    assert check_book().differences == ()


def test_a_higher_rate_needs_its_paper_and_raises_the_cap_once() -> None:
    cast = make_cast()
    first = cast.grant("HT-1", "10000")
    second = cast.grant("HT-2", "10000", m09_develops_model="yes")
    assert Voucher.objects.get(id=first.id).face_fen == 200_000
    high = Voucher.objects.get(id=second.id)
    assert (high.face_fen, str(high.rate)) == (300_000, "3/10")
    limit = accounts.limit(Ref("organisation", cast.world.tenant), "2025-m09")
    assert left(limit) == Money.yuan("2000000") - Money.yuan("5000")


def test_an_application_without_papers_names_each_of_them_and_stays_a_draft() -> None:
    from jinsuan.vouchers.actions.apply import start_application, submit_application

    cast = make_cast()
    case = start_application(
        programme="2025:m09",
        body=cast.body,
        terms=cast.terms("HT-9", "10000", NOW),
        purpose="训练",
        related=False,
        answers={"m09_develops_model": "yes"},
        actor=cast.tenant,
        now=NOW,
    ).id
    with pytest.raises(ApplicationIncomplete) as refused:
        submit_application(case, actor=cast.tenant, now=NOW)
    said = refused.value.explain()
    assert "合同扫描件" in said and "承诺书" in said and "研发大模型" in said
    assert Case.objects.get(id=case).state == "draft"


def test_a_contract_is_used_once_and_a_withdrawn_one_again() -> None:
    cast = make_cast()
    case = cast.apply("HT-1")
    with pytest.raises(DocumentClaimed):
        cast.apply("ht 1")
    move_case(case, "撤回", reason="写错了", actor=cast.tenant, now=NOW)


def test_nobody_approves_alone_nor_what_they_recommended() -> None:
    cast = make_cast()
    case = cast.apply()
    assert pass_checks(case, actor=SYSTEM, now=NOW)
    with pytest.raises(NotFound):
        move_case(case, "推荐", reason="好", actor=cast.provider, now=NOW)
    move_case(case, "推荐", reason="好", actor=cast.city, now=NOW)
    from jinsuan.kernel.ref import Role

    both = Actor(
        person=cast.city.person,
        organisation=cast.officer.organisation,
        role=Role.PROVINCIAL_OFFICER,
        via="test",
    )
    with pytest.raises(SamePerson):
        cast_approve(case, both)
    assert left(accounts.voucher(Ref("voucher", case))) == Money(0)


def cast_approve(case: object, actor: Actor) -> None:
    approve_application(case, reason="好", actor=actor, now=NOW)  # type: ignore[arg-type]


def test_what_the_law_does_not_grant_cannot_be_approved_and_is_refused_with_its_reasons() -> None:
    cast = make_cast()
    case = cast.apply(m09_user_kind="other")
    cast.recommend(case)
    full = left(POOL)
    with pytest.raises(DecisionMissing):
        cast.approve(case)
    assert left(POOL) == full
    refuse_application(case, reason="不是三类主体", actor=cast.officer, now=NOW)
    assert Case.objects.get(id=case).state == "refused"


def test_an_objection_that_is_upheld_frees_the_money() -> None:
    cast = make_cast()
    full = left(POOL)
    case = cast.apply()
    cast.recommend(case)
    cast.approve(case)
    day = NOW + timedelta(days=1)
    objection = record_objection(
        case, text="合同是假的", received_on=day.date(), actor=cast.city, now=day
    )
    with pytest.raises(ConflictOfInterest):
        decide_objection(objection.id, upheld=True, reason="查实", actor=cast.officer, now=day)
    decide_objection(objection.id, upheld=True, reason="查实", actor=cast.second, now=day)
    with pytest.raises(NoticeNotOver):
        issue_granted(case, actor=SYSTEM, now=AFTER_NOTICE)
    take_back_approval(case, reason="异议成立", actor=cast.second, now=day)
    assert left(POOL) == full
    limit = accounts.limit(Ref("organisation", cast.world.tenant), "2025-m09")
    assert left(limit) == Money.yuan("1000000")
    assert check_book().differences == ()


def test_a_notice_that_outlives_the_year_ends_the_case_and_frees_the_money() -> None:
    cast = make_cast()
    full = left(POOL)
    december = NOW.replace(month=12, day=29)
    case = cast.apply(now=december)
    cast.recommend(case, now=december)
    cast.approve(case, now=december)
    january = NOW.replace(year=2026, month=1, day=20)
    with pytest.raises(ProgrammeClosed):
        issue_granted(case, actor=SYSTEM, now=january)
    end_with_year(case, actor=SYSTEM, now=january)
    assert left(POOL) == full and Case.objects.get(id=case).state == "refused"


def in_notice(cast: Cast, now: datetime) -> UUID:
    case = cast.apply(now=now)
    cast.recommend(case, now=now)
    cast.approve(case, now=now)
    return case


def test_no_case_ends_with_a_year_that_still_runs() -> None:
    cast = make_cast()
    full = left(POOL)
    case = in_notice(cast, NOW.replace(month=12, day=29))
    reserved = left(POOL)
    assert reserved < full
    last_moment = datetime(2025, 12, 31, 15, 59, 59, tzinfo=UTC)  # Beijing's last second of 2025
    for early in (NOW.replace(month=12, day=30), last_moment):
        with pytest.raises(ProgrammeRuns, match="2025-12-31"):
            end_with_year(case, actor=SYSTEM, now=early)
    assert left(POOL) == reserved and Case.objects.get(id=case).state == "notice"

    end_with_year(case, actor=SYSTEM, now=last_moment + timedelta(seconds=1))

    assert left(POOL) == full and Case.objects.get(id=case).state == "refused"
    assert not Voucher.objects.exists()
    assert check_book().differences == ()


def test_only_the_platform_ends_a_case_with_its_year_and_only_once() -> None:
    cast = make_cast()
    case = in_notice(cast, NOW.replace(month=12, day=29))
    january = NOW.replace(year=2026, month=1, day=20)
    for actor in (cast.officer, cast.second, cast.city, cast.tenant):
        with pytest.raises(DomainError) as refused:
            end_with_year(case, actor=actor, now=january)
        assert not isinstance(refused.value, ProgrammeRuns)
        assert Case.objects.get(id=case).state == "notice"
    end_with_year(case, actor=SYSTEM, now=january)
    with pytest.raises(DomainError):
        end_with_year(case, actor=SYSTEM, now=january)
    assert check_book().differences == ()


def test_a_case_that_nobody_approved_does_not_end_with_the_year() -> None:
    cast = make_cast()
    december = NOW.replace(month=12, day=29)
    case = cast.apply(now=december)
    cast.recommend(case, now=december)
    with pytest.raises(MoveNotAllowed):
        end_with_year(case, actor=SYSTEM, now=NOW.replace(year=2026, month=1, day=20))
    assert Case.objects.get(id=case).state == "province"


def test_the_pool_cannot_be_promised_twice() -> None:
    cast = make_cast()
    from jinsuan.ledger.actions import Posting, post
    from jinsuan.ledger.reasons import Reason

    drain = Posting(
        key="drain",
        debit=POOL,
        credit=accounts.lapsed("2025:m09"),
        amount=left(POOL) - Money.yuan("1999.99"),
        reason=Reason.EXPIRE,
        cause=Ref("organisation", cast.world.tenant),
        occurred_at=NOW,
    )
    post([drain], actor=SYSTEM, now=NOW)
    case = cast.apply(yuan="10000")
    cast.recommend(case)
    with pytest.raises(InsufficientBalance):
        cast.approve(case)
    assert Case.objects.get(id=case).state == "province"


def test_a_voucher_pays_only_the_provider_of_its_contract() -> None:
    cast = make_cast()
    cast.grant()
    from jinsuan.vouchers.wallets import wallets

    wallet = wallets([cast.world.tenant], on=TODAY)[cast.world.tenant]
    assert wallet.at(cast.world.provider)[1]
    assert wallet.at(cast.city.organisation)[1] == ()
    assert paper("x").name == "x.pdf"


def test_ones_own_centre_gets_no_voucher() -> None:
    cast = make_cast()
    own = Actor(
        person=cast.tenant.person,
        organisation=cast.world.provider,
        role=cast.tenant.role,
        via="test",
    )
    from jinsuan.vouchers.actions.apply import start_application

    with pytest.raises(BadInput):
        start_application(
            programme="2025:m09",
            body=cast.body,
            terms=cast.terms("HT-1", "10", NOW),
            purpose="训练",
            related=False,
            answers={},
            actor=own,
            now=NOW,
        )
