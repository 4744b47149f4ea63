"""The payee asks for its money on the pages: invoice, numbers, hand in; others see nothing."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client

from jinsuan.casework.models import Case
from jinsuan.entrypoints import clock
from jinsuan.registry.models import Person
from tests.flows.voucher_world import AFTER_NOTICE, make_cast

pytestmark = pytest.mark.django_db
LATE = AFTER_NOTICE + timedelta(days=6)


def client_of(name: str) -> Client:
    client = Client()
    client.force_login(Person.objects.get(username=name))
    return client


def test_a_provider_redeems_on_the_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now", lambda: LATE)
    cast = make_cast()
    voucher = cast.grant()
    cast.use(100, AFTER_NOTICE)
    seller, tenant = client_of("seller"), client_of("researcher")
    assert str(voucher) in seller.get("/算力券/兑付").content.decode()
    assert str(voucher) not in tenant.get("/算力券/兑付").content.decode()
    wrong = seller.post("/算力券/兑付", {"voucher": str(voucher), "through": "明天"})
    assert wrong.status_code == 422 and "不是日期" in wrong.content.decode()

    early = seller.post("/算力券/兑付", {"voucher": str(voucher), "through": "2025-10-05"})
    assert early.status_code == 422 and "最晚可以写 2025-10-04" in early.content.decode()
    assert 'value="2025-10-04"' in seller.get("/算力券/兑付").content.decode()

    begun = seller.post("/算力券/兑付", {"voucher": str(voucher), "through": "2025-10-04"})
    place = begun.headers["Location"]
    assert seller.post(place, {"act": "submit"}).status_code == 422  # no invoice yet
    paper = {"act": "invoice", "number": "4" * 20, "amount": "700.00", "day": "2025-09-30"}
    assert seller.post(place, {**paper, "amount": "七百"}).status_code == 422
    assert seller.post(place, paper).status_code == 302
    page = seller.get(place).content.decode()
    assert "4" * 20 in page and "发票金额" in page
    assert tenant.get(place).status_code == 404
    assert seller.post(place, {"act": "submit"}).status_code == 302
    case = Case.objects.get(kind="redemption")
    assert case.state == "checking"
    assert "登记发票" not in seller.get(place).content.decode()  # handed in
    gone = seller.post(place, {"act": "withdraw", "reason": "写错了"})
    assert gone.status_code == 302
    case.refresh_from_db()
    assert case.state == "withdrawn"
