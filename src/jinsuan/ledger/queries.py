"""What stands in the books, as frozen values. The door to an account is in `registry`, which
knows people; whoever calls these has been let in already.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import connection
from django.db.models import QuerySet

from jinsuan.kernel.errors import NotFound
from jinsuan.kernel.money import Money
from jinsuan.kernel.ref import Ref, Role
from jinsuan.ledger.accounts import Kind
from jinsuan.ledger.check import BookCheck, check_book
from jinsuan.ledger.models import Account, AuditRow, Block, SealedRow, Transfer
from jinsuan.ledger.reasons import Reason
from jinsuan.ledger.statements import read

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
    """What went out of and into an account. Credit-normal: available = credits - debits."""

    code: str
    debits: Money
    credits: Money

    @property
    def available(self) -> Money:
        return self.credits - self.debits


_BALANCES = """
    SELECT code, debits_fen, credits_fen FROM ledger_account WHERE code = ANY (%s::text[])
"""


def balance(code: str) -> Balance:
    """One account's balance; an account that nobody opened yet has nothing."""
    return balances([code])[code]


def balances(codes: Iterable[str]) -> dict[str, Balance]:
    """The balances of many accounts in one query, in the order asked for."""
    wanted = list(dict.fromkeys(codes))
    if not wanted:
        return {}
    found = {
        code: Balance(code=code, debits=Money(debits), credits=Money(credits_))
        for code, debits, credits_ in read(_BALANCES, [wanted])
    }
    nothing = Money(0)
    return {
        code: found.get(code) or Balance(code=code, debits=nothing, credits=nothing)
        for code in wanted
    }


def balances_of_kind(kind: Kind | str) -> dict[str, Balance]:
    """Every account of one kind, by code."""
    rows = Account.objects.filter(kind=str(Kind(kind))).order_by("code")
    return {b.code: b for b in _balances(rows)}


def _balances(rows: QuerySet[Account]) -> list[Balance]:
    return [
        Balance(code=code, debits=Money(debits), credits=Money(credits_))
        for code, debits, credits_ in rows.values_list("code", "debits_fen", "credits_fen")
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferView:
    """One transfer. `amount` left `debit` and arrived at `credit`."""

    ref: Ref
    key: str
    debit: str
    credit: str
    amount: Money
    reason: Reason
    cause: Ref
    occurred_at: datetime
    recorded_at: datetime


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
    )


def _transfers() -> QuerySet[Transfer]:
    return Transfer.objects.select_related("debit", "credit").order_by("number")


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


NEWEST = 2**63 - 1
"""Above every number a line can have."""

# One statement, so one snapshot: the balance and the lines cannot disagree while others post.
_STATEMENT = """
    WITH account AS (
        SELECT id, credits_fen - debits_fen AS fen FROM ledger_account WHERE code = %(code)s
    ), line AS NOT MATERIALIZED (
        SELECT *, -fen AS signed, credit_id AS other_id
        FROM ledger_transfer WHERE debit_id = (SELECT id FROM account)
        UNION ALL
        SELECT *, fen, debit_id
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
           p.reason, p.cause, p.occurred_at, p.recorded_at, p.number
    FROM page p CROSS JOIN top JOIN ledger_account o ON o.id = p.other_id
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
            ) in cursor.fetchall()
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditView:
    """One line of the audit book. People and organisations are ids; `registry` knows their names."""

    at: datetime
    person: UUID | None
    organisation: UUID | None
    role: Role
    via: str
    action: str
    subject: Ref
    reason: str
    before: Mapping[str, object] | None
    after: Mapping[str, object] | None
    before_digest: str
    after_digest: str


def audit_of(subject: Ref) -> list[AuditView]:
    """Who did what to one thing, oldest first."""
    return [_audit_view(r) for r in AuditRow.objects.filter(subject=str(subject)).order_by("id")]


def _audit_view(row: AuditRow) -> AuditView:
    detail = row.detail or {}
    return AuditView(
        at=row.recorded_at,
        person=row.person,
        organisation=row.organisation,
        role=Role(row.role),
        via=row.via,
        action=row.action,
        subject=Ref.read(row.subject),
        reason=row.reason,
        before=detail.get("before"),
        after=detail.get("after"),
        before_digest=bytes(row.before_digest or b"").hex(),
        after_digest=bytes(row.after_digest or b"").hex(),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedView:
    """One line of the audit book with its place in the chain."""

    position: int
    block: int
    row: AuditView


def sealed_since(position: int, *, limit: int = 500) -> list[SealedView]:
    """The sealed lines after a position, in order (0 for the first).

    A reader that remembers the last position it has dealt with misses nothing and sees nothing
    twice; ids of rows would not do, because a lower one may commit later.
    """
    assert position >= 0 and limit > 0, (position, limit)
    rows = SealedRow.objects.filter(position__gt=position).select_related("row")
    return [
        SealedView(position=one.position, block=one.block_id, row=_audit_view(one.row))
        for one in rows.order_by("position")[:limit]
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class SealStatus:
    """How far the seal has come. `head` is what an auditor writes down; empty before the first."""

    blocks: int
    rows: int
    waiting: int
    head: str
    key: str
    sealed_at: datetime | None


def seal_status() -> SealStatus:
    """How many blocks and rows are sealed, how many rows wait, and the last head."""
    last = Block.objects.order_by("-number").first()
    rows = SealedRow.objects.order_by("-position").values_list("position", flat=True).first() or 0
    return SealStatus(
        blocks=last.number if last else 0,
        rows=rows,
        waiting=AuditRow.objects.count() - SealedRow.objects.count(),
        head=bytes(last.head).hex() if last else "",
        key=last.key if last else "",
        sealed_at=last.sealed_at if last else None,
    )


def links(ref: Ref) -> list[Ref]:
    """What the book knows to hang together with this thing: a transfer's cause, or what a cause
    made move.
    """
    if ref.kind == KIND:
        row = _find(ref)
        return [] if row is None else [Ref.read(row.cause)]
    ids = Transfer.objects.filter(cause=str(ref)).order_by("number").values_list("id", flat=True)
    return [Ref(KIND, pk) for pk in ids]
