"""`jinsuan book`: look into the book from the machine it is on."""

from __future__ import annotations

from typing import Annotated

import typer

from jinsuan.entrypoints.cli.show import AsJson, as_json, table
from jinsuan.kernel.errors import NotFound
from jinsuan.kernel.ref import Actor, Ref

app = typer.Typer(help="账簿：核对、查余额、查流水。", no_args_is_help=True)
LOCAL = Actor.system("cli")


@app.command()
def check(json: AsJson = False) -> None:
    """从每一笔转账重算所有账户并核对。退出码：0 没有差异，1 有差异。"""
    from jinsuan.entrypoints.site.boot import boot

    boot()
    from jinsuan.ledger.queries import check_book

    found = check_book()
    if json:
        as_json(
            {
                "accounts": found.accounts,
                "transfers": found.transfers,
                "total_debits": found.total_debits.plain,
                "total_credits": found.total_credits.plain,
                "differences": list(found.differences),
            }
        )
    else:
        typer.echo(
            f"账户 {found.accounts} 个，转账 {found.transfers} 笔，"
            f"借方合计 {found.total_debits}，贷方合计 {found.total_credits}，"
            f"差异 {len(found.differences)} 处。"
        )
        for difference in found.differences:
            typer.echo(f"✗ {difference}")
    raise typer.Exit(1 if found.differences else 0)


@app.command()
def balance(
    code: Annotated[str, typer.Argument(help="账户编码，如 pool:2025:m09")], json: AsJson = False
) -> None:
    """一个账户的余额和最近流水。"""
    from jinsuan.entrypoints.site.boot import boot

    boot()
    from jinsuan.ledger.queries import balance as read_balance, statement

    found = read_balance(code)
    lines = statement(code, limit=20)
    if json:
        as_json({"code": code, "available": found.available.plain})
        return
    typer.echo(f"{code} 可用 {found.available}")
    table(
        "最近流水",
        ["时间", "事由", "对方", "金额", "余额"],
        [(li.recorded_at, li.reason, li.other, li.amount, li.balance) for li in lines],
    )


def read_ref(text: str) -> Ref:
    """An identifier as a person typed it.

    Raises:
        NotFound: it is none.
    """
    try:
        return Ref.read(text.strip())
    except ValueError:
        raise NotFound("编号", text[:60]) from None
