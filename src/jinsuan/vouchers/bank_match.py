"""Whose a movement on the supervised account is: what can be known of a file's lines, and by what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from jinsuan.casework.queries_payees import owners_of_accounts
from jinsuan.kernel.money import Money
from jinsuan.kernel.ref import Ref
from jinsuan.registry.models import Organisation
from jinsuan.registry.sealing import Keyring
from jinsuan.vouchers.bank_files import Direction, StatementLine, names_in
from jinsuan.vouchers.models import BankEntry, CashOrder, TopUpCode


@dataclass(frozen=True, slots=True, kw_only=True)
class Meaning:
    """What one line is. `finding` says why it is not more."""

    outcome: BankEntry.Outcome
    matched: Ref | None = None
    order: CashOrder | None = None
    finding: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is known of all that a file's lines name. `payers` goes by line of the file."""

    account: UUID
    codes: Mapping[str, UUID]
    usccs: Mapping[str, UUID]
    payers: Mapping[int, UUID]
    orders: Mapping[str, CashOrder]


def known_for(lines: Sequence[StatementLine], *, account: UUID, keys: Keyring, index: str) -> Known:
    """Look up everything that the lines name, in a handful of queries; orders are locked."""
    named = [names_in(line.remark) for line in lines]
    codes = {code for one in named for code in one.codes}
    usccs = {code for one in named for code in one.usccs}
    orders = {number for one in named for number in one.orders}
    hashes = {
        line.line: keys.indices(line.other_account, index)
        for line in lines
        if line.direction is Direction.IN and line.other_account
    }
    owners = owners_of_accounts(one for some in hashes.values() for one in some)
    names = {line.line: line.other_name for line in lines}
    payers = {}
    for line, some in hashes.items():
        found = {owners[one] for one in some if one in owners}
        # The account alone could be misread; its holder's name has to be there too.
        if len(found) == 1 and (owner := found.pop())[1] == names[line]:
            payers[line] = owner[0]
    return Known(
        account=account,
        codes=dict(TopUpCode.objects.filter(code__in=codes).values_list("code", "organisation_id")),
        usccs=dict(Organisation.objects.filter(uscc__in=usccs).values_list("uscc", "id")),
        payers=payers,
        orders={
            order.number: order
            for order in CashOrder.objects.select_for_update(no_key=True)
            .filter(number__in=orders)
            .order_by("id")
        },
    )


def meaning(line: StatementLine, known: Known, paid: Mapping[UUID, str]) -> Meaning:
    """What a line is. `paid`: the orders that an earlier line of the same file settles."""
    if line.direction is Direction.IN:
        return _came_in(line, known)
    return _went_out(line, known, paid)


def _came_in(line: StatementLine, known: Known) -> Meaning:
    """Everything that speaks must speak of one and the same organisation."""
    named = names_in(line.remark)
    found = {known.codes[code] for code in named.codes if code in known.codes}
    found |= {known.usccs[code] for code in named.usccs if code in known.usccs}
    if line.line in known.payers:
        found.add(known.payers[line.line])
    suspense = BankEntry.Outcome.SUSPENSE
    if named.orders:
        numbers = "、".join(sorted(named.orders))
        return Meaning(outcome=suspense, finding=f"附言写着付款单 {numbers}，可能是退汇")
    if len(found) == 1:
        owner = Ref("organisation", found.pop())
        return Meaning(outcome=BankEntry.Outcome.TOP_UP, matched=owner)
    if found:
        return Meaning(outcome=suspense, finding=f"附言和付款账户指向 {len(found)} 个不同的机构")
    return Meaning(
        outcome=suspense, finding="附言里没有充值码或已登记的信用代码，付款账户也没有登记"
    )


def _went_out(line: StatementLine, known: Known, paid: Mapping[UUID, str]) -> Meaning:
    numbers = sorted(names_in(line.remark).orders)
    found = [known.orders[number] for number in numbers if number in known.orders]
    if not numbers:
        return _unexplained("附言里没有付款单编号")
    if len(numbers) > 1:
        return _unexplained(f"附言写了 {len(numbers)} 个付款单编号")
    if not found:
        return _unexplained(f"没有付款单 {numbers[0]}")
    order = found[0]
    why = why_not(order, line.amount, known.account, paid)
    if why:
        return _unexplained(why)
    matched = Ref("cashorder", order.id)
    return Meaning(outcome=BankEntry.Outcome.PAID, matched=matched, order=order)


def why_not(order: CashOrder, amount: Money, account: UUID, paid: Mapping[UUID, str]) -> str:
    """Why this payment is not the one that the order asked for; empty when it is."""
    state = CashOrder.State(order.state)
    if order.id in paid or state in (CashOrder.State.PAID, CashOrder.State.RETURNED):
        before = paid.get(order.id) or order.bank_reference
        return f"付款单 {order.number} 已由流水 {before} 付过，可能重复付款"
    if state is not CashOrder.State.CONFIRMED:
        return f"付款单 {order.number} 现在是“{state.label}”，不该付款"
    if order.account_id != account:
        return f"付款单 {order.number} 应从另一个账户付出"
    if order.amount_fen != amount.fen:
        return f"付款单 {order.number} 是 {Money(order.amount_fen)}，银行付了 {amount}"
    return ""


def _unexplained(why: str) -> Meaning:
    return Meaning(outcome=BankEntry.Outcome.UNEXPLAINED, finding=why)
