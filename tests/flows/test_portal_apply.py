"""Tenants apply on the pages, and the worker carries a case to its voucher."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from jinsuan.casework.models import Case
from jinsuan.entrypoints import clock
from jinsuan.entrypoints.worker import ticks
from jinsuan.kernel.money import Money
from jinsuan.metering.actions import set_tariff
from jinsuan.registry.actions.centres import register_centre
from jinsuan.registry.models import Organisation, Person
from jinsuan.vouchers.actions.apply import MAX_LINES
from jinsuan.vouchers.actions.grant import approve_application
from jinsuan.vouchers.actions.issue import open_year
from jinsuan.vouchers.models import Application, Programme, Voucher
from jinsuan.vouchers.queries_pool import pool_view
from tests.flows.casework_world import NOW, Desk, make_desk
from tests.flows.check_data import provide_check_data
from tests.flows.world import SYSTEM, organisation

pytestmark = pytest.mark.django_db


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch, settings: Any, tmp_path: Any) -> Desk:
    monkeypatch.setattr(clock, "now", lambda: NOW)
    settings.FILES_FOLDER = str(tmp_path)
    return make_desk()


def client_of(name: str) -> Client:
    client = Client()
    client.force_login(Person.objects.get(username=name))
    return client


def form(desk: Desk) -> dict[str, str]:
    provider = organisation(9, "算力企业", NOW)
    centre = register_centre(
        code="T09", name="中心", owner=provider, adcode="140100", kind="智算", network="",
        industry="", effective_from=date(2025, 1, 1), actor=SYSTEM, now=NOW,
    )  # fmt: skip
    set_tariff(
        centre.id,
        {"card:T4": 350_000},
        effective_on=NOW.date(),
        reason="测试",
        actor=SYSTEM,
        now=NOW,
    )
    assert desk.tenant.organisation is not None
    provide_check_data(provider, desk.tenant.organisation, now=NOW)
    return {
        "programme": "2025:m09", "body": str(desk.body), "provider": str(provider),
        "number": "HT-2025-01", "signed_on": "2025-09-01", "starts_on": "2025-09-01",
        "ends_on": "2026-08-31", "purpose": "训练", "related": "no", "category_1": "compute",
        "what_1": "训练用算力", "amount_1": "1,000,000.04", "fact_g_applicant": "0",
    }  # fmt: skip


def test_an_application_from_draft_to_voucher(desk: Desk) -> None:
    open_year(pack="shanxi-2024-35", rule="m09", number=2025, actor=desk.officer, now=NOW)
    values = form(desk)
    client = client_of("tenant")
    page = client.get("/算力券/申领")
    asked = page.context["questions"]
    for one in asked:
        values[f"fact_{one.name}"] = "否" if one.options[:1] == (("是", "是"),) else (
            one.options[0][0] if one.options else "0"
        )  # fmt: skip
    wrong = client.post("/算力券/申领", {**values, "amount_1": "一百万", "number": ""})
    assert wrong.status_code == 422
    assert "一百万" in wrong.content.decode()
    assert "训练用算力" in client.get("/算力券/申领").content.decode()  # nothing typed is lost
    assert not Case.objects.exists()

    made = client.post("/算力券/申领", values)
    assert made.status_code == 302, made.content.decode()
    case = Case.objects.get()
    here = f"/算力券/申领/{case.number}"
    assert client_of("rival").get(here).status_code == 404
    early = client.post(here, {"act": "submit"})
    assert early.status_code == 422
    assert "合同扫描件" in early.content.decode()
    for purpose in ("contract", "promise"):
        paper = SimpleUploadedFile(f"{purpose}.pdf", f"%PDF-1.7 {purpose}".encode())
        sent = client.post(here, {"act": "upload", "purpose": purpose, "file": paper})
        assert sent.status_code == 302, sent.content.decode()
    assert client.post(here, {"act": "submit"}).status_code == 302

    assert ticks.cases(lambda: NOW) == 1
    desk.move(case.id, "退回补正", desk.city)
    assert client.post(here, {"act": "submit"}).status_code == 302
    assert ticks.cases(lambda: NOW) == 1
    desk.move(case.id, "推荐", desk.city)
    approve_application(case.id, reason="符合", actor=desk.officer, now=NOW)
    year = Programme.objects.get()
    pool = pool_view(year)
    assert pool.in_notice == Money.yuan("200000.00")
    assert case.number in Client().get("/公示公告").content.decode()

    assert ticks.cases(lambda: NOW) == 0  # the notice runs
    later = NOW + timedelta(days=30)
    assert ticks.cases(lambda: later) == 1
    assert ticks.cases(lambda: later) == 0
    after = pool_view(year)
    assert after.in_notice == Money(0)
    assert after.left == after.issued == pool.in_notice
    assert after.funding == after.remaining + after.in_notice + after.left
    december = datetime(2025, 12, 10, tzinfo=UTC)
    assert ticks.warn(lambda: later) == 0
    assert ticks.warn(lambda: december) == 1
    assert ticks.warn(lambda: december) == 0
    assert Voucher.objects.get().warned_on == date(2025, 12, 10)


PAGE = "/算力券/申领"


def shanxi(desk: Desk, number: int = 2025) -> None:
    open_year(pack="shanxi-2024-35", rule="m09", number=number, actor=desk.officer, now=NOW)


def beijing(desk: Desk, number: int = 2025) -> None:
    money = Money.yuan("1000000")
    open_year(
        pack="beijing-2023-ai-voucher", rule="b01", number=number, pool=money,
        actor=desk.officer, now=NOW,
    )  # fmt: skip


def rows_on(answer: Any) -> list[tuple[str, str, str]]:
    return [(row.category, row.what, row.amount) for row in answer.context["rows"]]


def test_more_lines_keep_everything_typed(desk: Desk) -> None:
    shanxi(desk)
    values = form(desk) | {"what_8": "末行", "amount_8": "八元", "rows": "8", "number": ""}
    client = client_of("tenant")
    assert len(rows_on(client.get(PAGE))) == 8

    more = client.post(PAGE, {**values, "act": "more"})

    assert more.status_code == 200
    assert len(rows_on(more)) == 11
    assert rows_on(more)[0] == ("compute", "训练用算力", "1,000,000.04")
    assert rows_on(more)[7] == ("", "末行", "八元")
    text = more.content.decode()
    assert 'name="rows" value="11"' in text and "有 1 处要改" not in text
    assert f'value="{values["provider"]}" selected' in text
    assert len(rows_on(client.get(PAGE))) == 11, "kept with the session"
    assert not Case.objects.exists()


def test_lines_beyond_the_first_eight_are_kept_in_the_draft(desk: Desk) -> None:
    shanxi(desk)
    lines = {
        f"{part}_{n}": text
        for n in range(1, 13)
        for part, text in (("category", "compute"), ("what", f"第 {n} 项"), ("amount", "10"))
    }
    client = client_of("tenant")
    made = client.post(PAGE, {**form(desk), **lines, "fact_g_applicant": "", "act": "save"})
    assert made.status_code == 302, made.content.decode()
    row = Application.objects.get()
    assert row.lines.count() == 12
    here = made["Location"]
    page = client.get(here)
    assert len(rows_on(page)) == 12

    more = client.post(here, {**page.context["values"], **lines, "rows": "12", "act": "more"})
    assert more.status_code == 200
    assert len(rows_on(more)) == 15
    assert row.lines.count() == 12, "nothing is written by adding rows"
    sent = {**more.context["values"], "category_13": "compute", "what_13": "新", "amount_13": "1"}
    assert client.post(here, {**sent, "act": "save"}).status_code == 302
    assert [one.description for one in row.lines.order_by("place")][-2:] == ["第 12 项", "新"]


def test_there_is_a_last_line(desk: Desk) -> None:
    shanxi(desk)
    values = form(desk)
    client = client_of("tenant")
    last = client.post(PAGE, {**values, "rows": "49", "act": "more"})
    assert (last.status_code, len(rows_on(last))) == (200, MAX_LINES)

    more = client.post(PAGE, {**values, "rows": str(MAX_LINES), "act": "more"})

    assert (more.status_code, len(rows_on(more))) == (422, MAX_LINES)
    assert f"至多 {MAX_LINES} 行" in more.content.decode()
    for sent in ({"amount_51": "1"}, {"what_400": "x"}, {"rows": "999"}):
        beyond = client.post(PAGE, {**values, **sent, "act": "save"})
        assert beyond.status_code == 422, "not dropped unseen"
        assert f"至多 {MAX_LINES} 行" in beyond.content.decode()
    assert not Case.objects.exists()


def test_the_form_begins_with_the_applicants_own_region(desk: Desk) -> None:
    shanxi(desk)
    beijing(desk)
    client = client_of("tenant")
    assert client.get(PAGE).context["year"].code == "2025:m09"
    assert client.get(f"{PAGE}?programme=2025:b01").context["year"].code == "2025:b01"
    own = Organisation.objects.filter(id=desk.tenant.organisation)

    own.update(adcode="110100")
    assert client.get(PAGE).context["year"].code == "2025:b01"


def test_of_several_years_or_none_of_ones_own_the_newest(desk: Desk) -> None:
    shanxi(desk)
    beijing(desk)
    client = client_of("tenant")
    Organisation.objects.filter(id=desk.tenant.organisation).update(adcode="310100")
    Programme.objects.filter(code="2025:b01").update(opens_on=date(2025, 1, 1))
    Programme.objects.filter(code="2025:m09").update(opens_on=date(2025, 1, 2))
    assert client.get(PAGE).context["year"].code == "2025:m09"
    Programme.objects.filter(code="2025:b01").update(opens_on=date(2025, 1, 3))
    assert client.get(PAGE).context["year"].code == "2025:b01"
