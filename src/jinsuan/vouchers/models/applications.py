"""What is asked for and on which papers: applications 申领 and redemptions 兑付."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q

from jinsuan.casework.models import Attachment, Case, Decision
from jinsuan.kernel.ids import new_id
from jinsuan.metering.models import Contract, ContractLine
from jinsuan.registry.models import Organisation
from jinsuan.vouchers.models.issued import Programme, Voucher


class Application(models.Model):
    """申领: one contract for which a voucher is asked. `grant` is the voucher's id from the first day,
    so that the reserved money already stands on its account.
    """

    id = models.UUIDField(primary_key=True, default=new_id)
    case = models.OneToOneField(Case, models.PROTECT, related_name="application")
    programme = models.ForeignKey(Programme, models.PROTECT, related_name="applications")
    grant = models.UUIDField(unique=True, default=new_id)
    provider = models.ForeignKey(Organisation, models.PROTECT, related_name="+")
    contract_number = models.CharField(max_length=80)
    signed_on = models.DateField()
    starts_on = models.DateField()
    ends_on = models.DateField()  # last day, included
    purpose = models.CharField(max_length=400)
    related = models.BooleanField()  # 关联关系声明: whether the applicant says it is related
    contract = models.ForeignKey(Contract, models.PROTECT, null=True, related_name="+")
    decision = models.OneToOneField(Decision, models.PROTECT, null=True, related_name="+")

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="application_dates", condition=Q(ends_on__gte=F("starts_on"))
            ),
            models.CheckConstraint(
                name="application_parties", condition=~Q(contract_number="") & ~Q(purpose="")
            ),
        ]

    def __str__(self) -> str:
        return self.contract_number


class ApplicationLine(models.Model):
    """合同明细 as the applicant wrote it, until the contract is registered."""

    application = models.ForeignKey(Application, models.CASCADE, related_name="lines")
    place = models.IntegerField()
    category = models.CharField(max_length=20, choices=ContractLine.Category.choices)
    description = models.CharField(max_length=200)
    amount_fen = models.BigIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(name="application_line_place", fields=["application", "place"]),
            models.CheckConstraint(name="application_line_positive", condition=Q(amount_fen__gt=0)),
        ]

    def __str__(self) -> str:
        return f"{self.application_id}#{self.place}"


class ApplicationFact(models.Model):
    """申报的事实: one answer of the applicant, as a whole number, with the paper that proves it."""

    application = models.ForeignKey(Application, models.CASCADE, related_name="facts")
    name = models.CharField(max_length=60)
    value = models.BigIntegerField(null=True)  # None: not known
    evidence = models.ForeignKey(Attachment, models.PROTECT, null=True, related_name="+")

    class Meta:
        constraints = [
            models.UniqueConstraint(name="application_fact_once", fields=["application", "name"]),
        ]

    def __str__(self) -> str:
        return self.name


class Redemption(models.Model):
    """兑付: what the treasury owes on one voucher up to a day, by four numbers from four sources.

    All numbers are cumulative over the contract; `amount_fen` is what this one adds to the earlier.
    """

    id = models.UUIDField(primary_key=True, default=new_id)
    case = models.OneToOneField(Case, models.PROTECT, related_name="redemption")
    voucher = models.ForeignKey(Voucher, models.PROTECT, related_name="redemptions")
    payee = models.ForeignKey(Organisation, models.PROTECT, related_name="+")
    number = models.IntegerField()  # 1, 2, 3 … of the voucher
    through = models.DateField()  # last day that counts, included
    contract_fen = models.BigIntegerField(default=0)
    metered_fen = models.BigIntegerField(default=0)
    invoiced_fen = models.BigIntegerField(default=0)
    paid_fen = models.BigIntegerField(default=0)
    captured_fen = models.BigIntegerField(null=True)  # 抵扣: what jobs drew from the voucher
    cumulative_fen = models.BigIntegerField(default=0)
    before_fen = models.BigIntegerField(default=0)
    amount_fen = models.BigIntegerField(default=0)
    binding = models.CharField(max_length=20, blank=True, default="")

    class Meta:
        constraints = [
            models.UniqueConstraint(name="redemption_number", fields=["voucher", "number"]),
            models.CheckConstraint(
                name="redemption_adds_up",
                condition=Q(amount_fen=F("cumulative_fen") - F("before_fen"))
                & Q(amount_fen__gte=0),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.voucher_id}#{self.number}"


class CheckRun(models.Model):
    """核查记录: the automatic checks ran over one round of a case's papers. Only ever added."""

    id = models.UUIDField(primary_key=True, default=new_id)
    case = models.ForeignKey(Case, models.PROTECT, related_name="check_runs")
    moves_made = models.IntegerField()  # the case's: which round of papers
    checks = ArrayField(models.CharField(max_length=40))
    opened = models.IntegerField()  # findings that this run opened
    thresholds_digest = models.BinaryField(max_length=32)
    recorded_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(name="check_run_counts", condition=Q(opened__gte=0)),
        ]
        indexes = [models.Index(name="check_run_by_round", fields=["case", "moves_made"])]

    def __str__(self) -> str:
        return f"{self.case_id}@{self.moves_made}"


class Clawback(models.Model):
    """追缴: money that a payee has to give back; proposed by one person, confirmed by another."""

    id = models.UUIDField(primary_key=True, default=new_id)
    voucher = models.ForeignKey(Voucher, models.PROTECT, related_name="clawbacks")
    payee = models.ForeignKey(Organisation, models.PROTECT, related_name="+")
    amount_fen = models.BigIntegerField()
    corrected_fen = models.BigIntegerField(default=0)  # of it, what a correction had given back
    reason = models.CharField(max_length=400)
    proposed_by = models.UUIDField()
    proposed_at = models.DateTimeField()
    confirmed_by = models.UUIDField(null=True)
    confirmed_at = models.DateTimeField(null=True)
    rejected_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="clawback_positive",
                condition=Q(amount_fen__gt=0)
                & Q(corrected_fen__gte=0)
                & Q(corrected_fen__lte=F("amount_fen")),
            ),
            models.CheckConstraint(
                name="clawback_two_people",
                condition=Q(confirmed_by=None) | ~Q(confirmed_by=F("proposed_by")),
            ),
            models.CheckConstraint(
                name="clawback_one_answer",
                condition=Q(confirmed_at=None) | Q(rejected_at=None),
            ),
            models.UniqueConstraint(
                name="clawback_one_open_per_voucher",
                fields=["voucher"],
                condition=Q(confirmed_at=None, rejected_at=None),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.voucher_id}: {self.amount_fen}"
