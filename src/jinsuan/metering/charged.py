"""What charges rest on, for many charges at once: statements and their files ask for thousands.

Two statements per thousand charges instead of a few per charge.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.backends.utils import CursorWrapper

from jinsuan.kernel.money import Money
from jinsuan.kernel.period import Period
from jinsuan.kernel.ref import Ref
from jinsuan.metering.rating import CPU, MEMORY


@dataclass(frozen=True, slots=True, kw_only=True)
class UsedUp:
    """What was used of one resource, and its locked price (None where several are added up)."""

    resource: str
    milli_unit_seconds: int
    millifen_per_hour: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Charged:
    """One charge with everything a statement says about it.

    Args:
        used: what was used since the charge before it, by resource, cards first.
    """

    ref: Ref
    job: Ref
    attempt: Ref
    number: int
    amount: Money
    contract: Ref
    contract_number: str
    tenant: Ref
    tenant_name: str
    provider: Ref
    provider_name: str
    centre: str
    centre_name: str
    used: tuple[UsedUp, ...]


# All locked prices of an attempt come from tariffs of one centre.
_CHARGED = """
    SELECT c.id, c.job, c.attempt_id, c.number, c.amount_fen, k.id, k.number,
           m.tenant_id, te.name, m.provider_id, pr.name, ce.code, ce.name
    FROM metering_charge c
    JOIN metering_meter m ON m.attempt = c.attempt_id
    JOIN metering_contract k ON k.id = m.contract_id
    JOIN registry_organisation te ON te.id = m.tenant_id
    JOIN registry_organisation pr ON pr.id = m.provider_id
    LEFT JOIN LATERAL (
        SELECT t.centre_id FROM metering_lockedprice l JOIN metering_tariff t ON t.id = l.tariff_id
        WHERE l.attempt = c.attempt_id LIMIT 1) place ON true
    LEFT JOIN registry_centre ce ON ce.id = place.centre_id
    WHERE c.id = ANY (%(ids)s::uuid[])
"""

# A charge names the last reading of every resource, so what is new is the difference to the charge
# before it. Two small joins, not one of five tables: planned while the tables are young, that one
# looks through all readings for every line of every charge.
_BEFORE = """
    SELECT c.id, p.id FROM metering_charge c
    JOIN metering_charge p ON p.attempt_id = c.attempt_id AND p.number = c.number - 1
    WHERE c.id = ANY (%(ids)s::uuid[])
"""
_NAMED = """
    SELECT l.charge_id, r.resource, r.milli_unit_seconds, l.millifen_per_hour
    FROM metering_chargeline l JOIN metering_usagereading r ON r.id = l.reading_id
    WHERE l.charge_id = ANY (%(ids)s::uuid[])
"""


def charged(ids: Iterable[UUID]) -> dict[UUID, Charged]:
    """The charges with these ids; one that does not exist has no entry."""
    wanted = list(ids)
    if not wanted:
        return {}
    with connection.cursor() as cursor:
        used = _used(cursor, wanted)
        cursor.execute(_CHARGED, {"ids": wanted})
        return {row[0]: _charged(row, used[row[0]]) for row in cursor.fetchall()}


def _used(cursor: CursorWrapper, wanted: list[UUID]) -> dict[UUID, list[UsedUp]]:
    """What each of these charges is for: its readings less those of the charge before."""
    cursor.execute(_BEFORE, {"ids": wanted})
    before: dict[UUID, UUID] = dict(cursor.fetchall())
    cursor.execute(_NAMED, {"ids": list({*wanted, *before.values()})})
    named: dict[UUID, dict[str, tuple[int, int]]] = defaultdict(dict)
    for charge, resource, amount, price in cursor.fetchall():
        named[charge][resource] = (amount, price)
    used: dict[UUID, list[UsedUp]] = defaultdict(list)
    for charge in set(wanted):
        earlier = named[before[charge]] if charge in before else {}
        for resource, (amount, price) in named[charge].items():
            new = amount - earlier.get(resource, (0, 0))[0]
            used[charge].append(
                UsedUp(resource=resource, milli_unit_seconds=new, millifen_per_hour=price)
            )
    return used


def _charged(row: tuple[Any, ...], used: list[UsedUp]) -> Charged:
    pk, job, attempt, number, fen, contract, contract_number, *parties = row
    tenant, tenant_name, provider, provider_name, centre, centre_name = parties
    return Charged(
        ref=Ref("charge", pk),
        job=Ref("job", job),
        attempt=Ref("attempt", attempt),
        number=number,
        amount=Money(fen),
        contract=Ref("contract", contract),
        contract_number=contract_number,
        tenant=Ref("organisation", tenant),
        tenant_name=tenant_name,
        provider=Ref("organisation", provider),
        provider_name=provider_name,
        centre=centre or "",
        centre_name=centre_name or "",
        used=_in_order(used),
    )


def _in_order(used: Iterable[UsedUp]) -> tuple[UsedUp, ...]:
    last = {CPU: 1, MEMORY: 2}
    return tuple(sorted(used, key=lambda one: (last.get(one.resource, 0), one.resource)))


_USED_IN = """
    WITH step AS (
        SELECT c.attempt_id, max(c.number) AS last,
               max(c.number) FILTER (WHERE c.recorded_at < %(start)s) AS before
        FROM metering_charge c JOIN metering_meter m ON m.attempt = c.attempt_id
        WHERE c.recorded_at < %(end)s
          AND (%(tenant)s::uuid IS NULL OR m.tenant_id = %(tenant)s::uuid)
          AND (%(provider)s::uuid IS NULL OR m.provider_id = %(provider)s::uuid)
          AND (%(attempts)s::uuid[] IS NULL OR m.attempt = ANY (%(attempts)s::uuid[]))
        GROUP BY c.attempt_id HAVING bool_or(c.recorded_at >= %(start)s)
    )
    SELECT r.resource,
           sum(CASE c.number WHEN s.last THEN 1 ELSE -1 END * r.milli_unit_seconds)::bigint
    FROM step s
    JOIN metering_charge c ON c.attempt_id = s.attempt_id AND c.number IN (s.last, s.before)
    JOIN metering_chargeline l ON l.charge_id = c.id
    JOIN metering_usagereading r ON r.id = l.reading_id
    GROUP BY r.resource
"""


def used_in(
    period: Period,
    *,
    tenant: UUID | None = None,
    provider: UUID | None = None,
    attempts: Iterable[UUID] | None = None,
) -> tuple[UsedUp, ...]:
    """What was charged for in a period, by resource: of one tenant, provider or set of attempts.

    Readings are cumulative, so only the last charge of each attempt within and before the period
    is looked at, however many there are between.
    """
    assert tenant or provider or attempts is not None, "the use of the whole province is no sum"
    with connection.cursor() as cursor:
        cursor.execute(
            _USED_IN,
            {
                "start": period.start,
                "end": period.end,
                "tenant": tenant,
                "provider": provider,
                "attempts": None if attempts is None else list(attempts),
            },
        )
        return _in_order(
            UsedUp(resource=resource, milli_unit_seconds=amount)
            for resource, amount in cursor.fetchall()
        )
