"""What the checks 疑点核查 go by: how each counts, what a card-hour may cost, and an index of texts."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models import F, Q

from jinsuan.kernel.ids import new_id
from jinsuan.vouchers.models.applications import Application


class CheckMode(models.Model):
    """核查方式: from when until when a check that lacks its data only warns. Only ever added; of two
    that hold on one day the later one counts. Without one, lacking data freezes.
    """

    id = models.UUIDField(primary_key=True, default=new_id)
    check_name = models.CharField(max_length=40)
    warns_only = models.BooleanField()
    effective_on = models.DateField()
    until_on = models.DateField()  # last day, included
    reason = models.CharField(max_length=400)
    person = models.UUIDField(null=True)
    recorded_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="check_mode_dated_with_reason",
                condition=Q(until_on__gte=F("effective_on")) & ~Q(reason=""),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.check_name}@{self.effective_on}"


class PriceBand(models.Model):
    """价格区间: what one card-hour of a type may cost from a day on, by whose figures. Only added."""

    id = models.UUIDField(primary_key=True, default=new_id)
    resource = models.CharField(max_length=80)
    low_millifen = models.BigIntegerField()
    high_millifen = models.BigIntegerField()
    effective_on = models.DateField()
    source = models.CharField(max_length=200)
    person = models.UUIDField(null=True)
    recorded_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="price_band_sane",
                condition=Q(low_millifen__gt=0, high_millifen__gte=F("low_millifen"))
                & ~Q(source=""),
            ),
        ]
        indexes = [models.Index(name="price_band_by_day", fields=["resource", "effective_on"])]

    def __str__(self) -> str:
        return f"{self.resource}@{self.effective_on}"


class PaperIndex(models.Model):
    """文字索引: by which keys an application's text and contract number are found among all others.

    Worked out from the application and thrown away at will; `recipe` says how it was made.
    """

    application = models.OneToOneField(
        Application, models.CASCADE, primary_key=True, related_name="paper"
    )
    recipe = models.CharField(max_length=40)
    keys = ArrayField(models.BigIntegerField())

    class Meta:
        indexes = [GinIndex(name="paper_index_keys", fields=["keys"])]

    def __str__(self) -> str:
        return str(self.application_id)
