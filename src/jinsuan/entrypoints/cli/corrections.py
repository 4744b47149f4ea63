"""`jinsuan correction …`: what a centre's meter got wrong, said by the centre, agreed to by the province."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from jinsuan.entrypoints.cli.show import AsJson, as_json

if TYPE_CHECKING:
    from uuid import UUID

    from jinsuan.kernel.ref import Actor

app = typer.Typer(help="用量更正：算力中心提出，省级经办答复。", no_args_is_help=True)
As = Annotated[str, typer.Option("--as", help="以谁的身份办理：登录名")]
Organisation = Annotated[
    str | None,
    typer.Option("--organisation", help="在几个机构任职时，以哪个机构：统一社会信用代码"),
]
Which = Annotated[str, typer.Argument(help="usecorrection_…")]


def _centre(username: str, organisation: str | None) -> tuple[Actor, datetime]:
    from jinsuan.entrypoints.site.boot import boot

    boot()
    from jinsuan.entrypoints import clock
    from jinsuan.registry.queries_people import reporter

    now = clock.now()
    return reporter(username, organisation=organisation, via="cli", now=now), now


def _official(username: str, organisation: str | None) -> tuple[Actor, datetime]:
    from jinsuan.entrypoints.site.boot import boot

    boot()
    from jinsuan.entrypoints import clock
    from jinsuan.registry.queries_people import official_called

    now = clock.now()
    return official_called(username, organisation=organisation, via="cli", now=now), now


def _id(text: str, kind: str, name: str) -> UUID:
    from jinsuan.entrypoints.cli.book import read_ref
    from jinsuan.kernel.errors import NotFound

    ref = read_ref(text)
    if ref.kind != kind:
        raise NotFound(name, text[:60])
    return ref.id


@app.command("propose")
def propose(
    attempt: Annotated[str, typer.Argument(help="attempt_…，已结清的一次尝试")],
    resource: Annotated[str, typer.Argument(help="资源，如 card:T4、cpu_core、memory_gib")],
    cumulative: Annotated[int, typer.Argument(help="累计读数应为多少毫单位秒", min=0)],
    reason: Annotated[str, typer.Option(help="查实了什么")],
    document: Annotated[str, typer.Option(help="依据文件的编号")],
    username: As,
    organisation: Organisation = None,
) -> None:
    """由算力中心提出更正；省级经办同意以前什么也不变。再提同样的无害。"""
    actor, now = _centre(username, organisation)
    from jinsuan.vouchers.actions.correct import correct_use

    ref = correct_use(
        _id(attempt, "attempt", "作业的尝试"),
        resource,
        cumulative,
        reason=reason,
        document=document,
        actor=actor,
        now=now,
    )
    typer.echo(f"已提出 {ref}，等待省级经办答复。")


@app.command("list")
def list_command(username: As, organisation: Organisation = None, json: AsJson = False) -> None:
    """列出等待答复的更正，早的在前。退出码：0 没有，1 有。"""
    actor, _ = _official(username, organisation)
    from jinsuan.metering.queries_corrections import corrections_waiting

    found = corrections_waiting(actor)
    names = ("ref", "attempt", "provider", "resource", "before", "after", "reason", "document")
    if json:
        as_json([{name: str(getattr(one, name)) for name in names} for one in found])
    else:
        for one in found:
            typer.echo(f"{one.ref}  {one.provider}，{one.attempt}")
            typer.echo(f"  {one.resource} 累计 {one.before} → {one.after} 毫单位秒")
            typer.echo(f"  {one.reason}（依据 {one.document}）")
    raise typer.Exit(1 if found else 0)


@app.command("agree")
def agree(correction: Which, username: As, organisation: Organisation = None) -> None:
    """同意一件更正：费用、券和现金当即按同一公式更正；已兑付的提出追缴，由另一人复核。"""
    actor, now = _official(username, organisation)
    from jinsuan.vouchers.actions.correct import confirm_correction

    claims = confirm_correction(_id(correction, "usecorrection", "用量更正"), actor=actor, now=now)
    typer.echo("已更正。" + "".join(f"已提出追缴 {one}，须由另一人复核。" for one in claims))


@app.command("reject")
def reject(
    correction: Which,
    reason: Annotated[str, typer.Option(help="为什么不同意")],
    username: As,
    organisation: Organisation = None,
) -> None:
    """驳回一件更正；什么也不变。"""
    actor, now = _official(username, organisation)
    from jinsuan.vouchers.actions.correct import reject_correction

    reject_correction(
        _id(correction, "usecorrection", "用量更正"), reason=reason, actor=actor, now=now
    )
    typer.echo("已驳回。")
