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
from jinsuan.registry.models import Person
from jinsuan.vouchers.actions.grant import approve_application
from jinsuan.vouchers.actions.issue import open_year
from jinsuan.vouchers.models import Programme, Voucher
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
