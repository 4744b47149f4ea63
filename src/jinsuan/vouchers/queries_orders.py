"""退款与结算 for pages: the orders a viewer may see, one order by its number, what may be asked for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from jinsuan.casework.queries_payees import PayeeAccountView, confirmed_payee, unconfirmed_payees
from jinsuan.kernel.errors import NotFound
from jinsuan.kernel.money import Money
from jinsuan.kernel.ref import Actor, Ref, Role
from jinsuan.ledger import accounts
from jinsuan.ledger.queries import balance, balances
from jinsuan.registry.models import Centre
from jinsuan.vouchers.models import BankAccount, CashOrder
from jinsuan.vouchers.queries_bank import SEES_BANK, may_see_order


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRow:
    """One order in a list."""

    ref: Ref
    number: str
    kind: str
    payee: str
    amount: Money
    state: str
    state_code: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderFile:
    """One order as a page: its people, its payee's account, what the bank said."""

    row: OrderRow
    organisation: Ref
    reason: str
    account: str
    payee_account: PayeeAccountView | None
    account_waits: bool
    asked_by: Ref | None
    made_by: Ref | None
    made_at: datetime | None
    confirmed_by: Ref | None
    confirmed_at: datetime | None
    bank_reference: str
    bank_reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OwedProvider:
    """What tenants' cash owes one provider now."""

    organisation: Ref
    name: str
    amount: Money


def orders_page(
    viewer: Actor, *, state: str = "", before: str = "", limit: int
) -> tuple[tuple[OrderRow, ...], str]:
    """Orders, newest first, and the number after which the next page begins ("" for none).

    Raises:
        NotFound: not for this viewer, or no such order to begin after.
    """
    rows = CashOrder.objects.select_related("organisation").order_by("-id")
    if viewer.role not in SEES_BANK:
        if viewer.organisation is None or not may_see_order(viewer, viewer.organisation):
            raise NotFound("页面", "退款与结算")
        rows = rows.filter(organisation=viewer.organisation)
    if state:
        rows = rows.filter(state=state)
    if before:
        rows = rows.filter(id__lt=_called(viewer, before).id)
    found = [_row(row) for row in rows[: limit + 1]]
    return tuple(found[:limit]), found[limit - 1].number if len(found) > limit else ""


def order_called(viewer: Actor, number: str) -> OrderFile:
    """The door to one order by its number.

    Raises:
        NotFound: there is none, or this viewer may not see it.
    """
    row = _called(viewer, number)
    desk = viewer.role in SEES_BANK
    return OrderFile(
        row=_row(row),
        organisation=Ref("organisation", row.organisation_id),
        reason=row.reason,
        account=row.account.code if desk and row.account is not None else "",
        payee_account=confirmed_payee(row.organisation_id),
        account_waits=bool(unconfirmed_payees([row.organisation_id])),
        asked_by=_person(row.asked_by),
        made_by=_person(row.made_by),
        made_at=row.made_at,
        confirmed_by=_person(row.confirmed_by),
        confirmed_at=row.confirmed_at,
        bank_reference=row.bank_reference,
        bank_reason=row.bank_reason,
    )


def askable(viewer: Actor) -> Money:
    """What an organisation may ask for: a tenant its free cash, a provider what it is owed.

    Raises:
        NotFound: the viewer acts for neither.
    """
    if viewer.organisation is None:
        raise NotFound("页面", "退款与结算")
    owner = Ref("organisation", viewer.organisation)
    if viewer.role is Role.TENANT:
        return balance(accounts.cash(owner)).available
    if viewer.role is Role.CENTRE_OPERATOR:
        return balance(accounts.payable(owner, accounts.CASH)).available
    raise NotFound("页面", "退款与结算")


def owed_providers(viewer: Actor) -> tuple[OwedProvider, ...]:
    """Providers that are owed something in cash, the most first.

    Raises:
        NotFound: not for this viewer.
    """
    if viewer.role not in SEES_BANK:
        raise NotFound("页面", "退款与结算")
    owners = dict(Centre.objects.values_list("owner_id", "owner__name"))
    codes = {pk: accounts.payable(Ref("organisation", pk), accounts.CASH) for pk in owners}
    found = balances(list(codes.values()))
    rows = [
        OwedProvider(organisation=Ref("organisation", pk), name=owners[pk], amount=amount)
        for pk, code in codes.items()
        if (amount := found[code].available) > Money(0)
    ]
    return tuple(sorted(rows, key=lambda row: (-row.amount.fen, row.name)))


def bank_account_names(viewer: Actor) -> list[tuple[str, str]]:
    """Code and words of every supervised account, by code.

    Raises:
        NotFound: not for this viewer.
    """
    if viewer.role not in SEES_BANK:
        raise NotFound("页面", "监管账户")
    rows = BankAccount.objects.order_by("code")
    return [(row.code, f"{row.name} {row.bank} {row.masked}") for row in rows]


def _called(viewer: Actor, number: str) -> CashOrder:
    row = None
    if number.isprintable():
        rows = CashOrder.objects.select_related("organisation", "account")
        row = rows.filter(number=number).first()
    if row is None or not may_see_order(viewer, row.organisation_id):
        raise NotFound("付款单", number[:40])
    return row


def _row(row: CashOrder) -> OrderRow:
    return OrderRow(
        ref=Ref("cashorder", row.id),
        number=row.number,
        kind=CashOrder.Kind(row.kind).label,
        payee=row.organisation.name,
        amount=Money(row.amount_fen),
        state=CashOrder.State(row.state).label,
        state_code=row.state,
    )


def _person(pk: UUID | None) -> Ref | None:
    return None if pk is None else Ref("person", pk)
