"""Supervised accounts and the bank's files: whose each movement is, booked in one go or not at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from hashlib import sha256
from uuid import UUID

from django.db import transaction

from jinsuan.kernel.money import Money
from jinsuan.kernel.period import BEIJING, beijing_date
from jinsuan.kernel.ref import Actor, Ref
from jinsuan.ledger import accounts
from jinsuan.ledger.actions import Note, Posting, post, record
from jinsuan.ledger.errors import TransferKeyReused
from jinsuan.ledger.queries import TransferView, transfers_with_keys
from jinsuan.ledger.reasons import Reason
from jinsuan.registry.personal import Field, mask
from jinsuan.registry.sealing import Keyring
from jinsuan.vouchers.actions.bank_accounts import INDEX, held_account, treasurer
from jinsuan.vouchers.actions.cash import BANK, repaid_key, top_up_key
from jinsuan.vouchers.bank_files import (
    Direction,
    StatementLine,
    read_statement,
)
from jinsuan.vouchers.bank_match import Known, Meaning, known_for, meaning
from jinsuan.vouchers.errors import BankFileRefused
from jinsuan.vouchers.models import BankAccount, BankEntry, BankFile, CashOrder

_Outcome = BankEntry.Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What became of a file. The same file again: `known` is all of it."""

    file: Ref
    rows: int
    known: int
    topped_up: int
    suspense: int
    paid: int
    unexplained: int


@transaction.atomic
def take_bank_file(
    data: bytes, *, account: str, name: str = "", keys: Keyring, actor: Actor, now: datetime
) -> Taken:
    """Book a bank's file (登记银行流水): every line of it, or nothing.

    The same file again changes nothing; lines of an earlier file are known and skipped. What came
    in goes to the tenant that the remark or a confirmed payer account names, else to 待查款项;
    what went out settles the order it names, else it is listed as unexplained and not booked.

    Raises:
        NotAllowed, NotFound: not the treasury; no such account.
        SheetInvalid: the file cannot be read, with line, column and mend.
        BankFileRefused: of another account, from the future, or a reference that is known with
            other content.
    """
    person = treasurer(actor, "登记银行流水")
    held = held_account(account)
    digest = sha256(data).hexdigest()
    before = BankFile.objects.filter(account=held, sha256=digest).first()
    if before is not None:
        return _taken(before, fresh=[])
    lines = read_statement(data)
    _check_ours(lines, held, keys, now)
    known = {
        entry.reference: entry
        for entry in BankEntry.objects.filter(
            account=held, reference__in=[line.reference for line in lines]
        )
    }
    fresh = [line for line in lines if line.reference not in known]
    for line in lines:
        if line.reference in known:
            _check_same(line, known[line.reference], keys)
    file = BankFile.objects.create(
        account=held,
        sha256=digest,
        name=name[:120],
        rows=len(lines),
        taken_by=person,
        taken_at=now,
    )
    entries = _book(file, fresh, keys, actor, now)
    taken = _taken(file, fresh=entries)
    ref = Ref("bankfile", file.id)
    after = {"account": account, "sha256": digest, "rows": len(lines), "fresh": len(entries)}
    record([Note(action="bank.take", subject=ref, after=after)], actor=actor, now=now)
    return taken


def _check_ours(
    lines: Sequence[StatementLine], account: BankAccount, keys: Keyring, now: datetime
) -> None:
    """A reader saw to it that all lines speak of one account."""
    if bytes(account.number_index) not in keys.indices(lines[0].own, INDEX):
        raise BankFileRefused(
            lines[0].line,
            f"的本方账号 {mask(Field.BANK_ACCOUNT, lines[0].own)} 不是"
            f"监管账户 {account.code}（{account.masked}）的账号",
            "请核对选的是哪个账户的流水。",
        )
    today = beijing_date(now)
    for line in lines:
        if line.booked_on > today:
            raise BankFileRefused(
                line.line,
                f"的交易日期 {line.booked_on} 在今天 {today} 之后",
                "请核对文件；文件没有错时，请平台运营核对服务器的时钟。",
            )


def _check_same(line: StatementLine, entry: BankEntry, keys: Keyring) -> None:
    told = (line.direction, line.amount.fen, line.booked_on, line.other_name, line.remark)
    kept = (
        Direction(entry.direction),
        entry.amount_fen,
        entry.booked_on,
        entry.other_name,
        entry.remark,
    )
    if told != kept or not _same_other(line, entry, keys):
        raise BankFileRefused(
            line.line,
            f"的流水号 {line.reference} 已经登记过（{entry.booked_on}，"
            f"{Money(entry.amount_fen)}），内容不同",
            "一个流水号只能是一笔交易，请与银行核对。",
        )


def _same_other(line: StatementLine, entry: BankEntry, keys: Keyring) -> bool:
    """Whether the other side's account is the same; by its last digits once the key is gone."""
    shown = mask(Field.BANK_ACCOUNT, line.other_account) if line.other_account else ""
    if shown != entry.other_masked:
        return False
    if entry.other_index is None or entry.other_key not in {key.id for key in keys.keys}:
        return True
    return bytes(entry.other_index) in keys.indices(line.other_account, INDEX)


def _book(
    file: BankFile, lines: Sequence[StatementLine], keys: Keyring, actor: Actor, now: datetime
) -> list[BankEntry]:
    """Find out whose every line is, and move the money."""
    code = file.account.code
    manual = _typed_in(code, lines)
    known = known_for(lines, account=file.account_id, keys=keys, index=INDEX)
    entries: list[BankEntry] = []
    postings: list[tuple[int, Posting]] = []
    paid: dict[UUID, str] = {}
    for line in lines:
        earlier = manual.get(line.reference)
        what = _manual(line, earlier) if earlier is not None else meaning(line, known, paid)
        entry = _entry(file, line, what, keys)
        entries.append(entry)
        if earlier is None and what.outcome is not _Outcome.UNEXPLAINED:
            postings.append((line.line, _posting(entry, what, code)))
        if what.order is not None:
            paid[what.order.id] = line.reference
    BankEntry.objects.bulk_create(entries)
    _settle(known, paid, actor, now)
    try:
        post([posting for _, posting in postings], actor=actor, now=now)
    except TransferKeyReused as reused:
        at = next((line for line, posting in postings if posting.key == reused.key), 0)
        raise BankFileRefused(
            at, f"的记账编号 {reused.key} 已用于另一笔转账", "请与人工登记的充值核对。"
        ) from reused
    return entries


def _typed_in(code: str, lines: Sequence[StatementLine]) -> dict[str, TransferView]:
    """Top-ups and repayments that the treasury typed in, by the bank's reference."""
    keys = {top_up_key(code, line.reference): line.reference for line in lines}
    if code == BANK:
        keys |= {repaid_key(line.reference): line.reference for line in lines}
    return {keys[key]: transfer for key, transfer in transfers_with_keys(keys).items()}


def _manual(line: StatementLine, earlier: TransferView) -> Meaning:
    """What the treasury typed in before the file came: the same money, booked once."""
    if line.direction is not Direction.IN or earlier.amount != line.amount:
        raise BankFileRefused(
            line.line,
            f"的流水号 {line.reference} 已人工登记为{earlier.reason.label} {earlier.amount}，"
            f"文件里是{'收' if line.direction is Direction.IN else '付'} {line.amount}",
            "请核对人工登记的一笔；登记有误时先更正，再登记文件。",
        )
    return Meaning(outcome=_Outcome.TOP_UP, matched=earlier.cause)


def _entry(file: BankFile, line: StatementLine, what: Meaning, keys: Keyring) -> BankEntry:
    other = line.other_account
    return BankEntry(
        account=file.account,
        file=file,
        line=line.line,
        reference=line.reference,
        direction=str(line.direction),
        amount_fen=line.amount.fen,
        booked_on=line.booked_on,
        other_name=line.other_name,
        other_masked=mask(Field.BANK_ACCOUNT, other) if other else "",
        other_index=keys.index(other, INDEX) if other else None,
        other_key=keys.first.id if other else "",
        remark=line.remark,
        balance_fen=line.balance.fen if line.balance is not None else None,
        outcome=what.outcome,
        matched=str(what.matched) if what.matched is not None else "",
        finding=what.finding[:200],
    )


def _posting(entry: BankEntry, what: Meaning, code: str) -> Posting:
    ref, amount = Ref("bankentry", entry.id), Money(entry.amount_fen)
    at = noon(entry.booked_on)
    if what.outcome is _Outcome.TOP_UP:
        assert what.matched is not None
        # The cause is the organisation, as for a top-up typed in: both are one fact under one key.
        return Posting(
            key=top_up_key(code, entry.reference),
            debit=accounts.bank(code),
            credit=accounts.cash(what.matched),
            amount=amount,
            reason=Reason.TOP_UP,
            cause=what.matched,
            occurred_at=at,
        )
    if what.order is not None:
        return order_paid(what.order, code, at)
    return Posting(
        key=f"suspense:{code}:{entry.reference}",
        debit=accounts.bank(code),
        credit=accounts.suspense(code),
        amount=amount,
        reason=Reason.SUSPENSE,
        cause=ref,
        occurred_at=at,
    )


def order_paid(order: CashOrder, code: str, at: datetime) -> Posting:
    """The bank paid what lay ready for an order."""
    ref = Ref("cashorder", order.id)
    refund = order.kind == CashOrder.Kind.REFUND
    return Posting(
        key=f"order:{order.id}:paid",
        debit=accounts.due(ref),
        credit=accounts.bank(code),
        amount=Money(order.amount_fen),
        reason=Reason.REFUND if refund else Reason.PAYOUT,
        cause=ref,
        occurred_at=at,
    )


def _settle(known: Known, paid: dict[UUID, str], actor: Actor, now: datetime) -> None:
    """The orders that the file shows as paid."""
    orders = [order for order in known.orders.values() if order.id in paid]
    notes = [mark_paid(order, paid[order.id]) for order in orders]
    record(notes, actor=actor, now=now)


def mark_paid(order: CashOrder, reference: str) -> Note:
    """Write down that the bank paid an order; the caller posts and records."""
    order.state, order.bank_reference = CashOrder.State.PAID, reference
    order.save(update_fields=["state", "bank_reference"])
    after = {"number": order.number, "state": str(order.state), "bank_reference": reference}
    return Note(action="cash_order.paid", subject=Ref("cashorder", order.id), after=after)


def noon(day: date) -> datetime:
    """A moment of a bank's day: banks tell days, transfers have moments."""
    return datetime.combine(day, time(12), BEIJING)


def _taken(file: BankFile, *, fresh: Sequence[BankEntry]) -> Taken:
    def count(outcome: BankEntry.Outcome) -> int:
        return sum(entry.outcome == outcome for entry in fresh)

    return Taken(
        file=Ref("bankfile", file.id),
        rows=file.rows,
        known=file.rows - len(fresh),
        topped_up=count(_Outcome.TOP_UP),
        suspense=count(_Outcome.SUSPENSE),
        paid=count(_Outcome.PAID),
        unexplained=count(_Outcome.UNEXPLAINED),
    )
