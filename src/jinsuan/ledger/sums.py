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


@dataclass(frozen=True, slots=True, kw_only=True)
class CauseSum:
    """What one thing made move, and onto which accounts."""

    cause: Ref
    amount: Money
    onto: tuple[str, ...]


# Identifiers sort as text exactly as they sort as numbers, if letters compare by their codes.
_BY_CAUSE = """
    SELECT t.cause, sum(t.fen)::bigint, array_agg(DISTINCT a.code ORDER BY a.code)
    FROM ledger_transfer t JOIN ledger_account a ON a.id = t.credit_id
    WHERE t.reason = ANY (%(reasons)s::text[]) AND t.step IN ('single', 'post')
    GROUP BY t.cause ORDER BY t.cause COLLATE "C"
"""


def by_cause(reasons: Iterable[Reason]) -> Iterator[CauseSum]:
    """The sum of each cause, in order of the causes' identifiers, without holding them all."""
    with connection.chunked_cursor() as cursor:
        cursor.execute(_BY_CAUSE, {"reasons": [str(r) for r in reasons]})
        while rows := cursor.fetchmany(CHUNK):
            for cause, fen, onto in rows:
                yield CauseSum(cause=Ref.read(cause), amount=Money(fen), onto=tuple(onto))
