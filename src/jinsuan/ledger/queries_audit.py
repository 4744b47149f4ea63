"""What an auditor looks at: every account, the audit book by who, what and when, and the blocks.

Whoever calls these has been let in already: they show the whole book.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import F, Func, Max, Min, QuerySet, Sum, TextField, Value

from jinsuan.kernel.errors import NotFound
from jinsuan.kernel.money import Money
from jinsuan.kernel.period import Period
from jinsuan.kernel.ref import Ref, Role
from jinsuan.ledger.accounts import Kind, parse
from jinsuan.ledger.audit import AuditView, audit_view
from jinsuan.ledger.models import Account, AuditRow, Block, SealedRow, Transfer
from jinsuan.ledger.queries import Balance
from jinsuan.ledger.seal import evidence_of


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountView:
    """One account of the book with its totals."""

    code: str
    kind: Kind
    id: str
    sub: str
    balance: Balance
    opened_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """The sums of some accounts, or of the whole book: then debits are credits."""

    accounts: int
    debits: Money
    credits: Money
    pending_out: Money
    pending_in: Money


def accounts_page(
    *,
    kind: Kind | None = None,
    about: Sequence[str] | None = None,
    after: str = "",
    limit: int = 50,
) -> list[AccountView]:
    """Accounts in the order of their codes.

    Args:
        about: only accounts whose code names one of these: an organisation, a voucher, a job.
        after: the code of the last account of the page before.
    """
    rows = _accounts(kind, about).filter(code__gt=after).order_by("code")
    return [_account(row) for row in rows[:limit]]


def account_view(code: str) -> AccountView:
    """One account.

    Raises:
        NotFound: nobody opened it.
    """
    row = Account.objects.filter(code=code).first() if code.isprintable() else None
    if row is None:
        raise NotFound("账户", code[:60])
    return _account(row)


def totals(*, kind: Kind | None = None, about: Sequence[str] | None = None) -> Totals:
    """The sums now, read in one statement: of the whole book, or of a part of it."""
    fields = ("debits_fen", "credits_fen", "debits_pending_fen", "credits_pending_fen")
    rows = _accounts(kind, about)
    found = rows.aggregate(count=Sum(Value(1)), **{name: Sum(name) for name in fields})
    fen = [Money(int(found[name] or 0)) for name in fields]
    return Totals(
        accounts=found["count"] or 0,
        debits=fen[0],
        credits=fen[1],
        pending_out=fen[2],
        pending_in=fen[3],
    )


def _accounts(kind: Kind | None, about: Sequence[str] | None) -> QuerySet[Account]:
    rows = Account.objects.all()
    if kind is not None:
        rows = rows.filter(kind=str(kind))
    if about is not None:
        named = rows.annotate(first=_part(2), second=_part(3))
        return named.filter(first__in=about) | named.filter(second__in=about)
    return rows


def _part(place: int) -> Func:
    return Func(
        F("code"), Value(":"), Value(place), function="split_part", output_field=TextField()
    )


def _account(row: Account) -> AccountView:
    code = parse(row.code)
    return AccountView(
        code=row.code,
        kind=code.kind,
        id=code.id,
        sub=code.sub,
        balance=Balance(
            code=row.code,
            debits=Money(row.debits_fen),
            credits=Money(row.credits_fen),
            pending_out=Money(row.debits_pending_fen),
            pending_in=Money(row.credits_pending_fen),
        ),
        opened_at=row.opened_at,
    )


def request_hashes(transfers: Iterable[Ref]) -> dict[Ref, str]:
    """The digest of what each of these transfers claimed when it was posted."""
    rows = Transfer.objects.filter(id__in=[ref.id for ref in transfers])
    return {
        Ref("transfer", pk): bytes(digest).hex()
        for pk, digest in rows.values_list("id", "request_hash")
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditLine:
    """One audit row with its number and its place in the seal; it has none while it waits."""

    number: int
    row: AuditView
    position: int | None
    block: int | None


def audit_page(
    *,
    person: UUID | None = None,
    action: str = "",
    subject: Ref | None = None,
    period: Period | None = None,
    before: int | None = None,
    limit: int = 50,
) -> list[AuditLine]:
    """The audit book, the newest rows first.

    Args:
        action: an action such as "case.move", or the beginning of several, such as "case.".
        before: the `number` of the last row of the page before.
    """
    rows = AuditRow.objects.all()
    if person is not None:
        rows = rows.filter(person=person)
    if action:
        wanted = {"action__startswith": action} if action.endswith(".") else {"action": action}
        rows = rows.filter(**wanted)
    if subject is not None:
        rows = rows.filter(subject=str(subject))
    if period is not None:
        rows = rows.filter(recorded_at__gte=period.start, recorded_at__lt=period.end)
    if before is not None:
        rows = rows.filter(id__lt=before)
    return _lines(rows.order_by("-id")[:limit])


def audit_line(number: int) -> AuditLine:
    """One audit row by its number.

    Raises:
        NotFound: there is none.
    """
    found = _lines(AuditRow.objects.filter(id=number))
    if not found:
        raise NotFound("留痕", str(number)[:20])
    return found[0]


def _lines(rows: Iterable[AuditRow]) -> list[AuditLine]:
    found = list(rows)
    sealed = SealedRow.objects.filter(row__in=[row.id for row in found])
    places = {
        row: (position, block)
        for row, position, block in sealed.values_list("row_id", "position", "block_id")
    }
    return [
        AuditLine(
            number=row.id,
            row=_readable(row),
            position=places.get(row.id, (None, None))[0],
            block=places.get(row.id, (None, None))[1],
        )
        for row in found
    ]


def _readable(row: AuditRow) -> AuditView:
    """A row as everybody reads it. One that somebody made unreadable is still shown, as that."""
    try:
        return audit_view(row)
    except ValueError:
        row.reason = f"对象“{row.subject}”或身份“{row.role}”读不出，请核验所在区块。{row.reason}"
        row.subject = str(UNREADABLE)
        if row.role not in Role.__members__.values():
            row.role = Role.SYSTEM.value
        return audit_view(row)


UNREADABLE = Ref("unreadable", UUID(int=0))
"""Stands for a subject that is no identifier."""
PROOF = "jinsuan-audit-proof-1"


def proof_of(number: int) -> dict[str, Any]:
    """One sealed row with the hashes that lead from it to its block's root, and that block.

    Raises:
        NotFound: there is none, or it has no place in the seal yet.
    """
    audit_line(number)
    found = evidence_of(AuditRow.objects.filter(id=number).values_list("subject", flat=True))
    row = next(one for one in found["rows"] if one["row"]["id"] == number)
    if row["block"] is None:
        raise NotFound("封存位置", str(number))
    block = next(one for one in found["blocks"] if one["number"] == row["block"])
    return {"format": PROOF, **row, "block": block}


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockView:
    """One block of the seal, with the positions of its rows."""

    number: int
    first: int
    last: int
    rows: int
    algorithm: str
    head: str
    root: str
    key: str
    signed: bool
    sealed_at: datetime


def blocks_page(*, before: int | None = None, limit: int = 20) -> list[BlockView]:
    """The blocks, the newest first.

    Args:
        before: the number of the last block of the page before.
    """
    rows = Block.objects.all() if before is None else Block.objects.filter(number__lt=before)
    found = list(rows.order_by("-number")[:limit])
    ends = {
        block: (first, last)
        for block, first, last in SealedRow.objects.filter(block__in=[b.number for b in found])
        .values("block_id")
        .annotate(first=Min("position"), last=Max("position"))
        .values_list("block_id", "first", "last")
    }
    return [
        BlockView(
            number=row.number,
            first=ends.get(row.number, (0, 0))[0],
            last=ends.get(row.number, (0, 0))[1],
            rows=row.rows,
            algorithm=row.algorithm,
            head=bytes(row.head).hex(),
            root=bytes(row.root).hex(),
            key=row.key,
            signed=bool(bytes(row.signature)),
            sealed_at=row.sealed_at,
        )
        for row in found
    ]
