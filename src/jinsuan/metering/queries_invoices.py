"""What was invoiced and paid of a contract. Whoever calls these has been let in to the contract."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from uuid import UUID

from django.db.models import Sum

from jinsuan.kernel.money import Money
from jinsuan.kernel.ref import Ref
from jinsuan.metering.models import ContractPayment, Invoice


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceView:
    """One invoice; a red-letter one is negative and names its original."""

    ref: Ref
    number: str
    seller: UUID
    buyer: UUID
    amount: Money
    original: str
    issued_on: date


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentView:
    """One payment made outside the platform."""

    ref: Ref
    bank_reference: str
    amount: Money
    paid_on: date


def invoiced(contract: UUID) -> Money:
    """What was invoiced for a contract, red-letter invoices taken off."""
    found = Invoice.objects.filter(contract=contract).aggregate(all=Sum("amount_fen"))
    return Money(int(found["all"] or 0))


def invoices_of(contract: UUID) -> list[InvoiceView]:
    """A contract's invoices, in the order of their dates."""
    rows = Invoice.objects.filter(contract=contract).select_related("original")
    return [
        InvoiceView(
            ref=Ref("invoice", row.id),
            number=row.number,
            seller=row.seller_id,
            buyer=row.buyer_id,
            amount=Money(row.amount_fen),
            original=row.original.number if row.original else "",
            issued_on=row.issued_on,
        )
        for row in rows.order_by("issued_on", "number")
    ]


def paid(contract: UUID) -> Money:
    """What was paid for a contract outside the platform."""
    found = ContractPayment.objects.filter(contract=contract).aggregate(all=Sum("amount_fen"))
    return Money(int(found["all"] or 0))


def payments_of(contract: UUID) -> list[PaymentView]:
    """A contract's payments outside the platform, in the order of their dates."""
    rows = ContractPayment.objects.filter(contract=contract).order_by("paid_on", "bank_reference")
    return [
        PaymentView(
            ref=Ref("contractpayment", row.id),
            bank_reference=row.bank_reference,
            amount=Money(row.amount_fen),
            paid_on=row.paid_on,
        )
        for row in rows
    ]
