"""`jinsuan payee …`, `refund …`, `payout …`, `clawback …`: the money desk on the book's machine."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from jinsuan.entrypoints.cli.show import AsJson, as_json, table

if TYPE_CHECKING:
    from jinsuan.kernel.ref import Actor
    from jinsuan.vouchers.queries_orders import OrderFile

payees = typer.Typer(help="收款账户：登记、回拨核实。", no_args_is_help=True)
refunds = typer.Typer(help="退款：用算主体没用的现金退回去。", no_args_is_help=True)
payouts = typer.Typer(help="结算：用算主体付的现金付给算力企业。", no_args_is_help=True)
clawbacks = typer.Typer(help="追缴：要退回的款项。", no_args_is_help=True)

As = Annotated[str, typer.Option("--as", help="以谁的身份办理：登录名")]
Organisation = Annotated[
    str | None,
    typer.Option("--organisation", help="在几个机构任职时，以哪个机构：统一社会信用代码"),
]
Uscc = Annotated[str, typer.Argument(help="统一社会信用代码")]
Number = Annotated[str, typer.Argument(help="付款单编号，如 TK2025-000001、FK2025-000001")]
Account = Annotated[str, typer.Option(help="从哪个监管账户付：代码，如 supervised")]
Reason = Annotated[str, typer.Option(help="理由")]
LISTED = 200


def _begin(username: str, organisation: str | None) -> tuple[Actor, datetime]:
    """Who of the treasury acts, and the time."""
    from jinsuan.entrypoints.site.boot import boot

    boot()
    from jinsuan.entrypoints import clock
    from jinsuan.registry.queries_people import treasurer_called

    now = clock.now()
    return treasurer_called(username, organisation=organisation, via="cli", now=now), now


@payees.command("list")
def list_payees(username: As, organisation: Organisation = None, json: AsJson = False) -> None:
    """列出等待回拨核实的收款账户；账号只显示末四位。退出码：0 没有，1 有。"""
    actor, _ = _begin(username, organisation)
    from jinsuan.casework.queries_payees import payees_waiting

    found = payees_waiting(actor)
    if json:
        names = ("ref", "holder", "bank", "masked", "state", "entered_at")
        as_json([{name: str(getattr(one, name)) for name in names} for one in found])
    else:
        table(
            "待回拨核实的收款账户",
            ["编号", "户名", "开户行", "账号", "登记"],
            [(one.ref, one.holder, one.bank, one.masked, one.entered_at) for one in found],
        )
    raise typer.Exit(1 if found else 0)


@payees.command("enter")
def enter_payee(
    uscc: Uscc,
    holder: Annotated[str, typer.Option(help="户名，须与登记的机构名称相同")],
    bank: Annotated[str, typer.Option(help="开户行")],
    username: As,
    organisation: Organisation = None,
) -> None:
    """由财政代一个机构登记收款账户；账号从标准输入读。须由另一人核实。"""
    actor, now = _begin(username, organisation)
    from jinsuan.casework.actions.payees import enter_payee_account
    from jinsuan.entrypoints.data_keys import keyring
    from jinsuan.registry.queries_people import organisation_called

    number = typer.prompt("账号", hide_input=True, err=True)
    ref = enter_payee_account(
        organisation_called(uscc).id,
        holder=holder,
        bank=bank,
        number=number,
        keys=keyring(),
        actor=actor,
        now=now,
    )
    typer.echo(f"已登记 {ref}，等待另一人回拨核实。")


@payees.command("confirm")
def confirm_payee(
    account: Annotated[str, typer.Argument(help="payeeaccount_…")],
    call: Annotated[str, typer.Option(help="何时、按原先留存的电话、向谁核实")],
    username: As,
    organisation: Organisation = None,
    wrong: Annotated[bool, typer.Option("--wrong", help="核实不符，原来的账户不变")] = False,
) -> None:
    """回拨核实一个收款账户；不能由登记的人办。"""
    actor, now = _begin(username, organisation)
    from jinsuan.casework.actions.payees import confirm_payee_account
    from jinsuan.entrypoints.cli.book import read_ref
    from jinsuan.kernel.errors import NotFound

    ref = read_ref(account)
    if ref.kind != "payeeaccount":
        raise NotFound("收款账户", account[:60])
    confirm_payee_account(ref.id, call_back=call, right=not wrong, actor=actor, now=now)
    typer.echo("已记为核实不符。" if wrong else "已核实，从现在起付到这个账户。")


def _list(kind: str, username: str, organisation: str | None, json: bool) -> None:
    actor, _ = _begin(username, organisation)
    from jinsuan.vouchers.queries_orders import orders_page

    found = [row for row in orders_page(actor, limit=LISTED)[0] if row.kind == kind]
    if json:
        names = ("number", "payee", "state", "state_code")
        as_json(
            [{n: getattr(one, n) for n in names} | {"amount": one.amount.plain} for one in found]
        )
    else:
        rows = [(one.number, one.payee, one.amount, one.state) for one in found]
        table(f"{kind}单", ["编号", "收款单位", "金额", "状态"], rows)


@refunds.command("list")
def list_refunds(username: As, organisation: Organisation = None, json: AsJson = False) -> None:
    """列出最近的退款单，新的在前。"""
    _list("退款", username, organisation, json)


@payouts.command("list")
def list_payouts(username: As, organisation: Organisation = None, json: AsJson = False) -> None:
    """列出最近的结算单，新的在前。"""
    _list("结算", username, organisation, json)


@payouts.command("open")
def open_payout(
    uscc: Uscc,
    amount: Annotated[str, typer.Argument(help="金额（元），如 18000.00")],
    account: Account,
    reason: Reason,
    key: Annotated[str, typer.Option(help="防重编号：同一编号只开一张，重试时原样带上")],
    username: As,
    organisation: Organisation = None,
) -> None:
    """开具一张结算单；这笔钱随即划出，须由另一人复核。"""
    actor, now = _begin(username, organisation)
    from jinsuan.kernel.errors import BadInput
    from jinsuan.kernel.money import Money
    from jinsuan.registry.queries_people import organisation_called
    from jinsuan.vouchers.actions.cash_orders import order_payout
    from jinsuan.vouchers.queries_bank import access_cash_order

    try:
        money = Money.yuan(amount)
    except ValueError:
        raise BadInput("金额", f"“{amount[:20]}”不是金额", "请写元，如 18000.00。") from None
    ref = order_payout(
        organisation_called(uscc).id,
        money,
        account=account,
        order_key=key,
        reason=reason,
        actor=actor,
        now=now,
    )
    typer.echo(f"已开具 {access_cash_order(actor, ref.id).number}，请另一位财政人员复核。")


def _order(actor: Actor, number: str) -> OrderFile:
    from jinsuan.vouchers.queries_orders import order_called

    return order_called(actor, number)


@refunds.command("make")
@payouts.command("make")
def make_order(
    number: Number, account: Account, username: As, organisation: Organisation = None
) -> None:
    """对一张申请开具付款单；这笔钱随即划出，须由另一人复核。"""
    actor, now = _begin(username, organisation)
    from jinsuan.vouchers.actions.cash_orders import order_asked

    order_asked(_order(actor, number).row.ref.id, account=account, actor=actor, now=now)
    typer.echo(f"已开具 {number}，请另一位财政人员复核。")


@refunds.command("confirm")
@payouts.command("confirm")
def confirm(number: Number, username: As, organisation: Organisation = None) -> None:
    """复核一张付款单；不能由开具的人办。"""
    actor, now = _begin(username, organisation)
    from jinsuan.vouchers.actions.cash_orders import confirm_order

    confirm_order(_order(actor, number).row.ref.id, actor=actor, now=now)
    typer.echo(f"已复核 {number}，可以送银行。")


@refunds.command("cancel")
@payouts.command("cancel")
def cancel(number: Number, reason: Reason, username: As, organisation: Organisation = None) -> None:
    """取消一张还没有复核的付款单；划出的钱回到原处。"""
    actor, now = _begin(username, organisation)
    from jinsuan.vouchers.actions.cash_orders import cancel_order

    cancel_order(_order(actor, number).row.ref.id, reason=reason, actor=actor, now=now)
    typer.echo(f"已取消 {number}。")


@refunds.command("reject")
@payouts.command("reject")
def reject(number: Number, reason: Reason, username: As, organisation: Organisation = None) -> None:
    """登记银行退回；钱回到原处，可以另开一张。"""
    actor, now = _begin(username, organisation)
    from jinsuan.vouchers.actions.cash_orders import reject_order

    reject_order(_order(actor, number).row.ref.id, reason=reason, actor=actor, now=now)
    typer.echo(f"已登记 {number} 被银行退回。")


@refunds.command("file")
@payouts.command("file")
def file_command(
    numbers: Annotated[list[str], typer.Argument(help="已复核的付款单编号，可以几张")],
    out: Annotated[Path, typer.Option(help="写到哪里；里面有完整账号")],
    username: As,
    organisation: Organisation = None,
) -> None:
    """把已复核的付款单写成银行文件；同样几张单总是同样的字节。"""
    actor, now = _begin(username, organisation)
    from jinsuan.entrypoints.data_keys import keyring
    from jinsuan.vouchers.actions.order_sheet import order_sheet

    sheet = order_sheet(numbers, keys=keyring(), actor=actor, now=now)
    # Only its owner may read it: it holds full account numbers.
    with os.fdopen(os.open(out, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        os.fchmod(file.fileno(), 0o600)
        file.write(sheet.data)
    typer.echo(f"已写到 {out}，SHA-256 {sheet.sha256}。")


def _official(username: str, organisation: str | None) -> Actor:
    from jinsuan.entrypoints.site.boot import boot

    boot()
    from jinsuan.entrypoints import clock
    from jinsuan.registry.queries_people import official_called

    return official_called(username, organisation=organisation, via="cli", now=clock.now())


@clawbacks.command("list")
def list_clawbacks(username: As, organisation: Organisation = None, json: AsJson = False) -> None:
    """列出最近的追缴，新的在前。"""
    actor = _official(username, organisation)
    from jinsuan.vouchers.queries_clawbacks import clawbacks_page

    found = clawbacks_page(actor, limit=LISTED)[0]
    if json:
        as_json([_clawback(one) for one in found])
        return
    rows = [(one.ref, one.payee_name, one.state, one.amount, one.owed) for one in found]
    table("追缴", ["编号", "收款单位", "状态", "金额", "本项目未退"], rows)


@clawbacks.command("show")
def show_clawback(
    clawback: Annotated[str, typer.Argument(help="clawback_…")],
    username: As,
    organisation: Organisation = None,
    json: AsJson = False,
) -> None:
    """一件追缴：事由、金额、未退多少。"""
    actor = _official(username, organisation)
    from jinsuan.entrypoints.cli.book import read_ref
    from jinsuan.kernel.errors import NotFound
    from jinsuan.vouchers.queries_clawbacks import access_clawback

    ref = read_ref(clawback)
    if ref.kind != "clawback":
        raise NotFound("追缴", clawback[:60])
    one = _clawback(access_clawback(actor, ref.id))
    if json:
        as_json(one)
        return
    words = ("编号", "收款单位", "算力券", "申领", "项目", "状态", "金额", "本项目未退", "事由")
    table("追缴", ["项", "内容"], list(zip(words, one.values(), strict=True)))


def _clawback(one: Any) -> dict[str, str]:
    return {
        "id": str(one.ref),
        "payee": one.payee_name,
        "voucher": str(one.voucher),
        "voucher_case": one.voucher_case,
        "programme": one.programme,
        "state": one.state,
        "amount": one.amount.plain,
        "owed": one.owed.plain,
        "reason": one.reason,
    }
