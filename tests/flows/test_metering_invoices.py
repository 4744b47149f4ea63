"""Invoices and payments of a contract: once in the province, red within its original."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.db import DatabaseError, transaction

from jinsuan.kernel.errors import NotAllowed
from jinsuan.kernel.money import Money
from jinsuan.kernel.ref import Actor, Ref, Role
from jinsuan.metering.actions.invoices import register_invoice, register_payment
from jinsuan.metering.errors import ContractPaymentRefused, InvoiceRefused
from jinsuan.metering.models import Contract, Invoice
from jinsuan.metering.queries_invoices import invoiced, invoices_of, paid, payments_of
from tests.flows.world import organisation, person

pytestmark = pytest.mark.django_db
NOW = datetime(2025, 9, 16, 1, 0, tzinfo=UTC)
DAY = date(2025, 9, 1)
BLUE = "25142000000000000001"
RED = "25142000000000000002"


class Deal:
    """A contract with both its sides."""

    def __init__(self) -> None:
        self.seller, self.buyer = organisation(1, "甲算力", NOW), organisation(2, "乙大学", NOW)
        self.tenant = person("tenant", self.buyer, Role.TENANT, NOW)
        self.contract = Contract.objects.create(
            number="HT-1",
            tenant_id=self.buyer,
            provider_id=self.seller,
            effective_from=date(2025, 1, 1),
            recorded_at=NOW,
        ).id

    def invoice(self, number: str, yuan: str, **more: Any) -> Ref:
        given = {
            "seller": self.seller,
            "buyer": self.buyer,
            "contract": self.contract,
            "issued_on": DAY,
            "actor": self.tenant,
            "now": NOW,
        }
        return register_invoice(number, amount=Money.yuan(yuan), **{**given, **more})

    def pay(self, reference: str, yuan: str, **more: Any) -> Ref:
        given = {"paid_on": DAY, "actor": self.tenant, "now": NOW}
        return register_payment(
            self.contract,
            bank_reference=reference,
            amount=Money.yuan(yuan),
            **{**given, **more},
        )


@pytest.fixture
def deal() -> Deal:
    return Deal()


def test_the_same_invoice_again_is_harmless_and_another_under_its_number_is_not(
    deal: Deal,
) -> None:
    first = deal.invoice(BLUE, "0.01")

    assert deal.invoice(f" {BLUE[:10]} {BLUE[10:]}", "0.01") == first
    with pytest.raises(InvoiceRefused, match="内容不同"):
        deal.invoice(BLUE, "0.02")
    assert invoiced(deal.contract) == Money(1)


def test_red_invoices_take_back_at_most_their_original(deal: Deal) -> None:
    deal.invoice(BLUE, "100.00")
    deal.invoice(RED, "-60.00", original=BLUE)
    assert deal.invoice(RED, "-60.00", original=BLUE)
    third = "25142000000000000003"

    with pytest.raises(InvoiceRefused, match=r"超过原发票还剩的 ¥40\.00"):
        deal.invoice(third, "-40.01", original=BLUE)
    deal.invoice(third, "-40.00", original=BLUE)

    assert invoiced(deal.contract) == Money(0)
    assert [(v.amount.plain, v.original) for v in invoices_of(deal.contract)] == [
        ("100.00", ""),
        ("-60.00", BLUE),
        ("-40.00", BLUE),
    ]


@pytest.mark.parametrize(
    ("yuan", "more", "says"),
    [
        ("-1", {}, "没有写原发票"),
        ("1", {"original": BLUE}, "金额是正数"),
        ("-1", {"original": "25142000000000000009"}, "没有登记"),
        ("0", {}, "是 0"),
        ("1", {"issued_on": date(2025, 9, 17)}, "之后"),
        ("-1", {"original": BLUE, "issued_on": date(2025, 8, 31)}, "早于原发票"),
    ],
)
def test_what_an_invoice_cannot_say(deal: Deal, yuan: str, more: dict[str, Any], says: str) -> None:
    deal.invoice(BLUE, "100.00")

    with pytest.raises(InvoiceRefused, match=says):
        deal.invoice(RED, yuan, **more)


@pytest.mark.parametrize("number", ["", "123", "2514200000000000000a", "٢" * 20])
def test_a_number_has_twenty_digits(deal: Deal, number: str) -> None:
    with pytest.raises(InvoiceRefused, match="20 位"):
        deal.invoice(number, "1")


def test_an_invoice_of_other_parties_does_not_belong_to_the_contract(deal: Deal) -> None:
    other = organisation(3, "丙企业", NOW)
    stranger = person("stranger", other, Role.TENANT, NOW)

    with pytest.raises(InvoiceRefused, match="双方"):
        deal.invoice(BLUE, "1", buyer=other, actor=stranger)
    with pytest.raises(NotAllowed):
        deal.invoice(BLUE, "1", actor=stranger)
    with pytest.raises(NotAllowed):
        deal.invoice(BLUE, "1", actor=Actor.system("test"))


def test_the_database_keeps_red_within_and_rows_as_they_are(deal: Deal) -> None:
    ref = deal.invoice(BLUE, "100.00")
    row = {
        "seller_id": deal.seller,
        "buyer_id": deal.buyer,
        "contract_id": deal.contract,
        "original_id": ref.id,
        "issued_on": DAY,
        "recorded_by": ref.id,
        "recorded_at": NOW,
    }
    for change in ({"amount_fen": -10_001}, {"amount_fen": -1, "contract_id": None}):
        with pytest.raises(DatabaseError), transaction.atomic():
            Invoice.objects.create(number=RED, **{**row, **change})
    with pytest.raises(DatabaseError), transaction.atomic():
        Invoice.objects.filter(id=ref.id).update(amount_fen=1)


def test_a_payment_counts_once_per_payer_and_reference(deal: Deal) -> None:
    first = deal.pay("B-0001", "0.01")

    assert deal.pay("B-0001", "0.01", now=NOW - timedelta(days=3)) == first
    with pytest.raises(ContractPaymentRefused, match="内容不同"):
        deal.pay("B-0001", "0.02")
    deal.pay("B0002", "12.00")

    assert paid(deal.contract) == Money(1201)
    assert [v.bank_reference for v in payments_of(deal.contract)] == ["B-0001", "B0002"]


@pytest.mark.parametrize(
    ("reference", "yuan", "day"),
    [("=1+1", "1", DAY), ("", "1", DAY), ("B1", "0", DAY), ("B1", "1", date(2025, 9, 17))],
)
def test_what_a_payment_cannot_say(deal: Deal, reference: str, yuan: str, day: date) -> None:
    with pytest.raises(ContractPaymentRefused):
        deal.pay(reference, yuan, paid_on=day)
    assert paid(deal.contract) == Money(0)
