"""Every page for every role: who gets in, who is told that there is nothing, what HTML does."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver

from jinsuan.entrypoints.portal.urls import accounts, pages
from jinsuan.ledger.models import AuditRow
from jinsuan.ledger.queries import transfers_with_key_prefix
from jinsuan.registry.models import Person
from tests.flows.lively import Lively

pytestmark = pytest.mark.django_db
EVERYBODY = ("researcher", "engineer", "centre", "operator", "officer", "auditor", "treasury")
TENANTS = {"researcher", "engineer"}
WATCHERS = {"centre", "operator", "officer", "auditor"}
AUDITORS = {"officer", "auditor"}
READERS = {*TENANTS, "centre", "officer", "auditor", "treasury"}


def as_(username: str | None) -> Client:
    """A browser of this person; None is a stranger."""
    client = Client()
    if username is not None:
        client.force_login(Person.objects.get(username=username))
    return client


def capture_of(world: Lively, job: str) -> str:
    return str(transfers_with_key_prefix(f"capture:{world.jobs[job]}:")[0].ref)


@dataclass(frozen=True)
class Page:
    """One address, and who may open it."""

    path: str
    who: set[str]
    public: bool = False


def every_page(world: Lively) -> list[Page]:
    """All addresses that answer GET; a new one fails the test below until it is listed here."""
    job = world.jobs["running"]
    row = AuditRow.objects.order_by("id").values_list("id", flat=True)[0]
    all_ = set(EVERYBODY)
    # D01 belongs to the organisation of `centre`, and the job runs there.
    sees_job = {"researcher", *WATCHERS}
    return [
        Page("/", all_, public=True),
        Page("/近况", all_, public=True),
        Page("/算力资源", all_, public=True),
        Page("/算力资源/D01", all_, public=True),
        Page("/无障碍", all_, public=True),
        Page("/数据口径", all_, public=True),
        Page("/算力券/申领", TENANTS),
        # Nobody has one in this world; test_portal_apply opens one.
        Page("/算力券/申领/m09-none", set()),
        Page("/算力券/兑付", {*TENANTS, "centre"}),
        Page("/算力券/兑付/m09r-none", set()),
        Page("/公示公告", all_, public=True),
        Page("/政策", all_, public=True),
        Page("/政策/shanxi-2024-35", all_, public=True),
        Page("/政策/shanxi-2024-35/计算器", all_, public=True),
        Page("/政策沙盘", {"officer", "auditor"}),
        Page("/作业", all_),
        Page("/身份", all_),
        Page("/作业/下单", TENANTS),
        Page(f"/作业/{job}", sees_job),
        Page(f"/作业/{job}/近况", sees_job),
        Page(f"/作业/{job}/日志", sees_job),
        Page(f"/作业/{job}/日志全文", sees_job),
        Page(f"/作业/{job}/停止", {"researcher"}),
        Page("/账户", TENANTS),
        Page("/办理", {"officer", "auditor", "treasury"}),
        Page("/拨付", {"officer", "auditor", "treasury"}),
        Page("/收款账户", {*TENANTS, "centre", "auditor", "treasury"}),
        Page("/退款结算", {*TENANTS, "centre", "auditor", "treasury"}),
        Page("/银行流水", {"auditor", "treasury"}),
        Page("/追缴", READERS),
        Page("/差异", {"officer", "auditor", "treasury"}),
        Page("/对账单", READERS),
        Page("/通知", all_),
        Page("/审计", AUDITORS),
        Page("/审计/账户/pool:2025:m09", AUDITORS),
        Page("/审计/留痕", AUDITORS),
        Page(f"/审计/留痕/{row}", AUDITORS),
        Page("/审计/封存", AUDITORS),
        Page("/对账单/文件", READERS),
        Page("/长任务", READERS),
        Page("/长任务/近况", READERS),
        # Nobody asked for any in this world; test_long_work does.
        Page("/长任务/longwork_none/文件", set()),
        Page("/中心", WATCHERS),
        Page("/中心/D01", WATCHERS),
        Page(f"/转账/{capture_of(world, 'running')}", sees_job),
        Page(f"/转账/{capture_of(world, 'running')}/溯源包", {"officer", "auditor"}),
    ]


def test_every_page_opens_for_its_roles_and_does_not_exist_for_others(world: Lively) -> None:
    for username in EVERYBODY:
        client = as_(username)
        for page in every_page(world):
            wanted = 200 if username in page.who else 404
            assert client.get(page.path).status_code == wanted, (username, page.path)


def test_a_stranger_goes_to_log_in_and_comes_back(world: Lively) -> None:
    client = as_(None)
    for page in every_page(world):
        answer = client.get(page.path)
        if page.public:
            assert answer.status_code == 200, page.path
        else:
            assert answer.status_code == 302, page.path
            assert answer["Location"].startswith("/%E7%99%BB%E5%BD%95?next=/"), page.path


def test_no_page_is_forgotten_here(world: Lively) -> None:
    """The list above names every address of the portal; only POST addresses are left out."""
    post_only = {
        *("显示", "作业/下单/草稿", "通知/<str:notification_id>", "长任务/<str:work>/停止"),
        *("拨付/<str:number>/银行文件", "退款结算/银行文件"),
    }
    # This province has none; test_portal_cases and test_portal_money_desk open these.
    elsewhere = {
        "案件/<str:number>",
        "案件/<str:number>/附件/<str:attachment>",
        "拨付/<str:number>",
        "审计/留痕/<int:number>/证明",  # nothing is sealed here; test_portal_audit seals
        "退款结算/<str:number>",
        "银行流水/文件/<str:file_id>",
        "银行流水/<str:entry_id>",
        "追缴/<str:clawback_id>",
    }
    known = {page.path.lstrip("/") for page in every_page(world)}
    shapes = set()
    for path in known:
        parts = path.split("/")
        for i, part in enumerate(parts):
            if part.startswith("job_"):
                parts[i] = "<str:job_id>"
            elif part.startswith("transfer_"):
                parts[i] = "<str:transfer_id>"
            elif part == "D01" or part.startswith("pool:"):
                parts[i] = "<str:code>"
            elif part.isdigit():
                parts[i] = "<int:number>"
            elif part == "shanxi-2024-35":
                parts[i] = "<str:pack_id>"
            elif part.startswith("longwork_"):
                parts[i] = "<str:work>"
            elif part.startswith("m09"):
                parts[i] = "<str:number>"
        shapes.add("/".join(parts))

    assert {route(p) for p in pages} - post_only - elsewhere == shapes


def route(pattern: URLPattern | URLResolver) -> str:
    return str(pattern.pattern)


def test_every_address_of_a_thing_is_missing_for_a_wrong_tenant(world: Lively) -> None:
    """What another tenant owns and what nobody ever made get the same page."""
    client, mine = as_("engineer"), world.jobs["other"]
    foreign = world.jobs["settled"]
    nobody = str(mine)[:-4] + "0000"
    capture = capture_of(world, "settled")
    for ending in ("", "/近况", "/日志", "/日志全文", "/停止"):
        answers = [client.get(f"/作业/{job}{ending}") for job in (foreign, nobody, "job_x", "%00")]
        assert [a.status_code for a in answers] == [404] * 4, ending
        assert "没有这一页，或者您不能看" in answers[0].content.decode()
    assert client.post(f"/作业/{foreign}/停止").status_code == 404
    assert client.get(f"/转账/{capture}").status_code == 404
    assert client.get("/转账/transfer_x").status_code == 404
    voucher = as_("researcher").get("/账户").content.decode().partition("voucher_")[2][:26]
    assert len(voucher) == 26
    assert client.get(f"/账户?book=voucher_{voucher}").status_code == 404
    assert as_("researcher").get(f"/账户?book=voucher_{voucher}").status_code == 200
    assert client.get(f"/作业?after={foreign}").status_code == 200
    assert str(foreign) not in client.get("/作业").content.decode()


def test_a_centre_operator_sees_only_the_own_centres(world: Lively) -> None:
    client = as_("centre")
    text = client.get("/中心").content.decode()
    assert "/D01" in text
    assert "/D02" not in text
    assert client.get("/中心/D02").status_code == 404
    assert client.post("/中心/D02", {"act": "pause", "reason": "x"}).status_code == 404


def test_html_in_a_job_name_is_words(world: Lively) -> None:
    client, job = as_("researcher"), world.jobs["html"]
    for path in ("/作业", f"/作业/{job}", f"/作业/{job}/停止", f"/作业/{job}/近况"):
        text = client.get(path).content.decode()
        assert "<script>alert" not in text, path
        assert "<b>粗</b>" not in text, path
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in client.get(f"/作业/{job}").content.decode()


def test_nobody_is_shown_a_way_that_is_closed_to_him(world: Lively) -> None:
    """Every link on every page of a person leads to a page that this person may open."""
    for username in (*EVERYBODY, None):
        client, checked = as_(username), set()
        for page in every_page(world):
            answer = client.get(page.path)
            if answer.status_code != 200 or not answer["Content-Type"].startswith("text/html"):
                continue
            for found in re.findall(r'<a [^>]*href="(/[^"#]*)', answer.content.decode()):
                link = unquote(found.replace("&amp;", "&"))
                if link not in checked:
                    checked.add(link)
                    status = client.get(link).status_code
                    assert status in (200, 302), (username, page.path, link, status)


def test_pages_bring_no_inline_script_or_style(world: Lively) -> None:
    client = as_("researcher")
    for page in every_page(world):
        answer = client.get(page.path)
        if answer.status_code != 200 or not answer["Content-Type"].startswith("text/html"):
            continue
        text = answer.content.decode()
        assert " style=" not in text, page.path
        assert "<style" not in text, page.path
        assert "onclick" not in text, page.path
        assert "<script>" not in text, page.path
        assert "default-src 'self'" in answer["Content-Security-Policy"]
        assert "unsafe" not in answer["Content-Security-Policy"]


def test_the_log_in_pages_are_ours_and_chinese(world: Lively) -> None:
    client = as_("researcher")
    for pattern in accounts:
        path = f"/{route(pattern)}"
        answer = client.get(path, follow=True)
        assert answer.status_code in (200, 404), path
        text = answer.content.decode()
        assert "晋算" in text, path
        assert "Sign" not in text, path
        assert "Authenticator" not in text, path


def test_a_password_logs_in_and_a_wrong_one_says_so(world: Lively) -> None:
    client = Client()
    wrong = client.post("/登录", {"login": "researcher", "password": "不对"})
    assert wrong.status_code == 200
    assert 'role="alert"' in wrong.content.decode()

    right = client.post("/登录?next=/作业", {"login": "researcher", "password": world.password})
    assert right.status_code == 302
    assert client.get("/作业").status_code == 200
    client.post("/退出")
    assert client.get("/作业").status_code == 302


def test_two_step_log_in_from_the_qr_code_to_the_recovery_code(world: Lively) -> None:
    client = Client()
    client.post("/登录", {"login": "researcher", "password": world.password})
    asked = client.get("/两步验证/启用", follow=True)
    assert "再次确认是您本人" in asked.content.decode()
    again = {"password": world.password, "next": "/两步验证/启用"}
    text = client.post("/再次确认", again, follow=True).content.decode()
    assert 'src="data:image/svg+xml' in text
    secret = re.search(r'aria-labelledby="secret-label">([A-Z2-7]+)<', text)
    assert secret
    done = client.post("/两步验证/启用", {"code": code_now(secret[1])}, follow=True)
    codes = re.findall(r"<li>([0-9a-f]{8})</li>", done.content.decode())
    assert len(codes) == 10
    client.post("/退出")

    half = client.post("/登录", {"login": "researcher", "password": world.password}, follow=True)
    assert "两步验证" in half.content.decode()
    assert client.get("/账户").status_code == 302  # a password alone is not enough
    assert client.post("/两步验证/登录", {"code": "000000"}).status_code == 200
    client.post("/两步验证/登录", {"code": codes[0]})
    assert client.get("/账户").status_code == 200


def code_now(secret: str) -> str:
    """What an authenticator shows: RFC 6238 with allauth's own arithmetic."""
    from allauth.mfa.totp.internal.auth import (
        format_hotp_value,
        hotp_value,
        yield_hotp_counters_from_time,
    )

    return format_hotp_value(hotp_value(secret, next(iter(yield_hotp_counters_from_time()))))


def test_forms_without_the_token_change_nothing(world: Lively) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(Person.objects.get(username="researcher"))
    job = world.jobs["running"]
    for path in ("/作业/下单", f"/作业/{job}/停止", "/显示", "/身份", "/退出"):
        answer = client.post(path, {"act": "order"})
        assert answer.status_code == 403, path
        assert "什么都没有发生" in answer.content.decode()


def test_a_live_part_tells_a_lost_session_to_reload(world: Lively) -> None:
    answer = as_(None).get(f"/作业/{world.jobs['running']}/近况", headers={"HX-Request": "true"})
    assert (answer.status_code, answer["HX-Refresh"]) == (401, "true")


def test_a_settled_job_stops_asking(world: Lively) -> None:
    client = as_("researcher")
    assert 'hx-trigger="every 5s"' in client.get(f"/作业/{world.jobs['running']}").content.decode()
    assert "hx-trigger" not in client.get(f"/作业/{world.jobs['settled']}").content.decode()


def test_a_log_that_did_not_grow_is_not_sent_again(world: Lively) -> None:
    client, job = as_("researcher"), world.jobs["running"]
    text = client.get(f"/作业/{job}/日志").content.decode()
    seen = text.partition("seen=")[2].partition('"')[0]
    assert client.get(f"/作业/{job}/日志?seen={seen}").status_code == 204
    assert client.get(f"/作业/{job}/日志?seen=1.0.1").status_code == 200
    whole = client.get(f"/作业/{job}/日志全文")
    assert whole["Content-Disposition"].startswith("attachment")
    assert whole.content.decode().startswith("节点就绪，8 张卡\n")
