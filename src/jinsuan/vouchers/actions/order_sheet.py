"""Confirmed cash orders go to the bank as one file, with full account numbers."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256
from uuid import UUID

from django.db import transaction

from jinsuan.casework.actions.payees import place_of_payee
from jinsuan.casework.bank_sheets import ORDER_COLUMNS, TOTAL, OrderSheet, control_sum
from jinsuan.casework.models import PayeeAccount
from jinsuan.casework.queries_payees import unconfirmed_payees
from jinsuan.casework.sheets import write_sheet
from jinsuan.kernel.errors import BadInput
from jinsuan.kernel.money import Money
from jinsuan.kernel.period import beijing_date
from jinsuan.kernel.ref import Actor, Ref
from jinsuan.ledger.actions import Note, record
from jinsuan.registry.sealing import Keyring
from jinsuan.vouchers.actions.bank_accounts import treasurer
from jinsuan.vouchers.errors import CashOrderRefused
from jinsuan.vouchers.models import CashOrder

MOST = 500


@transaction.atomic
def order_sheet(
    numbers: Sequence[str], *, keys: Keyring, actor: Actor, now: datetime
) -> OrderSheet:
    """Write the bank's file of these orders (付款单文件). The remark carries each order's number,
    by which the bank's own file is matched later.

    Raises:
        NotAllowed: not the treasury.
        BadInput: none chosen, or too many.
        CashOrderRefused: one that is unknown or does not wait for the bank, or whose payee has no
            account that was called back.
    """
    treasurer(actor, "制作付款单文件")
    wanted = sorted(set(numbers))
    if not 0 < len(wanted) <= MOST:
        raise BadInput("付款单", f"选了 {len(wanted)} 张", f"请选 1 至 {MOST} 张。")
    rows = {
        row.number: row
        for row in CashOrder.objects.select_for_update(no_key=True, of=("self",))
        .filter(number__in=wanted)
        .order_by("number")
    }
    payees = {
        row.organisation_id: row
        for row in PayeeAccount.objects.filter(
            organisation__in=[row.organisation_id for row in rows.values()],
            state=PayeeAccount.State.CONFIRMED,
        )
    }
    lines = [_line(number, rows.get(number), payees, keys) for number in wanted]
    total = Money.total(Money(row.amount_fen) for row in rows.values())
    last = [TOTAL, str(len(lines)), "", "", "", total.plain, control_sum(lines)]
    data = write_sheet([list(ORDER_COLUMNS), *lines, last])
    digest = sha256(data).hexdigest()
    notes = [
        Note(
            action="cash_order.file",
            subject=Ref("cashorder", row.id),
            after={"number": row.number, "sha256": digest},
        )
        for row in rows.values()
    ]
    record(notes, actor=actor, now=now)
    name = f"付款单{beijing_date(now)}-{digest[:8]}.csv"
    return OrderSheet(name=name, data=data, sha256=digest)


def _line(
    number: str, row: CashOrder | None, payees: dict[UUID, PayeeAccount], keys: Keyring
) -> list[str]:
    if row is None or row.state != CashOrder.State.CONFIRMED:
        state = "没有这张单" if row is None else f"现在是“{CashOrder.State(row.state).label}”"
        raise CashOrderRefused(number[:20], state, "只能选已复核、待银行付款的。")
    payee = payees.get(row.organisation_id)
    if payee is None or unconfirmed_payees([row.organisation_id]):
        raise CashOrderRefused(
            number,
            "收款单位没有已核实的收款账户，或有变更等待核实",
            "请先登记收款账户，由另一人回拨核实。",
        )
    return [
        row.number,
        str(Ref("cashorder", row.id)),
        payee.holder,
        keys.open(bytes(payee.number_sealed), place_of_payee(payee.id)),
        payee.bank,
        Money(row.amount_fen).plain,
        f"{CashOrder.Kind(row.kind).label} {row.number}",
    ]
