"""What did not agree, and who looked into it."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from jinsuan.kernel.ids import new_id
from jinsuan.ledger.accounts import MAX_LENGTH
from jinsuan.registry.models import Person


class Difference(models.Model):
    """差异: two books that should say the same and do not. Open until somebody clears it by name.

    Rows are only added; the answer is written once (migration 0003). While a row is open, nothing
    is paid from or to its account.
    """

    class Kind(models.TextChoices):
        """Which two things do not agree."""

        BOOK = "book", "账户与转账"
        TRANSFER = "transfer", "转账与记账时的摘要"
        CHARGE = "charge", "账本与计量"
        METER = "meter", "累计费用与逐笔费用"
        PROVIDER = "provider", "应付与计量"
        FACE = "face", "券面与发放"
        POOL = "pool", "资金池与预算、发放、收回"
        BANK = "bank", "账本与银行"

    id = models.UUIDField(primary_key=True, default=new_id)
    kind = models.CharField(max_length=20, choices=Kind.choices)
    account = models.CharField(max_length=MAX_LENGTH)
    place = models.CharField(max_length=MAX_LENGTH)  # a Ref, or the account where nothing is named
    words = models.CharField(max_length=300)
    expected_fen = models.BigIntegerField()
    found_fen = models.BigIntegerField()
    found_at = models.DateTimeField()
    cleared_at = models.DateTimeField(null=True)
    cleared_by = models.ForeignKey(Person, on_delete=models.PROTECT, null=True, related_name="+")
    reason = models.CharField(max_length=300, blank=True, default="")

    class Meta:
        constraints = [
            # Found again the next night with the same figures, it is still the same difference.
            models.UniqueConstraint(
                name="difference_open_once",
                fields=["kind", "account", "place", "expected_fen", "found_fen", "words"],
                condition=Q(cleared_at__isnull=True),
            ),
            models.CheckConstraint(
                name="difference_kind_known",
                condition=Q(
                    kind__in=[
                        *("book", "transfer", "charge", "meter", "provider"),
                        *("face", "pool", "bank"),
                    ]
                ),
            ),
            models.CheckConstraint(
                name="difference_cleared_by_name",
                condition=Q(cleared_at__isnull=True, cleared_by__isnull=True, reason="")
                | (Q(cleared_at__isnull=False, cleared_by__isnull=False) & ~Q(reason="")),
            ),
        ]
        indexes = [
            models.Index(
                name="difference_stops", fields=["account"], condition=Q(cleared_at__isnull=True)
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.account} {self.place}"
