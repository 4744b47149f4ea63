"""How each attempt of a job is funded."""

from __future__ import annotations

from fractions import Fraction

from django.db import models
from django.db.models import F, Q

from jinsuan.registry.models import Organisation
from jinsuan.vouchers.models.issued import Voucher


class Funding(models.Model):
    """作业资金: what is held for one attempt, at which locked rate, and what was taken from it."""

    attempt = models.UUIDField(primary_key=True)
    job = models.UUIDField(db_index=True)
    number = models.IntegerField()  # of the attempt within the job
    tenant = models.ForeignKey(Organisation, on_delete=models.PROTECT, related_name="+")
    provider = models.ForeignKey(Organisation, on_delete=models.PROTECT, related_name="+")
    rate_numerator = models.IntegerField()
    rate_denominator = models.IntegerField()
    authorised_fen = models.BigIntegerField()  # the most the attempt may ever cost
    covered_fen = models.BigIntegerField()  # how much of it the holds cover so far
    captured_fen = models.BigIntegerField(default=0)
    shortfall_fen = models.BigIntegerField(default=0)  # captured beyond the holds
    top_ups = models.IntegerField(default=0)
    released_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(name="funding_once", fields=["job", "number"]),
            models.CheckConstraint(
                name="funding_within",
                condition=Q(covered_fen__lte=F("authorised_fen"))
                & Q(captured_fen__lte=F("authorised_fen"))
                & Q(captured_fen__gte=0)
                & Q(shortfall_fen__gte=0),
            ),
        ]

    @property
    def rate(self) -> Fraction:
        """The vouchers' share, locked when the attempt was placed."""
        return Fraction(self.rate_numerator, self.rate_denominator)

    def __str__(self) -> str:
        return str(self.attempt)


class FundingSource(models.Model):
    """资金来源: what one source (cash or one voucher) holds for an attempt."""

    funding = models.ForeignKey(Funding, on_delete=models.PROTECT, related_name="sources")
    voucher = models.ForeignKey(Voucher, on_delete=models.PROTECT, null=True, related_name="+")
    held_fen = models.BigIntegerField()
    captured_fen = models.BigIntegerField(default=0)
    # Given back to the voucher by corrections after the treasury had paid it to the provider.
    reclaimed_fen = models.BigIntegerField(default=0)

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="funding_source_reclaimed", condition=Q(reclaimed_fen__gte=0)
            ),
            models.UniqueConstraint(
                name="funding_source_once",
                fields=["funding", "voucher"],
                nulls_distinct=False,
            ),
            models.CheckConstraint(
                name="funding_source_within",
                condition=Q(captured_fen__gte=0) & Q(held_fen__gte=F("captured_fen")),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.funding_id}/{self.voucher_id or 'cash'}"
