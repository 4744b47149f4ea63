"""The bank's side of cash: what waits for a person, how bank and book agree, orders and their door."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from uuid import UUID

from django.db.models import Q, Sum

from jinsuan.kernel.errors import NotAllowed, NotFound
from jinsuan.kernel.money import Money
from jinsuan.kernel.ref import Actor, Ref, Role
from jinsuan.ledger import accounts
from jinsuan.ledger.queries import balance
from jinsuan.vouchers.models import BankAccount, BankEntry, CashOrder

SEES_BANK = frozenset({Role.TREASURY, Role.AUDITOR})
_Outcome = BankEntry.Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryView:
    """One movement as a page may show it: the other side's account in four digits."""

    ref: Ref
    account: str
    reference: str
    incoming: bool
    amount: Money
    booked_on: date
    other_name: str
    other_masked: str
    remark: str
    outcome: str
    matched: str
    finding: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BankPosition:
    """How one account stands: what the bank's files say, and what the book says.

    Args:
        received, paid: what came in; what went out and settled an order.
        unexplained: what went out for no order that we know, and is not in the book.
        book: what the book says lies at the bank.
        told: the balance that the bank gave with its latest line, if it gives any.
    """

    account: str
    received: Money
    paid: Money
    unexplained: Money
    book: Money
    told: Money | None

    @property
    def difference(self) -> Money:
        """More than nought: booked by hand and in no file yet."""
        return self.book - (self.received - self.paid)


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderView:
    """One cash order."""

    ref: Ref
    number: str
    kind: str
    organisation: Ref
    amount: Money
    state: str
    reason: str
    bank_reference: str
    bank_reason: str


def suspense(viewer: Actor) -> list[EntryView]:
    """What came in for nobody we know (待查款项), the oldest first.

    Raises:
        NotAllowed: the viewer is neither of the treasury nor an auditor.
    """
    return _entries(viewer, _Outcome.SUSPENSE)


def unexplained(viewer: Actor) -> list[EntryView]:
    """What went out for no order that we know (付出未查明), the oldest first; nothing of it is booked.

    Raises:
        NotAllowed: the viewer is neither of the treasury nor an auditor.
    """
    return _entries(viewer, _Outcome.UNEXPLAINED)


def _entries(viewer: Actor, outcome: BankEntry.Outcome) -> list[EntryView]:
    check_sees_bank(viewer)
    rows = BankEntry.objects.filter(outcome=outcome).select_related("account")
    return [entry_view(row) for row in rows.order_by("booked_on", "id")]


def check_sees_bank(viewer: Actor) -> None:
    """Who sees the bank's lines.

    Raises:
        NotAllowed: neither of the treasury nor an auditor.
    """
    if viewer.role not in SEES_BANK:
        raise NotAllowed("查看银行流水", "财政，或审计")


def entry_view(row: BankEntry) -> EntryView:
    """A row as a value; whoever calls was let in."""
    return EntryView(
        ref=Ref("bankentry", row.id),
        account=row.account.code,
        reference=row.reference,
        incoming=row.direction == "in",
        amount=Money(row.amount_fen),
        booked_on=row.booked_on,
        other_name=row.other_name,
        other_masked=row.other_masked,
        remark=row.remark,
        outcome=_Outcome(row.outcome).label,
        matched=row.matched,
        finding=row.finding,
    )


def entry_with_reference(viewer: Actor, account: str, reference: str) -> EntryView:
    """The door to one movement.

    Raises:
        NotFound: there is none, or this viewer may not see it.
    """
    rows = BankEntry.objects.filter(account__code=account, reference=reference)
    row = rows.select_related("account").first()
    if row is None or viewer.role not in SEES_BANK:
        raise NotFound("银行流水", reference[:60])
    return entry_view(row)


def bank_position(account: str) -> BankPosition:
    """How the bank's files and the book agree on one account; whoever calls was let in.

    Raises:
        NotFound: no such account.
    """
    row = BankAccount.objects.filter(code=account).first()
    if row is None:
        raise NotFound("监管账户", account[:40])
    sums = row.entries.aggregate(
        received=Sum("amount_fen", filter=Q(direction="in")),
        paid=Sum("amount_fen", filter=Q(outcome=_Outcome.PAID)),
        unexplained=Sum("amount_fen", filter=Q(outcome=_Outcome.UNEXPLAINED)),
    )
    latest = row.entries.order_by("-booked_on", "-id").first()
    told = latest.balance_fen if latest is not None else None
    return BankPosition(
        account=account,
        received=Money(int(sums["received"] or 0)),
        paid=Money(int(sums["paid"] or 0)),
        unexplained=Money(int(sums["unexplained"] or 0)),
        book=-balance(accounts.bank(account)).available,
        told=Money(told) if told is not None else None,
    )


def bank_positions() -> list[BankPosition]:
    """Every supervised account, by code."""
    codes = BankAccount.objects.order_by("code").values_list("code", flat=True)
    return [bank_position(code) for code in codes]


def bank_totals() -> dict[str, Money]:
    """What lies at the bank by its own files, by our account code; accounts whose files tell no
    balance are left out, as there is nothing to compare.
    """
    return {
        accounts.bank(one.account): one.told for one in bank_positions() if one.told is not None
    }


def access_cash_order(viewer: Actor, pk: UUID) -> OrderView:
    """The door to one cash order.

    Raises:
        NotFound: there is none, or this viewer may not see it.
    """
    row = CashOrder.objects.filter(id=pk).first()
    if row is not None and may_see_order(viewer, row.organisation_id):
        return _order(row)
    raise NotFound("付款单", str(Ref("cashorder", pk)))


def may_see_order(viewer: Actor, organisation: UUID) -> bool:
    """One condition per line."""
    if viewer.role in SEES_BANK:
        return True
    if viewer.role is Role.TENANT or viewer.role is Role.CENTRE_OPERATOR:
        return viewer.organisation == organisation
    return False


def cash_orders(viewer: Actor) -> list[OrderView]:
    """The orders that this viewer may see, the newest first."""
    rows = CashOrder.objects.order_by("-id")
    if viewer.role not in SEES_BANK:
        if viewer.organisation is None or not may_see_order(viewer, viewer.organisation):
            return []
        rows = rows.filter(organisation=viewer.organisation)
    return [_order(row) for row in rows]


def _order(row: CashOrder) -> OrderView:
    return OrderView(
        ref=Ref("cashorder", row.id),
        number=row.number,
        kind=CashOrder.Kind(row.kind).label,
        organisation=Ref("organisation", row.organisation_id),
        amount=Money(row.amount_fen),
        state=CashOrder.State(row.state).label,
        reason=row.reason,
        bank_reference=row.bank_reference,
        bank_reason=row.bank_reason,
    )


def links(ref: Ref) -> list[Ref]:
    """What the bank's side knows to hang together with this thing."""
    if ref.kind == "bankentry":
        entry = BankEntry.objects.filter(id=ref.id).first()
        if entry is None:
            return []
        matched = [Ref.read(entry.matched)] if entry.matched else []
        return [Ref("bankfile", entry.file_id), *matched]
    if ref.kind == "cashorder":
        order = CashOrder.objects.filter(id=ref.id).first()
        if order is None:
            return []
        entries = BankEntry.objects.filter(matched=str(ref)).order_by("id")
        people = [order.asked_by, order.made_by, order.confirmed_by]
        return [
            Ref("organisation", order.organisation_id),
            *(Ref("bankentry", pk) for pk in entries.values_list("id", flat=True)),
            *(Ref("person", pk) for pk in people if pk is not None),
        ]
    return []
