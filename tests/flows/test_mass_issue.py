"""Issuing many vouchers at once writes what issuing them one by one writes, and no bad one stops it."""

from __future__ import annotations

from uuid import UUID

import pytest

from jinsuan.casework.actions.evidence import open_finding
from jinsuan.casework.models import Case, CaseMove
from jinsuan.kernel.money import Money
from jinsuan.kernel.ref import Ref, Role
from jinsuan.ledger import accounts
from jinsuan.ledger.models import AuditRow, Transfer
from jinsuan.ledger.queries import balance, check_book
from jinsuan.vouchers.actions.grant import cases_in_notice, issue_granted
from jinsuan.vouchers.actions.grant_many import issue_granted_many
from jinsuan.vouchers.models import Application, Voucher
from tests.flows.voucher_world import AFTER_NOTICE, NOW, Cast, make_cast
from tests.flows.world import SYSTEM

pytestmark = pytest.mark.django_db


@pytest.fixture
def cast() -> Cast:
    return make_cast()


def granted(cast: Cast, number: str, **answers: str) -> UUID:
    case = cast.apply(number, "1000", **answers)
    cast.recommend(case)
    cast.approve(case)
    return case


def freeze(case: UUID) -> None:
    open_finding(
        case,
        code="test",
        title="关联关系存疑",
        blocking=True,
        evidence=[Ref("case", case)],
        owner=Role.PROVINCIAL_OFFICER,
        actor=SYSTEM,
        now=NOW,
    )


def written(case: UUID) -> dict[str, object]:
    """What an issue left behind, save for identities of its own."""
    voucher = Voucher.objects.get(case=case)
    skip = ("id", "case_id", "contract_id", "_state", "reason", "expires_on")
    ref = str(Ref("voucher", voucher.id))
    moves = Transfer.objects.filter(cause=ref).order_by("number")
    last = CaseMove.objects.filter(case=case).order_by("number").last()
    assert last is not None
    return {
        "voucher": {k: v for k, v in vars(voucher).items() if k not in skip},
        "face": balance(accounts.voucher(Ref("voucher", voucher.id))).posted,
        "transfers": [(m.reason, m.fen, m.step) for m in moves],
        "audit": [
            (row.action, row.role, sorted((row.detail or {}).get("after", {})))
            for row in AuditRow.objects.filter(subject=ref)
        ],
        "move": (last.name, last.number, last.level, last.role, last.person),
        "state": (Case.objects.get(id=case).state, Case.objects.get(id=case).closed_at),
    }


def test_a_set_writes_what_one_by_one_writes(cast: Cast) -> None:
    cases = [granted(cast, f"HT-{n}") for n in range(3)]
    issue_granted(cases[0], actor=SYSTEM, now=AFTER_NOTICE)
    found = issue_granted_many(cases[1:], actor=SYSTEM, now=AFTER_NOTICE)
    assert len(found.issued) == 2 and not found.left and not found.ended
    one, *others = (written(case) for case in cases)
    for other in others:
        assert other == one
    assert one["face"] == Money.yuan("200")
    assert not check_book().differences


def test_the_higher_rate_is_the_higher_rate_in_a_set(cast: Cast) -> None:
    plain, high = granted(cast, "HT-1"), granted(cast, "HT-2", m09_leads_national="yes")
    issue_granted_many([plain, high], actor=SYSTEM, now=AFTER_NOTICE)
    rates = {v.case_id: v.rate for v in Voucher.objects.all()}
    assert rates[high] > rates[plain]


def test_one_that_is_held_up_stays_with_its_reason_and_stops_nobody(cast: Cast) -> None:
    cases = [granted(cast, f"HT-{n}") for n in range(3)]
    freeze(cases[1])
    found = issue_granted_many(cases, actor=SYSTEM, now=AFTER_NOTICE)
    assert len(found.issued) == 2
    (left,) = found.left
    assert left.case == cases[1] and left.code == "casework.case_frozen"
    assert "关联关系存疑" in left.words
    assert cases_in_notice(now=AFTER_NOTICE) == [cases[1]]
    assert Case.objects.get(id=cases[1]).state == "notice"


def test_what_the_database_refuses_is_found_and_left_alone(cast: Cast) -> None:
    cases = [granted(cast, f"HT-{n}") for n in range(3)]
    contract = Application.objects.get(case=cases[0]).contract_id
    Application.objects.filter(case=cases[2]).update(contract=contract)
    found = issue_granted_many(cases, actor=SYSTEM, now=AFTER_NOTICE)
    assert len(found.issued) == 2
    assert [one.case for one in found.left] == [cases[2]]
    assert not check_book().differences


def test_again_issues_nothing_twice(cast: Cast) -> None:
    cases = [granted(cast, f"HT-{n}") for n in range(2)]
    assert len(issue_granted_many(cases, actor=SYSTEM, now=AFTER_NOTICE).issued) == 2
    again = issue_granted_many(cases, actor=SYSTEM, now=AFTER_NOTICE)
    assert not again.issued and {one.code for one in again.left} == {"casework.move_not_allowed"}
    assert Voucher.objects.count() == 2


def test_too_early_and_after_the_year(cast: Cast) -> None:
    cases = [granted(cast, f"HT-{n}") for n in range(2)]
    early = issue_granted_many(cases, actor=SYSTEM, now=NOW)
    assert {one.code for one in early.left} == {"casework.notice_not_over"}
    late = issue_granted_many(cases, actor=SYSTEM, now=NOW.replace(year=2026, month=1))
    assert sorted(late.ended) == sorted(cases) and not late.issued
