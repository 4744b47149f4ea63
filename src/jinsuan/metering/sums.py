"""Sums over everything that was ever charged, for whoever compares it with the book."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from uuid import UUID

from django.db import connection
from django.db.models import Sum

from jinsuan.kernel.money import Money
from jinsuan.kernel.ref import Ref
from jinsuan.metering.models import Charge

CHUNK = 5000


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargeSum:
    """One charge: how much, of which attempt, owed to whom."""

    charge: Ref
    attempt: Ref
    provider: Ref
    amount: Money


_CHARGES = """
    SELECT c.id, c.attempt_id, m.provider_id, c.amount_fen
    FROM metering_charge c JOIN metering_meter m ON m.attempt = c.attempt_id ORDER BY c.id
"""


def every_charge() -> Iterator[ChargeSum]:
    """All charges in order of their identifiers, without holding them all."""
    with connection.chunked_cursor() as cursor:
        cursor.execute(_CHARGES)
        while rows := cursor.fetchmany(CHUNK):
            for charge, attempt, provider, fen in rows:
                yield ChargeSum(
                    charge=Ref("charge", charge),
                    attempt=Ref("attempt", attempt),
                    provider=Ref("organisation", provider),
                    amount=Money(fen),
                )


def charged_to_pay() -> dict[UUID, Money]:
    """What each provider earned in all, by organisation."""
    rows = Charge.objects.values_list("attempt__provider").annotate(fen=Sum("amount_fen"))
    return {provider: Money(int(fen)) for provider, fen in rows}


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterApart:
    """A meter whose running total is not the sum of its charges."""

    attempt: Ref
    provider: Ref
    charges: Money
    stands: Money


_APART = """
    SELECT m.attempt, m.provider_id, coalesce(sum(c.amount_fen), 0)::bigint, m.charged_fen
    FROM metering_meter m LEFT JOIN metering_charge c ON c.attempt_id = m.attempt
    GROUP BY m.attempt, m.provider_id, m.charged_fen
    HAVING coalesce(sum(c.amount_fen), 0) <> m.charged_fen
    ORDER BY m.attempt
"""


def meters_apart() -> list[MeterApart]:
    """Every meter whose running total does not agree with its charges."""
    with connection.cursor() as cursor:
        cursor.execute(_APART)
        return [
            MeterApart(
                attempt=Ref("attempt", attempt),
                provider=Ref("organisation", provider),
                charges=Money(charges),
                stands=Money(stands),
            )
            for attempt, provider, charges, stands in cursor.fetchall()
        ]
