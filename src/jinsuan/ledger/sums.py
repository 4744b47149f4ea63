"""Sums over the whole book, for whoever compares it with what another room knows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from django.db import connection

from jinsuan.kernel.money import Money
from jinsuan.kernel.ref import Ref
from jinsuan.ledger.accounts import Kind
from jinsuan.ledger.reasons import Reason

CHUNK = 5000

# What is reserved, and what lets go of it, moves nothing.
_CREDITED = """
    SELECT a.code, sum(t.fen)::bigint
    FROM ledger_transfer t JOIN ledger_account a ON a.id = t.credit_id
    WHERE a.kind = %(kind)s AND t.reason = ANY (%(reasons)s::text[])
        AND t.step IN ('single', 'post')
    GROUP BY a.code
"""


def credited(kind: Kind, reasons: Iterable[Reason]) -> dict[str, Money]:
    """What came onto each account of a kind for these reasons; one that got nothing has no entry."""
    with connection.cursor() as cursor:
        cursor.execute(_CREDITED, {"kind": str(kind), "reasons": [str(r) for r in reasons]})
        return {code: Money(fen) for code, fen in cursor.fetchall()}


# What a correction of a charge takes back counts against the one it was owed to.
_EARNED = """
    SELECT split_part(CASE WHEN c.kind = 'payable' THEN c.code ELSE d.code END, ':', 2),
           sum(CASE WHEN c.kind = 'payable' THEN t.fen ELSE -t.fen END)::bigint
    FROM ledger_transfer t
    JOIN ledger_account c ON c.id = t.credit_id JOIN ledger_account d ON d.id = t.debit_id
    WHERE t.step IN ('single', 'post')
      AND (t.reason = ANY (%(reasons)s::text[]) AND c.kind = 'payable'
           OR t.reason = 'correction' AND starts_with(t.cause, 'charge_'))
    GROUP BY 1
"""


def earned(reasons: Iterable[Reason]) -> dict[str, Money]:
    """What charges and their corrections brought each organisation as a claim, by its text id."""
    with connection.cursor() as cursor:
        cursor.execute(_EARNED, {"reasons": [str(r) for r in reasons]})
        return {owner: Money(fen) for owner, fen in cursor.fetchall()}


@dataclass(frozen=True, slots=True, kw_only=True)
class CauseSum:
    """What one thing made move, and onto which accounts (off which, for what a correction takes)."""

    cause: Ref
    amount: Money
    onto: tuple[str, ...]


# Identifiers sort as text exactly as they sort as numbers, if letters compare by their codes.
_BY_CAUSE = """
    SELECT t.cause,
           sum(CASE WHEN t.reason = 'correction' AND c.kind <> 'payable' THEN -t.fen ELSE t.fen END
           )::bigint,
           array_agg(DISTINCT CASE WHEN t.reason = 'correction' AND c.kind <> 'payable'
                                   THEN d.code ELSE c.code END)
    FROM ledger_transfer t
    JOIN ledger_account c ON c.id = t.credit_id JOIN ledger_account d ON d.id = t.debit_id
    WHERE t.step IN ('single', 'post')
      AND (t.reason = ANY (%(reasons)s::text[])
           OR t.reason = 'correction' AND starts_with(t.cause, 'charge_'))
    GROUP BY t.cause ORDER BY t.cause COLLATE "C"
"""


def by_cause(reasons: Iterable[Reason]) -> Iterator[CauseSum]:
    """The sum of each cause, in order of the causes' identifiers, without holding them all. The
    corrections of charges belong to it, below nought where they take something back.
    """
    with connection.chunked_cursor() as cursor:
        cursor.execute(_BY_CAUSE, {"reasons": [str(r) for r in reasons]})
        while rows := cursor.fetchmany(CHUNK):
            for cause, fen, onto in rows:
                yield CauseSum(cause=Ref.read(cause), amount=Money(fen), onto=tuple(onto))
