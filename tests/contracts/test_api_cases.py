"""Applications, redemptions and pools over HTTP: from the draft to the approval, each once."""

from __future__ import annotations

from typing import Any

import pytest

from jinsuan.casework.models import Attachment, Case, Finding
from jinsuan.registry.models import Organisation
from jinsuan.vouchers.actions.grant import pass_checks
from jinsuan.vouchers.queries_pool import pool_views
from tests.contracts.api_world import START, Caller, Province
from tests.flows.check_data import relate
from tests.flows.voucher_world import ANSWERS
from tests.flows.world import SYSTEM

pytestmark = pytest.mark.django_db
PDF = b"%PDF-1.4\n1 0 obj<<>>endobj\ntrailer<<>>\n%%EOF\n"


def form(province: Province, number: str = "HT-9", **more: Any) -> dict[str, Any]:
    provider = Organisation.objects.get(id=province.world.provider).uscc
    line = {"category": "compute", "description": "T4 算力", "amount": "10000.00"}
    contract = {
        "number": number,
        "provider": provider,
        "signed_on": "2025-09-16",
        "starts_on": "2025-09-16",
        "ends_on": "2026-03-16",
        "lines": [line],
        **more.pop("contract", {}),
    }
    return {
        "programme": "2025:b01",
        "body": "140100",
        "contract": contract,
        "purpose": "训练一个行业模型",
        "related": False,
        "answers": ANSWERS["beijing-2023-ai-voucher"],
        **more,
    }


def send(caller: Caller, number: str, purpose: str, data: bytes, key: str) -> Any:
    path = f"/applications/{number}/files?purpose={purpose}&name={purpose}.pdf"
    return caller.client.generic(
        "POST",
        f"/api/v1{path}",
        data=data,
        content_type="application/octet-stream",
        headers={"Authorization": f"Bearer {caller.token}", "Idempotency-Key": key},
    )


@pytest.fixture
def ready(province: Province, settings: Any, tmp_path: Any) -> Province:
    settings.FILES_FOLDER = str(tmp_path)
    province.cases()
    return province


def test_an_application_from_its_draft_to_the_approval(ready: Province) -> None:
    body = form(ready)
    made = ready.mine.post("/applications", body, "a1")
    assert made.status_code == 201, made.content.decode()
    number = made.json()["number"]
    again = ready.mine.post("/applications", body, "a1")
    assert again.json()["number"] == number and again["Idempotency-Replayed"] == "true"
    where = f"/applications/{number}"
    refused = ready.mine.post(f"{where}/submit", None, "s0")
    assert refused.status_code == 422 and "合同扫描件" in refused.json()["detail"]
    for n, purpose in enumerate(("contract", "promise")):
        for _ in range(2):
            sent = send(ready.mine, number, purpose, PDF + bytes([n]), f"f{n}")
            assert sent.status_code == 201, sent.content.decode()
    assert Attachment.objects.filter(case__number=number).count() == 2
    amended = ready.mine.post(f"{where}/amend", _amended(ready), "m1")
    assert amended.status_code == 200, amended.content.decode()
    assert amended.json()["contract_total"] == "12000.00" and amended.json()["missing"] == []
    handed = ready.mine.post(f"{where}/submit", None, "s1").json()
    assert (handed["state_code"], handed["findings"]) == ("checking", [])
    assert pass_checks(Case.objects.get(number=number).id, actor=SYSTEM, now=START)
    officer = ready.caller(ready.world.officer)
    step = {"move": "审定通过", "reason": "符合", "chosen": "1000.00"}
    early = officer.post(f"{where}/moves", {**step, "amount": "1"}, "o0")
    assert early.status_code in (409, 422)
    _recommend(number)
    seen = officer.get(where).json()
    assert "审定通过" in seen["moves"] and seen["amount"]
    for wrong in ("0.01", ""):
        answer = officer.post(f"{where}/moves", {**step, "amount": wrong}, f"o{wrong}")
        assert answer.status_code == 422
    assert ready.mine.post(f"{where}/moves", {**step, "amount": seen["amount"]}, "x").status_code in (
        403, 409, 422,
    )  # fmt: skip
    for _ in range(2):
        done = officer.post(f"{where}/moves", {**step, "amount": seen["amount"]}, "o1")
        assert done.status_code == 200, done.content.decode()
    assert done.json()["state_code"] == "notice"
    assert ready.mine.get(where).json()["state_code"] == "notice"
    assert number in [row["number"] for row in ready.mine.get("/applications").json()["items"]]


def test_what_is_found_before_signing_survives_the_refusal(ready: Province) -> None:
    number = ready.mine.post("/applications", form(ready), "a1").json()["number"]
    for n, purpose in enumerate(("contract", "promise")):
        send(ready.mine, number, purpose, PDF + bytes([n]), f"f{n}")
    where = f"/applications/{number}"
    ready.mine.post(f"{where}/submit", None, "s1")
    case = Case.objects.get(number=number).id
    assert pass_checks(case, actor=SYSTEM, now=START)
    _recommend(number)
    officer = ready.caller(ready.world.officer)
    seen = officer.get(where).json()["amount"]
    step = {"move": "审定通过", "reason": "符合", "chosen": "1000.00", "amount": seen}
    for one in (ready.world.provider, ready.world.tenant):  # what the register says only now
        relate(one, "phone", "13800138000", now=START)

    refused = officer.post(f"{where}/moves", step, "o1")

    assert refused.status_code == 409, refused.content.decode()
    finding = Finding.objects.get(case=case, code="related")
    assert finding.blocking and finding.closed_at is None and finding.opened_by is None
    after = officer.get(where).json()
    assert after["state_code"] == "province"
    assert [one["title"] for one in after["findings"]] == [finding.title]
    again = officer.post(f"{where}/moves", step, "o2")
    assert again.status_code == 409
    assert Finding.objects.filter(case=case, code="related").count() == 1


def _amended(province: Province) -> dict[str, Any]:
    line = {"category": "compute", "description": "T4 算力", "amount": "12000.00"}
    given = form(province, contract={"lines": [line]})
    return {k: v for k, v in given.items() if k not in ("programme", "body")}


def _recommend(number: str) -> None:
    from jinsuan.casework.actions.cases import move_case
    from jinsuan.kernel.ref import Actor, Role
    from jinsuan.registry.models import Membership

    row = Membership.objects.get(person__username="city")
    city = Actor(
        person=row.person_id, organisation=row.organisation_id, role=Role.RECOMMENDER, via="test"
    )
    case = Case.objects.get(number=number).id
    move_case(case, "推荐", reason="核过原件", actor=city, now=START)


@pytest.mark.parametrize(
    ("wrong", "where"),
    [
        ({"programme": "2025:x"}, ""),
        ({"body": "000000"}, "body"),
        ({"purpose": " "}, "purpose"),
        ({"purpose": "a\x00"}, "purpose"),
        ({"related": "no"}, "related"),
        ({"answers": []}, "answers"),
        ({"answers": {"nobody_asked": "yes"}}, "nobody_asked"),
        ({"extra": 1}, "extra"),
        ({"contract": {"signed_on": "昨天"}}, "signed_on"),
        ({"contract": {"provider": "9" * 18}}, "provider"),
        ({"contract": {"lines": []}}, "lines"),
        (
            {"contract": {"lines": [{"category": "x", "description": "x", "amount": "1"}]}},
            "合同明细",
        ),
        (
            {"contract": {"lines": [{"category": "compute", "description": "x", "amount": True}]}},
            "amount",
        ),
        (
            {
                "contract": {
                    "lines": [{"category": "compute", "description": "x", "amount": "1.234"}]
                }
            },
            "amount",
        ),
    ],
)
def test_a_bad_application_is_told_where(
    ready: Province, wrong: dict[str, Any], where: str
) -> None:
    before = Case.objects.count()
    answer = ready.mine.post("/applications", form(ready, **wrong), "bad")
    assert answer.status_code in (404, 422), answer.content.decode()
    assert where in answer.json()["detail"]
    assert Case.objects.count() == before


@pytest.mark.parametrize("data", [b"", b"MZ\x90\x00", b"<script>"])
def test_a_file_that_is_no_paper_is_refused(ready: Province, data: bytes) -> None:
    number = ready.mine.post("/applications", form(ready), "a1").json()["number"]
    answer = send(ready.mine, number, "contract", data, "f1")
    assert 400 <= answer.status_code < 500 and answer.json()["code"]
    assert send(ready.mine, number, "else", PDF, "f2").status_code == 422
    assert not Attachment.objects.filter(case__number=number).exists()


def test_pools_are_the_numbers_of_the_book(ready: Province) -> None:
    found = {one["id"]: one for one in ready.theirs.get("/pools").json()["items"]}
    for view in pool_views():
        one = found[view.code]
        assert one == ready.theirs.get(f"/pools/{view.code}").json()
        assert (one["remaining"], one["in_notice"]) == (view.remaining.plain, view.in_notice.plain)
        assert one["issued"] == view.issued.plain
    assert ready.mine.get("/pools/x").status_code == 404


def test_a_redemption_is_asked_for_by_its_payee_alone(ready: Province) -> None:
    (row,) = ready.mine.get("/redemptions").json()["items"]
    one = ready.mine.get(f"/redemptions/{row['number']}").json()
    assert one["voucher_case"] and one["figures"] and one["state_code"] == "draft"
    assert ready.theirs.get("/redemptions").json()["items"] == []
    (voucher,) = (
        v["id"] for v in ready.mine.get("/vouchers").json()["items"] if v["face"] == "1500.00"
    )
    asked = {"voucher": voucher, "through": "2025-09-15"}
    assert ready.mine.post("/redemptions", asked, "r1").status_code == 409  # one is under way
    assert ready.theirs.post("/redemptions", asked, "r1").status_code == 404
    gone = ready.mine.post(f"/redemptions/{row['number']}/withdraw", {"reason": "重来"}, "w1")
    assert gone.status_code == 200, gone.content.decode()
    for _ in range(2):
        assert ready.mine.post("/redemptions", asked, "r2").status_code == 201
    for bad in ({"voucher": "x"}, {"through": "明天"}, {"through": "2031-01-01"}):
        answer = ready.mine.post("/redemptions", {**asked, **bad}, "r3")
        assert answer.status_code in (404, 409, 422), answer.content.decode()
