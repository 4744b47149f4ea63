"""A planted case for every check: frozen until its owner closes the doubt with a reason."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.test import Client

from jinsuan.casework.actions.evidence import close_finding
from jinsuan.casework.errors import CaseFrozen
from jinsuan.casework.models import Case, Finding
from jinsuan.entrypoints import clock
from jinsuan.kernel.errors import BadInput, NotAllowed
from jinsuan.kernel.ref import Ref, Role
from jinsuan.ledger.models import AuditRow
from jinsuan.registry.actions.centres import register_centre
from jinsuan.registry.models import Person, Relation
from jinsuan.vouchers.actions import checks
from jinsuan.vouchers.actions.check_settings import set_check_mode, set_price_band
from jinsuan.vouchers.actions.grant import approve_application
from jinsuan.vouchers.errors import NewDoubts
from jinsuan.vouchers.models import CheckRun
from jinsuan.vouchers.queries_cases import amount_shown, case_file
from tests.flows.casework_world import NOW, state
from tests.flows.check_data import only_warn
from tests.flows.checks_world import Year, centre_of, clean_register, make_year, relate
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
    close_finding(
        finding.id,
        confirmed=False,
        reason="核过原件",
        proof="企业信用公示系统截图",
        actor=year.desk.officer,
        now=NOW,
    )
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


def test_lacking_a_register_freezes_until_somebody_says_what_was_looked_at(year: Year) -> None:
    nobody = person("nobody", organisation(91, "无名企业", NOW), Role.TENANT, NOW)
    case = year.apply(nobody)

    assert not year.passes(case)

    finding = Finding.objects.get(case=case)
    assert (finding.code, finding.blocking) == ("related_unchecked", True)
    assert "无名企业" in finding.detail
    assert "jinsuan registry relate" in finding.detail
    with pytest.raises(BadInput, match="依据"):
        close_finding(finding.id, confirmed=False, reason="好", actor=year.desk.officer, now=NOW)
    frozen_until_explained(year, case, "related_unchecked")
    assert "依据：企业信用公示系统截图" in Finding.objects.get(case=case).reason


def test_what_the_applicant_declares_hides_no_missing_register(year: Year) -> None:
    nobody = person("nobody", organisation(91, "无名企业", NOW), Role.TENANT, NOW)
    case = year.apply(nobody, related=True)

    assert not year.passes(case)

    assert found(case) == ["related_declared", "related_unchecked"]


def test_a_dated_setting_makes_a_check_warn_only(year: Year) -> None:
    nobody = person("nobody", organisation(91, "无名企业", NOW), Role.TENANT, NOW)
    only_warn("related", now=NOW)
    case = year.apply(nobody)

    assert year.passes(case)

    finding = Finding.objects.get(case=case)
    assert (finding.code, finding.blocking) == ("related_unchecked", False)
    row = AuditRow.objects.get(action="case.check", subject=str(Ref("case", case)))
    assert "related" in str(row.detail)


def test_after_the_setting_it_freezes_again(year: Year) -> None:
    nobody = person("nobody", organisation(91, "无名企业", NOW), Role.TENANT, NOW)
    only_warn("related", now=NOW - timedelta(days=366))
    case = year.apply(nobody)

    assert not year.passes(case)


def test_a_setting_lets_pass_neither_a_doubt_nor_a_crash(
    year: Year, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(look: object) -> list[Any]:
        raise ZeroDivisionError

    only_warn("related", now=NOW)
    only_warn("price", now=NOW)
    monkeypatch.setitem(checks.APPLYING, "price", broken)
    case = year.apply(related=True)

    assert not year.passes(case)
    assert found(case) == ["price_unchecked", "related_declared"]


def test_only_the_province_sets_and_only_for_a_year(year: Year) -> None:
    asked = {"warns_only": True, "effective_on": NOW.date(), "reason": "没有数据", "now": NOW}
    year_later = NOW.date() + timedelta(days=366)
    with pytest.raises(NotAllowed):
        set_check_mode("price", until_on=NOW.date(), actor=year.desk.city, **asked)  # type: ignore[arg-type]
    with pytest.raises(BadInput, match="366"):
        set_check_mode("price", until_on=year_later, actor=year.desk.officer, **asked)  # type: ignore[arg-type]
    with pytest.raises(BadInput, match="没有“nothing”"):
        set_check_mode("nothing", until_on=NOW.date(), actor=year.desk.officer, **asked)  # type: ignore[arg-type]


def test_a_provider_without_prices_is_not_let_pass(year: Year) -> None:
    bare = organisation(92, "无价算力", NOW)
    clean_register(bare, "无价算力")
    ref = register_centre(
        code="W01", name="无价", owner=bare, adcode="140100", kind="智算", network="", industry="",
        effective_from=date(2025, 1, 1), actor=SYSTEM, now=NOW,
    )  # fmt: skip
    assert ref
    frozen_until_explained(year, year.apply(provider=bare), "price_unchecked")


def test_a_band_of_the_province_comes_before_the_median(year: Year) -> None:
    set_price_band(
        "card:T4", low_millifen=1, high_millifen=349_999, effective_on=NOW.date(),
        source="询价", actor=SYSTEM, now=NOW,
    )  # fmt: skip
    finding = frozen_until_explained(year, year.apply(), "price_band")
    assert "询价" in finding.detail


def to_province(year: Year, case: UUID) -> None:
    assert year.passes(case)
    year.desk.move(case, "推荐", year.desk.city)


def test_what_came_up_since_stops_the_approval(year: Year) -> None:
    case = year.apply()
    to_province(year, case)
    for one in (year.provider, year.desk.tenant.organisation):
        relate(one, "phone", "13800138000")  # type: ignore[arg-type]

    with pytest.raises(NewDoubts, match="有关联线索"):
        approve_application(case, reason="好", actor=year.desk.officer, now=NOW)

    assert state(case) == "province"
    assert checks.check_case(case, actor=SYSTEM, now=NOW) == 1
    with pytest.raises(CaseFrozen):
        approve_application(case, reason="好", actor=year.desk.officer, now=NOW)
    finding = Finding.objects.get(case=case)
    close_finding(finding.id, confirmed=False, reason="核过", actor=year.desk.second, now=NOW)
    approve_application(case, reason="好", actor=year.desk.officer, now=NOW)
    assert state(case) == "notice"


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


def test_the_page_keeps_what_it_found_though_it_refuses(
    year: Year, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = year.apply()
    to_province(year, case)
    for one in (year.provider, year.desk.tenant.organisation):
        relate(one, "phone", "13800138000")  # type: ignore[arg-type]
    monkeypatch.setattr(clock, "now", lambda: NOW)
    client = Client()
    client.force_login(Person.objects.get(id=year.desk.officer.person))
    row = Case.objects.get(id=case)
    file = case_file(year.desk.officer, row.number, now=NOW)
    sent = {
        "act": "move", "move": "审定通过", "reason": "好", "made": str(row.moves_made),
        "seen": amount_shown(file),
    }  # fmt: skip

    answer = client.post(f"/案件/{row.number}", sent)

    assert answer.status_code == 409
    assert state(case) == "province"
    assert found(case) == ["related"]
    assert Finding.objects.get(case=case).opened_by is None


def test_new_papers_are_looked_at_again(year: Year) -> None:
    case = year.apply()
    year.passes(case)
    year.desk.move(case, "退回补正", year.desk.city)
    relate(year.provider, "phone", "13800138000")
    relate(year.desk.tenant.organisation, "phone", "13800138000")  # type: ignore[arg-type]
    year.desk.move(case, "补正", year.desk.tenant)

    frozen_until_explained(year, case, "related")
    assert CheckRun.objects.filter(case=case).count() == 2
