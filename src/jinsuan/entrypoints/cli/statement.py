"""`jinsuan statement`: a statement as a file, from the machine the book is on."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated

import typer

from jinsuan.kernel.errors import BadInput
from jinsuan.kernel.ref import Actor

LOCAL = Actor.system("cli")


def statement(
    out: Annotated[Path, typer.Option(help="写到哪个文件；已经有的会被替换", dir_okay=False)],
    tenant: Annotated[str, typer.Option(help="用算主体：统一社会信用代码或编号")] = "",
    provider: Annotated[str, typer.Option(help="算力企业：统一社会信用代码或编号")] = "",
    voucher: Annotated[str, typer.Option(help="算力券编号 voucher_…")] = "",
    pool: Annotated[str, typer.Option(help="年度代码，如 2025:m09")] = "",
    month: Annotated[str, typer.Option(help="北京时间的月份，如 2025-03")] = "",
    first: Annotated[str, typer.Option("--from", help="第一天（含），如 2025-03-01")] = "",
    last: Annotated[str, typer.Option("--to", help="最后一天（含）")] = "",
    form: Annotated[str, typer.Option("--format", help="csv、xlsx、pdf 或 focus")] = "csv",
) -> None:
    """对账单：一个用算主体、算力企业、算力券或资金池，在一个月或任意两天之间。"""
    from rich.console import Console
    from rich.progress import Progress

    from jinsuan.entrypoints.site.boot import boot

    boot()
    from jinsuan.entrypoints import clock
    from jinsuan.entrypoints.exports import make_file
    from jinsuan.entrypoints.exports.asked import asked_period
    from jinsuan.vouchers.subjects import access_subject

    asked = {"tenant": tenant, "provider": provider, "voucher": voucher, "pool": pool}
    named = [(kind, name) for kind, name in asked.items() if name]
    if len(named) != 1:
        raise BadInput("对账对象", f"写了 {len(named)} 个", f"在 --{'、--'.join(asked)} 中写一个。")
    subject = access_subject(LOCAL, *named[0])
    period = asked_period(month, first, last, now=clock.now())
    with Progress(console=Console(stderr=True), transient=True) as bar:
        row = bar.add_task("写对账单", total=None)

        def told(done: int, total: int) -> None:
            bar.update(row, completed=done, total=total)

        file = make_file(subject, period, form, now=clock.now(), told=told)
    with file, out.open("wb") as target:
        shutil.copyfileobj(file, target)
    begin, end = subject.days(period)
    typer.echo(f"✓ {subject.name} {begin} 至 {end} 的对账单已写到 {out}")
