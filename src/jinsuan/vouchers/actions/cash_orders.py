"""Cash goes back: a refund 退款 to a tenant, a payout 结算 to a provider, by two people and a bank.

The money leaves its account when the order is made, so it cannot be spent twice; it leaves the
book only when the bank's own file shows it, and comes back when the bank does not pay.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.db import transaction

from jinsuan.casework.actions.cases import next_number
from jinsuan.casework.actions.payees import OWNERS
from jinsuan.casework.queries_payees import unconfirmed_payees
from jinsuan.kernel.errors import NotAllowed, NotFound
from jinsuan.kernel.money import Money
from jinsuan.kernel.period import beijing_date
from jinsuan.kernel.ref import Actor, Ref, Role
from jinsuan.ledger import accounts
from jinsuan.ledger.actions import Note, Posting, post, record
from jinsuan.ledger.queries import balance
from jinsuan.ledger.reasons import Reason
from jinsuan.registry.models import Organisation
from jinsuan.vouchers.actions.bank_accounts import treasurer
from jinsuan.vouchers.actions.matches import source_of
from jinsuan.vouchers.differences import check_not_stopped
from jinsuan.vouchers.errors import CashOrderRefused
from jinsuan.vouchers.models import BankAccount, CashOrder

_PREFIX = {CashOrder.Kind.REFUND: "TK", CashOrder.Kind.PAYOUT: "FK"}
_State = CashOrder.State


@transaction.atomic
def ask_refund(amount: Money, *, order_key: str, reason: str, actor: Actor, now: datetime) -> Ref:
    """A tenant asks for its cash back (申请退款). Nothing is held yet; a double click asks once.

    Raises:
        NotAllowed: the actor acts for no tenant.
        CashOrderRefused: the amount is nought, more than the free cash, or the key is in use for
            something else.
    """
    if actor.role is not Role.TENANT or actor.person is None or actor.organisation is None:
        raise NotAllowed("申请退款", "用算主体自己的经办人")
    fields = {"state": _State.ASKED, "asked_by": actor.person}
    return _open(
        CashOrder.Kind.REFUND, actor.organisation, amount, order_key, reason, fields, actor, now
    )


@transaction.atomic
def ask_payout(amount: Money, *, order_key: str, reason: str, actor: Actor, now: datetime) -> Ref:
    """A provider asks for what tenants' cash owes it (申请结算). Nothing moves yet; a double click
    asks once.

    Raises:
        NotAllowed: the actor acts for no provider.
        CashOrderRefused: the amount is nought, more than is payable, or the key is in use for
            something else.
    """
    own = actor.role is Role.CENTRE_OPERATOR
    if not own or actor.person is None or actor.organisation is None:
        raise NotAllowed("申请结算", "算力企业自己的经办人")
    fields = {"state": _State.ASKED, "asked_by": actor.person}
    return _open(
        CashOrder.Kind.PAYOUT, actor.organisation, amount, order_key, reason, fields, actor, now
    )


@transaction.atomic
def order_asked(order: UUID, *, account: str, actor: Actor, now: datetime) -> None:
    """The treasury makes the order that was asked for (开具付款单); the cash is held from now on.

    Raises:
        NotAllowed, NotFound: not the treasury; no such order or account.
        CashOrderRefused: it is not waiting for this.
        InsufficientBalance: the cash was spent or paid since it was asked for.
    """
    person = treasurer(actor, "开具付款单")
    row = _held(order, _State.ASKED)
    row.state, row.made_by, row.made_at = _State.ORDERED, person, now
    row.account = _account(account)
    row.save(update_fields=["state", "made_by", "made_at", "account"])
    _note("cash_order.make", row, actor, now)
    _order(row, actor, now)


@transaction.atomic
def order_payout(
    provider: UUID,
    amount: Money,
    *,
    account: str,
    order_key: str,
    reason: str,
    actor: Actor,
    now: datetime,
) -> Ref:
    """The treasury orders what tenants' cash owes a provider (开具结算单); a double click once.

    Raises:
        NotAllowed, NotFound: not the treasury; no such provider or account.
        CashOrderRefused: the amount is nought, more than is payable, or the key is in use for
            something else.
    """
    person = treasurer(actor, "开具结算单")
    fields = {
        "state": _State.ORDERED,
        "made_by": person,
        "made_at": now,
        "account": _account(account),
    }
    ref = _open(CashOrder.Kind.PAYOUT, provider, amount, order_key, reason, fields, actor, now)
    # Told again, this is the same fact under the same key, and moves nothing.
    _order(CashOrder.objects.get(id=ref.id), actor, now)
    return ref


@transaction.atomic
def confirm_order(order: UUID, *, actor: Actor, now: datetime) -> None:
    """A second person of the treasury confirms (复核); the bank may pay.

    Raises:
        NotAllowed, NotFound: not the treasury; no such order.
        CashOrderRefused: made by the same person, it is not waiting for this, or its payee's
            account was changed and not called back yet.
    """
    person = treasurer(actor, "复核付款单")
    row = _held(order, _State.ORDERED)
    if person in (row.made_by, row.asked_by):
        raise CashOrderRefused(row.number, "这张单由您开具", "复核须由另一位财政人员办理。")
    if unconfirmed_payees([row.organisation_id]):
        raise CashOrderRefused(
            row.number, "收款账户有变更，还没有回拨核实", "请先在收款账户里核实。"
        )
    row.state, row.confirmed_by, row.confirmed_at = _State.CONFIRMED, person, now
    row.save(update_fields=["state", "confirmed_by", "confirmed_at"])
    _note("cash_order.confirm", row, actor, now)


@transaction.atomic
def cancel_order(order: UUID, *, reason: str, actor: Actor, now: datetime) -> None:
    """Give up an order that nobody confirmed (取消); held money goes back. Again is harmless.

    Raises:
        NotAllowed, NotFound: neither the treasury nor, before it is made, who asked for it; no
            such order.
        CashOrderRefused: it was confirmed already; no reason.
    """
    row = _held(order, _State.ASKED, _State.ORDERED, _State.CANCELLED)
    own = actor.role in OWNERS and actor.organisation == row.organisation_id
    if not (actor.role is Role.TREASURY or (own and row.made_by is None)):
        raise NotAllowed("取消付款单", "财政；还没有开具时，也可以由申请单位自己取消")
    if row.state == _State.CANCELLED:
        return
    words = _reason(row.number, reason)
    held = row.state == _State.ORDERED
    row.state = _State.CANCELLED
    row.save(update_fields=["state"])
    _note("cash_order.cancel", row, actor, now, words)
    if held:
        post([_back(row, now)], actor=actor, now=now)


@transaction.atomic
def reject_order(order: UUID, *, reason: str, actor: Actor, now: datetime) -> None:
    """The bank did not pay (银行退回): the money goes back where it came from. Again is harmless.

    Raises:
        NotAllowed, NotFound: not the treasury; no such order.
        CashOrderRefused: it is not waiting for the bank; no reason.
    """
    treasurer(actor, "登记银行退回")
    row = _held(order, _State.CONFIRMED, _State.REJECTED)
    words = _reason(row.number, reason)
    if row.state == _State.REJECTED:
        return
    row.state, row.bank_reason = _State.REJECTED, words
    row.save(update_fields=["state", "bank_reason"])
    _note("cash_order.reject", row, actor, now, words)
    post([_back(row, now)], actor=actor, now=now)


def _open(
    kind: CashOrder.Kind,
    organisation: UUID,
    amount: Money,
    order_key: str,
    reason: str,
    fields: dict[str, object],
    actor: Actor,
    now: datetime,
) -> Ref:
    """Make the order, or find the one that this key made."""
    # Locked, so that two clicks at once make one order.
    orgs = Organisation.objects.select_for_update(no_key=True)
    if not orgs.filter(id=organisation).exists():
        raise NotFound("机构", str(Ref("organisation", organisation)))
    words = _reason("（新）", reason)
    if not 0 < len(order_key) <= 60 or not order_key.isprintable():
        raise CashOrderRefused("（新）", "防重编号应为 1 至 60 个字符", "请刷新页面再提交。")
    found = CashOrder.objects.filter(
        organisation=organisation, kind=kind, order_key=order_key
    ).first()
    if found is not None:
        if (found.amount_fen, found.reason) != (amount.fen, words):
            raise CashOrderRefused(
                found.number, "同一个防重编号已用于另一张单", "请刷新页面，确认后重新提交。"
            )
        return Ref("cashorder", found.id)
    row = CashOrder(
        kind=kind,
        organisation_id=organisation,
        amount_fen=amount.fen,
        order_key=order_key,
        reason=words,
        **fields,
    )
    left = balance(source_of(row)).available
    if not Money(0) < amount <= left:
        what = "可退的现金" if kind == CashOrder.Kind.REFUND else "应付的现金"
        raise CashOrderRefused(
            "（新）", f"金额 {amount}，{what}是 {left}", "请填写不超过它的金额。"
        )
    year = beijing_date(now).year
    row.number = f"{_PREFIX[kind]}{year}-{next_number(f'cash-{kind}', year):06d}"
    row.save(force_insert=True)
    _note("cash_order.ask" if row.asked_by else "cash_order.make", row, actor, now)
    return Ref("cashorder", row.id)


def _order(row: CashOrder, actor: Actor, now: datetime) -> None:
    posting = _hold(row, now)
    check_not_stopped([posting.debit, posting.credit])
    post([posting], actor=actor, now=now)


def _hold(row: CashOrder, now: datetime) -> Posting:
    refund = row.kind == CashOrder.Kind.REFUND
    ref = Ref("cashorder", row.id)
    return Posting(
        key=f"order:{row.id}:hold",
        debit=source_of(row),
        credit=accounts.due(ref),
        amount=Money(row.amount_fen),
        reason=Reason.REFUND if refund else Reason.PAYOUT,
        cause=ref,
        occurred_at=now,
    )


def _back(row: CashOrder, now: datetime) -> Posting:
    ref = Ref("cashorder", row.id)
    return Posting(
        key=f"order:{row.id}:back",
        debit=accounts.due(ref),
        credit=source_of(row),
        amount=Money(row.amount_fen),
        reason=Reason.REVERSAL,
        cause=ref,
        occurred_at=now,
    )


def _held(order: UUID, *states: CashOrder.State) -> CashOrder:
    row = CashOrder.objects.select_for_update(no_key=True).filter(id=order).first()
    if row is None:
        raise NotFound("付款单", str(Ref("cashorder", order)))
    if row.state not in states:
        raise CashOrderRefused(
            row.number,
            f"现在是“{_State(row.state).label}”",
            f"“{'”或“'.join(state.label for state in states)}”时才能办。",
        )
    return row


def _account(code: str) -> BankAccount:
    row = BankAccount.objects.filter(code=code).first()
    if row is None:
        raise NotFound("监管账户", code[:40])
    return row


def _reason(number: str, text: str) -> str:
    words = text.strip()
    if not 0 < len(words) <= 200:
        raise CashOrderRefused(number, "没有写理由，或超过 200 字", "请写明理由。")
    return words


def _note(action: str, row: CashOrder, actor: Actor, now: datetime, reason: str = "") -> None:
    after = {
        "number": row.number,
        "kind": str(row.kind),
        "organisation": str(row.organisation_id),
        "amount_fen": row.amount_fen,
        "state": str(row.state),
    }
    subject = Ref("cashorder", row.id)
    note = Note(action=action, subject=subject, reason=reason or row.reason, after=after)
    record([note], actor=actor, now=now)
