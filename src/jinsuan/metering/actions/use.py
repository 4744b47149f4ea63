"""What attempts use: the meter of an attempt, its readings, its charges."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import transaction

from jinsuan.kernel.money import Money
from jinsuan.kernel.period import beijing_date
from jinsuan.kernel.ref import Actor
from jinsuan.ledger.rows import update_rows
from jinsuan.ledger.statements import read
from jinsuan.metering.actions.contracts import in_force
from jinsuan.metering.errors import ResourceUnpriced
from jinsuan.metering.models import (
    Charge,
    ChargeLine,
    DoubtfulReading,
    LockedPrice,
    Meter,
    UsageReading,
)
from jinsuan.metering.queries import tariffs_on
from jinsuan.metering.rating import Prices, Shape, charge_so_far
from jinsuan.metering.readings import Claim, doubt


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """What is needed to begin to charge one attempt."""

    attempt: UUID
    job: UUID
    tenant: UUID
    provider: UUID
    centre: UUID
    shape: Shape
    authorised: Money


@transaction.atomic
def open_meters(openings: Sequence[Opening], *, actor: Actor, now: datetime) -> None:
    """Lock the prices of today for each attempt and begin its account of use.

    Raises:
        ResourceUnpriced: a resource that the attempt holds has no tariff today.
    """
    tariffs = tariffs_on({o.centre for o in openings}, on=beijing_date(now))
    contracts = in_force({(o.tenant, o.provider) for o in openings}, actor=actor, now=now)
    locks: list[LockedPrice] = []
    for opening in openings:
        for resource, milli in opening.shape.milli_units().items():
            tariff = tariffs.get((opening.centre, resource))
            if tariff is None:
                raise ResourceUnpriced(resource)
            locks.append(
                LockedPrice(
                    attempt=opening.attempt,
                    resource=resource,
                    millifen_per_hour=tariff.millifen_per_hour,
                    held_milli=milli,
                    tariff_id=tariff.id,
                )
            )
    Meter.objects.bulk_create(
        Meter(
            attempt=o.attempt,
            job=o.job,
            tenant_id=o.tenant,
            provider_id=o.provider,
            contract_id=contracts[o.tenant, o.provider],
            authorised_fen=o.authorised.fen,
            since=now,
        )
        for o in openings
    )
    LockedPrice.objects.bulk_create(locks)


# Every report of an agent asks these three.
_LOCK_METERS = """
    SELECT attempt, since FROM metering_meter WHERE attempt = ANY (%s::uuid[])
    ORDER BY attempt FOR NO KEY UPDATE
"""
_HELD = """
    SELECT attempt, resource, held_milli FROM metering_lockedprice
    WHERE attempt = ANY (%s::uuid[])
"""
_LAST = """
    SELECT attempt, resource, coalesce(max(milli_unit_seconds) FILTER (WHERE correction = 0), 0),
           max(correction) > 0
    FROM metering_usagereading WHERE attempt = ANY (%s::uuid[]) GROUP BY attempt, resource
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One cumulative value that a centre reported."""

    attempt: UUID
    resource: str
    milli_unit_seconds: int
    occurred_at: datetime


@transaction.atomic(savepoint=False)  # refuses nothing
def record(readings: Sequence[Reading], *, now: datetime) -> int:
    """Keep readings that can be believed and put the others aside as findings.

    Returns:
        How many were put aside. Repeats are neither kept again nor an error.
    """
    attempts = list({r.attempt for r in readings})
    since: dict[UUID, datetime] = dict(read(_LOCK_METERS, [attempts]))
    held = {(attempt, resource): milli for attempt, resource, milli in read(_HELD, [attempts])}
    known = read(_LAST, [attempts])
    last = {(attempt, resource): value for attempt, resource, value, _ in known}
    corrected = {(attempt, resource) for attempt, resource, _, by_people in known if by_people}
    good: list[UsageReading] = []
    aside: list[DoubtfulReading] = []
    for r in sorted(readings, key=lambda r: (r.attempt, r.resource, r.milli_unit_seconds)):
        assert r.attempt in since, f"no meter for attempt {r.attempt}"
        before = last.get((r.attempt, r.resource), 0)
        claim = Claim(
            held_milli=held.get((r.attempt, r.resource)),
            since=since[r.attempt],
            last=before,
            corrected=(r.attempt, r.resource) in corrected,
        )
        why = doubt(r.milli_unit_seconds, r.occurred_at, claim, now=now)
        values = {
            "attempt": r.attempt,
            "resource": r.resource,
            "milli_unit_seconds": r.milli_unit_seconds,
            "occurred_at": r.occurred_at,
            "recorded_at": now,
        }
        if why is not None:
            aside.append(DoubtfulReading(doubt=why, **values))
        elif r.milli_unit_seconds > before:
            good.append(UsageReading(**values))
            last[r.attempt, r.resource] = r.milli_unit_seconds
    UsageReading.objects.bulk_create(good, ignore_conflicts=True)
    DoubtfulReading.objects.bulk_create(aside, ignore_conflicts=True)
    if good:
        Meter.objects.filter(attempt__in={r.attempt for r in good}).update(due=True)
    return len(aside)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One new charge: what the attempt costs in all by now, and what of it is new (below nought
    only by a correction).
    """

    charge: UUID
    attempt: UUID
    job: UUID
    number: int
    cumulative: Money
    amount: Money


@transaction.atomic(savepoint=False)  # refuses nothing
def charge(attempts: Sequence[UUID], *, now: datetime) -> list[Step]:
    """Turn readings not yet charged into charges. Calling it again finds nothing to do."""
    meters = [
        m
        for m in Meter.objects.select_for_update(no_key=True)
        .filter(attempt__in=attempts)
        .order_by("attempt")
        if m.due
    ]
    ids = {m.attempt for m in meters}
    prices: dict[UUID, dict[str, int]] = defaultdict(dict)
    for price in LockedPrice.objects.filter(attempt__in=ids):
        prices[price.attempt][price.resource] = price.millifen_per_hour
    latest = latest_readings(ids)
    steps: list[Step] = []
    lines: list[ChargeLine] = []
    charges: list[Charge] = []
    for meter in meters:
        meter.due = False
        row = next_charge(meter, latest[meter.attempt], prices[meter.attempt], now=now)
        if row is None:
            continue
        assert row.amount_fen > 0, (meter.attempt, row.amount_fen)
        charges.append(row)
        lines += charge_lines(row, latest[meter.attempt], prices[meter.attempt])
        steps.append(step_of(row))
    Charge.objects.bulk_create(charges)
    ChargeLine.objects.bulk_create(lines)
    update_rows(meters, ["due", "charges", "charged_fen"])
    return steps


def next_charge(
    meter: Meter, readings: Sequence[UsageReading], prices: Prices, *, now: datetime
) -> Charge | None:
    """What readings change, not saved; the meter's own numbers change with it. None: not a fen."""
    usage = {r.resource: r.milli_unit_seconds for r in readings}
    whole = charge_so_far(usage, prices, limit=Money(meter.authorised_fen))
    amount = whole - Money(meter.charged_fen)
    if not amount:
        return None
    meter.charges += 1
    meter.charged_fen = whole.fen
    return Charge(
        attempt=meter,
        job=meter.job,
        number=meter.charges,
        cumulative_fen=whole.fen,
        amount_fen=amount.fen,
        recorded_at=now,
    )


def charge_lines(
    charge: Charge, readings: Sequence[UsageReading], prices: Prices
) -> list[ChargeLine]:
    """What a charge rests on, not saved."""
    return [
        ChargeLine(charge=charge, reading=r, millifen_per_hour=prices[r.resource]) for r in readings
    ]


def step_of(row: Charge) -> Step:
    """A charge as whoever pays it wants to know it."""
    return Step(
        charge=row.id,
        attempt=row.attempt_id,
        job=row.job,
        number=row.number,
        cumulative=Money(row.cumulative_fen),
        amount=Money(row.amount_fen),
    )


def latest_readings(attempts: set[UUID]) -> dict[UUID, list[UsageReading]]:
    """The reading of each resource of each attempt that counts: the last corrected, or the largest."""
    rows = (
        UsageReading.objects.filter(attempt__in=attempts)
        .order_by("attempt", "resource", "-correction", "-milli_unit_seconds")
        .distinct("attempt", "resource")
    )
    latest: dict[UUID, list[UsageReading]] = defaultdict(list)
    for row in rows:
        latest[row.attempt].append(row)
    return latest
