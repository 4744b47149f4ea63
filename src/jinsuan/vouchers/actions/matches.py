"""A second person says what a movement of the bank is (认领), and why; nothing moves without."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.db import transaction

from jinsuan.kernel.errors import NotFound
from jinsuan.kernel.money import Money
from jinsuan.kernel.ref import Actor, Ref
from jinsuan.ledger import accounts
from jinsuan.ledger.actions import Note, Posting, post, record
from jinsuan.ledger.reasons import Reason
from jinsuan.registry.models import Organisation
from jinsuan.vouchers.actions.bank import mark_paid, noon, order_paid
from jinsuan.vouchers.actions.bank_accounts import treasurer
from jinsuan.vouchers.bank_match import why_not
from jinsuan.vouchers.errors import BankEntryRefused
from jinsuan.vouchers.models import BankEntry, CashOrder, Clawback, EntryMatch
from jinsuan.vouchers.queries_redeem import owed_of, owes_account

SHORTEST_REASON = 4


@transaction.atomic
def assign_suspense(entry: UUID, *, to: Ref, reason: str, actor: Actor, now: datetime) -> None:
    """Say whose money of 待查款项 is: an organisation's cash, a paid order that came back (退汇), or
    what a clawback's payee gives back.

    Doing the same again is harmless.

    Raises:
        NotAllowed, NotFound: not the treasury; no such entry, organisation, order or clawback.
        BankEntryRefused: by who took the file, without a reason, assigned otherwise already, or an
            order that was not paid or is of another amount, or more than the payee owes.
    """
    person = treasurer(actor, "认领待查款项")
    row = _held(entry)
    if _matched_so(row, BankEntry.Outcome.ASSIGNED, to):
        return
    words = _check(row, BankEntry.Outcome.SUSPENSE, person, reason)
    if to.kind == "organisation":
        if not Organisation.objects.filter(id=to.id).exists():
            raise NotFound("机构", str(to))
        credit = accounts.cash(to)
    elif to.kind == "clawback":
        credit = _given_back(row, to)
    else:
        credit = _came_back(row, to, words, actor, now)
    _write(row, BankEntry.Outcome.ASSIGNED, to, words, person, actor, now)
    code = row.account.code
    clearing = Posting(
        key=f"suspense_clear:{code}:{row.reference}",
        debit=accounts.suspense(code),
        credit=credit,
        amount=Money(row.amount_fen),
        reason=Reason.SUSPENSE_CLEAR,
        cause=Ref("bankentry", row.id),
        occurred_at=now,
    )
    post([clearing], actor=actor, now=now)


@transaction.atomic
def match_debit(entry: UUID, *, order: UUID, reason: str, actor: Actor, now: datetime) -> None:
    """Say which order an unexplained payment is, where the bank lost its number.

    Doing the same again is harmless.

    Raises:
        NotAllowed, NotFound: not the treasury; no such entry or order.
        BankEntryRefused: by who took the file, without a reason, matched otherwise already, or the
            order does not wait for this very payment.
    """
    person = treasurer(actor, "核对付出的流水")
    row = _held(entry)
    to = Ref("cashorder", order)
    if _matched_so(row, BankEntry.Outcome.PAID, to):
        return
    words = _check(row, BankEntry.Outcome.UNEXPLAINED, person, reason)
    held = _order(to)
    why = why_not(held, Money(row.amount_fen), row.account_id, {})
    if why:
        raise BankEntryRefused(row.reference, why, "请核对付款单和银行回单。")
    _write(row, BankEntry.Outcome.PAID, to, words, person, actor, now)
    record([mark_paid(held, row.reference)], actor=actor, now=now)
    post([order_paid(held, row.account.code, noon(row.booked_on))], actor=actor, now=now)


def _held(entry: UUID) -> BankEntry:
    row = (
        BankEntry.objects.select_for_update(no_key=True, of=("self",))
        .select_related("account", "file")
        .filter(id=entry)
        .first()
    )
    if row is None:
        raise NotFound("银行流水", str(Ref("bankentry", entry)))
    return row


def _matched_so(row: BankEntry, outcome: BankEntry.Outcome, to: Ref) -> bool:
    return row.outcome == outcome and row.matched == str(to)


def _check(row: BankEntry, outcome: BankEntry.Outcome, person: UUID, reason: str) -> str:
    """The reason, if this person may say it of an entry that waits for it."""
    if row.outcome != outcome:
        is_now = BankEntry.Outcome(row.outcome).label
        raise BankEntryRefused(
            row.reference, f"现在是“{is_now}”", f"只有“{outcome.label}”的流水要认领。"
        )
    if row.file.taken_by == person:
        raise BankEntryRefused(row.reference, "登记流水文件的人不能认领", "请另一位财政人员办理。")
    words = reason.strip()
    if not SHORTEST_REASON <= len(words) <= 200:
        raise BankEntryRefused(
            row.reference,
            f"理由应为 {SHORTEST_REASON} 至 200 字，实为 {len(words)} 字",
            "请写明凭什么认领，如来函、来电和日期。",
        )
    return words


def _came_back(row: BankEntry, to: Ref, reason: str, actor: Actor, now: datetime) -> str:
    """A paid order's money came back: the order ends as returned; where its money was taken from."""
    order = _order(to)
    if order.state != CashOrder.State.PAID or order.amount_fen != row.amount_fen:
        state = CashOrder.State(order.state).label
        raise BankEntryRefused(
            row.reference,
            f"付款单 {order.number} 现在是“{state}”，金额 {Money(order.amount_fen)}",
            "退汇须与已付的付款单同额。",
        )
    order.state, order.bank_reason = CashOrder.State.RETURNED, reason
    order.save(update_fields=["state", "bank_reason"])
    after = {"number": order.number, "state": str(order.state), "entry": row.reference}
    note = Note(action="cash_order.returned", subject=to, reason=reason, after=after)
    record([note], actor=actor, now=now)
    return source_of(order)


def _given_back(row: BankEntry, to: Ref) -> str:
    """What the payee owes, where the money goes that it gave back."""
    claim = (
        Clawback.objects.select_related("voucher__programme")
        .filter(id=to.id, confirmed_at__isnull=False)
        .first()
    )
    if claim is None:
        raise NotFound("追缴", str(to))
    Organisation.objects.select_for_update(no_key=True).get(id=claim.payee_id)
    code = claim.voucher.programme.code
    most, amount = owed_of(claim.payee_id, code), Money(row.amount_fen)
    if amount > most:
        raise BankEntryRefused(
            row.reference,
            f"金额 {amount} 超过该单位未退的 {most}",
            "请先认领为该单位的现金，由其退缴。",
        )
    return owes_account(claim.payee_id, code)


def source_of(order: CashOrder) -> str:
    """The account that an order's money is taken from, and goes back to."""
    owner = Ref("organisation", order.organisation_id)
    if order.kind == CashOrder.Kind.REFUND:
        return accounts.cash(owner)
    return accounts.payable(owner, accounts.CASH)


def _order(to: Ref) -> CashOrder:
    row = None
    if to.kind == "cashorder":
        row = CashOrder.objects.select_for_update(no_key=True).filter(id=to.id).first()
    if row is None:
        raise NotFound("付款单", str(to))
    return row


def _write(
    row: BankEntry,
    outcome: BankEntry.Outcome,
    to: Ref,
    reason: str,
    person: UUID,
    actor: Actor,
    now: datetime,
) -> None:
    EntryMatch.objects.create(
        entry=row,
        to=str(to),
        reason=reason,
        taken_by=row.file.taken_by,
        matched_by=person,
        matched_at=now,
    )
    before = {"outcome": str(row.outcome)}
    row.outcome, row.matched = outcome, str(to)
    row.save(update_fields=["outcome", "matched"])
    after = {"outcome": str(outcome), "to": str(to), "reference": row.reference}
    subject = Ref("bankentry", row.id)
    note = Note(action="bank.match", subject=subject, reason=reason, before=before, after=after)
    record([note], actor=actor, now=now)
