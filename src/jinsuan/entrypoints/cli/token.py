"""`jinsuan token …`: give out, list and revoke API tokens on the machine of the database."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

import typer

from jinsuan.entrypoints import clock
from jinsuan.entrypoints.cli.show import AsJson, as_json, table
from jinsuan.kernel.errors import NotFound
from jinsuan.kernel.ref import Actor, Ref, Role
from jinsuan.registry.scopes import READING, SCOPES

app = typer.Typer(help="接口令牌：发放、列出、作废。", no_args_is_help=True)
LOCAL = Actor.system("cli")
MOST_DAYS = 366
SCOPES_HELP = "权限，可写多次：" + "；".join(f"{name} {words}" for name, words in SCOPES.items())


@app.command()
def issue(
    username: Annotated[str, typer.Option("--as", help="令牌代表谁：登录名")],
    organisation: Annotated[str, typer.Option(help="代表哪个机构：统一社会信用代码")],
    role: Annotated[Role, typer.Option(help="以什么身份；须在该机构有此任职")] = Role.TENANT,
    scope: Annotated[list[str] | None, typer.Option(help=SCOPES_HELP)] = None,
    days: Annotated[int, typer.Option(help="多少天后失效", min=1, max=MOST_DAYS)] = 90,
    label: Annotated[str, typer.Option(help="用途，便于日后辨认")] = "命令行",
    json: AsJson = False,
) -> None:
    """发一个令牌。令牌只显示这一次；不写 --scope 时只能查看。"""
    from jinsuan.entrypoints.site.boot import boot

    boot()
    from jinsuan.registry.actions.agents import issue_token
    from jinsuan.registry.queries import actor_for, organisation_with, person_named

    now = clock.now()
    person, place = person_named(username), organisation_with(organisation.strip().upper())
    actor_for(person.id, place.id, role, via="cli", now=now)
    expires_at = now + timedelta(days=days)
    token = issue_token(
        person=person.id,
        organisation=place.id,
        role=role,
        scopes=tuple(scope or READING),
        label=label,
        expires_at=expires_at,
        actor=LOCAL,
        now=now,
    )
    if json:
        as_json({"token": token, "expires_at": expires_at.isoformat()})
        return
    typer.echo(token)
    typer.echo(
        f"✓ 已发给 {username}，{expires_at:%Y-%m-%d} 失效。请立即保存，以后看不到。", err=True
    )


@app.command("list")
def list_tokens(
    username: Annotated[str, typer.Option("--as", help="只看某人的：登录名")] = "",
    json: AsJson = False,
) -> None:
    """列出令牌的用途、权限和期限。令牌本身不保存，也看不到。"""
    from jinsuan.entrypoints.site.boot import boot

    boot()
    from jinsuan.registry.queries import person_named, tokens

    found = tokens(person=person_named(username).id if username else None)
    rows = [
        {
            "id": str(t.ref),
            "label": t.label,
            "username": t.username,
            "organisation": t.organisation_name,
            "role": str(t.role),
            "scopes": list(t.scopes),
            "issued_at": t.issued_at,
            "expires_at": t.expires_at,
            "revoked_at": t.revoked_at,
            "last_used_at": t.last_used_at,
        }
        for t in found
    ]
    if json:
        as_json(rows)
        return
    table(
        "令牌",
        ["编号", "用途", "谁", "机构", "身份", "权限", "失效", "作废", "最近使用"],
        [
            (
                row["id"],
                row["label"],
                row["username"],
                row["organisation"],
                row["role"],
                "、".join(t.scopes),
                row["expires_at"],
                row["revoked_at"],
                row["last_used_at"],
            )
            for row, t in zip(rows, found, strict=True)
        ],
    )


@app.command()
def revoke(
    token: Annotated[str, typer.Argument(help="令牌编号 token_…（不是令牌本身）")],
    reason: Annotated[str, typer.Option(help="事由，记入留痕")] = "命令行作废",
) -> None:
    """作废一个令牌，立即生效。重复作废无害。"""
    from jinsuan.entrypoints.site.boot import boot

    boot()
    from jinsuan.registry.actions.agents import revoke_token

    try:
        ref = Ref.read(token.strip())
    except ValueError:
        raise NotFound("令牌", token[:12]) from None
    if ref.kind != "token":
        raise NotFound("令牌", token[:12])
    revoke_token(ref.id, reason=reason[:200], actor=LOCAL, now=clock.now())
    typer.echo(f"✓ {ref} 已作废。")
