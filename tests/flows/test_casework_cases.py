"""A case from draft to issue: who may do what, two people, frozen by findings, decided by the law."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from uuid import UUID

import pytest
from django.db import DatabaseError, connection, transaction

from jinsuan.casework.actions.cases import move_case, recuse
from jinsuan.casework.actions.decisions import amount_of
from jinsuan.casework.actions.evidence import (
    close_finding,
    open_finding,
)
from jinsuan.casework.actions.notices import (
    decide_objection,
    publish_notice,
    record_objection,
    set_calendar_year,
    set_working_days,
)
from jinsuan.casework.documents import invoice
from jinsuan.casework.errors import (
    AmountRefused,
    CalendarUnknown,
    CaseFrozen,
    ConflictOfInterest,
    DecisionMissing,
    FindingClosed,
    MoveNotAllowed,
    NoticeNotOver,
    NoticeRefused,
    SamePerson,
)
from jinsuan.casework.models import Case, CaseMove, Decision, Finding, Hand
from jinsuan.casework.queries import (
    access_case,
    calendar,
    case_view,
    cases_of,
    links,
    replay,
    working_days_left,
)
from jinsuan.casework.working_days import last_of
from jinsuan.kernel.errors import BadInput, NotAllowed, NotFound
from jinsuan.kernel.money import Money
from jinsuan.kernel.ref import Actor, Ref, Role
from jinsuan.ledger.queries import audit_of
from jinsuan.policy.pack import Attest, Mode
from jinsuan.registry.actions.people import give_role
from tests.flows.casework_world import NOW, Desk, known, make_desk, state
from tests.flows.world import SYSTEM

pytestmark = pytest.mark.django_db
LATER = datetime(2025, 9, 24, 1, 0, tzinfo=UTC)
INVOICE = invoice("25142000001234567890")


@pytest.fixture
def desk() -> Desk:
    return make_desk()


def pk(actor: Actor) -> UUID:
    assert actor.person is not None
    return actor.person


def test_a_case_goes_from_draft_to_issue_and_every_step_is_on_the_record(desk: Desk) -> None:
    case = desk.to_notice()
    publish_notice(case, from_day=date(2025, 9, 17), working_days=5, actor=SYSTEM, now=NOW)
    desk.move(case, "公示期满", SYSTEM, now=LATER)

    row = Case.objects.get(id=case)
    assert (row.number, row.state, row.closed_at) == ("2025-m09-0001", "issued", LATER)
    view = case_view(desk.auditor, row.number, now=NOW)
    assert [step.name for step in view.history] == [
        "提交", "初核通过", "推荐", "审定通过", "公示期满",
    ]  # fmt: skip
    moves = list(CaseMove.objects.filter(case=case).order_by("number"))
    for before, after in pairwise(moves):
        assert bytes(before.after_digest) == bytes(after.before_digest)
    audit = audit_of(Ref("case", case))
    assert [one.action for one in audit] == ["case.open", *["case.move"] * 5]
    assert [one.after_digest for one in audit[1:]] == [bytes(m.after_digest).hex() for m in moves]


def test_the_amount_is_the_laws_and_a_stored_decision_replays(desk: Desk) -> None:
    case = desk.to_province()
    ref = desk.decide(case)

    decision = Decision.objects.get(id=ref.id)
    assert decision.amount_fen == 20_000_000  # a fifth of 1 000 000.04 yuan, floored
    assert replay(ref.id).same
    assert {Ref("case", case), ref} >= {links(ref)[0]}


def test_a_replay_says_what_a_changed_pack_decides_differently(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from jinsuan.policy import library

    case = desk.to_province()
    ref = desk.decide(case)
    text = (library.BUILT_IN / "shanxi-2024-35" / "pack.md").read_text("utf-8")
    changed = text.replace(
        'm09_cap = {type = "money", label = "一般上限", printed = "100万元", word = "不超过", values = {2024-07-01 = "1000000.00"}}',
        'm09_cap = {type = "money", label = "一般上限", printed = "100万元", word = "不超过", values = {2024-07-01 = "100000.00"}}',
    )
    assert changed != text
    other = tmp_path / "shanxi-2024-35" / "pack.md"
    other.parent.mkdir()
    # The hand-worked cases would rightly refuse this pack: only its text without them is used.
    other.write_text(re.sub(r"```cases .*?```\n", "", changed, flags=re.DOTALL), "utf-8")
    monkeypatch.setattr(library, "BUILT_IN", tmp_path)
    library.law_on.cache_clear()
    try:
        found = replay(ref.id)
    finally:
        library.law_on.cache_clear()

    assert not found.same
    assert any("不是当时那一版" in one for one in found.differences)
    assert any("20000000 分" in one and "10000000 分" in one for one in found.differences)


def test_money_needs_a_decision_on_these_very_papers(desk: Desk) -> None:
    case = desk.to_province()
    with pytest.raises(DecisionMissing):
        desk.move(case, "审定通过", desk.officer)

    desk.decide(case)
    desk.move(case, "退回补正", desk.officer)
    desk.move(case, "补正", desk.tenant)
    desk.move(case, "初核通过", SYSTEM)
    desk.move(case, "推荐", desk.city)
    with pytest.raises(DecisionMissing):
        desk.move(case, "审定通过", desk.officer)

    desk.decide(case, facts=known(m09_shanxi_compute=0))
    with pytest.raises(DecisionMissing):
        desk.move(case, "审定通过", desk.officer)
    desk.decide(case, facts=known(Attest.DECLARED))
    with pytest.raises(DecisionMissing, match="佐证"):
        desk.move(case, "审定通过", desk.officer)
    desk.decide(case)
    desk.move(case, "审定通过", desk.officer)
    assert state(case) == "notice"


def test_nobody_types_an_amount_where_the_law_gives_one(desk: Desk) -> None:
    case = desk.to_province()

    with pytest.raises(AmountRefused):
        desk.decide(case, chosen=Money.yuan("1000000"))
    bound = Money(100)
    assert amount_of(Mode.CEILING, bound, Money(99), "只完成一部分") == Money(99)
    for chosen, reason in ((Money(101), "多"), (Money(-1), "负"), (Money(99), " "), (None, "无")):
        with pytest.raises(AmountRefused):
            amount_of(Mode.CEILING, bound, chosen, reason)


def test_the_database_refuses_an_amount_above_the_bound_and_another_digest(desk: Desk) -> None:
    case = desk.to_province()
    made = Decision.objects.get(id=desk.decide(case).id)

    assert made.amount_fen is not None
    for change, guard in (
        ({"mode": "ceiling", "reason": "多", "amount_fen": made.amount_fen + 1}, "within_bound"),
        ({"amount_fen": 1}, "fixed_is_not_chosen"),
        ({"mode": "ceiling", "amount_fen": 1}, "chosen_with_reason"),
        ({"outcome": "needs"}, "amount_needs_eligible"),
        ({"content": made.content + " "}, "digest_is_of_content"),
        ({"level": "city"}, "one_level"),
    ):
        made.pk = UUID(int=77)
        made._state.adding = True
        for name, value in change.items():
            setattr(made, name, value)
        with pytest.raises(DatabaseError, match=guard), transaction.atomic():
            made.save(force_insert=True)
        made = Decision.objects.get(case=case)


def test_a_wrong_role_and_a_wrong_state_are_refused(desk: Desk) -> None:
    case = desk.to_province()

    with pytest.raises(MoveNotAllowed):
        desk.move(case, "审定通过", desk.tenant)
    with pytest.raises(MoveNotAllowed):
        desk.move(case, "推荐", desk.city)
    with pytest.raises(NotFound):
        desk.move(case, "推荐", desk.other_city)
    with pytest.raises(NotAllowed):
        desk.decide(case, actor=desk.city)
    with pytest.raises(BadInput):
        move_case(case, "不予通过", reason=" ", actor=desk.officer, now=NOW)
    assert state(case) == "province"


def test_one_person_in_two_roles_does_not_act_twice(desk: Desk) -> None:
    case = desk.to_province()
    desk.decide(case)
    give_role(
        person=pk(desk.city), organisation=desk.officer.organisation, role=Role.PROVINCIAL_OFFICER,
        effective_from=date(2025, 1, 1), actor=SYSTEM, now=NOW,
    )  # fmt: skip
    both = replace(desk.officer, person=desk.city.person)

    with pytest.raises(SamePerson):
        desk.move(case, "审定通过", both)
    with pytest.raises(SamePerson):
        desk.decide(case, actor=both)
    with pytest.raises(DatabaseError), transaction.atomic():
        Hand.objects.create(case_id=case, person=pk(desk.city), level="province")


def test_nobody_acts_on_the_case_of_their_own_organisation(desk: Desk) -> None:
    case = desk.to_province()
    desk.decide(case)
    give_role(
        person=pk(desk.second), organisation=desk.tenant.organisation, role=Role.TENANT,
        effective_from=date(2025, 1, 1), actor=SYSTEM, now=NOW,
    )  # fmt: skip

    with pytest.raises(ConflictOfInterest):
        desk.move(case, "审定通过", desk.second)
    inside = replace(desk.officer, organisation=desk.tenant.organisation)
    with pytest.raises(ConflictOfInterest):
        desk.move(case, "审定通过", inside)


def test_the_database_itself_knows_recusal_and_own_cases(desk: Desk) -> None:
    case = desk.to_province()
    recuse(case, person=pk(desk.officer), reason="配偶任职", actor=desk.officer, now=NOW)
    with pytest.raises(ConflictOfInterest):
        desk.move(case, "不予通过", desk.officer)
    desk.move(case, "不予通过", desk.second)

    row = CaseMove.objects.filter(case=case).latest("number")
    for person, organisation in (
        (desk.officer.person, desk.officer.organisation),
        (desk.second.person, desk.tenant.organisation),
    ):
        row.pk, row.number = UUID(int=78), 99
        row.person, row.organisation = person, organisation
        row._state.adding = True
        with pytest.raises(DatabaseError), transaction.atomic():
            row.save(force_insert=True)


@pytest.mark.parametrize("table", ["casemove", "decision", "hand", "case"])
def test_what_was_done_cannot_be_undone(desk: Desk, table: str) -> None:
    desk.to_notice()

    with pytest.raises(DatabaseError, match="refuses DELETE"), transaction.atomic():
        connection.cursor().execute(f"DELETE FROM casework_{table}")


def test_an_open_finding_freezes_every_move_until_its_owner_answers(desk: Desk) -> None:
    case = desk.to_province()
    desk.decide(case)
    found = open_finding(
        case, code="related", title="供需双方同一法人", blocking=True, evidence=[Ref("case", case)],
        owner=Role.PROVINCIAL_OFFICER, actor=SYSTEM, now=NOW,
    )  # fmt: skip

    with pytest.raises(CaseFrozen, match="供需双方同一法人"):
        desk.move(case, "审定通过", desk.officer)
    with pytest.raises(CaseFrozen):
        desk.decide(case)
    assert case_view(desk.officer, case, now=NOW).buttons == ()
    with pytest.raises(NotAllowed):
        close_finding(found.id, confirmed=False, reason="看过", actor=desk.city, now=NOW)
    with pytest.raises(BadInput):
        close_finding(found.id, confirmed=False, reason=" ", actor=desk.officer, now=NOW)

    close_finding(found.id, confirmed=False, reason="法人已变更", actor=desk.officer, now=NOW)
    with pytest.raises(FindingClosed):
        close_finding(found.id, confirmed=True, reason="又看", actor=desk.officer, now=NOW)
    with pytest.raises(DatabaseError, match="is closed"), transaction.atomic():
        Finding.objects.filter(id=found.id).update(reason="改写")
    desk.move(case, "审定通过", desk.officer)


def test_each_role_sees_its_cases_and_no_others(desk: Desk) -> None:
    draft, province, notice = desk.open(), desk.to_province(), desk.to_notice()
    seen = {
        name: set(cases_of(getattr(desk, name), now=NOW).values_list("id", flat=True))
        for name in (
            "tenant",
            "rival",
            "city",
            "other_city",
            "officer",
            "payer",
            "auditor",
            "expert",
        )
    }

    assert seen == {
        "tenant": {draft, province, notice},
        "rival": set(),
        "city": {province, notice},
        "other_city": set(),
        "officer": {province, notice},
        "payer": {notice},
        "auditor": {draft, province, notice},
        "expert": set(),
    }
    with pytest.raises(NotFound):
        access_case(replace(desk.auditor, role=Role.PLATFORM_OPERATOR), draft, now=NOW)


def test_an_objection_holds_the_notice_and_another_officer_decides_it(desk: Desk) -> None:
    case = desk.to_notice()
    with pytest.raises(NoticeNotOver):
        desk.move(case, "公示期满", SYSTEM, now=LATER)
    publish_notice(case, from_day=date(2025, 9, 17), working_days=5, actor=SYSTEM, now=NOW)
    with pytest.raises(NoticeRefused):
        publish_notice(case, from_day=date(2025, 9, 17), working_days=1, actor=SYSTEM, now=NOW)
    notice = Case.objects.get(id=case).notices.get()
    assert notice.last_day == date(2025, 9, 23)
    assert working_days_left(notice, today=date(2025, 9, 20)) == 2
    with pytest.raises(NoticeNotOver):
        desk.move(case, "公示期满", SYSTEM, now=LATER - timedelta(days=1))
    objection = record_objection(
        case, text="合同不实", received_on=date(2025, 9, 18), actor=desk.city,
        now=NOW + timedelta(days=2),
    )  # fmt: skip

    with pytest.raises(NoticeNotOver):
        desk.move(case, "公示期满", SYSTEM, now=LATER)
    with pytest.raises(ConflictOfInterest):
        decide_objection(objection.id, upheld=False, reason="无", actor=desk.officer, now=LATER)
    decide_objection(objection.id, upheld=True, reason="属实", actor=desk.second, now=LATER)
    with pytest.raises(NoticeNotOver):
        desk.move(case, "公示期满", SYSTEM, now=LATER)
    with pytest.raises(ConflictOfInterest):
        desk.move(case, "异议成立", desk.officer, now=LATER)
    desk.move(case, "异议成立", desk.second, now=LATER)
    with pytest.raises(DecisionMissing):
        desk.move(case, "审定通过", desk.officer, now=LATER)


def test_operators_correct_days_and_enter_years_and_old_notices_stay(desk: Desk) -> None:
    operator = replace(desk.officer, role=Role.PLATFORM_OPERATOR)
    case = desk.to_notice()
    publish_notice(case, from_day=date(2025, 9, 17), working_days=5, actor=SYSTEM, now=NOW)

    set_working_days({date(2025, 9, 18): False}, source="临时放假", actor=operator, now=NOW)
    assert last_of(date(2025, 9, 17), 5, calendar) == date(2025, 9, 24)
    assert Case.objects.get(id=case).notices.get().last_day == date(2025, 9, 23)
    with pytest.raises(CalendarUnknown):
        set_working_days({date(2027, 1, 4): False}, source="猜", actor=operator, now=NOW)
    with pytest.raises(NotAllowed):
        set_working_days({date(2025, 9, 18): True}, source="x", actor=desk.tenant, now=NOW)
    set_calendar_year(2027, {date(2027, 1, 1): False}, source="通知", actor=operator, now=NOW)
    assert last_of(date(2026, 12, 31), 2, calendar) == date(2027, 1, 4)
