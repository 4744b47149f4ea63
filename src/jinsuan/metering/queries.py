"""What metering knows, as frozen values."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from jinsuan.kernel.errors import NotFound
from jinsuan.kernel.money import Money
from jinsuan.kernel.ref import Ref
from jinsuan.metering.models import (
    Charge,
    ChargeLine,
    Contract,
    ContractPayment,
    DoubtfulReading,
    Invoice,
    LockedPrice,
    Meter,
    Tariff,
    UsageReading,
    UseCorrection,
)


def tariffs_on(centres: Iterable[UUID], *, on: date) -> dict[tuple[UUID, str], Tariff]:
    """The tariff in force on a day, by centre and resource."""
    rows = (
        Tariff.objects.filter(centre__in=set(centres), effective_on__lte=on)
        .order_by("centre_id", "resource", "-effective_on")
        .distinct("centre_id", "resource")
    )
    return {(row.centre_id, row.resource): row for row in rows}


def prices_on(centres: Iterable[UUID], *, on: date) -> dict[UUID, dict[str, int]]:
    """Prices in force on a day: centre to resource to thousandths of a fen per unit-hour."""
    prices: dict[UUID, dict[str, int]] = defaultdict(dict)
    for (centre, resource), tariff in tariffs_on(centres, on=on).items():
        prices[centre][resource] = tariff.millifen_per_hour
    return prices


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargeLineView:
    """One reading behind a charge, with its locked price and the tariff it came from."""

    resource: str
    milli_unit_seconds: int
    millifen_per_hour: int
    occurred_at: datetime
    recorded_at: datetime
    reading: Ref
    tariff: Ref


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargeView:
    """One charge and what it rests on."""

    ref: Ref
    job: Ref
    attempt: Ref
    number: int
    amount: Money
    cumulative: Money
    authorised: Money
    contract: Ref
    contract_number: str
    tenant: Ref
    provider: Ref
    recorded_at: datetime
    lines: tuple[ChargeLineView, ...]


def charge_view(ref: Ref) -> ChargeView:
    """One charge with its readings and prices.

    Raises:
        NotFound: no such charge.
    """
    row = Charge.objects.select_related("attempt__contract").filter(id=ref.id).first()
    if row is None:
        raise NotFound("费用", str(ref))
    meter = row.attempt
    tariffs = {p.resource: p.tariff_id for p in LockedPrice.objects.filter(attempt=meter.attempt)}
    lines = ChargeLine.objects.filter(charge=row).select_related("reading")
    return ChargeView(
        ref=Ref("charge", row.id),
        job=Ref("job", row.job),
        attempt=Ref("attempt", meter.attempt),
        number=row.number,
        amount=Money(row.amount_fen),
        cumulative=Money(row.cumulative_fen),
        authorised=Money(meter.authorised_fen),
        contract=Ref("contract", meter.contract_id),
        contract_number=meter.contract.number,
        tenant=Ref("organisation", meter.tenant_id),
        provider=Ref("organisation", meter.provider_id),
        recorded_at=row.recorded_at,
        lines=tuple(
            ChargeLineView(
                resource=line.reading.resource,
                milli_unit_seconds=line.reading.milli_unit_seconds,
                millifen_per_hour=line.millifen_per_hour,
                occurred_at=line.reading.occurred_at,
                recorded_at=line.reading.recorded_at,
                reading=Ref("reading", line.reading_id),
                tariff=Ref("tariff", tariffs[line.reading.resource]),
            )
            for line in lines.order_by("reading__resource")
        ),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class CorrectionView:
    """更正: a reading that was wrong, what it should have been, and who said and agreed so."""

    ref: Ref
    resource: str
    before: int
    after: int
    reason: str
    document: str
    proposed_by: Ref
    proposed_at: datetime
    agreed_by: Ref
    agreed_at: datetime


def correction_of(charge: Ref) -> CorrectionView | None:
    """The correction behind a charge; None for a charge that readings made."""
    row = UseCorrection.objects.filter(charge=charge.id, agreed=True).first()
    if row is None:
        return None
    assert row.answered_by is not None and row.answered_at is not None
    return CorrectionView(
        ref=Ref("usecorrection", row.id),
        resource=row.resource,
        before=row.before_milli,
        after=row.after_milli,
        reason=row.reason,
        document=row.document,
        proposed_by=Ref("person", row.proposed_by),
        proposed_at=row.proposed_at,
        agreed_by=Ref("person", row.answered_by),
        agreed_at=row.answered_at,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterView:
    """What an attempt used and costs so far."""

    attempt: Ref
    authorised: Money
    charged: Money
    provider: Ref
    contract_number: str
    doubts: int


def meters_of(job: UUID) -> list[MeterView]:
    """The meters of a job's attempts, oldest first."""
    rows = Meter.objects.filter(job=job).select_related("contract").order_by("since")
    return [
        MeterView(
            attempt=Ref("attempt", row.attempt),
            authorised=Money(row.authorised_fen),
            charged=Money(row.charged_fen),
            provider=Ref("organisation", row.provider_id),
            contract_number=row.contract.number,
            doubts=DoubtfulReading.objects.filter(attempt=row.attempt).count(),
        )
        for row in rows
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Used:
    """What one attempt used in all (as corrected), by resource, and what it was charged."""

    attempt: UUID
    milli_unit_seconds: dict[str, int]
    charged: Money


def usage_of_attempts() -> list[Used]:
    """The last readings and the charge of every attempt, for reports over the whole province."""
    usage: dict[UUID, dict[str, int]] = defaultdict(dict)
    rows = (
        UsageReading.objects.order_by("attempt", "resource", "-correction", "-milli_unit_seconds")
        .distinct("attempt", "resource")
        .values_list("attempt", "resource", "milli_unit_seconds")
    )
    for attempt, resource, last in rows:
        usage[attempt][resource] = last
    meters = Meter.objects.order_by("attempt").values_list("attempt", "charged_fen")
    return [
        Used(attempt=attempt, milli_unit_seconds=usage[attempt], charged=Money(fen))
        for attempt, fen in meters
    ]


def doubt_count() -> int:
    """How many readings were put aside because they could not be believed."""
    return DoubtfulReading.objects.count()


def charges_of(job: UUID) -> list[Ref]:
    """The charges of a job, oldest first."""
    rows = Charge.objects.filter(job=job).order_by("recorded_at", "number")
    return [Ref("charge", pk) for pk in rows.values_list("id", flat=True)]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargeStep:
    """One charge in a list."""

    ref: Ref
    job: Ref
    attempt: Ref
    number: int
    amount: Money
    cumulative: Money
    recorded_at: datetime


def charge_steps(job: UUID, *, after: UUID | None, limit: int) -> list[ChargeStep]:
    """A job's charges, oldest first, from after one of them on."""
    rows = Charge.objects.filter(job=job).order_by("id")
    if after is not None:
        rows = rows.filter(id__gt=after)
    return [_step(row) for row in rows[:limit]]


def charges_of_job(job: UUID, *, limit: int) -> list[ChargeStep]:
    """The latest charges of a job, newest first."""
    rows = Charge.objects.filter(job=job).order_by("-recorded_at", "-number")
    return [_step(row) for row in rows[:limit]]


def charges_of_tenant(
    tenant: UUID, *, before: Ref | None = None, limit: int = 20
) -> list[ChargeStep]:
    """The charges of a tenant's jobs, newest first; `before` is the last one of the page before."""
    rows = Charge.objects.filter(attempt__tenant=tenant)
    if before is not None:
        rows = rows.filter(id__lt=before.id)
    return [_step(row) for row in rows.order_by("-id")[:limit]]


def _step(row: Charge) -> ChargeStep:
    return ChargeStep(
        ref=Ref("charge", row.id),
        job=Ref("job", row.job),
        attempt=Ref("attempt", row.attempt_id),
        number=row.number,
        amount=Money(row.amount_fen),
        cumulative=Money(row.cumulative_fen),
        recorded_at=row.recorded_at,
    )


def links(ref: Ref) -> list[Ref]:
    """What metering knows to hang together with this thing, in the order of the trace."""
    if ref.kind == "charge":
        view = charge_view(ref)
        return [
            *(line.reading for line in view.lines),
            *(line.tariff for line in view.lines),
            view.attempt,
            view.job,
            view.contract,
        ]
    if ref.kind == "job":
        return charges_of(ref.id)
    if ref.kind == "contract":
        contract = Contract.objects.filter(id=ref.id).first()
        if contract is None:
            return []
        papers = (("invoice", contract.invoices), ("contractpayment", contract.payments))
        return [
            Ref("organisation", contract.tenant_id),
            Ref("organisation", contract.provider_id),
            *(Ref(kind, one.id) for kind, rows in papers for one in rows.order_by("id")),
        ]
    if ref.kind == "attempt":
        steps = Charge.objects.filter(attempt=ref.id).order_by("number")
        return [Ref("charge", pk) for pk in steps.values_list("id", flat=True)]
    if ref.kind in _PAPERS:
        found = _PAPERS[ref.kind].objects.filter(id=ref.id, contract__isnull=False)
        return [Ref("contract", pk) for pk in found.values_list("contract_id", flat=True)]
    return []


_PAPERS: dict[str, type[Invoice | ContractPayment]] = {
    "invoice": Invoice,
    "contractpayment": ContractPayment,
}


def due_attempts(*, limit: int) -> list[UUID]:
    """Attempts with readings that are not charged yet."""
    rows = Meter.objects.filter(due=True).order_by("attempt")
    return list(rows.values_list("attempt", flat=True)[:limit])
