"""Lines of a statement put aside while somebody writes them into a file."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models


class KeptLine(models.Model):
    """对账单明细（暂存）: what `statements.LINES` found, once, so that whoever goes on after a kill goes on
    with the same lines. Dropped when the file is finished; nothing rests on it.
    """

    export = models.UUIDField()
    place = models.IntegerField()  # 1, 2, 3 … in the order of the statement
    number = models.BigIntegerField()
    at = models.DateTimeField()
    reason = models.CharField(max_length=40)
    cause = models.CharField(max_length=80)
    transfers = ArrayField(models.UUIDField())
    key = models.CharField(max_length=120)
    other_account = models.CharField(max_length=160)
    voucher_fen = models.BigIntegerField()
    cash_fen = models.BigIntegerField()
    shortfall_fen = models.BigIntegerField()
    signed_fen = models.BigIntegerField()
    treasury_pays = models.BooleanField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(name="kept_line_place", fields=["export", "place"]),
        ]

    def __str__(self) -> str:
        return f"{self.export}/{self.place}"
