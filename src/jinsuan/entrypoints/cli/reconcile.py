"""`jinsuan book reconcile | clear`: compare the books, and close a difference that is gone."""

from __future__ import annotations

from typing import Annotated

import typer

from jinsuan.entrypoints.cli.book import LOCAL, read_ref
from jinsuan.entrypoints.cli.show import AsJson, as_json
from jinsuan.kernel.errors import NotFound
from jinsuan.kernel.ref import Role


def reconcile(json: AsJson = False) -> None:
    """对账核对：账本自身、计量、券面和资金池；登记差异，停付有差异的账户。退出码：0 没有未销的差异，1 有。"""
    from jinsuan.entrypoints.site.boot import boot

    boot()
    from jinsuan.entrypoints import clock
    from jinsuan.vouchers.actions import book_differences
    from jinsuan.vouchers.differences import open_differences
    from jinsuan.vouchers.reconcile import differences

    new = book_differences(differences(), actor=LOCAL, now=clock.now())
    rows = open_differences(LOCAL)
    if json:
        as_json(
            {
                "new": new,
                "open": [
                    {
                        "ref": str(row.ref),
                        "kind": row.kind,
                        "account": row.account,
                        "place": row.place,
                        "words": row.words,
                        "expected": row.expected.plain,
                        "found": row.found.plain,
                        "found_at": row.found_at.isoformat(),
                    }
                    for row in rows
                ],
            }
        )
    else:
        typer.echo(f"新登记差异 {new} 处，未销 {len(rows)} 处。")
        for row in rows:
            typer.echo(f"✗ {row.ref} {row.kind}：{row.account} 在 {row.place}，{row.words}")
            typer.echo(f"    应为 {row.expected}，实为 {row.found}；这个账户停付")
    raise typer.Exit(1 if rows else 0)


def clear(
    difference: Annotated[str, typer.Argument(help="差异编号 difference_…")],
    reason: Annotated[str, typer.Option(help="怎样查清、怎样更正的")],
    username: Annotated[str, typer.Option("--as", help="以谁的身份办理：登录名")],
    organisation: Annotated[str, typer.Option(help="本人任职机构的统一社会信用代码")],
    role: Annotated[Role, typer.Option(help="以什么身份")] = Role.PROVINCIAL_OFFICER,
) -> None:
    """销差：差异确实没有了才能销，写明是谁、为什么。"""
    from jinsuan.entrypoints.site.boot import boot

    boot()
    from jinsuan.entrypoints import clock
    from jinsuan.registry.queries import actor_for, organisation_with, person_named
    from jinsuan.vouchers.actions import clear_difference

    now, ref = clock.now(), read_ref(difference)
    if ref.kind != "difference":
        raise NotFound("未销的差异", difference[:60])
    person, place = person_named(username), organisation_with(organisation)
    actor = actor_for(person.id, place.id, role, via="cli", now=now)
    clear_difference(ref.id, reason=reason, actor=actor, now=now)
    typer.echo(f"✓ 已销差 {ref}")
