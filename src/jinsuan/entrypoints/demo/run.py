"""What `jinsuan demo` does once its database is up."""

from __future__ import annotations

import os
import secrets
import threading
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from jinsuan.client.api import Client
from jinsuan.entrypoints import clock
from jinsuan.entrypoints.demo.processes import Processes, free_port
from jinsuan.entrypoints.demo.story import ORDER, Teller, order_a_job, require
from jinsuan.kernel.period import beijing_date

CONTACT_SECONDS = 60
LAST_DAY = date(2026, 12, 31)
"""The document's last day in force; after it the right answer is a refusal."""


def run_demo(
    folder: Path, *, port: int, once: bool, stopping: threading.Event, say: Callable[[str], None]
) -> None:
    """Make the province, start the processes, tell the story, and stay up unless `once`."""
    from jinsuan.entrypoints.site.boot import boot, migrate

    port = free_port(port)
    url = f"http://127.0.0.1:{port}"
    environment = {
        "JINSUAN_DEMO": "1",
        "JINSUAN_SECRET_KEY": _secret(folder),
        "JINSUAN_FILES": str(folder / "files"),
        "JINSUAN_SYNC_INTERVAL_MS": "500",
        "JINSUAN_USAGE_INTERVAL_MS": "1000",
    }
    os.environ.update(environment)
    boot()
    migrate()
    from jinsuan.entrypoints.demo.setup import make_agents, prepare_province

    tell = Teller(say)
    tell.step("建一个省：机构、人员、算力中心、价目（演示数据，均为虚构）")
    ready = prepare_province(now=clock.now(), folder=folder)
    for label, words in ready.facts:
        tell.fact(label, words)
    processes = Processes(folder / "logs", environment)
    try:
        processes.start("server", ["serve", "--port", str(port), "--workers", "1"])
        processes.await_ready(url)
        agents = make_agents(folder, url, now=clock.now)
        client = Client(url, ready.token)
        processes.start("worker", ["worker"])
        began = clock.now()
        processes.start("agents", ["agent", "run", *map(str, agents)])
        tell.step("启动：网站、后台、各中心的代理")
        tell.fact("地址", url)
        tell.fact("代理", f"{len(agents)} 个中心各自签名、只向外连接")
        tell.fact(
            "接入", f"{await_centres(client, len(agents), began, processes)} 个中心已报来设备"
        )
        _tell_story(client, url, tell, processes)
        if not once:
            say(f"\n演示在 {url}/ 运行，Ctrl-C 停止。登录名与密码：")
            for username, words in ready.log_ins:
                say(f"      {username:12} {words}")
            say(f"命令行：./run jinsuan login --server {url} < {_keep(folder, ready.token)}")
            while not stopping.wait(2):
                processes.check()
    finally:
        processes.stop()


def await_centres(client: Client, wanted: int, since: datetime, processes: Processes) -> int:
    """Wait until so many agents have spoken in this run and told what they have."""
    deadline = time.monotonic() + CONTACT_SECONDS
    while True:
        processes.check()
        ready = sum(1 for c in client.centres()["items"] if c["nodes"] and _seen(c) >= since)
        if ready >= wanted:
            return ready
        require(time.monotonic() < deadline, "接入", f"{wanted} 个中心中只有 {ready} 个报来设备")
        time.sleep(0.3)


def _seen(centre: dict[str, Any]) -> datetime:
    text = centre["last_seen_at"]
    return datetime.fromisoformat(text) if text else datetime.min.replace(tzinfo=UTC)


def _tell_story(client: Client, url: str, tell: Teller, processes: Processes) -> None:
    from jinsuan.entrypoints.demo.money import refuse_late_voucher

    if beijing_date(clock.now()) > LAST_DAY:
        tell.step("政策已过有效期：发券应当被有理由地拒绝")
        tell.fact("平台的回答", refuse_late_voucher(now=clock.now()))
        return
    _tell_vouchers(client, url, tell, processes)


def _tell_vouchers(client: Client, url: str, tell: Teller, processes: Processes) -> None:
    from jinsuan.entrypoints.demo import life
    from jinsuan.entrypoints.demo.money import book_cash
    from jinsuan.entrypoints.demo.setup import token_of
    from jinsuan.registry.models import Centre

    tell.step("三张算力券：申领、初核、推荐、审定、公示、发放")
    plan = client.plan(ORDER)
    require(bool(plan["candidates"]), "试排", "没有一个中心能运行")
    centre = plan["candidates"][0]["centre"]
    hands = life.gather(Centre.objects.get(code=centre).owner_id, now=clock.now())
    lives = life.grant_three(centre, hands, tell.fact, now=clock.now())
    tenants = [one.tenant.organisation for one in lives]
    for label, words in book_cash(now=clock.now(), tenants=[t for t in tenants if t]):
        tell.fact(label, words)
    job = order_a_job(client, tell)
    for one in lives[1:]:
        order_a_job(Client(client.server, token_of(one.tenant, now=clock.now())), tell)
    processes.check()

    tell.step("兑付：一张付给算力企业，一张付给用户（银行先退回一次），一张付后追缴")
    # Only days that are over are paid for, so this part of the story is tomorrow's.
    tomorrow = clock.now() + timedelta(days=1)
    paid = [
        life.redeem_and_pay(one, hands, tell.fact, rejected_first=number == 1, now=tomorrow)
        for number, one in enumerate(lives)
    ]
    life.claw_back(lives[2], paid[2], hands, tell.fact, now=tomorrow)
    for programme in sorted({one.programme for one in lives}):
        sums = life.programme_sums(programme)
        tell.fact(
            f"年度 {programme}", "，".join(f"{name} {amount}" for name, amount in sums.items())
        )
    tell.step("公示公告：公开的页面与账簿一分不差")
    _compare_public_page(f"{url}/", tell)
    _follow_the_money(client, job["id"], tell)


def _compare_public_page(url: str, tell: Teller) -> None:
    """Read the page as anybody does, and find every figure of the book on it."""
    from html.parser import HTMLParser
    from urllib.parse import quote
    from urllib.request import urlopen

    from jinsuan.vouchers.queries_pool import pool_views

    class Words(HTMLParser):
        """Keeps what people read of a page."""

        def __init__(self) -> None:
            super().__init__()
            self.found: list[str] = []

        def handle_data(self, data: str) -> None:
            self.found.append(data)

    reader = Words()
    with urlopen(url + quote("公示公告"), timeout=20) as answer:  # noqa: S310 our own server
        reader.feed(answer.read().decode())
    page = "".join(reader.found)
    for pool in pool_views():
        figures = (pool.funding, pool.remaining, pool.in_notice, pool.issued, pool.redeemed)
        for amount in figures:
            shown = str(amount).removeprefix("¥")
            require(shown in page, "公开页面", f"{pool.title} 的 {amount} 不在页面上")
        tell.fact(
            pool.title,
            f"总额 {pool.funding}，剩余 {pool.remaining}，已兑付 {pool.redeemed}，与页面相同",
        )


def _follow_the_money(client: Client, job_id: str, tell: Teller) -> None:
    from jinsuan.kernel.ref import Ref
    from jinsuan.ledger.queries import check_book, transfers_with_key_prefix

    tell.step("一分钱溯源：从一笔核销回到用量、价格、券、人和条款")
    captures = transfers_with_key_prefix(f"capture:{job_id}:")
    require(bool(captures), "溯源", "这个作业没有核销")
    by_voucher = [t for t in captures if "voucher_" in t.debit] or captures
    path = client.trace(str(by_voucher[-1].ref))
    require(len(path["steps"]) >= 7, "溯源", f"只有 {len(path['steps'])} 步")
    for step in path["steps"]:
        tell.fact(
            f"{step['number']} {step['title']}", "；".join("：".join(f) for f in step["facts"][:3])
        )

    tell.step("核对账簿：从每一笔转账重算所有账户")
    found = check_book()
    tell.fact(
        "账户", f"{found.accounts} 个，转账 {found.transfers} 笔，差异 {len(found.differences)} 处"
    )
    require(not found.differences, "核对账簿", "；".join(found.differences[:3]))
    assert Ref.read(job_id).kind == "job"


def _keep(folder: Path, token: str) -> Path:
    """The customer's token in a file that only its owner reads, for the command line."""
    path = folder / "token"
    path.touch(mode=0o600)
    path.write_text(token + "\n", "ascii")
    return path


def _secret(folder: Path) -> str:
    """A key of this demo's own, kept so that log-ins survive a restart."""
    path = folder / "secret-key"
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(secrets.token_urlsafe(48), "ascii")
    return path.read_text("ascii")
