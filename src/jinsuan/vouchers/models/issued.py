"""Programmes with their yearly pools, and vouchers."""

from __future__ import annotations

from fractions import Fraction

from django.db import models
from django.db.models import F, Q

from jinsuan.kernel.ids import new_id
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

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="programme_dates", condition=Q(closes_on__gte=F("opens_on"))
            ),
            models.CheckConstraint(name="programme_pool", condition=Q(pool_fen__gt=0)),
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
    """算力券. What is left on it is the balance of its ledger account, nothing else."""

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
                name="voucher_dates", condition=Q(expires_on__gte=F("valid_from"))
            ),
        ]

    def __str__(self) -> str:
        return str(self.id)
