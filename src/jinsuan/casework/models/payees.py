"""Where an organisation receives money 收款账户: one row per version, confirmed by call-back."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q

from jinsuan.kernel.ids import new_id
from jinsuan.registry.models import Organisation


class PayeeAccount(models.Model):
    """收款账户. A new version counts once a second person called the payee back; until then
    nothing is paid to this organisation. The number is ciphertext; pages show four digits.
    """

    class State(models.TextChoices):
        """Which version counts."""

        PENDING = "pending", "待回拨核实"
        CONFIRMED = "confirmed", "已核实"
        REFUSED = "refused", "核实不符"
        REPLACED = "replaced", "已被替换"

    id = models.UUIDField(primary_key=True, default=new_id)
    organisation = models.ForeignKey(Organisation, models.PROTECT, related_name="payee_accounts")
    holder = models.CharField(max_length=120)  # 户名
    bank = models.CharField(max_length=120)  # 开户行
    masked = models.CharField(max_length=40)
    number_sealed = models.BinaryField()
    number_index = models.BinaryField(db_index=True)  # keyed hash: equality, no content
    state = models.CharField(max_length=20, choices=State.choices, default=State.PENDING)
    entered_by = models.UUIDField()
    entered_at = models.DateTimeField()
    confirmed_by = models.UUIDField(null=True)
    confirmed_at = models.DateTimeField(null=True)
    call_back = models.CharField(max_length=200, blank=True, default="")  # whom, when, how

    class Meta:
        constraints = [
            models.UniqueConstraint(
                name="payee_account_one_confirmed",
                fields=["organisation"],
                condition=Q(state="confirmed"),
            ),
            models.UniqueConstraint(
                name="payee_account_one_pending",
                fields=["organisation"],
                condition=Q(state="pending"),
            ),
            models.CheckConstraint(
                name="payee_account_two_people",
                condition=Q(confirmed_by__isnull=True) | ~Q(confirmed_by=F("entered_by")),
            ),
            models.CheckConstraint(
                name="payee_account_called_back",
                condition=Q(state="pending", confirmed_by__isnull=True)
                | (
                    ~Q(state="pending")
                    & Q(confirmed_by__isnull=False, confirmed_at__isnull=False)
                    & ~Q(call_back="")
                ),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.organisation_id}/{self.masked}"
