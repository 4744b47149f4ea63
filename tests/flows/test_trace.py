"""From any fen of a granted voucher to its causes, and from each cause back to its fen."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from jinsuan.kernel.errors import NotFound
from jinsuan.kernel.ref import Actor, Ref, Role
from jinsuan.ledger.models import Transfer
from jinsuan.ledger.queries import transfers_with_key_prefix
from jinsuan.registry.models import Person
from jinsuan.trace.queries import path, transfers_from
from jinsuan.trace.step import Path
from jinsuan.trace.verify import read
from jinsuan.vouchers.actions.clawback import confirm_clawback, propose_clawback
from tests.flows.paid_world import LATE, make_paid

pytestmark = pytest.mark.django_db


def told(found: Path) -> dict[str, list[tuple[str, str]]]:
    steps: dict[str, list[tuple[str, str]]] = {}
    for step in found.steps:
        steps.setdefault(step.title, []).extend(step.facts)
    return steps


def words(found: Path) -> str:
    return "\n".join(f"{label}：{said}" for step in found.steps for label, said in step.facts)


def test_a_capture_leads_to_the_decision_its_papers_people_and_payment() -> None:
    world = make_paid()
    found = path(world.cast.world.auditor, world.capture.ref)
    assert [step.number for step in found.steps] == list(range(1, len(found.steps) + 1))
    assert [step.title for step in found.steps[7:]] == [
        *("合同与凭证", "判定", "事实", "材料", "经手人", "公示", "发放", "兑付", "拨付")
    ]
    steps = told(found)
    decision = dict(steps["判定"])
    assert decision["条款"] == "（九）" and decision["重新判定"] == "相同"
    assert decision["核定金额"] == "¥2,000.00" and len(decision["判定摘要"]) == 64
    assert any("依据 contract_" in said for _, said in steps["事实"])
    assert any("HT-1contract.pdf，SHA-256" in said for _, said in steps["材料"])
    hands = dict(steps["经手人"])
    assert [label.partition(" ")[2] for label in hands if label != "案件"] == [
        *("提交", "初核通过", "推荐", "审定通过", "公示期满")
    ]
    assert hands["3 推荐"].startswith("city（") and "核过原件" in hands["3 推荐"]
    assert "5 个工作日" in dict(steps["公示"])["公示"]
    assert [label for label, _ in steps["发放"]] == ["预留", "预留转正"]
    assert dict(steps["拨付"])["银行流水号"].startswith("BK77")


def test_a_payment_leads_to_the_captures_it_reimburses_and_to_card_hours() -> None:
    world = make_paid()
    steps = told(path(world.cast.payer, world.paid.ref))
    behind = steps["付的是哪些核销"]
    assert behind[0] == ("核销", "1 笔，合计 ¥142.60")
    assert ("核销转账", str(world.capture.ref)) in [
        (label, said.rpartition("，")[2]) for label, said in behind
    ]
    assert any(said.startswith("T4 200.0000 卡时") for label, said in behind if label == "用量")
    assert dict(steps["兑付"])["由哪一项决定"] == "平台计量"


def test_every_transfer_has_a_path() -> None:
    world = make_paid()
    cast = world.cast
    back = propose_clawback(
        world.voucher.id, world.paid.amount, reason="不实", actor=cast.officer, now=LATE
    )
    confirm_clawback(back.id, actor=cast.second, now=LATE)
    seen = set()
    for pk, reason in Transfer.objects.values_list("id", "reason"):
        found = path(cast.world.auditor, Ref("transfer", pk))
        assert len(found.steps) > 1, reason
        assert all(step.facts for step in found.steps), (reason, found)
        seen.add(reason)
    assert seen >= {"top_up", "pool_funding", "voucher_issue", "limit_use", "hold", "capture"}
    assert seen >= {"redeem", "redemption_paid", "clawback"}


@pytest.mark.parametrize(
    "what", ["voucher", "case", "contract", "job", "redemption case", "batch", "decision", "line"]
)
def test_every_cause_leads_to_its_transfers(what: str) -> None:
    world = make_paid()
    decision = transfers_with_key_prefix("grant:")[0].cause
    start = {
        "voucher": world.voucher,
        "case": Ref("case", world.case),
        "contract": Ref("contract", world.contract),
        "job": world.job,
        "redemption case": Ref("case", world.redemption),
        "batch": world.batch,
        "line": world.paid.cause,
        "decision": decision,
    }[what]
    found = transfers_from(world.cast.world.auditor, start)
    wanted = {
        "job": world.capture.ref,
        "decision": transfers_with_key_prefix("grant:")[0].ref,
    }.get(what, world.paid.ref)
    assert wanted in found
    if what == "voucher":
        assert world.capture.ref in found


def test_who_may_not_see_the_case_sees_the_money_and_is_told_what_is_left_out() -> None:
    world = make_paid()
    seller = words(path(world.cast.provider, world.capture.ref))
    assert "这里略去" in seller and "HT-1contract.pdf" not in seller and "city" not in seller
    assert "BK77" in seller, "the provider is paid"
    buyer = words(path(world.cast.tenant, world.capture.ref))
    assert "HT-1contract.pdf" in buyer and "BK77" not in buyer
    assert "兑付只给" in buyer


def test_a_payment_is_closed_to_strangers_and_a_city_follows_its_own_grants() -> None:
    world = make_paid()
    cast, grant = world.cast, transfers_with_key_prefix("grant:")[0].ref
    for viewer in (cast.tenant, Actor(cast.city.person, cast.city.organisation, Role.EXPERT, "t")):
        with pytest.raises(NotFound):
            path(viewer, world.paid.ref, now=LATE)
    assert path(cast.provider, world.paid.ref).steps
    with pytest.raises(NotFound):
        path(cast.city, grant)
    assert "HT-1contract.pdf" in words(path(cast.city, grant, now=LATE))
    other = Actor(cast.city.person, cast.world.tenant, Role.RECOMMENDER, "t")
    with pytest.raises(NotFound):
        path(other, grant, now=LATE)


def test_the_page_shows_the_longer_path_and_hands_a_bundle_to_overseers() -> None:
    world = make_paid()
    pages = {}
    for username in ("auditor", "officer", "seller"):
        client = Client()
        client.force_login(Person.objects.get(username=username))
        pages[username] = client.get(f"/转账/{world.paid.ref}").content.decode()
        answer = client.get(f"/转账/{world.paid.ref}/溯源包")
        assert answer.status_code == (404 if username == "seller" else 200), username
    assert "银行流水号" in pages["seller"] and "溯源包" not in pages["seller"]
    assert "下载溯源包" in pages["auditor"] and "重新判定" in pages["auditor"]
    assert "付的是哪些核销" in pages["officer"]
    bundle = client_bundle(world.paid.ref)
    assert bundle["transfer"] == str(world.paid.ref)


def client_bundle(ref: Ref) -> dict[str, Any]:
    client = Client()
    client.force_login(Person.objects.get(username="auditor"))
    answer = client.get(f"/转账/{ref}/溯源包")
    assert answer["Content-Disposition"].startswith("attachment")
    return read(answer.content)
