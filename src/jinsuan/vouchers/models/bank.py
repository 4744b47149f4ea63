"""Supervised bank accounts, the files their banks send, and every movement in them."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q

from jinsuan.kernel.ids import new_id
from jinsuan.registry.models import Organisation


class BankAccount(models.Model):
    """监管账户: where tenants' money lies. Its number is ciphertext; pages show four digits."""

    id = models.UUIDField(primary_key=True, default=new_id)
    code = models.CharField(max_length=30, unique=True)  # names the ledger account bank:{code}
    name = models.CharField(max_length=120)
    bank = models.CharField(max_length=120)
    masked = models.CharField(max_length=40)
    number_sealed = models.BinaryField()
    number_index = models.BinaryField(unique=True)  # keyed hash: equality, no content
    purpose = models.CharField(max_length=200)
    opened_by = models.UUIDField()
    opened_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.code


class BankFile(models.Model):
    """银行流水文件: one file as it came, by its digest."""

    id = models.UUIDField(primary_key=True, default=new_id)
    account = models.ForeignKey(BankAccount, models.PROTECT, related_name="files")
    sha256 = models.CharField(max_length=64)
    name = models.CharField(max_length=120)
    rows = models.IntegerField()
    taken_by = models.UUIDField()
    taken_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(name="bank_file_once", fields=["account", "sha256"]),
            models.CheckConstraint(name="bank_file_not_empty", condition=Q(rows__gt=0)),
        ]

    def __str__(self) -> str:
        return self.sha256[:12]


class BankEntry(models.Model):
    """银行流水: one movement on an account. What the bank said never changes; what it is may."""

    class Outcome(models.TextChoices):
        """What we know of it."""

        TOP_UP = "top_up", "充值"
        SUSPENSE = "suspense", "待查款项"
        ASSIGNED = "assigned", "已认领"
        PAID = "paid", "已对上付款单"
        UNEXPLAINED = "unexplained", "付出未查明"

    id = models.UUIDField(primary_key=True, default=new_id)
    account = models.ForeignKey(BankAccount, models.PROTECT, related_name="entries")
    file = models.ForeignKey(BankFile, models.PROTECT, related_name="entries")
    line = models.IntegerField()  # where it stood in its file
    reference = models.CharField(max_length=60)
    direction = models.CharField(max_length=3)  # "in" or "out"
    amount_fen = models.BigIntegerField()
    booked_on = models.DateField()
    other_name = models.CharField(max_length=120, blank=True)
    other_masked = models.CharField(max_length=40, blank=True)
    other_index = models.BinaryField(null=True, db_index=True)  # keyed hash
    other_key = models.CharField(max_length=24, blank=True, default="")  # the id of its key
    remark = models.CharField(max_length=300, blank=True)
    balance_fen = models.BigIntegerField(null=True)  # as the bank gave it
    outcome = models.CharField(max_length=20, choices=Outcome.choices)
    matched = models.CharField(max_length=80, blank=True, default="")  # a Ref: whose, or what for
    finding = models.CharField(max_length=200, blank=True, default="")  # why it is not matched

    class Meta:
        constraints = [
            models.UniqueConstraint(name="bank_entry_once", fields=["account", "reference"]),
            models.CheckConstraint(
                name="bank_entry_positive",
                condition=Q(amount_fen__gt=0, direction__in=["in", "out"]),
            ),
            models.CheckConstraint(
                name="bank_entry_outcome",
                condition=Q(direction="in", outcome__in=["top_up", "suspense", "assigned"])
                | Q(direction="out", outcome__in=["paid", "unexplained"]),
            ),
            models.CheckConstraint(
                name="bank_entry_matched",
                condition=Q(outcome__in=["suspense", "unexplained"], matched="")
                | (Q(outcome__in=["top_up", "assigned", "paid"]) & ~Q(matched="")),
            ),
        ]
        indexes = [models.Index(name="bank_entry_open", fields=["outcome", "booked_on"])]

    def __str__(self) -> str:
        return self.reference


class EntryMatch(models.Model):
    """认领: somebody other than who took the file says what a movement is, and why."""

    entry = models.OneToOneField(BankEntry, models.PROTECT, primary_key=True, related_name="match")
    to = models.CharField(max_length=80)  # a Ref
    reason = models.CharField(max_length=200)
    taken_by = models.UUIDField()
    matched_by = models.UUIDField()
    matched_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="entry_match_two_people", condition=~Q(matched_by=F("taken_by"))
            ),
            models.CheckConstraint(name="entry_match_reason", condition=~Q(reason="")),
        ]

    def __str__(self) -> str:
        return self.to


class TopUpCode(models.Model):
    """充值码: what an organisation writes into its transfers, so that the bank's file names it."""

    organisation = models.OneToOneField(Organisation, models.PROTECT, primary_key=True)
    code = models.CharField(max_length=11, unique=True)

    def __str__(self) -> str:
        return self.code


class CashOrder(models.Model):
    """付款单: cash goes back to a tenant (退款) or to a provider (结算), once two people said so."""

    class Kind(models.TextChoices):
        """What for."""

        REFUND = "refund", "退款"
        PAYOUT = "payout", "结算"

    class State(models.TextChoices):
        """How far it is."""

        ASKED = "asked", "已申请"
        ORDERED = "ordered", "待复核"
        CONFIRMED = "confirmed", "已复核，待银行付款"
        PAID = "paid", "银行已付"
        REJECTED = "rejected", "银行退回"
        RETURNED = "returned", "付出后退汇"
        CANCELLED = "cancelled", "已取消"

    id = models.UUIDField(primary_key=True, default=new_id)
    number = models.CharField(max_length=20, unique=True)  # TK2025-000001, FK2025-000001
    kind = models.CharField(max_length=10, choices=Kind.choices)
    organisation = models.ForeignKey(Organisation, models.PROTECT, related_name="+")
    order_key = models.CharField(max_length=60)  # the double click's
    amount_fen = models.BigIntegerField()
    reason = models.CharField(max_length=200)
    state = models.CharField(max_length=20, choices=State.choices)
    account = models.ForeignKey(BankAccount, models.PROTECT, null=True, related_name="orders")
    asked_by = models.UUIDField(null=True)
    made_by = models.UUIDField(null=True)
    made_at = models.DateTimeField(null=True)
    confirmed_by = models.UUIDField(null=True)
    confirmed_at = models.DateTimeField(null=True)
    bank_reference = models.CharField(max_length=60, blank=True, default="")
    bank_reason = models.CharField(max_length=200, blank=True, default="")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                name="cash_order_once", fields=["organisation", "kind", "order_key"]
            ),
            models.UniqueConstraint(
                name="cash_order_reference",
                fields=["account", "bank_reference"],
                condition=~Q(bank_reference=""),
            ),
            models.CheckConstraint(name="cash_order_positive", condition=Q(amount_fen__gt=0)),
            models.CheckConstraint(
                name="cash_order_kind_known", condition=Q(kind__in=["refund", "payout"])
            ),
            models.CheckConstraint(
                name="cash_order_two_people",
                condition=Q(confirmed_by__isnull=True) | ~Q(confirmed_by=F("made_by")),
            ),
            models.CheckConstraint(
                name="cash_order_made_first",
                condition=Q(state__in=["asked", "cancelled"])
                | Q(made_by__isnull=False, made_at__isnull=False, account__isnull=False),
            ),
            models.CheckConstraint(
                name="cash_order_confirmed_first",
                condition=Q(state__in=["asked", "ordered", "cancelled"])
                | Q(confirmed_by__isnull=False, confirmed_at__isnull=False),
            ),
            models.CheckConstraint(
                name="cash_order_answered",
                condition=(Q(state__in=["paid", "returned"]) & ~Q(bank_reference=""))
                | (Q(state="rejected") & ~Q(bank_reason="") & Q(bank_reference=""))
                | Q(state__in=["asked", "ordered", "confirmed", "cancelled"], bank_reference=""),
            ),
        ]

    def __str__(self) -> str:
        return self.number
