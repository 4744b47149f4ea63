"""`jinsuan bank …`: the treasury's files, taken in and written out on the machine of the book."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from jinsuan.entrypoints.cli.show import AsJson, as_json, table

if TYPE_CHECKING:
    from jinsuan.kernel.ref import Actor
    from jinsuan.registry.sealing import Keyring

app = typer.Typer(
    help="银行：监管账户、流水文件、待查款项、批量付款文件和回单。", no_args_is_help=True
)

As = Annotated[str, typer.Option("--as", help="以谁的身份办理：财政人员的登录名")]
Organisation = Annotated[
    str | None,
    typer.Option("--organisation", help="在几个机构任职时，以哪个机构：统一社会信用代码"),
]
Account = Annotated[str, typer.Option(help="监管账户的代码，如 supervised")]
In = Annotated[Path, typer.Argument(help="CSV，UTF-8 或 GB18030", exists=True, dir_okay=False)]
Batch = Annotated[str, typer.Argument(help="拨付批次号，如 2025-m09-p0001，或 paymentbatch_…")]


def _begin(username: str, organisation: str | None) -> tuple[Actor, Keyring, datetime]:
    """Who acts, the data keys, and the time."""
    from jinsuan.entrypoints.site.boot import boot

    boot()
    from jinsuan.entrypoints import clock
    from jinsuan.entrypoints.data_keys import keyring
    from jinsuan.registry.queries_people import treasurer_called

    now = clock.now()
    actor = treasurer_called(username, organisation=organisation, via="cli", now=now)
    return actor, keyring(), now


@app.command("open")
def open_command(
    code: Annotated[str, typer.Argument(help="账户代码：小写字母、数字和短横")],
    name: Annotated[str, typer.Option(help="账户名称")],
    bank: Annotated[str, typer.Option(help="开户行")],
    username: As,
    purpose: Annotated[str, typer.Option(help="用途")] = "用算主体充值",
    organisation: Organisation = None,
) -> None:
    """登记一个监管账户；账号从标准输入读，不写在命令行里。第一个账户的代码用 supervised。"""
    actor, keys, now = _begin(username, organisation)
    from jinsuan.vouchers.actions.bank_accounts import open_bank_account

    number = typer.prompt("账号", hide_input=True, err=True)
    ref = open_bank_account(
        code,
        name=name,
        bank=bank,
        number=number,
        purpose=purpose,
        keys=keys,
        actor=actor,
        now=now,
    )
    typer.echo(f"已登记监管账户 {code}（{ref}）。")


@app.command("code")
def code_command(
    uscc: Annotated[str, typer.Argument(help="统一社会信用代码")],
    username: As,
    organisation: Organisation = None,
) -> None:
    """打印一个机构的充值码：写在转账附言里，流水就能认出是谁的钱。第一次查时生成，以后不变。"""
    actor, _, now = _begin(username, organisation)
    from jinsuan.registry.queries_people import organisation_called
    from jinsuan.vouchers.actions.bank_accounts import give_top_up_code

    typer.echo(give_top_up_code(organisation_called(uscc).id, actor=actor, now=now))


@app.command()
def take(
    path: In,
    account: Account,
    username: As,
    organisation: Organisation = None,
    json: AsJson = False,
) -> None:
    """登记一份银行流水：整份采用或整份不采用；同一份再登记无害。退出码：0 全部有着落，1 有待查或未查明的，2 没有采用。"""
    actor, keys, now = _begin(username, organisation)
    from jinsuan.vouchers.actions.bank import take_bank_file

    data = path.read_bytes()
    taken = take_bank_file(data, account=account, name=path.name, keys=keys, actor=actor, now=now)
    words = {
        "file": str(taken.file),
        "rows": taken.rows,
        "known": taken.known,
        "topped_up": taken.topped_up,
        "suspense": taken.suspense,
        "paid": taken.paid,
        "unexplained": taken.unexplained,
    }
    if json:
        as_json(words)
    else:
        typer.echo(
            f"流水 {taken.rows} 笔，其中以前登记过 {taken.known} 笔。"
            f"充值 {taken.topped_up}，对上付款单 {taken.paid}，"
            f"待查款项 {taken.suspense}，付出未查明 {taken.unexplained}。"
        )
    raise typer.Exit(1 if taken.suspense or taken.unexplained else 0)


@app.command()
def suspense(username: As, organisation: Organisation = None, json: AsJson = False) -> None:
    """列出待查款项、付出未查明的流水和各账户的核对。退出码：0 都没有，1 有。"""
    actor, _, _ = _begin(username, organisation)
    from jinsuan.vouchers.queries_bank import bank_positions, suspense as waiting, unexplained

    found = [*waiting(actor), *unexplained(actor)]
    positions = bank_positions()
    if json:
        as_json(
            {
                "entries": [
                    {
                        "account": e.account,
                        "reference": e.reference,
                        "outcome": e.outcome,
                        "amount": e.amount.plain,
                        "booked_on": e.booked_on,
                        "other_name": e.other_name,
                        "remark": e.remark,
                        "finding": e.finding,
                    }
                    for e in found
                ],
                "accounts": [
                    {"account": p.account, "book": p.book.plain, "difference": p.difference.plain}
                    for p in positions
                ],
            }
        )
    else:
        heads = ["账户", "流水号", "日期", "金额", "对方", "附言", "现在", "为什么"]
        rows = [
            (e.account, e.reference, e.booked_on, e.amount, f"{e.other_name} {e.other_masked}",
             e.remark, e.outcome, e.finding)
            for e in found
        ]  # fmt: skip
        table("要查明的流水", heads, rows)
        heads = ["账户", "流水收入", "流水付出", "付出未查明", "账面", "账面多于流水"]
        table(
            "各账户",
            heads,
            [
                (p.account, p.received, p.paid, p.unexplained, p.book, p.difference)
                for p in positions
            ],
        )
    raise typer.Exit(1 if found else 0)


@app.command()
def assign(
    reference: Annotated[str, typer.Argument(help="流水号")],
    to: Annotated[
        str,
        typer.Option(
            help="organisation_…（其现金）、cashorder_…（退汇或付款单），或 clawback_…（追缴收回）"
        ),
    ],
    reason: Annotated[str, typer.Option(help="凭什么认领")],
    account: Account,
    username: As,
    organisation: Organisation = None,
) -> None:
    """认领一笔待查款项，或给付出未查明的流水对上付款单；不能由登记文件的人办。"""
    actor, _, now = _begin(username, organisation)
    from jinsuan.entrypoints.cli.book import read_ref
    from jinsuan.vouchers.actions.matches import assign_suspense, match_debit
    from jinsuan.vouchers.queries_bank import entry_with_reference

    entry, target = entry_with_reference(actor, account, reference), read_ref(to)
    if entry.incoming:
        assign_suspense(entry.ref.id, to=target, reason=reason, actor=actor, now=now)
    else:
        match_debit(entry.ref.id, order=target.id, reason=reason, actor=actor, now=now)
    typer.echo(f"流水 {reference}（{entry.amount}）已认领。")


@app.command("batch-file")
def batch_file_command(
    batch: Batch,
    out: Annotated[Path, typer.Option(help="写到哪里；里面有完整账号")],
    username: As,
    organisation: Organisation = None,
) -> None:
    """把已复核的拨付批次写成银行的批量付款文件，并记为已送银行；再写一次是同样的字节。"""
    actor, keys, now = _begin(username, organisation)
    from jinsuan.casework.actions.sheets import batch_file
    from jinsuan.casework.queries import batch_called

    sheet = batch_file(batch_called(actor, batch).id, keys=keys, actor=actor, now=now)
    # Only its owner may read it: it holds full account numbers.
    with os.fdopen(os.open(out, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        os.fchmod(file.fileno(), 0o600)
        file.write(sheet.data)
    typer.echo(f"已写到 {out}，SHA-256 {sheet.sha256}。")


@app.command()
def answers(
    batch: Batch, path: In, username: As, organisation: Organisation = None, json: AsJson = False
) -> None:
    """登记一个拨付批次的银行回单：整份采用或整份不采用；同一份再登记无害。退出码：0 全部已付，1 有退回或处理中的，2 没有采用。"""
    actor, _, now = _begin(username, organisation)
    from jinsuan.casework.actions.sheets import take_answers
    from jinsuan.casework.queries import batch_called

    data = path.read_bytes()
    found = take_answers(batch_called(actor, batch).id, data, actor=actor, now=now)
    if json:
        as_json(
            {
                "fresh": found.fresh,
                "accepted": found.accepted,
                "rejected": found.rejected,
                "waiting": found.waiting,
            }
        )
    else:
        typer.echo(
            f"新登记 {found.fresh} 笔。已付 {found.accepted}，"
            f"退回 {found.rejected}，处理中 {found.waiting}。"
        )
    raise typer.Exit(1 if found.rejected or found.waiting else 0)
