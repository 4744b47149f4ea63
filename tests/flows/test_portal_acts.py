"""What people do on the pages: order, once; be refused, with numbers; stop; pause a centre."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client

from jinsuan.dispatch.models import Job
from jinsuan.entrypoints import clock
from jinsuan.ledger.queries import check_book
from jinsuan.registry.models import Centre
from tests.flows.lively import Lively
from tests.flows.test_portal_pages import as_

pytestmark = pytest.mark.django_db
FORM = {
    "name": "页面下的单",
    "run": "python train.py",
    "model": "Ascend 910B3",
    "cards": "8",
    "nodes": "1",
    "cpus": "64",
    "memory": "256",
    "hours": "1.5",
    "pay": "auto",
}


def order_key(client: Client) -> str:
    found = re.search(r'name="order_key" value="([^"]+)"', page(client, "/作业/下单"))
    assert found
    return found[1]


def page(client: Client, path: str) -> str:
    return client.get(path).content.decode()


def send(client: Client, act: str, **more: str) -> Any:
    return client.post("/作业/下单", {**FORM, "act": act, **more})


def test_an_order_sent_twice_is_one_job(world: Lively) -> None:
    client = as_("researcher")
    key, before = order_key(client), Job.objects.count()

    first, second = (send(client, "order", order_key=key) for _ in range(2))

    assert Job.objects.count() == before + 1
    assert first.status_code == second.status_code == 302
    assert first["Location"] == second["Location"]
    job = Job.objects.get(name="页面下的单")
    assert job.spec["max_duration"] == "5400s"
    assert "已下单" in page(client, first["Location"])


def test_one_form_with_two_contents_is_refused(world: Lively) -> None:
    client = as_("researcher")
    key = order_key(client)
    send(client, "order", order_key=key)

    answer = send(client, "order", order_key=key, hours="3")

    assert answer.status_code == 409
    assert "dispatch.order_key_reused" in answer.content.decode()
    assert Job.objects.filter(name="页面下的单").count() == 1


def test_an_order_without_a_key_is_refused(world: Lively) -> None:
    before = Job.objects.count()
    answer = send(as_("researcher"), "order")
    assert answer.status_code == 422
    assert Job.objects.count() == before


def test_too_little_money_is_refused_with_the_numbers_and_ways_on(world: Lively) -> None:
    client = as_("engineer")
    key, before = order_key(client), Job.objects.count()

    answer = send(client, "order", order_key=key, hours="12")

    text = answer.content.decode()
    assert answer.status_code == 409
    assert Job.objects.count() == before
    # 12 hours at 98.40 are 1,180.80; without a voucher all of it is cash, and 200.00 is there.
    assert "现金还差 980.80 元，所以没有下单" in text
    assert "1,180<i>.80</i>" in text
    assert "什么都没有发生" in text
    assert "vouchers.not_enough_money" in text
    # The ways on are links that do it: the form opens with the smaller order, which is then taken.
    budget = re.search(r'href="(/[^"]*\?budget=[0-9.]+)#plan"', text)
    hours = re.search(r'href="(/[^"]*\?hours=[0-9.]+)#plan"', text)
    assert budget
    assert hours
    for way in (budget[1], hours[1]):
        shown = page(client, way)
        assert "冻结费用并下单" in shown
        bar = re.search(r'<div id="sum" role="status">(.*?)</div>', shown, re.DOTALL)
        assert bar
        assert "还差" not in bar[1]
    smaller = hours[1].partition("=")[2]
    taken = send(client, "order", order_key=order_key(client), hours=smaller)
    assert taken.status_code == 302


def test_a_job_that_fits_nowhere_is_refused_with_reasons(world: Lively) -> None:
    client = as_("researcher")
    answer = send(client, "order", order_key=order_key(client), cpus="5000", city="太原")
    assert answer.status_code == 409
    assert "规模不够" in answer.content.decode()


def test_a_trial_shows_every_centre_with_price_or_cause(world: Lively) -> None:
    client = as_("researcher")
    assert send(client, "try")["Location"].endswith("#plan")
    text = page(client, "/作业/下单")
    assert "2 个可以，10 个不行" in text
    assert "冻结费用并下单" in text
    assert "型号不符" in text
    assert text.count('name="centre"') == 2
    # Three or more of one cause are one row that unfolds.
    assert "逐个展开" in text
    for centre in Centre.objects.all():
        assert centre.name in text, centre.code


def test_a_picked_centre_is_the_one_that_is_ordered(world: Lively) -> None:
    client = as_("researcher")
    dearer = re.findall(r'name="centre" value="(D\d+)"', _tried(client))[-1]
    send(client, "order", order_key=order_key(client), centre=dearer)
    job = Job.objects.get(name="页面下的单")
    assert job.spec["placement"]["require"]["centre"] == [dearer]


def _tried(client: Client) -> str:
    send(client, "try")
    return page(client, "/作业/下单")


@pytest.mark.parametrize(
    ("field", "typed", "words"),
    [
        ("name", "", "这一项要填"),
        ("hours", "明天", "例如 36 或 0.5"),
        ("hours", "0", "例如 36 或 0.5"),
        ("budget", "1.234", "两位小数"),
        ("cards", "100", "64"),
        ("cpus", "-1", "例如 8"),
        ("memory", "很多", "内存"),
        ("nodes", "x", "整数"),
        ("model", "没有这种卡", "请在所列的几项里选一项"),
    ],
)
def test_what_is_wrong_is_said_on_top_and_at_the_field(
    world: Lively, field: str, typed: str, words: str
) -> None:
    answer = send(as_("researcher"), "try", **{field: typed})

    text = answer.content.decode()
    assert answer.status_code == 422
    assert "有 1 处要改" in text
    assert f'href="#id_{field}"' in text
    assert f'id="id_{field}-error"' in text
    assert words in text
    assert "python train.py" in text  # what was typed stays


def test_a_draft_is_kept_until_it_is_ordered(world: Lively) -> None:
    client = as_("researcher")
    said = client.post("/作业/下单/草稿", {**FORM, "run": "echo 草稿里的命令"})
    assert said.content.decode().startswith("草稿已存 14:")
    assert "echo 草稿里的命令" in page(client, "/作业/下单")
    send(client, "save", run="echo 改过的命令")
    assert "echo 改过的命令" in page(client, "/作业/下单")
    send(client, "order", order_key=order_key(client))
    assert "echo 改过的命令" not in page(client, "/作业/下单")


def test_a_job_is_ordered_again_with_the_same_content(world: Lively) -> None:
    client, job = as_("researcher"), world.jobs["running"]
    shown = page(client, f"/作业/下单?again={job}")
    assert 'value="矿井安全大模型微调 第3轮"' in shown
    for name, value in (("cards", "8"), ("cpus", "64"), ("memory", "256"), ("hours", "4")):
        assert re.search(rf'name="{name}" value="{value}"', shown), name
    assert "冻结费用并下单" in shown
    assert client.get(f"/作业/下单?again={world.jobs['other']}").status_code == 404


def test_stopping_asks_first_and_says_what_it_costs(world: Lively) -> None:
    client, job = as_("researcher"), world.jobs["running"]
    asked = page(client, f"/作业/{job}/停止")
    assert "停止“矿井安全大模型微调 第3轮”吗" in asked
    assert Job.objects.get(id=job.id).cancel_requested_at is None

    answer = client.post(f"/作业/{job}/停止", {"reason": "参数写错了"})

    assert answer.status_code == 302
    row = Job.objects.get(id=job.id)
    assert row.cancel_reason == "参数写错了"
    assert "正在停止" in page(client, f"/作业/{job}")
    assert f"/作业/{job}/停止" not in page(client, f"/作业/{job}")


def test_what_is_over_cannot_be_stopped(world: Lively) -> None:
    answer = as_("researcher").post(f"/作业/{world.jobs['settled']}/停止")
    assert answer.status_code == 409
    assert "dispatch.job_over" in answer.content.decode()


def test_only_the_tenant_stops(world: Lively) -> None:
    for username in ("operator", "centre", "auditor", "officer"):
        answer = as_(username).post(f"/作业/{world.jobs['running']}/停止")
        assert answer.status_code == 404, username
    assert Job.objects.get(id=world.jobs["running"].id).cancel_requested_at is None


def test_a_centre_is_paused_with_a_reason_and_opened_again(world: Lively) -> None:
    client = as_("centre")
    refused = client.post("/中心/D01", {"act": "pause", "reason": " "})
    assert refused.status_code == 422
    assert "暂停的原因下单的人会看到" in refused.content.decode()
    assert client.post("/中心/D01", {"act": "pause", "reason": "换滤网"}).status_code == 302
    assert Centre.objects.get(code="D01").state == Centre.State.PAUSED
    assert "换滤网" in page(as_(None), "/算力资源")
    assert client.post("/中心/D01", {"act": "open"}).status_code == 302
    assert Centre.objects.get(code="D01").state == Centre.State.OPEN


def test_who_only_watches_pauses_nothing(world: Lively) -> None:
    for username in ("officer", "auditor"):
        answer = as_(username).post("/中心/D01", {"act": "pause", "reason": "x"})
        assert answer.status_code == 403, username
    assert Centre.objects.get(code="D01").state == Centre.State.OPEN


def test_the_wallet_adds_up_and_its_lines_lead_to_their_source(world: Lively) -> None:
    client = as_("researcher")
    text = page(client, "/账户")
    assert text.index("还有 14 天到期") < text.index("8,000")  # what expires first comes first
    trace = re.search(r'href="(/[^"]*transfer_[0-9a-z]+)"', text.partition('id="book"')[2])
    assert trace
    steps = page(client, trace[1])
    for title in ("这笔钱", "为什么是这个数", "用了多少", "什么价", "哪张券", "谁批的", "凭哪一条"):
        assert title in steps
    assert "充值" in page(client, "/账户?book=cash")
    assert not check_book().differences


def test_long_lists_go_on_in_pages_without_repeating(world: Lively) -> None:
    now = clock.now()
    for number in range(25):
        world.order(f"第 {number} 个", at=now, resources={"cpus": 1}, max_duration="1m")
    client, seen, path = as_("researcher"), [], "/作业"
    while path:
        text = page(client, path)
        seen += re.findall(r'<th scope="row"><a href="[^"]*(job_[0-9a-z]+)"', text)
        found = re.search(r'href="([^"]+)" rel="next"', text)
        path = found[1].replace("&amp;", "&") if found else ""
    assert len(seen) == len(set(seen)) == Job.objects.filter(name__gt="").count() - 1
    assert page(client, "/作业?state=queued").count('class="chip wait"') == 20


def test_the_display_is_kept_and_goes_back_only_to_our_own_pages(world: Lively) -> None:
    client = Client()
    answer = client.post("/显示", {"theme": "dark", "back": "https://example.com/"})
    assert answer["Location"] == "/"
    client.post("/显示", {"elder": "on", "back": "/算力资源"})
    text = page(client, "/算力资源")
    assert 'data-bs-theme="dark" data-elder' in text


def test_a_role_is_chosen_only_among_the_own_ones(world: Lively) -> None:
    client = as_("engineer")
    actor = world.people["officer"]
    stolen = f"organisation_{actor.organisation}|provincial_officer"
    assert client.post("/身份", {"choice": stolen}).status_code == 404
    assert str(world.jobs["settled"]) not in page(client, "/作业")
