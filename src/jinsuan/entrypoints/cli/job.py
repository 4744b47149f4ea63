"""`jinsuan login | plan | job … | centre … | voucher …`: remote commands through the API."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from jinsuan.client.api import Client
from jinsuan.client.config import read_config, write_config
from jinsuan.client.specfile import load_spec_file
from jinsuan.entrypoints.cli.show import AsJson, as_json, table

app = typer.Typer(help="作业：试排、下单、查看、停止。", no_args_is_help=True)
centres = typer.Typer(help="算力中心。", no_args_is_help=True)
vouchers = typer.Typer(help="算力券。", no_args_is_help=True)

SpecFile = Annotated[
    Path, typer.Argument(help="作业说明（YAML 或 JSON）", exists=True, dir_okay=False)
]
JobId = Annotated[str, typer.Argument(help="作业编号 job_…")]
Limit = Annotated[int, typer.Option(help="一次最多列出多少", min=1, max=200)]
Cursor = Annotated[str, typer.Option(help="从哪里接着列：上一次给出的 next_cursor")]
Key = Annotated[str, typer.Option(help="幂等键；同一键、同一内容只办一次")]


def _client() -> Client:
    """For a `with` statement, so that no connection outlives its command."""
    config = read_config()
    return Client(config.server, config.token)


def login(
    server: Annotated[str, typer.Option(help="平台地址，如 http://127.0.0.1:8000")],
    token: Annotated[str, typer.Option(help="访问令牌；不写则从标准输入读")] = "",
) -> None:
    """记住平台地址和令牌（只有本人可读）。"""
    secret = token
    if not secret:
        asks = sys.stdin.isatty()
        secret = typer.prompt("令牌", hide_input=True) if asks else sys.stdin.readline()
    with Client(server, secret) as client:
        found = client.me()
    write_config(server, secret)
    typer.echo(f"✓ 已登录：{found['organisation_name']}，{found['role']}")


def plan(file: SpecFile, json: AsJson = False) -> None:
    """试排：列出能运行的中心与价格，以及不能运行的中心与原因。不下单。"""
    with _client() as client:
        found = client.plan(load_spec_file(file))
    if json:
        as_json(found)
        raise typer.Exit(0 if found["candidates"] else 1)
    table(
        "能运行",
        ["中心", "城市", "加速卡", "每小时", "最多", "券付", "现金付"],
        [
            (
                f"{c['centre_name']}（{c['centre']}）",
                c["city"],
                c["accelerators"],
                c["hourly"],
                c["authorised"],
                c["from_vouchers"],
                c["cash"] if c["affordable"] else f"{c['cash']} 不足",
            )
            for c in found["candidates"]
        ],
    )
    table(
        "不能运行",
        ["中心", "原因", "数字", "怎样就可以"],
        [
            (f"{r['centre_name']}（{r['centre']}）", r["cause"], r["numbers"], r["mend"])
            for r in found["refused"]
        ],
    )
    raise typer.Exit(0 if found["candidates"] else 1)


@app.command()
def submit(
    file: SpecFile,
    key: Key = "",
    wait: Annotated[
        bool, typer.Option("--wait", help="等到结清；作业没有成功时退出码为 1")
    ] = False,
    json: AsJson = False,
) -> None:
    """下单。没有得到回应时，用提示里的幂等键再下一次，不会下成两单。"""
    spec = load_spec_file(file)
    with _client() as client:
        job = client.submit(spec, idempotency_key=key or None)
        if wait:
            job = client.wait(job["id"], timeout=24 * 3600)
    as_json(job) if json else _show(job)
    raise typer.Exit(1 if wait and job["outcome"] != "succeeded" else 0)


@app.command("list")
def list_jobs(
    state: Annotated[str, typer.Option(help="只看某个状态，如 running")] = "",
    limit: Limit = 50,
    cursor: Cursor = "",
    json: AsJson = False,
) -> None:
    """作业列表，新的在前。"""
    with _client() as client:
        page = client.jobs(state=state or None, cursor=cursor or None, limit=limit)
    if json:
        as_json(page)
        return
    table(
        "作业",
        ["编号", "名称", "状态", "结果", "下单时间", "说明"],
        [
            (j["id"], j["name"], j["state_zh"], j["outcome_zh"], j["submitted_at"], j["why"])
            for j in page["items"]
        ],
    )
    _more(page)


def _more(page: dict[str, Any]) -> None:
    if page["next_cursor"] is not None:
        typer.echo(f"还有更多：加上 --cursor {page['next_cursor']}")


@app.command()
def show(job_id: JobId, json: AsJson = False) -> None:
    """一个作业的状态、尝试和花费。"""
    with _client() as client:
        job = client.job(job_id)
    as_json(job) if json else _show(job)


def _show(job: dict[str, Any]) -> None:
    outcome = f"，{job['outcome_zh']}" if job["outcome_zh"] else ""
    typer.echo(f"{job['id']} {job['name']}：{job['state_zh']}{outcome}。{job['why']}")
    money = job.get("money") or {}
    if money:
        typer.echo(
            f"  授权 {money['authorised']} 元，冻结 {money['held']} 元，已计费 {money['charged']} 元"
            f"（券 {money['from_vouchers']}，现金 {money['cash']}）"
        )
    for attempt in job.get("attempts") or []:
        typer.echo(
            f"  第 {attempt['number']} 次：{attempt['centre_name']}（{attempt['centre']}），"
            f"{attempt['state']}，退出码 {attempt['exit_code']}"
        )


@app.command()
def charges(job_id: JobId, limit: Limit = 50, cursor: Cursor = "", json: AsJson = False) -> None:
    """一个作业的费用和转账，先发生的在前；转账编号可用 jinsuan trace 溯源。"""
    with _client() as client:
        page = client.charges(job_id, cursor=cursor or None, limit=limit)
    if json:
        as_json(page)
        return
    table(
        "费用",
        ["时间", "本笔", "累计", "转账", "从", "金额"],
        [
            (c["recorded_at"], c["amount"], c["cumulative"], t["ref"], t["debit"], t["amount"])
            for c in page["items"]
            for t in c["transfers"]
        ],
    )
    _more(page)


@app.command()
def log(
    job_id: JobId, follow: Annotated[bool, typer.Option("--follow", "-f", help="持续查看")] = False
) -> None:
    """作业的输出。"""
    offset, over = 0, not follow
    with _client() as client:
        while True:
            text, following = client.log(job_id, offset)
            sys.stdout.buffer.write(text)
            sys.stdout.flush()
            if text:
                offset = following
            elif over:
                return
            else:
                # Ended or not is asked before the last look, or the last words would be missed.
                over = client.job(job_id)["state"] in ("ended", "settled")
                if not over:
                    time.sleep(2)


@app.command()
def cancel(
    job_id: JobId,
    reason: Annotated[str, typer.Option(help="事由")] = "下单方停止",
    key: Key = "",
    json: AsJson = False,
) -> None:
    """停止作业。已用部分照常计费，其余解冻。"""
    with _client() as client:
        job = client.cancel(job_id, reason, idempotency_key=key or None)
    as_json(job) if json else _show(job)


@centres.command("list")
def list_centres(limit: Limit = 200, cursor: Cursor = "", json: AsJson = False) -> None:
    """算力中心与空闲资源。"""
    with _client() as client:
        page = client.centres(cursor=cursor or None, limit=limit)
    if json:
        as_json(page)
        return
    table(
        "算力中心",
        ["代码", "名称", "城市", "类型", "加速卡（空闲/共）", "空闲核", "最近联系"],
        [
            (
                c["code"],
                c["name"],
                c["city"],
                c["kind"],
                "；".join(f"{m} {c['cards_free'].get(m, 0)}/{n}" for m, n in c["cards"].items()),
                c["cpu_free"],
                c["last_seen_at"],
            )
            for c in page["items"]
        ],
    )
    _more(page)


@centres.command("show")
def show_centre(
    code: Annotated[str, typer.Argument(help="中心代码")], json: AsJson = False
) -> None:
    """一个算力中心的空闲资源和今天的价目。"""
    with _client() as client:
        c = client.centre(code)
    if json:
        as_json(c)
        return
    state = "正常接单" if c["open"] else f"不接单：{c['closed_reason']}"
    typer.echo(f"{c['code']} {c['name']}：{c['city']}，{c['kind']}，{state}")
    for model, number in c["cards"].items():
        typer.echo(f"  {model}：共 {number} 张，整卡空闲 {c['cards_free'].get(model, 0)} 张")
    typer.echo(f"  空闲核 {c['cpu_free']}，最近联系 {c['last_seen_at'] or '—'}")
    table("价目", ["资源", "每单位时（元）"], list((c["prices"] or {}).items()))


@vouchers.command("list")
def list_vouchers(limit: Limit = 200, cursor: Cursor = "", json: AsJson = False) -> None:
    """本单位的算力券，先到期的在前。"""
    with _client() as client:
        page = client.vouchers(cursor=cursor or None, limit=limit)
    if json:
        as_json(page)
        return
    table(
        "算力券",
        ["编号", "名称", "面额", "还剩", "抵扣比例", "有效期至"],
        [
            (v["id"], v["title"], v["face"], v["left"], v["rate"], v["expires_on"])
            for v in page["items"]
        ],
    )
    _more(page)


@vouchers.command("show")
def show_voucher(
    voucher_id: Annotated[str, typer.Argument(help="算力券编号 voucher_…")], json: AsJson = False
) -> None:
    """一张算力券和它最近的流水。"""
    with _client() as client:
        v = client.voucher(voucher_id)
        lines = client.voucher_statement(voucher_id, limit=20)["items"]
    if json:
        as_json({**v, "statement": lines})
        return
    typer.echo(
        f"{v['id']} {v['title']}{v['article']}：面额 {v['face']} 元，还剩 {v['left']} 元，"
        f"抵扣 {v['rate']}，{v['valid_from']} 至 {v['expires_on']}（含）"
    )
    table(
        "最近流水",
        ["时间", "事由", "对方", "金额", "余额", "转账"],
        [
            (
                li["recorded_at"],
                li["reason_zh"],
                li["other"],
                li["amount"],
                li["balance"],
                li["transfer"],
            )
            for li in lines
        ],
    )


def notifications(
    unread: Annotated[bool, typer.Option("--unread", help="只看未读的")] = False,
    limit: Limit = 20,
    cursor: Cursor = "",
    json: AsJson = False,
) -> None:
    """通知：与本人这个身份有关的事，新的在前。查看不会标为已读，在网页上标。"""
    with _client() as client:
        page = client.notifications(unread=unread, cursor=cursor or None, limit=limit)
    if json:
        as_json(page)
        return
    table(
        "通知",
        ["时间", "通知", "编号", "说明", ""],
        [
            (n["occurred_at"], n["title"], n["number"], n["words"], "" if n["read_at"] else "未读")
            for n in page["items"]
        ],
    )
    _more(page)
