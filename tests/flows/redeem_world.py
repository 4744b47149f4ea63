"""A granted voucher with metered use as it stands in the books, ready to be redeemed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from uuid import UUID

from jinsuan.kernel.ids import new_id
from jinsuan.kernel.money import Money
from jinsuan.metering.actions.invoices import register_invoice
from jinsuan.metering.models import (
    Charge,
    ChargeLine,
    Contract,
    LockedPrice,
    Meter,
    Tariff,
    UsageReading,
)
from jinsuan.vouchers.actions.grant import approve_application, issue_granted
from jinsuan.vouchers.actions.redeem import start_redemption, submit_redemption
from jinsuan.vouchers.models import Application, Funding, FundingSource, Voucher
from tests.flows.casework_world import NOW
from tests.flows.checks_world import Year
from tests.flows.world import SYSTEM

ISSUED = NOW + timedelta(days=30)


def granted(year: Year, case: UUID) -> Voucher:
    """From an application that was handed in to its voucher."""
    assert year.passes(case)
    year.desk.move(case, "推荐", year.desk.city)
    approve_application(case, reason="核过原件", actor=year.desk.officer, now=NOW)
    ref = issue_granted(case, actor=SYSTEM, now=ISSUED)
    return Voucher.objects.get(id=ref.id)


def used(
    voucher: Voucher,
    *,
    yuan: str,
    at: datetime,
    points: Sequence[tuple[datetime, int]] = (),
    millifen: int = 350_000,
) -> UUID:
    """One attempt under the voucher's contract: what it cost, when last read, and its readings."""
    attempt, job, fen = new_id(), new_id(), Money.yuan(yuan).fen
    contract = Contract.objects.get(id=voucher.contract_id)
    sides = {"tenant_id": contract.tenant_id, "provider_id": contract.provider_id}
    tariff = Tariff.objects.filter(centre__owner=contract.provider_id, resource="card:T4").first()
    assert tariff is not None
    meter = Meter.objects.create(
        attempt=attempt, job=job, contract=contract, authorised_fen=fen, charged_fen=fen,
        charges=1, since=NOW, **sides,
    )  # fmt: skip
    LockedPrice.objects.create(
        attempt=attempt, resource="card:T4", millifen_per_hour=millifen, held_milli=1_000,
        tariff=tariff,
    )  # fmt: skip
    readings = [
        UsageReading.objects.create(
            attempt=attempt, resource="card:T4", milli_unit_seconds=much, occurred_at=when,
            recorded_at=when,
        )
        for when, much in (points or [(at, 1_000)])
    ]  # fmt: skip
    charge = Charge.objects.create(
        attempt=meter, job=job, number=1, cumulative_fen=fen, amount_fen=fen, recorded_at=at
    )
    ChargeLine.objects.create(charge=charge, reading=readings[-1], millifen_per_hour=millifen)
    funding = Funding.objects.create(
        attempt=attempt, job=job, number=1, rate_numerator=1, rate_denominator=5,
        authorised_fen=fen, covered_fen=fen, captured_fen=fen, **sides,
    )  # fmt: skip
    FundingSource.objects.create(
        funding=funding, voucher=voucher, held_fen=fen // 5, captured_fen=fen // 5
    )
    return attempt


def redeem(
    year: Year, voucher: Voucher, *, through: date, now: datetime, told: bool = True
) -> UUID:
    """Invoice what was metered and ask for it. The bank told of every week until then."""
    weeks = (now.date() - NOW.date()).days // 7
    days = [NOW.date() + timedelta(days=7 * week) for week in range(weeks + 1)]
    if told:
        year.bank(
            *({"流水号": f"LX-{day}", "交易日期": f"{day}", "对方户名": "工行", "对方账号": ""}
            for day in days),
            now=now,
        )  # fmt: skip
    contract = Contract.objects.get(id=voucher.contract_id)
    metered = Charge.objects.filter(attempt__contract=contract).values_list("amount_fen", flat=True)
    register_invoice(
        f"{Application.objects.count():020d}",
        seller=contract.provider_id,
        buyer=contract.tenant_id,
        amount=Money(sum(metered)),
        issued_on=through,
        contract=contract.id,
        actor=year.operator,
        now=now,
    )
    case = start_redemption(voucher.id, through=through, actor=year.operator, now=now).id
    submit_redemption(case, actor=year.operator, now=now)
    return case
