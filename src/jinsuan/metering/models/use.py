"""Tariffs, locked prices, meters, readings (live, by file, corrected) and charges."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q

from jinsuan.kernel.ids import new_id
from jinsuan.metering.models.contracts import Contract
from jinsuan.registry.models import Centre, Organisation


class Tariff(models.Model):
    """价目: one resource at one centre from a day on, until the next row. Never edited."""

    id = models.UUIDField(primary_key=True, default=new_id)
    centre = models.ForeignKey(Centre, on_delete=models.PROTECT, related_name="tariffs")
    resource = models.CharField(max_length=80)
    millifen_per_hour = models.BigIntegerField()  # thousandths of a fen per unit-hour
    effective_on = models.DateField()
    recorded_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="tariff_not_negative", condition=Q(millifen_per_hour__gte=0)
            ),
            models.UniqueConstraint(
                name="tariff_one_a_day", fields=["centre", "resource", "effective_on"]
            ),
        ]

    def __str__(self) -> str:
        return f"{self.resource}@{self.effective_on}"


class LockedPrice(models.Model):
    """锁定价: what one attempt pays for one resource, fixed when it was placed."""

    attempt = models.UUIDField()
    resource = models.CharField(max_length=80)
    millifen_per_hour = models.BigIntegerField()
    held_milli = models.BigIntegerField()  # thousandths of a unit the attempt holds
    tariff = models.ForeignKey(Tariff, on_delete=models.PROTECT, related_name="+")

    class Meta:
        constraints = [
            models.UniqueConstraint(name="locked_price_once", fields=["attempt", "resource"]),
            models.CheckConstraint(
                name="locked_price_not_negative",
                condition=Q(millifen_per_hour__gte=0) & Q(held_milli__gte=0),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.attempt}/{self.resource}"


class Meter(models.Model):
    """计费对象: one attempt that is being charged: for whom, to whom, how much so far.

    `charged_fen` never exceeds `authorised_fen`: nobody pays more than was agreed at the start.
    """

    attempt = models.UUIDField(primary_key=True)
    job = models.UUIDField(db_index=True)
    tenant = models.ForeignKey(Organisation, on_delete=models.PROTECT, related_name="+")
    provider = models.ForeignKey(Organisation, on_delete=models.PROTECT, related_name="+")
    contract = models.ForeignKey(Contract, on_delete=models.PROTECT, related_name="+")
    authorised_fen = models.BigIntegerField()
    charged_fen = models.BigIntegerField(default=0)
    charges = models.IntegerField(default=0)
    since = models.DateTimeField()
    due = models.BooleanField(default=False)  # a reading came that is not charged yet

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="meter_within_authorised",
                condition=Q(charged_fen__gte=0) & Q(charged_fen__lte=F("authorised_fen")),
            ),
        ]
        indexes = [models.Index(name="meter_due", fields=["attempt"], condition=Q(due=True))]

    def __str__(self) -> str:
        return str(self.attempt)


class UseCorrection(models.Model):
    """用量更正: the centre says that its meter was wrong (number 1, 2, 3 … of the attempt), another
    person agrees. Never rewritten: the reading and the charge that follow are new ones.
    """

    id = models.UUIDField(primary_key=True, default=new_id)
    attempt = models.ForeignKey(Meter, on_delete=models.PROTECT, related_name="corrections")
    number = models.IntegerField()
    resource = models.CharField(max_length=80)
    before_milli = models.BigIntegerField()  # the cumulative reading that was wrong
    after_milli = models.BigIntegerField()
    reason = models.CharField(max_length=300)
    document = models.CharField(max_length=120)  # the paper that proves it, by its number
    proposed_by = models.UUIDField()
    proposed_at = models.DateTimeField()
    answered_by = models.UUIDField(null=True)
    answered_at = models.DateTimeField(null=True)
    agreed = models.BooleanField(null=True)
    answer = models.CharField(max_length=300, blank=True, default="")

    class Meta:
        constraints = [
            models.UniqueConstraint(name="use_correction_number", fields=["attempt", "number"]),
            models.UniqueConstraint(
                name="use_correction_one_open",
                fields=["attempt"],
                condition=Q(answered_at__isnull=True),
            ),
            models.CheckConstraint(
                name="use_correction_changes",
                condition=Q(before_milli__gte=0, after_milli__gte=0)
                & ~Q(before_milli=F("after_milli")),
            ),
            models.CheckConstraint(
                name="use_correction_two_people",
                condition=Q(answered_by__isnull=True) | ~Q(answered_by=F("proposed_by")),
            ),
            models.CheckConstraint(
                name="use_correction_answered_whole",
                condition=Q(answered_by=None, answered_at=None, agreed=None)
                | Q(answered_by__isnull=False, answered_at__isnull=False, agreed__isnull=False),
            ),
            models.CheckConstraint(
                name="use_correction_said", condition=~Q(reason="") & ~Q(document="")
            ),
        ]

    def __str__(self) -> str:
        return f"{self.attempt_id}/{self.resource}@{self.number}"


class UsageReading(models.Model):
    """读数: cumulative use of one resource by one attempt. Append-only; a repeat is no new row.

    The one that counts is the largest of the last correction; 0 is what the centre's agent reported.
    """

    id = models.UUIDField(primary_key=True, default=new_id)
    attempt = models.UUIDField()
    resource = models.CharField(max_length=80)
    milli_unit_seconds = models.BigIntegerField()
    occurred_at = models.DateTimeField()  # the centre's clock
    recorded_at = models.DateTimeField()  # ours
    correction = models.IntegerField(
        default=0, db_default=0
    )  # the number of the attempt's correction

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="reading_not_negative",
                condition=Q(milli_unit_seconds__gte=0) & Q(correction__gte=0),
            ),
            models.UniqueConstraint(
                name="reading_once",
                fields=["attempt", "resource", "milli_unit_seconds", "correction"],
            ),
        ]

    def __str__(self) -> str:
        return f"{self.attempt}/{self.resource}={self.milli_unit_seconds}"


class DoubtfulReading(models.Model):
    """存疑读数: a reading that was put aside, with the cause. Never charged, never deleted."""

    id = models.UUIDField(primary_key=True, default=new_id)
    attempt = models.UUIDField(db_index=True)
    resource = models.CharField(max_length=80)
    milli_unit_seconds = models.BigIntegerField()
    occurred_at = models.DateTimeField()
    recorded_at = models.DateTimeField()
    doubt = models.CharField(max_length=20)

    class Meta:
        constraints = [
            # The same doubtful value sent every second is one finding, not a thousand.
            models.UniqueConstraint(
                name="doubtful_once", fields=["attempt", "resource", "milli_unit_seconds", "doubt"]
            ),
        ]

    def __str__(self) -> str:
        return f"{self.attempt}/{self.resource}: {self.doubt}"


class UsageFile(models.Model):
    """读数文件: readings that one centre handed in at once. The same bytes are taken once.

    Its id, and those of its readings and charges, follow from its content and `received_at`, so
    going on after a crash writes the very same rows.
    """

    id = models.UUIDField(primary_key=True)
    centre = models.ForeignKey(Centre, on_delete=models.PROTECT, related_name="+")
    digest = models.BinaryField(max_length=32)  # SHA-256 of the file
    name = models.CharField(max_length=200)
    taken_by = models.UUIDField(null=True)  # the person; None for the platform itself
    received_at = models.DateTimeField()  # what all its readings are judged by
    rows = models.BigIntegerField()
    rows_done = models.BigIntegerField(default=0)
    next_subject = models.IntegerField(default=0)  # where to go on
    next_at = models.DateTimeField(null=True)
    kept = models.BigIntegerField(default=0)
    doubts = models.BigIntegerField(default=0)
    charges = models.BigIntegerField(default=0)
    charged_fen = models.BigIntegerField(default=0)
    owed_fen = models.BigIntegerField(default=0)  # of it, beyond what the holds could cover
    finished_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(name="usage_file_once", fields=["digest"]),
            models.CheckConstraint(
                name="usage_file_done_within",
                condition=Q(rows_done__gte=0, rows__gt=0, rows_done__lte=F("rows")),
            ),
            models.CheckConstraint(
                name="usage_file_finished_is_done",
                condition=Q(finished_at__isnull=True) | Q(rows_done=F("rows")),
            ),
        ]

    def __str__(self) -> str:
        return self.name


class UsageFileSubject(models.Model):
    """文件所说的作业: the attempt behind one name in a file, and when it ended as the file came."""

    file = models.ForeignKey(UsageFile, on_delete=models.PROTECT, related_name="+", db_index=False)
    number = models.IntegerField()  # in the order in which the file first names them
    attempt = models.UUIDField()
    ended_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(name="usage_file_subject_once", fields=["file", "number"]),
            models.UniqueConstraint(name="usage_file_attempt_once", fields=["file", "attempt"]),
        ]

    def __str__(self) -> str:
        return str(self.attempt)


class UsageFileRow(models.Model):
    """待处理的行: one line of a file that is being worked on; all are deleted when it is done."""

    file = models.ForeignKey(UsageFile, on_delete=models.PROTECT, related_name="+", db_index=False)
    subject = models.IntegerField()
    occurred_at = models.DateTimeField()
    line = models.IntegerField()
    resource = models.CharField(max_length=80)
    milli_unit_seconds = models.BigIntegerField()

    class Meta:
        constraints = [
            # In the order in which the rows are worked off.
            models.UniqueConstraint(
                name="usage_file_row_once", fields=["file", "subject", "occurred_at", "line"]
            )
        ]

    def __str__(self) -> str:
        return f"{self.file_id}:{self.line}"


class Charge(models.Model):
    """费用: one step of what an attempt costs. `cumulative_fen` is the whole so far. Only a correction
    takes something back.
    """

    id = models.UUIDField(primary_key=True, default=new_id)
    attempt = models.ForeignKey(Meter, on_delete=models.PROTECT, related_name="steps")
    job = models.UUIDField(db_index=True)
    number = models.IntegerField()
    cumulative_fen = models.BigIntegerField()
    amount_fen = models.BigIntegerField()
    recorded_at = models.DateTimeField()
    correction = models.OneToOneField(
        UseCorrection, on_delete=models.PROTECT, null=True, related_name="charge"
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(name="charge_number", fields=["attempt", "number"]),
            models.CheckConstraint(
                name="charge_positive",
                condition=Q(cumulative_fen__gte=0)
                & Q(cumulative_fen__gte=F("amount_fen"))
                & (
                    Q(correction__isnull=True, amount_fen__gt=0)
                    | Q(correction__isnull=False) & ~Q(amount_fen=0)
                ),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.attempt_id}#{self.number}"


class ChargeLine(models.Model):
    """费用依据: which reading of which resource a charge rests on."""

    charge = models.ForeignKey(Charge, on_delete=models.PROTECT, related_name="lines")
    reading = models.ForeignKey(UsageReading, on_delete=models.PROTECT, related_name="+")
    millifen_per_hour = models.BigIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(name="charge_line_once", fields=["charge", "reading"])
        ]

    def __str__(self) -> str:
        return f"{self.charge_id}/{self.reading_id}"
