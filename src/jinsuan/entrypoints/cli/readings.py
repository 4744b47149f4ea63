"""`jinsuan readings …`: files of usage readings, taken in on the platform's own machine."""

from __future__ import annotations

import time
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from jinsuan.entrypoints.cli.show import AsJson, as_json, table

if TYPE_CHECKING:
    from uuid import UUID

    from jinsuan.kernel.ref import Actor
    from jinsuan.metering.errors import UsageFileRefused
    from jinsuan.metering.queries_usage_files import UsageFileView

app = typer.Typer(
    help="读数文件：导入平台没有实时计量的作业的用量，计费、核销。", no_args_is_help=True
)

As = Annotated[str, typer.Option("--as", help="以谁的身份办理：算力企业或平台运营的登录名")]
Organisation = Annotated[
    str | None,
    typer.Option("--organisation", help="在几个机构任职时，以哪个机构：统一社会信用代码"),
]
EVERY_SECONDS = 2


def _begin(username: str, organisation: str | None) -> tuple[Actor, datetime]:
    from jinsuan.entrypoints.site.boot import boot

    boot()
    from jinsuan.entrypoints import clock
    from jinsuan.registry.queries_people import reporter

    now = clock.now()
    return reporter(username, organisation=organisation, via="cli", now=now), now


def _centres(actor: Actor) -> list[UUID]:
    from jinsuan.registry.queries import centres_of

    return [row.id for row in centres_of(actor)]


@app.command("import")
def import_command(
    path: Annotated[
        Path, typer.Argument(help="读数，CSV，UTF-8 或 GB18030", exists=True, dir_okay=False)
    ],
    centre: Annotated[str, typer.Option(help="哪个中心的读数：中心代码")],
    username: As,
    organisation: Organisation = None,
    json: AsJson = False,
) -> None:
    """导入一份读数文件：先整份检查，再计费、核销，随时中断都可以续办；同一份再导入无害。退出码：0 全部采用，1 有存疑读数，2 没有采用。"""
    actor, now = _begin(username, organisation)
    from jinsuan.dispatch.actions import take_usage_file
    from jinsuan.metering.errors import UsageFileRefused

    try:
        with path.open("rb") as file:
            taken = take_usage_file(file, name=path.name, centre=centre, actor=actor, now=now)
    except UsageFileRefused as refused:
        _show_problems(refused, json=json)
        raise
    if taken.known and not json:
        typer.echo("这份文件以前登记过：没有办完的接着办，办完的不再重复。", err=True)
    found = _work(actor, taken.file.id)
    _show([found], json=json)
    raise typer.Exit(1 if found.doubts else 0)


@app.command()
def resume(username: As, organisation: Organisation = None, json: AsJson = False) -> None:
    """续办没有办完的读数文件（中断之后）。退出码：0 全部采用或没有要办的，1 有存疑读数。"""
    actor, _ = _begin(username, organisation)
    from jinsuan.metering.queries_usage_files import usage_files

    waiting = usage_files(_centres(actor), unfinished=True)
    found = [_work(actor, file.ref.id) for file in waiting]
    _show(found, json=json)
    raise typer.Exit(1 if any(file.doubts for file in found) else 0)


@app.command()
def status(username: As, organisation: Organisation = None, json: AsJson = False) -> None:
    """列出读数文件：办到第几行，存疑多少，计费多少。退出码：0 都已办完，1 有没办完的。"""
    actor, _ = _begin(username, organisation)
    from jinsuan.metering.queries_usage_files import usage_files

    found = usage_files(_centres(actor))
    _show(found, json=json)
    raise typer.Exit(1 if any(file.finished_at is None for file in found) else 0)


def _work(actor: Actor, file: UUID) -> UsageFileView:
    """Book the whole of a file, telling how far it has come."""
    from jinsuan.dispatch.actions import book_next
    from jinsuan.entrypoints import clock
    from jinsuan.metering.queries_usage_files import usage_file_view

    centres = _centres(actor)
    view = usage_file_view(centres, file)
    before, began, told = view.rows_done, time.monotonic(), time.monotonic()
    more = view.finished_at is None
    while more:
        more = book_next(file, now=clock.now())
        if time.monotonic() - told >= EVERY_SECONDS or not more:
            told = time.monotonic()
            view = usage_file_view(centres, file)
            rate = (view.rows_done - before) * 1000 // max(1, int((told - began) * 1000))
            typer.echo(f"已处理 {view.rows_done:,}/{view.rows:,} 行，每秒 {rate:,} 行", err=True)
    return view


def _show_problems(refused: UsageFileRefused, *, json: bool) -> None:
    if json:
        problems = [
            {
                "row": p.row,
                "column": p.column,
                "value": p.value,
                "problem": p.problem,
                "mend": p.mend,
            }
            for p in refused.problems
        ]
        as_json({"written": False, "count": refused.count, "problems": problems})
        return
    table(
        f"有错的地方（共 {refused.count} 处，列出 {len(refused.problems)} 处）",
        ["行", "列", "内容", "问题", "怎么改"],
        [(p.row, p.column, p.value, p.problem, p.mend) for p in refused.problems],
    )


def _show(files: list[UsageFileView], *, json: bool) -> None:
    if json:
        as_json([_plain(file) for file in files])
        return
    heads = ["文件", "中心", "行", "已处理", "采用", "存疑", "费用笔数", "费用", "其中欠款", "办完"]
    rows = [
        (f.name, f.centre, f.rows, f.rows_done, f.kept, f.doubts, f.charges, f.charged, f.owed,
         "是" if f.finished_at else "否")
        for f in files
    ]  # fmt: skip
    table("读数文件", heads, rows)


def _plain(file: UsageFileView) -> dict[str, Any]:
    return {
        "file": str(file.ref),
        "name": file.name,
        "sha256": file.sha256,
        "centre": file.centre,
        "rows": file.rows,
        "rows_done": file.rows_done,
        "kept": file.kept,
        "doubts": file.doubts,
        "charges": file.charges,
        "charged": file.charged.plain,
        "owed": file.owed.plain,
        "finished": file.finished_at is not None,
    }
