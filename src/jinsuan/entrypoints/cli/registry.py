"""`jinsuan registry …`: inventories, bodies and linked log-ins, on the platform's own machine."""

from __future__ import annotations

import csv
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from jinsuan.entrypoints.cli.show import AsJson, as_json, table

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from jinsuan.kernel.ref import Actor
    from jinsuan.registry.actions.inventory import ImportReport
    from jinsuan.registry.inventory import Problem

app = typer.Typer(help="登记：导入清单、查算力规模、推荐单位、统一身份。", no_args_is_help=True)

As = Annotated[str, typer.Option("--as", help="以谁的身份办理：登录名")]
Day = Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="哪一天；不写是今天")]


def _day(given: datetime | None, now: datetime) -> date:
    from jinsuan.kernel.period import beijing_date

    return beijing_date(now) if given is None else given.date()


def _actor(username: str, organisation: str | None, now: datetime) -> Actor:
    from jinsuan.registry.queries_people import registrar

    return registrar(username, organisation=organisation, via="cli", now=now)


@app.command("import")
def import_command(
    path: Annotated[
        Path, typer.Argument(help="清单，CSV，UTF-8 或 GBK", exists=True, dir_okay=False)
    ],
    username: As,
    organisation: Annotated[
        str | None, typer.Option(help="在几个机构任职时，以哪个机构：统一社会信用代码")
    ] = None,
    effective_on: Day = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="只检查，不写入")] = False,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="跳过有错的行，导入其余，并写出被跳过的行")
    ] = False,
    rejected: Annotated[Path, typer.Option(help="被跳过的行写到哪里")] = Path("rejected.csv"),
    json: AsJson = False,
) -> None:
    """导入算力资源清单。默认全部导入或一行也不导入；重复导入无害。退出码：0 没有错，1 有错的行被跳过或试检查出错，2 没有导入。"""
    from jinsuan.entrypoints.site.boot import boot

    boot()
    from jinsuan.entrypoints import clock
    from jinsuan.registry.actions.inventory import import_inventory
    from jinsuan.registry.errors import InventoryRefused
    from jinsuan.registry.inventory import read_inventory

    now = clock.now()
    actor = _actor(username, organisation, now)
    with path.open("rb") as file:
        _, items = read_inventory(file)
        try:
            report = import_inventory(
                items,
                effective_on=_day(effective_on, now),
                actor=actor,
                now=now,
                dry_run=dry_run,
                skip_bad=skip_bad,
            )
        except InventoryRefused as refused:
            _show_problems(refused.problems, json=json)
            raise
    if report.problems and skip_bad and not dry_run:
        _write_rejected(path, rejected, report.problems)
    _show_report(report, rejected=rejected, json=json)
    raise typer.Exit(1 if report.problems else 0)


def _show_problems(problems: Sequence[Problem], *, json: bool) -> None:
    if json:
        as_json({"written": False, "problems": _plain(problems)})
        return
    table(
        f"有错的地方（{len(problems)} 处）",
        ["行", "列", "内容", "问题", "怎么改"],
        [(p.row, p.column, p.value, p.problem, p.mend) for p in problems],
    )


def _plain(problems: Sequence[Problem]) -> list[dict[str, Any]]:
    return [
        {"row": p.row, "column": p.column, "value": p.value, "problem": p.problem, "mend": p.mend}
        for p in problems
    ]


def _show_report(report: ImportReport, *, rejected: Path, json: bool) -> None:
    if json:
        as_json(
            {
                "written": report.written,
                "rows": report.rows,
                "bad_rows": len(report.bad_rows),
                "centres_new": report.centres_new,
                "centres_changed": report.centres_changed,
                "nodes_new": report.nodes_new,
                "nodes_changed": report.nodes_changed,
                "nodes_unchanged": report.nodes_unchanged,
                "cards": report.cards,
                "problems": _plain(report.problems),
            }
        )
        return
    if report.problems:
        _show_problems(report.problems, json=False)
    typer.echo(
        f"{'已导入' if report.written else '试检查（没有写入）'}：清单 {report.rows} 行，"
        f"有错 {len(report.bad_rows)} 行；"
        f"中心新增 {report.centres_new}、变更 {report.centres_changed}；"
        f"节点新增 {report.nodes_new}、变更 {report.nodes_changed}、不变 {report.nodes_unchanged}；"
        f"共 {report.cards} 张加速卡。"
    )
    if report.problems and report.written:
        typer.echo(f"被跳过的行在 {rejected}，改正后可以单独导入。")


def _write_rejected(path: Path, rejected: Path, problems: Sequence[Problem]) -> None:
    """The rejected rows as they stand in the file, with what is wrong in front of nothing else."""
    from jinsuan.registry.inventory import rows_numbered

    bad = {p.row for p in problems}
    with path.open("rb") as file, rejected.open("w", encoding="utf-8-sig", newline="") as out:
        csv.writer(out).writerows(rows_numbered(file, bad))


@app.command()
def capacity(
    centre: Annotated[str, typer.Argument(help="中心代码")], on: Day = None, json: AsJson = False
) -> None:
    """一个中心某一天的算力规模：装机与在线的卡数、FP16 PFLOPS。"""
    from jinsuan.entrypoints.site.boot import boot

    boot()
    from jinsuan.entrypoints import clock
    from jinsuan.kernel.ref import Actor
    from jinsuan.registry.capacity import show_pflops
    from jinsuan.registry.queries import access_centre
    from jinsuan.registry.queries_capacity import capacity_on

    row = access_centre(Actor.system("cli"), centre)
    found = capacity_on(row.id, _day(on, clock.now()))
    if json:
        as_json(
            {
                "centre": found.centre,
                "day": found.day,
                "models": [
                    {
                        "model": m.model,
                        "installed_cards": m.installed,
                        "online_cards": m.online,
                        "millitflops_fp16_per_card": m.millitflops_fp16,
                    }
                    for m in found.models
                ],
                "installed_pflops_fp16": show_pflops(found.installed_millitflops_fp16),
                "online_pflops_fp16": show_pflops(found.online_millitflops_fp16),
                "cards_of_unknown_power": found.cards_of_unknown_power,
            }
        )
        return
    table(
        f"{found.centre} {found.day} 节点装机 {found.nodes_installed}、在线 {found.nodes_online}",
        ["型号", "装机卡数", "在线卡数", "单卡 FP16 TFLOPS"],
        [(m.model, m.installed, m.online, _tflops(m.millitflops_fp16)) for m in found.models],
    )
    typer.echo(
        f"FP16 稠密算力：装机 {show_pflops(found.installed_millitflops_fp16)} PFLOPS，"
        f"在线 {show_pflops(found.online_millitflops_fp16)} PFLOPS；"
        f"另有 {found.cards_of_unknown_power} 张卡没有公开数据，没有计入。"
    )


def _tflops(millitflops: int | None) -> str:
    from jinsuan.kernel.quantity import show_milli

    return "未公开" if millitflops is None else show_milli(millitflops)


@app.command()
def bodies() -> None:
    """登记推荐单位：十一市、综改区、省直单位。已有的不变。"""
    from jinsuan.entrypoints.site.boot import boot

    boot()
    from jinsuan.entrypoints import clock
    from jinsuan.kernel.ref import Actor
    from jinsuan.registry.actions.people import register_bodies

    count = register_bodies(actor=Actor.system("cli"), now=clock.now())
    typer.echo(f"新登记推荐单位 {count} 个。")


@app.command()
def link(
    username: Annotated[str, typer.Argument(help="要关联的登录名")],
    subject: Annotated[str, typer.Argument(help="认证系统里的用户标识（sub）")],
    as_whom: As,
) -> None:
    """让统一身份认证里的一个身份能登录这个账户。"""
    from jinsuan.entrypoints.site.boot import boot

    boot()
    from jinsuan.entrypoints import clock
    from jinsuan.entrypoints.site.oidc import PROVIDER
    from jinsuan.registry.actions.people import link_identity
    from jinsuan.registry.queries_people import person_called

    now = clock.now()
    link_identity(
        person_called(username).id,
        provider=PROVIDER,
        subject=subject,
        actor=_actor(as_whom, None, now),
        now=now,
    )
    typer.echo(f"已关联：{username} 可以用统一身份认证登录。")


@app.command()
def relate(
    uscc: Annotated[str, typer.Argument(help="哪个机构：统一社会信用代码")],
    kind: Annotated[str, typer.Option(help="哪一种线索，如 shareholder；写错时会列出可选的")],
    source: Annotated[str, typer.Option(help="来源，如 企业登记 2025-09-01")],
    username: As,
    share: Annotated[str | None, typer.Option(help="股东的持股比例，如 51% 或 33.33%")] = None,
    organisation: Annotated[
        str | None, typer.Option(help="在几个机构任职时，以哪个机构：统一社会信用代码")
    ] = None,
) -> None:
    """登记一条关联线索；股东代码、证件号码等从标准输入读，只存摘要。再登记一次无害。"""
    from jinsuan.entrypoints.site.boot import boot

    boot()
    from jinsuan.entrypoints import clock
    from jinsuan.entrypoints.data_keys import keyring
    from jinsuan.registry.actions.relations import register_relation
    from jinsuan.registry.queries_people import organisation_called, relation_registrar

    now = clock.now()
    actor = relation_registrar(username, organisation=organisation, via="cli", now=now)
    target, bps = organisation_called(uscc), None if share is None else _bps(share)
    ref = register_relation(
        target.id,
        kind=kind,
        value=typer.prompt("内容", hide_input=True, err=True),
        source=source,
        share_bps=bps,
        keys=keyring(),
        actor=actor,
        now=now,
    )
    typer.echo(f"已登记关联线索 {ref}。")


def _bps(text: str) -> int:
    """A share such as 33.33% in 1/10000; finer ones are refused, not rounded."""
    from fractions import Fraction

    from jinsuan.kernel.errors import BadInput

    try:
        exact = Fraction(text.strip().removesuffix("%").removesuffix("％").strip()) * 100
    except (ValueError, ZeroDivisionError):
        exact = Fraction(1, 2)
    if exact.denominator != 1:
        raise BadInput("持股比例", f"“{text[:20]}”读不懂，或多于两位小数", "请写成 33.33%。")
    return exact.numerator
