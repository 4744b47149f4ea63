"""What a job costs, ready for its page: figures, the split bar, the last captures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from jinsuan.entrypoints.portal.show import Split, split
from jinsuan.kernel.money import Money
from jinsuan.kernel.quantity import show_unit_hours
from jinsuan.kernel.ref import Ref
from jinsuan.ledger import accounts, queries as ledger
from jinsuan.ledger.reasons import Reason
from jinsuan.metering import queries as metering
from jinsuan.metering.rating import spoken
from jinsuan.vouchers.queries import FundingView

SHOWN = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One transfer of a charge: who paid, how much."""

    ref: Ref
    payer: str
    fill: str
    amount: Money


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargeRow:
    """One charge with its transfers: voucher first, then cash."""

    at: datetime
    job: Ref
    amount: Money
    cumulative: Money
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class JobBill:
    """The money of one job."""

    authorised: Money
    charged: Money
    held: Money
    released: Money
    shortfall: Money
    split: Split
    used: tuple[tuple[str, str, str], ...]
    rows: tuple[ChargeRow, ...]

    @property
    def any(self) -> bool:
        return bool(self.authorised)


def bill(job: UUID, fundings: Sequence[FundingView]) -> JobBill:
    """Read and add up. The parts of the bar sum to the fen."""
    counted = [f for f in fundings if f.released_at is None or f.captured]
    by_voucher = Money.total(f.voucher_captured for f in counted)
    shortfall = Money.total(f.shortfall for f in counted)
    charged = Money.total(f.captured for f in counted)
    held = Money.total(f.held for f in counted)
    held_voucher = Money.total(
        s.held - s.captured
        for f in counted
        if f.released_at is None
        for s in f.sources
        if s.voucher is not None
    )
    steps = metering.charges_of_job(job, limit=SHOWN)
    return JobBill(
        authorised=Money.total(f.authorised for f in counted),
        charged=charged,
        held=held,
        released=Money.total(
            s.held - s.captured for f in fundings if f.released_at is not None for s in f.sources
        ),
        shortfall=shortfall,
        split=split(
            "费用",
            [
                ("券已付", by_voucher, "v", False),
                ("现金已付", charged - by_voucher - shortfall, "c", False),
                ("券冻结", held_voucher, "v", True),
                ("现金冻结", held - held_voucher, "c", True),
                ("欠款", shortfall, "n", False),
            ],
        ),
        used=_used(steps),
        rows=charge_rows(steps),
    )


def _used(steps: Sequence[metering.ChargeStep]) -> tuple[tuple[str, str, str], ...]:
    """What the latest charge rests on: resource, amount, unit."""
    if not steps:
        return ()
    lines = metering.charge_view(steps[0].ref).lines
    return tuple(
        (name, show_unit_hours(line.milli_unit_seconds), unit)
        for line in lines
        for name, unit in [spoken(line.resource)]
    )


def charge_rows(steps: Sequence[metering.ChargeStep]) -> tuple[ChargeRow, ...]:
    """Charges with the transfers they made."""
    moved = ledger.transfers_caused_by_each(step.ref for step in steps)
    return tuple(
        ChargeRow(
            at=step.recorded_at,
            job=step.job,
            amount=step.amount,
            cumulative=step.cumulative,
            parts=tuple(_part(t) for t in moved.get(step.ref, [])),
        )
        for step in steps
    )


def _part(transfer: ledger.TransferView) -> Part:
    if transfer.reason is Reason.SHORTFALL:
        payer, fill = "欠款", "n"
    elif accounts.parse(transfer.debit).sub == accounts.CASH:
        payer, fill = "现金", "c"
    else:
        payer, fill = "券", "v"
    return Part(ref=transfer.ref, payer=payer, fill=fill, amount=transfer.amount)
