"""What stands in the books, as frozen values. The door to an account is in `registry`, which
knows people; whoever calls these has been let in already.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import connection
from django.db.models import QuerySet

from jinsuan.kernel.errors import NotFound
from jinsuan.kernel.money import Money
from jinsuan.kernel.ref import Ref
from jinsuan.ledger.accounts import Kind
from jinsuan.ledger.audit import (
    AuditView,
    SealedView,
    SealStatus,
    audit_of,
    seal_status,
    sealed_since,
)
from jinsuan.ledger.check import BookCheck, check_book
from jinsuan.ledger.models import RESOLVING, Account, Transfer
from jinsuan.ledger.reasons import Reason
from jinsuan.ledger.statements import read
from jinsuan.ledger.steps import Step

__all__ = [
    "AuditView",
    "Balance",
    "BookCheck",
    "SealStatus",
    "SealedView",
    "StatementLine",
    "TransferView",
    "audit_of",
    "balance",
    "balances",
    "balances_of_kind",
    "check_book",
    "links",
    "resolution",
    "seal_status",
    "sealed_since",
    "statement",
    "transfer",
    "transfers_caused_by",
    "transfers_caused_by_each",
    "transfers_with_key_prefix",
    "transfers_with_keys",
]

KIND = "transfer"
"""What a transfer's `Ref` is called."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """What went out of and into an account, and what is pending. Credit-normal.

    Args:
        pending_out: reserved for pending transfers, so nothing else can spend it.
        pending_in: promised by pending transfers, so nobody can spend it yet.
    """

    code: str
    debits: Money
    credits: Money
    pending_out: Money
    pending_in: Money

    @property
    def available(self) -> Money:
        """What can be spent."""
        return self.posted - self.pending_out

    @property
    def posted(self) -> Money:
        """What stands on it, the reserved included; the last line of its statement."""
        return self.credits - self.debits


_FIELDS = ("code", "debits_fen", "credits_fen", "debits_pending_fen", "credits_pending_fen")
_BALANCES = """
    SELECT code, debits_fen, credits_fen, debits_pending_fen, credits_pending_fen
    FROM ledger_account WHERE code = ANY (%s::text[])
"""


def _balance(code: str, *fen: int) -> Balance:
    debits, credits_, pending_out, pending_in = map(Money, fen)
    return Balance(
        code=code, debits=debits, credits=credits_, pending_out=pending_out, pending_in=pending_in
    )


def balance(code: str) -> Balance:
    """One account's balance; an account that nobody opened yet has nothing."""
    return balances([code])[code]


def balances(codes: Iterable[str]) -> dict[str, Balance]:
    """The balances of many accounts in one query, in the order asked for."""
    wanted = list(dict.fromkeys(codes))
    if not wanted:
        return {}
    found = {row[0]: _balance(*row) for row in read(_BALANCES, [wanted])}
    return {code: found.get(code) or _balance(code, 0, 0, 0, 0) for code in wanted}


def balances_of_kind(kind: Kind | str) -> dict[str, Balance]:
    """Every account of one kind, by code."""
    rows = Account.objects.filter(kind=str(Kind(kind))).order_by("code")
    return {row[0]: _balance(*row) for row in rows.values_list(*_FIELDS)}


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferView:
    """One transfer. `amount` left `debit` and arrived at `credit`, if its step moves money.

    Args:
        pending: the pending transfer that this one posted or voided.
        pending_key: that one's key; empty for the other steps.
    """

    ref: Ref
    key: str
    debit: str
    credit: str
    amount: Money
    reason: Reason
    cause: Ref
    occurred_at: datetime
    recorded_at: datetime
    step: Step
    pending: Ref | None
    pending_key: str

    @property
    def moved(self) -> Money:
        """What it made move: nothing while it is pending, and nothing when it voids."""
        return self.amount if self.step.moves else Money(0)


def _transfer_view(row: Transfer) -> TransferView:
    return TransferView(
        ref=Ref(KIND, row.id),
        key=row.key,
        debit=row.debit.code,
        credit=row.credit.code,
        amount=Money(row.fen),
        reason=Reason(row.reason),
        cause=Ref.read(row.cause),
        occurred_at=row.occurred_at,
        recorded_at=row.recorded_at,
        step=Step(row.step),
        pending=None if row.pending_id is None else Ref(KIND, row.pending_id),
        pending_key="" if row.pending is None else row.pending.key,
    )


def _transfers() -> QuerySet[Transfer]:
    return Transfer.objects.select_related("debit", "credit", "pending").order_by("number")


def transfer(which: Ref | UUID | str) -> TransferView:
    """One transfer by its `Ref`, its id, its text form `transfer_…` or its key.

    Raises:
        NotFound: there is none.
    """
    row = _find(which)
    if row is None:
        raise NotFound("转账", str(which))
    return _transfer_view(row)


def _find(which: Ref | UUID | str) -> Transfer | None:
    if isinstance(which, str):
        try:
            which = Ref.read(which)
        except ValueError:
            return _transfers().filter(key=which).first()
    if isinstance(which, Ref):
        if which.kind != KIND:
            return None
        which = which.id
    return _transfers().filter(id=which).first()


def resolution(pending: Ref | UUID | str) -> TransferView | None:
    """What posted or voided a pending transfer; None while nothing has.

    Raises:
        NotFound: there is no such transfer.
    """
    row = _transfers().filter(pending=transfer(pending).ref.id, step__in=RESOLVING).first()
    return None if row is None else _transfer_view(row)


def transfers_caused_by(cause: Ref) -> list[TransferView]:
    """What one thing made move, in the order of recording."""
    return [_transfer_view(row) for row in _transfers().filter(cause=str(cause))]


def transfers_caused_by_each(causes: Iterable[Ref]) -> dict[Ref, list[TransferView]]:
    """What each of many things made move, in one query, in the order of recording."""
    found: dict[Ref, list[TransferView]] = {cause: [] for cause in causes}
    for row in _transfers().filter(cause__in=[str(cause) for cause in found]):
        view = _transfer_view(row)
        found[view.cause].append(view)
    return found


def transfers_with_key_prefix(prefix: str) -> list[TransferView]:
    """The transfers of one family of facts, such as "capture:job_…:", in order of recording."""
    assert prefix, "a prefix of nothing is the whole book"
    return [_transfer_view(row) for row in _transfers().filter(key__startswith=prefix)]


def transfers_with_keys(keys: Iterable[str]) -> dict[str, TransferView]:
    """The transfers of these facts, by key; facts that nobody recorded are absent."""
    return {row.key: _transfer_view(row) for row in _transfers().filter(key__in=list(keys))}


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementLine:
    """One line of an account's statement (流水).

    Args:
        other: the account at the other end.
        amount: positive when it came in, negative when it went out.
        balance: what stood on the account after this line.
        reserved: what the line set aside on this account (positive) or let go (negative). A
            pending or a void is such a memo line, with an amount of nought.
        pending: the pending transfer that the line posted or voided.
        number: pass the last line's to `statement(before=…)` for the next page.
    """

    transfer: Ref
    key: str
    other: str
    amount: Money
    balance: Money
    reason: Reason
    cause: Ref
    occurred_at: datetime
    recorded_at: datetime
    number: int
    step: Step
    reserved: Money
    pending: Ref | None


NEWEST = 2**63 - 1
"""Above every number a line can have."""

# One statement, so one snapshot: the balance and the lines cannot disagree while others post.
_STATEMENT = """
    WITH account AS (
        SELECT id, credits_fen - debits_fen AS fen FROM ledger_account WHERE code = %(code)s
    ), line AS NOT MATERIALIZED (
        SELECT *, CASE WHEN step IN ('single', 'post') THEN -fen ELSE 0 END AS signed,
               credit_id AS other_id
        FROM ledger_transfer WHERE debit_id = (SELECT id FROM account)
        UNION ALL
        SELECT *, CASE WHEN step IN ('single', 'post') THEN fen ELSE 0 END, debit_id
        FROM ledger_transfer WHERE credit_id = (SELECT id FROM account)
    ), page AS (
        SELECT * FROM line WHERE number < %(before)s ORDER BY number DESC LIMIT %(limit)s
    ), top AS (
        SELECT fen - (SELECT coalesce(sum(signed), 0) FROM line WHERE number >= %(before)s) AS fen
        FROM account
    )
    SELECT p.id, p.key, o.code, p.signed,
           (top.fen - coalesce(sum(p.signed) OVER (
               ORDER BY p.number DESC ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0)
           )::bigint,
           p.reason, p.cause, p.occurred_at, p.recorded_at, p.number, p.step,
           CASE WHEN p.step = 'pending' THEN p.fen ELSE coalesce(-held.fen, 0) END, p.pending_id
    FROM page p CROSS JOIN top JOIN ledger_account o ON o.id = p.other_id
    LEFT JOIN ledger_transfer held ON held.id = p.pending_id
    ORDER BY p.number DESC
"""


def statement(code: str, *, limit: int = 50, before: int | None = None) -> list[StatementLine]:
    """An account's lines, newest first, with the balance after each.

    Args:
        limit: at most so many lines.
        before: the `number` of the last line of the page before; None for the newest page.
    """
    assert limit > 0, limit
    with connection.cursor() as cursor:
        cursor.execute(
            _STATEMENT,
            {"code": code, "limit": limit, "before": NEWEST if before is None else before},
        )
        return [
            StatementLine(
                transfer=Ref(KIND, pk),
                key=key,
                other=other,
                amount=Money(signed),
                balance=Money(after),
                reason=Reason(reason),
                cause=Ref.read(cause),
                occurred_at=occurred_at,
                recorded_at=recorded_at,
                number=number,
                step=Step(step),
                reserved=Money(reserved),
                pending=None if pending is None else Ref(KIND, pending),
            )
            for (
                pk,
                key,
                other,
                signed,
                after,
                reason,
                cause,
                occurred_at,
                recorded_at,
                number,
                step,
                reserved,
                pending,
            ) in cursor.fetchall()
        ]


def links(ref: Ref) -> list[Ref]:
    """What the book knows to hang together with this thing: a transfer's cause, with the pending
    one it resolved or the one that resolved it; or what a cause made move.
    """
    if ref.kind == KIND:
        row = _find(ref)
        if row is None:
            return []
        resolver = Transfer.objects.filter(pending=row.id, step__in=RESOLVING)
        partners = [row.pending_id, *resolver.values_list("id", flat=True)]
        return [Ref.read(row.cause), *(Ref(KIND, pk) for pk in partners if pk is not None)]
    ids = Transfer.objects.filter(cause=str(ref)).order_by("number").values_list("id", flat=True)
    return [Ref(KIND, pk) for pk in ids]
