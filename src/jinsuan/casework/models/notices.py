"""Public notice 公示, objections 异议, and what operators said of working days 工作日."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q

from jinsuan.casework.models.cases import Case, Decision
from jinsuan.kernel.ids import new_id


class CalendarDay(models.Model):
    """工作日: what an operator said of a day. Only ever added; the last row of a day counts."""

    day = models.DateField()
    working = models.BooleanField()
    note = models.CharField(max_length=60, blank=True)
    source = models.CharField(max_length=120)  # the official notice it follows
    person = models.UUIDField(null=True)
    recorded_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(name="calendar_day_names_source", condition=~Q(source="")),
        ]
        indexes = [models.Index(name="calendar_day_latest", fields=["day", "-id"])]

    def __str__(self) -> str:
        return str(self.day)


class Notice(models.Model):
    """公示. Its last day is worked out once; later changes of the calendar do not move it."""

    id = models.UUIDField(primary_key=True, default=new_id)
    case = models.ForeignKey(Case, models.PROTECT, related_name="notices")
    moves_made = models.IntegerField()  # the case's, when it was published
    decision = models.ForeignKey(Decision, models.PROTECT, related_name="+")
    from_day = models.DateField()  # the first day that may count
    working_days = models.IntegerField()
    last_day = models.DateField()  # included
    approver = models.UUIDField()  # who took the move into notice
    published_by = models.UUIDField(null=True)
    published_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(name="notice_once_per_round", fields=["case", "moves_made"]),
            models.CheckConstraint(
                name="notice_has_days",
                condition=Q(working_days__gt=0) & Q(last_day__gte=F("from_day")),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.case_id}: {self.from_day}..{self.last_day}"


class Objection(models.Model):
    """异议 and its decision, by somebody else than who approved. Once decided it stays."""

    id = models.UUIDField(primary_key=True, default=new_id)
    notice = models.ForeignKey(Notice, models.PROTECT, related_name="objections")
    text = models.TextField()
    received_on = models.DateField()
    approver = models.UUIDField()  # the notice's, so that the check below needs one row
    recorded_by = models.UUIDField(null=True)
    recorded_at = models.DateTimeField()
    upheld = models.BooleanField(null=True)
    reason = models.TextField(blank=True, default="")
    closed_by = models.UUIDField(null=True)
    closed_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="objection_decided_by_name_and_reason",
                condition=Q(
                    upheld__isnull=True, closed_by__isnull=True, closed_at__isnull=True, reason=""
                )
                | (
                    Q(upheld__isnull=False, closed_by__isnull=False, closed_at__isnull=False)
                    & ~Q(reason="")
                ),
            ),
            models.CheckConstraint(
                name="objection_not_by_approver",
                condition=Q(closed_by__isnull=True) | ~Q(closed_by=F("approver")),
            ),
        ]

    def __str__(self) -> str:
        return str(self.id)
