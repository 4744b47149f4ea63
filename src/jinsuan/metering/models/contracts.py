"""Contracts with what was invoiced and paid for them."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q

from jinsuan.kernel.ids import new_id
from jinsuan.registry.models import Organisation


class Contract(models.Model):
    """合同: between one tenant and one provider, dated. The platform's standard contract is one too."""

    id = models.UUIDField(primary_key=True, default=new_id)
    number = models.CharField(max_length=80)  # the parties' own numbering
    tenant = models.ForeignKey(Organisation, on_delete=models.PROTECT, related_name="+")
    provider = models.ForeignKey(Organisation, on_delete=models.PROTECT, related_name="+")
    standard = models.BooleanField(default=False)  # 平台标准合同
    signed_on = models.DateField(null=True)  # 签订日; None for the standard contract
    text_digest = models.BinaryField(max_length=32, null=True)  # of the signed text, where known
    effective_from = models.DateField()
    effective_to = models.DateField(null=True)  # not included
    recorded_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="contract_dates",
                condition=Q(effective_to__isnull=True) | Q(effective_to__gt=F("effective_from")),
            ),
            # An owner's jobs on its own centre run under a standard contract.
            models.CheckConstraint(
                name="contract_two_parties",
                condition=Q(standard=True) | ~Q(tenant=F("provider")),
            ),
            # Strangers may use the same number; the same two parties may not.
            models.UniqueConstraint(
                name="contract_number_once", fields=["tenant", "provider", "number"]
            ),
            models.UniqueConstraint(
                name="contract_one_standard",
                fields=["tenant", "provider"],
                condition=Q(standard=True),
            ),
        ]

    def __str__(self) -> str:
        return self.number


class ContractLine(models.Model):
    """合同明细: one category of what is bought, dated; the amount includes tax."""

    class Category(models.TextChoices):
        """What vouchers and audits tell apart."""

        COMPUTE = "compute", "算力使用"
        STORAGE = "storage", "存储"
        NETWORK = "network", "网络"
        SECURITY = "security", "安全"
        RACK = "rack", "机架租赁"
        SERVICE = "service", "技术支撑"
        OTHER = "other", "其他"

    id = models.UUIDField(primary_key=True, default=new_id)
    contract = models.ForeignKey(Contract, on_delete=models.PROTECT, related_name="lines")
    category = models.CharField(max_length=20, choices=Category.choices)
    description = models.CharField(max_length=200)
    ceiling_fen = models.BigIntegerField(null=True)  # None: as used
    effective_from = models.DateField()
    effective_to = models.DateField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="contract_line_ceiling",
                condition=Q(ceiling_fen__isnull=True) | Q(ceiling_fen__gt=0),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.contract_id}/{self.category}"


class Invoice(models.Model):
    """发票: one e-invoice, tax included. A red-letter one (红字) is negative and names its original."""

    id = models.UUIDField(primary_key=True, default=new_id)
    number = models.CharField(max_length=20, unique=True)  # once in the whole province
    seller = models.ForeignKey(Organisation, on_delete=models.PROTECT, related_name="+")
    buyer = models.ForeignKey(Organisation, on_delete=models.PROTECT, related_name="+")
    contract = models.ForeignKey(
        Contract, on_delete=models.PROTECT, null=True, related_name="invoices"
    )
    amount_fen = models.BigIntegerField()
    original = models.ForeignKey("self", on_delete=models.PROTECT, null=True, related_name="reds")
    issued_on = models.DateField()
    recorded_by = models.UUIDField()
    recorded_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="invoice_number_form", condition=Q(number__regex=r"^[0-9]{20}$")
            ),
            models.CheckConstraint(
                name="invoice_red_names_original",
                condition=Q(original__isnull=True, amount_fen__gt=0)
                | Q(original__isnull=False, amount_fen__lt=0),
            ),
            models.CheckConstraint(name="invoice_two_parties", condition=~Q(seller=F("buyer"))),
        ]

    def __str__(self) -> str:
        return self.number


class ContractPayment(models.Model):
    """付款凭证: what a tenant paid for a contract outside the platform, as its bank slip says."""

    id = models.UUIDField(primary_key=True, default=new_id)
    contract = models.ForeignKey(Contract, on_delete=models.PROTECT, related_name="payments")
    payer = models.ForeignKey(Organisation, on_delete=models.PROTECT, related_name="+")
    bank_reference = models.CharField(max_length=60)
    amount_fen = models.BigIntegerField()
    paid_on = models.DateField()
    recorded_by = models.UUIDField()
    recorded_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                name="contract_payment_once", fields=["payer", "bank_reference"]
            ),
            models.CheckConstraint(name="contract_payment_positive", condition=Q(amount_fen__gt=0)),
        ]

    def __str__(self) -> str:
        return f"{self.payer_id}/{self.bank_reference}"
