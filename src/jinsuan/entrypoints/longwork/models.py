"""One table: what somebody asked for that takes longer than a request."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from jinsuan.kernel.ids import new_id
from jinsuan.registry.models import Organisation, Person

LIVE = ("waiting", "running")


class LongWork(models.Model):
    """长任务. `place` is for the kind alone: where to go on. Nothing is ever looked up by it."""

    class State(models.TextChoices):
        """Where it stands."""

        WAITING = "waiting", "等待"
        RUNNING = "running", "正在做"
        DONE = "done", "已完成"
        FAILED = "failed", "没有做成"
        STOPPED = "stopped", "已停止"

    id = models.UUIDField(primary_key=True, default=new_id)
    kind = models.CharField(max_length=40)
    title = models.CharField(max_length=200)
    parameters = models.JSONField()
    person = models.ForeignKey(Person, models.PROTECT, related_name="+")
    organisation = models.ForeignKey(Organisation, models.PROTECT, related_name="+")
    role = models.CharField(max_length=40)
    via = models.CharField(max_length=80)
    once = models.CharField(max_length=64)  # digest of organisation, role, kind and parameters
    asked_at = models.DateTimeField()

    state = models.CharField(max_length=20, choices=State.choices, default=State.WAITING)
    total = models.BigIntegerField(null=True)  # NULL: not counted yet
    done = models.BigIntegerField(default=0)
    place = models.JSONField(default=dict)
    left = models.JSONField(default=list)  # what could not be done, each with its reason
    left_count = models.BigIntegerField(default=0)
    error = models.TextField(blank=True, default="")
    fence = models.IntegerField(default=0)  # grows with every claim
    lease_until = models.DateTimeField(null=True)
    heartbeat_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    file_name = models.CharField(
        max_length=200, blank=True, default=""
    )  # what it is called when kept
    file_media = models.CharField(max_length=120, blank=True, default="")
    file_place = models.CharField(max_length=120, blank=True, default="")  # below JINSUAN_FILES
    file_sha256 = models.BinaryField(max_length=32, null=True)
    file_bytes = models.BigIntegerField(null=True)
    expires_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                name="long_work_once", fields=["once"], condition=Q(state__in=LIVE)
            ),
            models.CheckConstraint(
                name="long_work_state_known",
                condition=Q(state__in=["waiting", "running", "done", "failed", "stopped"]),
            ),
            models.CheckConstraint(
                name="long_work_over_has_an_end",
                condition=Q(state__in=LIVE, finished_at__isnull=True)
                | (~Q(state__in=LIVE) & Q(finished_at__isnull=False)),
            ),
            models.CheckConstraint(
                name="long_work_held_has_a_lease",
                condition=~Q(state="running") | Q(lease_until__isnull=False, fence__gt=0),
            ),
            models.CheckConstraint(
                name="long_work_failure_says_why", condition=~Q(state="failed") | ~Q(error="")
            ),
            models.CheckConstraint(
                name="long_work_file_whole",
                condition=Q(file_place="", file_sha256__isnull=True, file_bytes__isnull=True)
                | (
                    ~Q(file_place="")
                    & Q(file_sha256__isnull=False, file_bytes__isnull=False)
                    & Q(expires_at__isnull=False)
                ),
            ),
            models.CheckConstraint(
                name="long_work_counts",
                condition=Q(done__gte=0, left_count__gte=0)
                & (Q(total__isnull=True) | Q(total__gte=0)),
            ),
        ]
        indexes = [
            models.Index(name="long_work_live", fields=["asked_at"], condition=Q(state__in=LIVE)),
            models.Index(name="long_work_of", fields=["organisation", "role", "asked_at"]),
        ]

    def __str__(self) -> str:
        return self.title
