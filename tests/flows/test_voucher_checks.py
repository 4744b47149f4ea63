"""A planted case for every check: frozen until its owner closes the doubt with a reason."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from jinsuan.casework.actions.evidence import close_finding
from jinsuan.casework.errors import CaseFrozen
from jinsuan.casework.models import Finding
from jinsuan.kernel.errors import NotAllowed
from jinsuan.kernel.ref import Role
from jinsuan.registry.models import Relation
from jinsuan.vouchers.actions import checks
from jinsuan.vouchers.models import CheckRun
from tests.flows.casework_world import NOW, state
from tests.flows.checks_world import Year, centre_of, make_year, relate
from tests.flows.world import SYSTEM, organisation, person

pytestmark = pytest.mark.django_db
TEXT = (
    "购买智能算力用于山西方言语音识别大模型的预训练，数据来自十一个市的广播录音，"
    "计划训练三个月，产出模型用于政务热线的自动转写和质检。"
)


@pytest.fixture
def year(settings: Any, tmp_path: Path) -> Year:
    return make_year(settings, tmp_path)


def found(case: UUID) -> list[str]:
    return sorted(Finding.objects.filter(case=case, blocking=True).values_list("code", flat=True))


def frozen_until_explained(year: Year, case: UUID, code: str) -> Finding:
    """The planted doubt stops the case; nobody but its owner frees it, and only with a reason."""
    assert not year.passes(case)
    assert found(case) == [code]
    assert state(case) == "checking"
    finding = Finding.objects.get(case=case, code=code)
    assert finding.owner == Role.PROVINCIAL_OFFICER
    assert finding.evidence
    assert finding.detail
    assert not year.passes(case), "asking again is no answer"
    with pytest.raises(NotAllowed):
        close_finding(finding.id, confirmed=False, reason="好", actor=year.desk.city, now=NOW)
    close_finding(finding.id, confirmed=False, reason="核过原件", actor=year.desk.officer, now=NOW)
    assert year.passes(case)
    assert state(case) == "city"
    return finding


def test_a_clean_case_passes(year: Year) -> None:
    case = year.apply()

    assert year.passes(case)

    assert not Finding.objects.filter(case=case).exists()
    run = CheckRun.objects.get(case=case)
    assert (run.checks, run.opened) == (list(checks.APPLYING), 0)


def test_who_declares_a_relation_is_looked_at(year: Year) -> None:
    frozen_until_explained(year, year.apply(related=True), "related_declared")


def test_a_shared_phone_two_hops_away(year: Year) -> None:
    middle = organisation(90, "中间公司", NOW)
    relate(year.desk.tenant.organisation, "phone", "138 0013 8000")  # type: ignore[arg-type]
    relate(middle, "phone", "13800138000")
    relate(middle, "shareholder", _code(year.provider), 600)

    finding = frozen_until_explained(year, year.apply(), "related")

    assert "联系电话相同" in finding.detail
    assert "持股 6.00%" in finding.detail
    assert not Relation.objects.filter(key__contains=b"13800138000").exists()


def _code(organisation_id: UUID) -> str:
    from jinsuan.registry.models import Organisation

    return Organisation.objects.get(id=organisation_id).uscc


def test_one_person_who_acts_for_both(year: Year) -> None:
    from datetime import date

    from jinsuan.registry.actions.people import give_role

    tenant = year.desk.tenant
    give_role(
        person=tenant.person,  # type: ignore[arg-type]
        organisation=year.provider,
        role=Role.CENTRE_OPERATOR,
        effective_from=date(2025, 1, 1),
        actor=SYSTEM,
        now=NOW,
    )

    finding = frozen_until_explained(year, year.apply(), "related")

    assert "经办人相同" in finding.detail


def test_an_ended_relation_connects_no_more(year: Year) -> None:
    from jinsuan.registry.actions.relations import end_relation

    relate(year.provider, "phone", "13800138000")
    ended = relate(year.desk.tenant.organisation, "phone", "13800138000")  # type: ignore[arg-type]
    end_relation(ended, reason="号码已过户", actor=SYSTEM, now=NOW)

    assert year.passes(year.apply())


def test_the_same_scan_of_another_applicant(year: Year) -> None:
    other = year.stranger("丙企业")
    year.apply(other, number="HT-9", scan=b"%one")
    case = year.apply(scan=b"%one")

    frozen_until_explained(year, case, "same_contract_file")


def test_the_same_number_with_the_same_provider(year: Year) -> None:
    year.apply(year.stranger("丙企业"), number="ht 1")

    frozen_until_explained(year, year.apply(number="HT-1"), "same_contract_number")


def test_nearly_the_same_words(year: Year) -> None:
    year.apply(year.stranger("丙企业"), number="HT-9", purpose=TEXT)

    finding = frozen_until_explained(year, year.apply(purpose=f"为{TEXT}"), "near_copy")

    assert "%" in finding.detail


def test_a_contract_in_pieces(year: Year) -> None:
    year.apply(number="HT-1", yuan="1500000")
    second = year.apply(number="HT-2", yuan="500000")

    finding = frozen_until_explained(year, second, "splitting")

    assert "¥2,000,000.00" in finding.detail


def test_pieces_over_a_related_group(year: Year) -> None:
    other = year.stranger("丙企业")
    relate(other.organisation, "address", "太原市小店区一号")  # type: ignore[arg-type]
    relate(year.desk.tenant.organisation, "address", "太原市小店区 一号")  # type: ignore[arg-type]
    year.apply(other, number="HT-1", yuan="1500000")

    frozen_until_explained(year, year.apply(number="HT-2", yuan="500000"), "splitting")


def test_a_price_outside_the_band(year: Year) -> None:
    centre_of(year.provider, "J02", card=350_000 * 2 + 1)

    finding = frozen_until_explained(year, year.apply(), "price_band")

    assert "card:T4" in finding.detail


def test_a_check_that_crashes_is_no_pass(year: Year, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(look: object) -> list[Any]:
        Finding.objects.raw("SELECT nonsense FROM nowhere")[0]
        raise AssertionError("never reached")

    monkeypatch.setitem(checks.APPLYING, "price", broken)

    finding = frozen_until_explained(year, year.apply(), "price_unchecked")

    assert "ProgrammingError" in finding.detail


def test_lacking_a_register_is_shown_and_said(year: Year) -> None:
    nobody = person("nobody", organisation(91, "无名企业", NOW), Role.TENANT, NOW)
    case = year.apply(nobody)

    assert year.passes(case)  # the shipped thresholds do not freeze for this

    finding = Finding.objects.get(case=case)
    assert (finding.code, finding.blocking) == ("related_unchecked", False)
    assert "无名企业" in finding.detail


def test_an_open_doubt_freezes_every_hand(year: Year) -> None:
    case = year.apply(related=True)
    year.passes(case)

    with pytest.raises(CaseFrozen):
        year.desk.move(case, "撤回", year.desk.tenant)


def test_again_opens_nothing_twice(year: Year) -> None:
    case = year.apply(related=True)

    assert checks.check_case(case, actor=SYSTEM, now=NOW) == 1
    assert checks.check_case(case, actor=SYSTEM, now=NOW) == 0
    assert len(found(case)) == 1


def test_nobody_of_the_city_runs_the_checks(year: Year) -> None:
    case = year.apply()
    year.passes(case)

    with pytest.raises(NotAllowed):
        checks.check_case(case, actor=year.desk.city, now=NOW)


def test_new_papers_are_looked_at_again(year: Year) -> None:
    case = year.apply()
    year.passes(case)
    year.desk.move(case, "退回补正", year.desk.city)
    relate(year.provider, "phone", "13800138000")
    relate(year.desk.tenant.organisation, "phone", "13800138000")  # type: ignore[arg-type]
    year.desk.move(case, "补正", year.desk.tenant)

    frozen_until_explained(year, case, "related")
    assert CheckRun.objects.filter(case=case).count() == 2
