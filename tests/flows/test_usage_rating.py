"""Property: judging and rating a file in SQL says what the same rules say in Python, to the fen."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings, strategies as st

from jinsuan.kernel.ids import new_id
from jinsuan.kernel.money import Money
from jinsuan.kernel.period import beijing_date
from jinsuan.metering.actions.rated import rate
from jinsuan.metering.models import (
    Charge,
    ChargeLine,
    DoubtfulReading,
    LockedPrice,
    Meter,
    Tariff,
    UsageFile,
    UsageFileRow,
    UsageFileSubject,
    UsageReading,
    UseCorrection,
)
from jinsuan.metering.rating import charge_so_far
from jinsuan.metering.readings import Claim, doubt_in_file
from tests.flows.usage_world import NOW, start_jobs

RESOURCES = ("card:T4", "cpu_core", "memory_gib")
RECEIVED = NOW + timedelta(days=3)
PREFIX = "0" * 12 + "70008" + "0" * 7

prices = st.one_of(st.integers(0, 3), st.integers(0, 400_000), st.integers(10**9, 10**12))
# Mostly what a meter would say (so that much is believed and charged), and some of everything else.
seconds = st.one_of(
    st.integers(1, 71).map(lambda hours: hours * 3600),
    st.integers(1, 3 * 86_400),
    st.integers(-40, 40),
    st.integers(259_100, 260_000),
)
shares = st.sampled_from([1000, 1000, 1000, 1000, 999, 950, 1001])  # per mille of what it holds
odd_bits = st.sampled_from([0, 0, 0, 0, -1, 1, -331_777, 331_777])
rows_of = st.lists(
    st.tuples(st.sampled_from([*RESOURCES, *RESOURCES, "card:H100"]), seconds, shares, odd_bits),
    max_size=30,
)


@pytest.fixture
def place(db: None) -> tuple[Meter, LockedPrice, UUID]:
    world, jobs = start_jobs(jobs=1)
    meter = Meter.objects.get(job=jobs[0].id)
    return meter, LockedPrice.objects.filter(attempt=meter.attempt)[0], world.centre_id


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=rows_of,
    price=st.tuples(prices, prices, prices),
    held=st.tuples(*[st.integers(0, 64_000)] * 3),
    limit=st.one_of(st.integers(0, 10**4), st.integers(0, 10**15)),
    before=st.tuples(*[st.none() | st.integers(0, 10**7)] * 3),
    ended=st.none() | st.integers(0, 2 * 86_400),
    wrong=st.dictionaries(st.sampled_from(RESOURCES), st.integers(0, 10**7), max_size=2),
)
def test_sql_says_what_python_says(
    place: tuple[Meter, LockedPrice, UUID],
    rows: list[tuple[str, int, int, int]],
    price: tuple[int, int, int],
    held: tuple[int, int, int],
    limit: int,
    before: tuple[int | None, ...],
    ended: int | None,
    wrong: dict[str, int],
) -> None:
    like, locked, centre = place
    holds = dict(zip(RESOURCES, held, strict=True))
    costs = dict(zip(RESOURCES, price, strict=True))
    over = None if ended is None else NOW + timedelta(seconds=ended)
    told = [
        (
            resource,
            max(0, holds.get(resource, 1) * s * share // 1000 + odd),
            NOW + timedelta(seconds=s),
        )
        for resource, s, share, odd in rows
    ]
    with transaction.atomic():
        meter = _meter(like, locked.tariff, costs, holds, limit)
        known = {r: v for r, v in zip(RESOURCES, before, strict=True) if v is not None}
        for resource, value in known.items():
            UsageReading.objects.create(
                attempt=meter.attempt, resource=resource, milli_unit_seconds=value,
                occurred_at=NOW, recorded_at=NOW,
            )  # fmt: skip
        corrected = {r: v for r, v in wrong.items() if v != known.get(r, 0)}
        _correct(meter, known, corrected)
        file = _file(centre, meter.attempt, over, told)
        _rate(file)
        by_sql = _found(meter.attempt)
        transaction.set_rollback(True)
    assert by_sql == _by_python(told, known, corrected, costs, holds, limit, over)


def _correct(meter: Meter, known: dict[str, int], corrected: dict[str, int]) -> None:
    for number, (resource, value) in enumerate(corrected.items(), start=1):
        UseCorrection.objects.create(
            attempt=meter, number=number, resource=resource,
            before_milli=known.get(resource, 0), after_milli=value, reason="x", document="x",
            proposed_by=new_id(), proposed_at=NOW, answered_by=new_id(), answered_at=NOW,
            agreed=True,
        )  # fmt: skip
        UsageReading.objects.create(
            attempt=meter.attempt, resource=resource, milli_unit_seconds=value, occurred_at=NOW,
            recorded_at=NOW, correction=number,
        )  # fmt: skip


def _meter(
    like: Meter, tariff: Tariff, costs: dict[str, int], holds: dict[str, int], limit: int
) -> Meter:
    meter = Meter.objects.create(
        attempt=new_id(), job=new_id(), tenant=like.tenant, provider=like.provider,
        contract=like.contract, authorised_fen=limit, since=NOW,
    )  # fmt: skip
    for resource in RESOURCES:
        LockedPrice.objects.create(
            attempt=meter.attempt, resource=resource, millifen_per_hour=costs[resource],
            held_milli=holds[resource], tariff=tariff,
        )  # fmt: skip
    return meter


def _file(
    centre: UUID, attempt: UUID, over: datetime | None, told: list[tuple[str, int, datetime]]
) -> UUID:
    file = UsageFile.objects.create(
        id=new_id(), centre_id=centre, digest=new_id().bytes, name="x", received_at=RECEIVED,
        rows=max(1, len(told)),
    )  # fmt: skip
    UsageFileSubject.objects.create(file=file, number=0, attempt=attempt, ended_at=over)
    UsageFileRow.objects.bulk_create(
        UsageFileRow(file=file, subject=0, occurred_at=at, line=line, resource=resource,
                     milli_unit_seconds=value)
        for line, (resource, value, at) in enumerate(told, start=2)
    )  # fmt: skip
    return file.id


def _rate(file: UUID) -> None:
    far = datetime(2200, 1, 1, tzinfo=UTC)
    where = {
        "file": file,
        "subject": 0,
        "at": NOW - timedelta(days=9),
        "to_subject": 0,
        "to_at": far,
    }
    rate(where, prefix=PREFIX, received_at=RECEIVED, now=RECEIVED)


Books = tuple[object, ...]


def _found(attempt: UUID) -> Books:
    charges = Charge.objects.filter(attempt=attempt).order_by("number")
    basis: dict[int, set[tuple[str, int, int]]] = defaultdict(set)
    for line in ChargeLine.objects.filter(charge__in=charges).select_related("charge", "reading"):
        basis[line.charge.number].add(
            (line.reading.resource, line.reading.milli_unit_seconds, line.millifen_per_hour)
        )
    doubts = DoubtfulReading.objects.filter(attempt=attempt)
    meter = Meter.objects.get(attempt=attempt)
    return (
        sorted(
            UsageReading.objects.filter(attempt=attempt)
            .values_list("resource", "milli_unit_seconds", "occurred_at")
        ),
        sorted(set(doubts.values_list("resource", "milli_unit_seconds", "doubt"))),
        [(c.number, c.amount_fen, c.cumulative_fen, basis[c.number]) for c in charges],
        (meter.charges, meter.charged_fen),
    )  # fmt: skip


def _by_python(
    told: list[tuple[str, int, datetime]],
    known: dict[str, int],
    corrected: dict[str, int],
    costs: dict[str, int],
    holds: dict[str, int],
    limit: int,
    over: datetime | None,
) -> Books:
    """One reading after the other by time, then a charge for each Beijing day."""
    last = dict(known)
    kept = [(resource, value, NOW) for resource, value in [*known.items(), *corrected.items()]]
    doubts: set[tuple[str, int, str]] = set()
    days: dict[object, dict[str, int]] = {}
    for resource, value, at in sorted(told, key=lambda row: (row[2], row[1])):
        claim = Claim(
            held_milli=holds.get(resource), since=NOW, last=last.get(resource, 0), ended=over,
            corrected=resource in corrected,
        )  # fmt: skip
        why = doubt_in_file(value, at, claim, received_at=RECEIVED)
        if why is not None:
            doubts.add((resource, value, str(why)))
        elif value > claim.last:
            last[resource] = value
            kept.append((resource, value, at))
            days[beijing_date(at)] = last | corrected
    charges: list[object] = []
    so_far = 0
    for usage in days.values():
        whole = charge_so_far(usage, costs, limit=Money(limit)).fen
        if whole > so_far:
            basis = {(r, v, costs[r]) for r, v in usage.items()}
            charges.append((len(charges) + 1, whole - so_far, whole, basis))
            so_far = whole
    return sorted(kept), sorted(doubts), charges, (len(charges), so_far)
