"""Programmes with their yearly pools, and vouchers."""

from __future__ import annotations

from fractions import Fraction

from django.db import models
from django.db.models import F, Q

from jinsuan.casework.models import Case
from jinsuan.kernel.ids import new_id
from jinsuan.metering.models import Contract
from jinsuan.registry.models import Organisation, Person


class Programme(models.Model):
    """算力券年度: one year's pool of one article of one document."""

    id = models.UUIDField(primary_key=True, default=new_id)
    code = models.CharField(max_length=60, unique=True)  # "2025:m09"; also names the pool account
    title = models.CharField(max_length=120)
    document = models.CharField(max_length=120)  # the document's number
    article = models.CharField(max_length=20)  # the official label, such as （九）
    opens_on = models.DateField()
    closes_on = models.DateField()  # last day, included
    rate_numerator = models.IntegerField()
    rate_denominator = models.IntegerField()
    pool_fen = models.BigIntegerField()
    pack = models.CharField(max_length=60, blank=True, default="")
    rule = models.CharField(max_length=20, blank=True, default="")
    pays = models.CharField(max_length=10, default="deduct")  # terms.Pays

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="programme_dates", condition=Q(closes_on__gte=F("opens_on"))
            ),
            models.CheckConstraint(name="programme_pool", condition=Q(pool_fen__gt=0)),
            models.CheckConstraint(
                name="programme_pays", condition=Q(pays__in=["deduct", "claim"])
            ),
            models.CheckConstraint(
                name="programme_rate",
                condition=Q(rate_numerator__gte=0)
                & Q(rate_denominator__gt=0)
                & Q(rate_numerator__lte=F("rate_denominator")),
            ),
        ]

    @property
    def rate(self) -> Fraction:
        """The share of a charge that vouchers may pay."""
        return Fraction(self.rate_numerator, self.rate_denominator)

    def __str__(self) -> str:
        return self.code


class Voucher(models.Model):
    """算力券. What is left on it is the balance of its ledger account, nothing else.

    One granted on an application names its case, contract and provider, and pays for nothing else.
    """

    class State(models.TextChoices):
        """Where it stands; how much of it is used is the balance of its account."""

        ISSUED = "issued", "已发放"
        SUSPENDED = "suspended", "已停用"
        EXPIRED = "expired", "已过期"
        REVOKED = "revoked", "已作废"

    id = models.UUIDField(primary_key=True, default=new_id)
    programme = models.ForeignKey(Programme, on_delete=models.PROTECT, related_name="vouchers")
    tenant = models.ForeignKey(Organisation, on_delete=models.PROTECT, related_name="vouchers")
    state = models.CharField(max_length=20, choices=State.choices, default=State.ISSUED)
    face_fen = models.BigIntegerField()
    rate_numerator = models.IntegerField()
    rate_denominator = models.IntegerField()
    case = models.OneToOneField(Case, models.PROTECT, null=True, related_name="voucher")
    contract = models.ForeignKey(Contract, models.PROTECT, null=True, related_name="vouchers")
    provider = models.ForeignKey(Organisation, models.PROTECT, null=True, related_name="+")
    warned_on = models.DateField(null=True)  # when its holder was told that it will expire
    valid_from = models.DateField()
    expires_on = models.DateField()  # last day, included
    issued_by = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="+")
    issued_at = models.DateTimeField()
    reason = models.CharField(max_length=200)

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="voucher_state_known",
                condition=Q(state__in=["issued", "suspended", "expired", "revoked"]),
            ),
            models.CheckConstraint(name="voucher_face", condition=Q(face_fen__gt=0)),
            models.CheckConstraint(
                name="voucher_rate",
                condition=Q(rate_numerator__gte=0)
                & Q(rate_denominator__gt=0)
                & Q(rate_numerator__lte=F("rate_denominator")),
            ),
            models.CheckConstraint(
                name="voucher_granted_whole",
                condition=Q(case=None, contract=None, provider=None)
                | Q(case__isnull=False, contract__isnull=False, provider__isnull=False),
            ),
            # One contract, one voucher: a revoked or an expired one counts as well.
            models.UniqueConstraint(name="voucher_once_per_contract", fields=["contract"]),
            models.CheckConstraint(
                name="voucher_dates", condition=Q(expires_on__gte=F("valid_from"))
            ),
        ]

    @property
    def rate(self) -> Fraction:
        """The share of a charge that this voucher may pay."""
        return Fraction(self.rate_numerator, self.rate_denominator)

    def __str__(self) -> str:
        return str(self.id)
