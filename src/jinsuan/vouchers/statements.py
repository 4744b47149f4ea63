"""Statements (对账单): what happened to one tenant, provider, voucher or pool in a period.

A statement is a group of ledger accounts seen from outside. Whatever moves between two accounts of
the group (freezing and giving back) nets to nothing and is no line; every other transfer belongs to
exactly one line, so opening + lines = closing, to the fen. A transfer counts in the period in which
we wrote it down (`recorded_at`), so a statement once given never changes; what is corrected later
stands in the period of the correction.

Totals are added up by the database; lines come one by one, so a million of them need no memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Any

from django.db import connection

from jinsuan.kernel.money import Money
from jinsuan.kernel.period import Period
from jinsuan.kernel.ref import Ref
from jinsuan.ledger import accounts
from jinsuan.ledger.accounts import Kind
from jinsuan.ledger.reasons import Reason
from jinsuan.ledger.snapshot import one_snapshot
from jinsuan.metering.charged import Charged, UsedUp, charged, used_in
from jinsuan.vouchers.models import FundingSource
from jinsuan.vouchers.subjects import Subject, SubjectKind

CHUNK = 1000
CORRECTIONS = frozenset({Reason.CORRECTION, Reason.REVERSAL})
NOTHING = Money(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One kind of account of the group: what stood there at the beginning and at the end."""

    label: str
    opening: Money
    closing: Money


@dataclass(frozen=True, slots=True, kw_only=True)
class ReasonTotal:
    """What one reason moved into and out of the group."""

    reason: Reason
    transfers: int
    into: Money
    out: Money


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """The sums of all lines. charge = voucher + cash + shortfall."""

    lines: int
    charge: Money
    voucher: Money
    cash: Money
    shortfall: Money
    correction: Money
    other: Money
    by_reason: tuple[ReasonTotal, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """The head of a statement. `amount` is what all lines together did to the balance."""

    number: str
    subject: Subject
    period: Period
    parts: tuple[Part, ...]
    totals: Totals
    used: tuple[UsedUp, ...]
    made_at: datetime

    @property
    def opening(self) -> Money:
        return Money.total(part.opening for part in self.parts)

    @property
    def closing(self) -> Money:
        return Money.total(part.closing for part in self.parts)

    @property
    def amount(self) -> Money:
        return self.closing - self.opening


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line. Its money stands in `charge` (with who paid), `correction` or `other`.

    Args:
        number: pass the last line's to `lines(after=…)` for the next page.
        ref: the charge, or the transfer where no charge is behind it.
        key: the business key of the (first) transfer.
        charge, voucher, cash, shortfall: sizes, never negative.
        correction, other: positive when it came in, negative when it went out.
        amount: what the line did to the balance of the group.
        treasury_pays: whether the treasury's side of a provider's claim takes part.
        basis: what metering says about the charge; its amount equals `charge` for a tenant and a
            provider, and `charge` is the voucher's share of it for a voucher.
    """

    number: int
    at: datetime
    reason: Reason
    ref: Ref
    cause: Ref
    transfers: tuple[Ref, ...]
    key: str
    other_account: str
    charge: Money
    voucher: Money
    cash: Money
    shortfall: Money
    correction: Money
    other: Money
    amount: Money
    treasury_pays: bool
    basis: Charged | None = field(default=None)

    @property
    def used(self) -> tuple[UsedUp, ...]:
        """What was used: on the line of the charge only, never again on its correction."""
        if self.basis is None or self.reason is not Reason.CAPTURE:
            return ()
        return self.basis.used


# The escrow of a tenant or a voucher is found by what was put into it.
_GROUP = """
    WITH own AS (
        SELECT id FROM ledger_account
        WHERE code = ANY (%(codes)s::text[])
           OR kind = 'receivable' AND starts_with(code, %(owed)s)
    ), grp AS MATERIALIZED (
        SELECT id FROM own
        UNION
        SELECT t.credit_id FROM ledger_transfer t JOIN own ON own.id = t.debit_id
        WHERE t.reason = 'hold' AND %(escrow)s
    )
"""
# Each of the four below continues the one it is executed with.
_PARTS = """
    , side AS (
        SELECT t.debit_id AS id, -t.fen AS fen, t.recorded_at
        FROM ledger_transfer t JOIN grp ON grp.id = t.debit_id WHERE t.recorded_at < %(end)s
        UNION ALL
        SELECT t.credit_id, t.fen, t.recorded_at
        FROM ledger_transfer t JOIN grp ON grp.id = t.credit_id WHERE t.recorded_at < %(end)s
    )
    SELECT a.kind, CASE WHEN a.kind IN ('hold', 'payable')
                        THEN split_part(a.code, ':', 3) = 'cash' END AS cash,
           coalesce(sum(s.fen) FILTER (WHERE s.recorded_at < %(start)s), 0)::bigint,
           coalesce(sum(s.fen), 0)::bigint
    FROM grp JOIN ledger_account a ON a.id = grp.id LEFT JOIN side s ON s.id = grp.id
    GROUP BY 1, 2
"""
# What one charge moved is one line; it was posted in one call, so it lies in one period.
_MOVED = """
    , moved AS (
        SELECT t.*, -t.fen AS signed, t.credit_id AS other_id
        FROM ledger_transfer t JOIN grp ON grp.id = t.debit_id
        WHERE t.recorded_at >= %(start)s AND t.recorded_at < %(end)s
          AND NOT EXISTS (SELECT FROM grp o WHERE o.id = t.credit_id)
        UNION ALL
        SELECT t.*, t.fen, t.debit_id
        FROM ledger_transfer t JOIN grp ON grp.id = t.credit_id
        WHERE t.recorded_at >= %(start)s AND t.recorded_at < %(end)s
          AND NOT EXISTS (SELECT FROM grp o WHERE o.id = t.debit_id)
    ), told AS (
        SELECT m.*, split_part(CASE WHEN c.kind = 'payable' THEN c.code ELSE d.code END, ':', 3)
                        AS purse,
               CASE WHEN m.reason IN ('capture', 'shortfall') THEN m.cause ELSE m.id::text END
                   AS line
        FROM moved m
        JOIN ledger_account c ON c.id = m.credit_id JOIN ledger_account d ON d.id = m.debit_id
    )
"""
_TOTALS = """
    SELECT reason, reason = 'capture' AND purse <> 'cash', count(*),
           coalesce(sum(signed) FILTER (WHERE signed > 0), 0)::bigint,
           coalesce(-sum(signed) FILTER (WHERE signed < 0), 0)::bigint,
           (SELECT count(DISTINCT line) FROM told)
    FROM told GROUP BY 1, 2 ORDER BY 1, 2
"""
_LINES = """
    SELECT min(number) AS number, min(recorded_at), min(reason), min(cause),
           array_agg(told.id ORDER BY number), min(key), min(o.code),
           coalesce(sum(fen) FILTER (WHERE reason = 'capture' AND purse <> 'cash'), 0)::bigint,
           coalesce(sum(fen) FILTER (WHERE reason = 'capture' AND purse = 'cash'), 0)::bigint,
           coalesce(sum(fen) FILTER (WHERE reason = 'shortfall'), 0)::bigint,
           sum(signed)::bigint, bool_or(purse = 'voucher')
    FROM told JOIN ledger_account o ON o.id = told.other_id
    GROUP BY line HAVING min(number) > %(after)s
    ORDER BY number LIMIT %(limit)s
"""
LINES = _GROUP + _MOVED + _LINES
_PART_LABELS = {
    (Kind.HOLD, True): "冻结（现金）",
    (Kind.HOLD, False): "冻结（算力券）",
    (Kind.PAYABLE, True): "应付（现金）",
    (Kind.PAYABLE, False): "应付（算力券）",
    (Kind.RECEIVABLE, None): "欠款",  # seen from the one who owes it
}
_PART_ORDER = (Kind.CASH, Kind.VOUCHER, Kind.POOL, Kind.HOLD, Kind.PAYABLE, Kind.RECEIVABLE)


def statement(subject: Subject, period: Period, *, now: datetime) -> Statement:
    """The head: what stood at the beginning and at the end, and the sums of all lines."""
    where = where_of(subject, period)
    with one_snapshot(), connection.cursor() as cursor:
        cursor.execute(_GROUP + _PARTS, where)
        parts = sorted(cursor.fetchall(), key=lambda row: (_place(Kind(row[0])), not row[1]))
        cursor.execute(_GROUP + _MOVED + _TOTALS, where)
        totals = _totals(cursor.fetchall())
        used = _used(subject, period)
    return Statement(
        number=number_of(subject, period),
        subject=subject,
        period=period,
        parts=tuple(_part(*row) for row in parts),
        totals=totals,
        used=used,
        made_at=now,
    )


def where_of(subject: Subject, period: Period) -> dict[str, Any]:
    """What the statements above ask of a subject and a period."""
    return {
        "codes": list(subject.codes),
        "owed": subject.owed,
        "escrow": subject.escrow,
        "start": period.start,
        "end": period.end,
    }


def _place(kind: Kind) -> int:
    return _PART_ORDER.index(kind) if kind in _PART_ORDER else len(_PART_ORDER)


def _part(kind: str, cash: bool | None, opening: int, closing: int) -> Part:
    label = _PART_LABELS.get((Kind(kind), cash), Kind(kind).label)
    return Part(label=label, opening=Money(opening), closing=Money(closing))


def number_of(subject: Subject, period: Period) -> str:
    """The same statement has the same number whenever it is made: whose it is and which days."""
    first, last = subject.days(period)
    return f"DZ-{subject.short}-{first:%Y%m%d}-{last:%Y%m%d}"


def _totals(rows: list[tuple[Any, ...]]) -> Totals:
    voucher = cash = shortfall = correction = other = NOTHING
    by_reason: dict[Reason, ReasonTotal] = {}
    for text, by_voucher, count, into, out, _ in rows:
        reason = Reason(text)
        if reason is Reason.SHORTFALL:
            shortfall += Money(into + out)
        elif reason is Reason.CAPTURE and by_voucher:
            voucher += Money(into + out)
        elif reason is Reason.CAPTURE:
            cash += Money(into + out)
        elif reason in CORRECTIONS:
            correction += Money(into - out)
        else:
            other += Money(into - out)
        before = by_reason.get(reason)
        by_reason[reason] = ReasonTotal(
            reason=reason,
            transfers=count + (before.transfers if before else 0),
            into=Money(into) + (before.into if before else NOTHING),
            out=Money(out) + (before.out if before else NOTHING),
        )
    return Totals(
        lines=rows[0][5] if rows else 0,
        charge=voucher + cash + shortfall,
        voucher=voucher,
        cash=cash,
        shortfall=shortfall,
        correction=correction,
        other=other,
        by_reason=tuple(by_reason.values()),
    )


def _used(subject: Subject, period: Period) -> tuple[UsedUp, ...]:
    """What was used; for a voucher, by the jobs it helped to pay."""
    match subject.kind:
        case SubjectKind.TENANT:
            return used_in(period, tenant=subject.ref.id)
        case SubjectKind.PROVIDER:
            return used_in(period, provider=subject.ref.id)
        case SubjectKind.VOUCHER:
            sources = FundingSource.objects.filter(voucher=subject.ref.id, captured_fen__gt=0)
            return used_in(period, attempts=sources.values_list("funding_id", flat=True))
        case SubjectKind.POOL:
            return ()


def lines(
    subject: Subject, period: Period, *, after: int = 0, limit: int | None = None
) -> Iterator[Line]:
    """The lines in order of recording, read in pieces while the caller goes on.

    Args:
        after: the `number` of the last line of the page before.
    """
    where = {**where_of(subject, period), "after": after, "limit": limit}
    with connection.chunked_cursor() as cursor:
        cursor.execute(LINES, where)
        while rows := cursor.fetchmany(CHUNK):
            yield from told(rows)


def page(subject: Subject, period: Period, *, after: int = 0, limit: int) -> list[Line]:
    """So many lines at once."""
    with one_snapshot():
        return list(islice(lines(subject, period, after=after, limit=limit), limit))


def told(rows: list[tuple[Any, ...]]) -> list[Line]:
    """Rows of `LINES` with what metering says about their charges."""
    causes = [Ref.read(row[3]) for row in rows]
    known = charged({cause.id for cause in causes if cause.kind == "charge"})
    return [_line(row, cause, known.get(cause.id)) for row, cause in zip(rows, causes, strict=True)]


def _line(row: tuple[Any, ...], cause: Ref, basis: Charged | None) -> Line:
    number, at, reason_text, _, ids, key, other_code, voucher, cash, short, signed, treasury = row
    reason, transfers = Reason(reason_text), tuple(Ref("transfer", pk) for pk in ids)
    # `min` of capture and shortfall is capture; a charge that was all shortfall is one, too.
    is_charge = reason in (Reason.CAPTURE, Reason.SHORTFALL)
    corrected = reason in CORRECTIONS
    return Line(
        number=number,
        at=at,
        reason=Reason.CAPTURE if is_charge else reason,
        ref=cause if is_charge else transfers[0],
        cause=cause,
        transfers=transfers,
        key=key,
        other_account=other_code,
        charge=Money(voucher + cash + short),
        voucher=Money(voucher),
        cash=Money(cash),
        shortfall=Money(short),
        correction=Money(signed if corrected else 0),
        other=Money(0 if corrected or is_charge else signed),
        amount=Money(signed),
        treasury_pays=treasury,
        basis=basis,
    )


def counterparty(line: Line, subject: Subject) -> str:
    """Who stands at the other end, in words."""
    if line.basis is not None:
        mine = subject.kind is SubjectKind.PROVIDER
        return line.basis.tenant_name if mine else line.basis.provider_name
    return accounts.parse(line.other_account).kind.label
