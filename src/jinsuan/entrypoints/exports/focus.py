"""A statement in the FinOps Open Cost and Usage Specification, FOCUS 1.2: one CSV row per charge part.

What was used costs its share of the charge (`Usage`), what a voucher paid is taken off again
(`Credit`), and what was corrected later is an `Adjustment` of the class `Correction`. So the sum of
`BilledCost` is what is paid in money: cash taken from escrow and what is still owed, corrections
included. Our own columns begin with `x_`. All numbers are decimal text.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from typing import IO

from jinsuan.entrypoints.exports.plain import safe
from jinsuan.kernel.money import Money
from jinsuan.kernel.period import BEIJING, days, month
from jinsuan.kernel.quantity import MILLI_UNIT_SECONDS_PER_UNIT_HOUR
from jinsuan.metering.charged import Charged, UsedUp
from jinsuan.metering.rating import CPU, MEMORY, spoken
from jinsuan.vouchers.statements import Line, Statement
from jinsuan.vouchers.subjects import SubjectKind

COLUMNS = (
    "AvailabilityZone",
    "BilledCost",
    "BillingAccountId",
    "BillingAccountName",
    "BillingAccountType",
    "BillingCurrency",
    "BillingPeriodEnd",
    "BillingPeriodStart",
    "CapacityReservationId",
    "CapacityReservationStatus",
    "ChargeCategory",
    "ChargeClass",
    "ChargeDescription",
    "ChargeFrequency",
    "ChargePeriodEnd",
    "ChargePeriodStart",
    "CommitmentDiscountCategory",
    "CommitmentDiscountId",
    "CommitmentDiscountName",
    "CommitmentDiscountQuantity",
    "CommitmentDiscountStatus",
    "CommitmentDiscountType",
    "CommitmentDiscountUnit",
    "ConsumedQuantity",
    "ConsumedUnit",
    "ContractedCost",
    "ContractedUnitPrice",
    "EffectiveCost",
    "InvoiceId",
    "InvoiceIssuerName",
    "ListCost",
    "ListUnitPrice",
    "PricingCategory",
    "PricingCurrency",
    "PricingCurrencyContractedUnitPrice",
    "PricingCurrencyEffectiveCost",
    "PricingCurrencyListUnitPrice",
    "PricingQuantity",
    "PricingUnit",
    "ProviderName",
    "PublisherName",
    "RegionId",
    "RegionName",
    "ResourceId",
    "ResourceName",
    "ResourceType",
    "ServiceCategory",
    "ServiceName",
    "ServiceSubcategory",
    "SkuId",
    "SkuMeter",
    "SkuPriceDetails",
    "SkuPriceId",
    "SubAccountId",
    "SubAccountName",
    "SubAccountType",
    "Tags",
)
"""Every column of FOCUS 1.2, in the specification's order; those we have nothing for stay empty."""
OWN = ("x_StatementNumber", "x_Charge", "x_Transfers", "x_BusinessKey", "x_ContractNumber")
QUANTUM = Decimal("0.000000001")
UNITS = {CPU: "Core-Hours", MEMORY: "GiB-Hours"}
Row = dict[str, str]


def write_focus(statement: Statement, lines: Iterable[Line], file: IO[bytes]) -> None:
    """Write the header and the rows of every line that is a charge or its correction."""
    begin_focus(statement, file)
    more_focus(statement, lines, statement.opening, file)


def begin_focus(_statement: Statement, file: IO[bytes]) -> None:
    """The header."""
    _write([{name: name for name in (*COLUMNS, *OWN)}], file)


def more_focus(
    statement: Statement, lines: Iterable[Line], _balance: Money, file: IO[bytes]
) -> None:
    """The rows of some lines."""
    _write((row for line in lines for row in _rows(statement, line)), file)


def _write(rows: Iterable[Row], file: IO[bytes]) -> None:
    text = io.TextIOWrapper(file, "utf-8", newline="")
    csv.DictWriter(text, [*COLUMNS, *OWN], restval="").writerows(rows)
    text.flush()
    text.detach()


def _rows(statement: Statement, line: Line) -> Iterator[Row]:
    if line.charge:
        yield from _usage(statement, line)
        if line.voucher:
            yield _row(statement, line, "Credit", -line.voucher, "算力券抵扣")
    elif line.correction:
        gave = statement.subject.kind is SubjectKind.TENANT
        billed = -line.correction if gave else line.correction
        more = {"ChargeClass": "Correction"}
        yield _row(statement, line, "Adjustment", billed, "更正以前的费用", more)
        if line.treasury_pays:  # the treasury gets it back, so it is nobody's cash
            yield _row(statement, line, "Credit", -billed, "更正以前的算力券抵扣", more)


def _usage(statement: Statement, line: Line) -> Iterator[Row]:
    """The charge, cut by what each resource costs by itself; the parts add up to it."""
    used = [one for one in line.used if one.milli_unit_seconds > 0]
    weights = [one.milli_unit_seconds * (one.millifen_per_hour or 0) for one in used]
    if not sum(weights):
        yield _row(statement, line, "Usage", line.charge, "算力使用")
        return
    for one, part in zip(used, line.charge.divided_by_weight(weights), strict=True):
        words = f"算力使用：{' '.join(spoken(one.resource))}"
        yield _row(statement, line, "Usage", part, words, _quantities(line, one))


def _quantities(line: Line, one: UsedUp) -> Row:
    hours = Decimal(one.milli_unit_seconds) / MILLI_UNIT_SECONDS_PER_UNIT_HOUR
    quantity = hours.quantize(QUANTUM, ROUND_HALF_EVEN)
    price = Decimal(one.millifen_per_hour or 0).scaleb(-5)
    unit = UNITS.get(one.resource, "Card-Hours")
    listed = f"{quantity * price:f}"
    place = line.basis.centre if line.basis else ""
    return {
        "ConsumedQuantity": f"{quantity:f}",
        "ConsumedUnit": unit,
        "PricingQuantity": f"{quantity:f}",
        "PricingUnit": unit,
        "PricingCategory": "Standard",
        "ListUnitPrice": f"{price:f}",
        "ContractedUnitPrice": f"{price:f}",
        "PricingCurrencyListUnitPrice": f"{price:f}",
        "PricingCurrencyContractedUnitPrice": f"{price:f}",
        "ListCost": listed,
        "ContractedCost": listed,
        "SkuId": one.resource,
        "SkuMeter": unit,
        "SkuPriceId": f"{place}/{one.resource}/{one.millifen_per_hour}",
    }


def _row(
    statement: Statement,
    line: Line,
    category: str,
    cost: Money,
    words: str,
    more: Row | None = None,
) -> Row:
    day = line.at.astimezone(BEIJING).date()
    charged, whole = days(day, day), statement.period
    found = {
        "BilledCost": cost.plain,
        "EffectiveCost": cost.plain,
        "ListCost": cost.plain,
        "ContractedCost": cost.plain,
        "PricingCurrencyEffectiveCost": cost.plain,
        "BillingCurrency": "CNY",
        "PricingCurrency": "CNY",
        "BillingPeriodStart": _instant(whole.start),
        "BillingPeriodEnd": _instant(whole.end),
        "ChargePeriodStart": _instant(charged.start),
        "ChargePeriodEnd": _instant(charged.end),
        "ChargeCategory": category,
        "ChargeDescription": words,
        "ChargeFrequency": "Usage-Based" if category == "Usage" else "One-Time",
        "InvoiceId": _invoice(statement),
        "ServiceCategory": "Compute",
        "ServiceSubcategory": "Other (Compute)",
        "ServiceName": "晋算算力",
        "RegionId": "CN-SX",
        "RegionName": "山西",
        "x_StatementNumber": statement.number,
        "x_Charge": str(line.cause),
        "x_Transfers": " ".join(str(ref) for ref in line.transfers),
        "x_BusinessKey": line.key,
    }
    found |= _parties(line.basis, statement)
    return {name: safe_text(name, text) for name, text in (found | (more or {})).items()}


def _parties(basis: Charged | None, statement: Statement) -> Row:
    """Who owes, who is owed and what for. A correction without a charge names only whose it is."""
    own = {"ProviderName": "晋算", "PublisherName": "晋算", "InvoiceIssuerName": "晋算"}
    if basis is None:
        name = statement.subject.name
        return {**own, "BillingAccountId": statement.subject.key, "BillingAccountName": name}
    return {
        "BillingAccountId": str(basis.tenant),
        "BillingAccountName": basis.tenant_name,
        "BillingAccountType": "Organisation",
        "ProviderName": basis.provider_name,
        "PublisherName": basis.provider_name,
        "InvoiceIssuerName": basis.provider_name,
        "ResourceId": str(basis.job),
        "ResourceName": str(basis.job),
        "ResourceType": "Job",
        "AvailabilityZone": basis.centre,
        "x_ContractNumber": basis.contract_number,
    }


def _invoice(statement: Statement) -> str:
    """A whole month is what is billed together; for other days no number is made up."""
    first, _ = statement.subject.days(statement.period)
    whole = month(f"{first:%Y-%m}") == statement.period
    return statement.number if whole else ""


def _instant(at: datetime) -> str:
    assert at.utcoffset() == timedelta(0), at
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"


NUMBERS = frozenset(name for name in COLUMNS if name.endswith(("Cost", "Price", "Quantity")))


def safe_text(name: str, text: str) -> str:
    """Names that people chose can be no formula; the numbers are our own."""
    return text if name in NUMBERS else safe(text)
