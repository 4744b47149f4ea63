"""A statement put aside: read once, in one snapshot, and written into a file piece by piece later.

The lines lie in a table of their own until the file is finished, the head is plain JSON for whoever
keeps it. So a writer that was killed goes on with the very same statement, however much was posted
meanwhile, and the book is never grouped twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from jinsuan.kernel.money import Money
from jinsuan.kernel.period import Period
from jinsuan.kernel.ref import Ref
from jinsuan.ledger.reasons import Reason
from jinsuan.metering.charged import UsedUp
from jinsuan.vouchers.models import KeptLine
from jinsuan.vouchers.statements import (
    CHUNK,
    LINES,
    Line,
    Part,
    ReasonTotal,
    Statement,
    Totals,
    statement,
    told,
    where_of,
)
from jinsuan.vouchers.subjects import Subject, SubjectKind

Json = dict[str, Any]

_KEEP = f"""
    INSERT INTO vouchers_keptline
        (export, place, number, at, reason, cause, transfers, key, other_account,
         voucher_fen, cash_fen, shortfall_fen, signed_fen, treasury_pays)
    SELECT %(export)s, row_number() OVER (ORDER BY found.number), found.*
    FROM ({LINES}) AS found (number, at, reason, cause, transfers, key, other_account,
         voucher_fen, cash_fen, shortfall_fen, signed_fen, treasury_pays)
"""  # noqa: S608 - both halves are ours
_COLUMNS = (
    *("number", "at", "reason", "cause", "transfers", "key", "other_account"),
    *("voucher_fen", "cash_fen", "shortfall_fen", "signed_fen", "treasury_pays"),
)


@transaction.atomic
def keep(export: UUID, subject: Subject, period: Period, *, now: datetime) -> Statement:
    """Put the lines aside under this id. Call it within `one_snapshot(read_only=False)`, so that
    head and lines are of one moment.
    """
    head = statement(subject, period, now=now)
    where = {**where_of(subject, period), "after": 0, "limit": None, "export": export}
    with connection.cursor() as cursor:
        cursor.execute(_KEEP, where)
        assert cursor.rowcount == head.totals.lines, (cursor.rowcount, head.totals.lines)
    return head


def kept_lines(export: UUID, *, after: int = 0, limit: int | None = None) -> Iterator[Line]:
    """The lines put aside behind a place (the first is 1), a thousand at a time."""
    last = None if limit is None else after + limit
    while True:
        upto = after + CHUNK if last is None else min(after + CHUNK, last)
        found = KeptLine.objects.filter(export=export, place__gt=after, place__lte=upto)
        rows = list(found.order_by("place").values_list(*_COLUMNS))
        yield from told(rows)
        after += len(rows)
        if len(rows) < CHUNK or after == last:
            return


@transaction.atomic
def drop_lines(export: UUID) -> None:
    """The file is finished or given up; again is harmless."""
    KeptLine.objects.filter(export=export).delete()


def to_json(head: Statement) -> Json:
    """The head as JSON, with everything that a file says of it."""
    subject, totals = head.subject, head.totals
    return {
        "number": head.number,
        "kind": str(subject.kind),
        "ref": str(subject.ref),
        "name": subject.name,
        "key": subject.key,
        "start": head.period.start.isoformat(),
        "end": head.period.end.isoformat(),
        "made_at": head.made_at.isoformat(),
        "parts": [[p.label, p.opening.fen, p.closing.fen] for p in head.parts],
        "lines": totals.lines,
        **{name: getattr(totals, name).fen for name in _SUMS},
        "by_reason": [
            [str(r.reason), r.transfers, r.into.fen, r.out.fen] for r in totals.by_reason
        ],
        "used": [[u.resource, u.milli_unit_seconds, u.millifen_per_hour] for u in head.used],
    }


_SUMS = ("charge", "voucher", "cash", "shortfall", "correction", "other")


def of_json(said: Json) -> Statement:
    """The head that `to_json` wrote. Its subject is only to be named: it has no accounts."""
    return Statement(
        number=said["number"],
        subject=Subject(
            kind=SubjectKind(said["kind"]),
            ref=Ref.read(said["ref"]),
            name=said["name"],
            key=said["key"],
            codes=(),
        ),
        period=Period(datetime.fromisoformat(said["start"]), datetime.fromisoformat(said["end"])),
        made_at=datetime.fromisoformat(said["made_at"]),
        parts=tuple(
            Part(label=label, opening=Money(opening), closing=Money(closing))
            for label, opening, closing in said["parts"]
        ),
        totals=Totals(
            lines=said["lines"],
            **{name: Money(said[name]) for name in _SUMS},
            by_reason=tuple(
                ReasonTotal(reason=Reason(text), transfers=count, into=Money(a), out=Money(b))
                for text, count, a, b in said["by_reason"]
            ),
        ),
        used=tuple(
            UsedUp(resource=name, milli_unit_seconds=amount, millifen_per_hour=price)
            for name, amount, price in said["used"]
        ),
    )
