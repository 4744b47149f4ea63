"""Payment batches 拨付批次 and their lines, as sent to the treasury's bank."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q

from jinsuan.casework.models.cases import Case
from jinsuan.casework.models.payees import PayeeAccount
from jinsuan.kernel.ids import new_id
from jinsuan.registry.models import Organisation


class PaymentBatch(models.Model):
    """拨付批次: made by one person of the treasury, confirmed by another."""

    class State(models.TextChoices):
        """How far it is."""

        DRAFT = "draft", "待复核"
        CONFIRMED = "confirmed", "已复核"
        SENT = "sent", "已送银行"
        CANCELLED = "cancelled", "已取消"

    id = models.UUIDField(primary_key=True, default=new_id)
    number = models.CharField(max_length=40, unique=True)  # "2025-m09-p0001"
    programme = models.CharField(max_length=20)
    year = models.IntegerField()
    state = models.CharField(max_length=20, choices=State.choices, default=State.DRAFT)
    lines_count = models.IntegerField()
    total_fen = models.BigIntegerField()
    total_capitals = models.CharField(max_length=120)  # 大写
    made_by = models.UUIDField()
    made_at = models.DateTimeField()
    confirmed_by = models.UUIDField(null=True)
    confirmed_at = models.DateTimeField(null=True)
    sent_at = models.DateTimeField(null=True)
    file_sha256 = models.CharField(max_length=64, blank=True, default="")  # what went to the bank

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="payment_batch_two_people",
                condition=Q(confirmed_by__isnull=True) | ~Q(confirmed_by=F("made_by")),
            ),
            models.CheckConstraint(
                name="payment_batch_confirmed_first",
                condition=Q(state__in=["draft", "cancelled"])
                | Q(confirmed_by__isnull=False, confirmed_at__isnull=False),
            ),
            models.CheckConstraint(
                name="payment_batch_not_empty",
                condition=Q(lines_count__gt=0) & Q(total_fen__gt=0),
            ),
        ]

    def __str__(self) -> str:
        return self.number


class PaymentLine(models.Model):
    """拨付明细: one payment for one fact. At most one live line per fact, so nothing is paid twice."""

    class State(models.TextChoices):
        """How far it is."""

        PENDING = "pending", "待送银行"
        SENT = "sent", "已送银行"
        ACCEPTED = "accepted", "银行已付"
        REJECTED = "rejected", "银行退回"
        RETRIED = "retried", "已另行拨付"
        CANCELLED = "cancelled", "已取消"

    id = models.UUIDField(primary_key=True, default=new_id)
    batch = models.ForeignKey(PaymentBatch, models.PROTECT, related_name="lines")
    place = models.IntegerField()  # 1, 2, 3 … within the batch
    case = models.ForeignKey(Case, models.PROTECT, related_name="payments")
    basis = models.CharField(max_length=80)  # a Ref: what it is paid for
    payee = models.ForeignKey(Organisation, models.PROTECT, related_name="+")
    # Where to, fixed when the bank's file is written.
    account = models.ForeignKey(PayeeAccount, models.PROTECT, null=True, related_name="+")
    amount_fen = models.BigIntegerField()
    state = models.CharField(max_length=20, choices=State.choices, default=State.PENDING)
    bank_reference = models.CharField(max_length=60, blank=True, default="")
    bank_reason = models.CharField(max_length=200, blank=True, default="")
    answered_on = models.DateField(null=True)
    retry_of = models.OneToOneField("self", models.PROTECT, null=True, related_name="retry")

    class Meta:
        constraints = [
            models.UniqueConstraint(name="payment_line_place", fields=["batch", "place"]),
            models.UniqueConstraint(
                name="payment_line_once_per_basis",
                fields=["basis"],
                condition=Q(state__in=["pending", "sent", "accepted", "rejected"]),
            ),
            models.CheckConstraint(name="payment_line_positive", condition=Q(amount_fen__gt=0)),
            models.CheckConstraint(
                name="payment_line_answered",
                condition=(
                    Q(state__in=["pending", "sent", "cancelled"], answered_on__isnull=True)
                    | (Q(state="accepted", answered_on__isnull=False) & ~Q(bank_reference=""))
                    | (
                        Q(state__in=["rejected", "retried"], answered_on__isnull=False)
                        & ~Q(bank_reason="")
                    )
                ),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.batch_id}#{self.place}"
