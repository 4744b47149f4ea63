"""Jobs, attempts, decisions and logs."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q

from jinsuan.kernel.ids import new_id
from jinsuan.protocol.states import AttemptState, EndCause, JobState, Outcome
from jinsuan.registry.models import Cluster, Organisation, Person


class Job(models.Model):
    """作业: what a tenant ordered, and where it stands. `spec` is the order as parsed, never edited."""

    id = models.UUIDField(primary_key=True, default=new_id)
    tenant = models.ForeignKey(Organisation, on_delete=models.PROTECT, related_name="+")
    person = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="+")
    name = models.CharField(max_length=120)
    spec = models.JSONField()
    spec_digest = models.CharField(max_length=64)
    order_key = models.CharField(max_length=120, null=True)  # the tenant's Idempotency-Key
    priority = models.IntegerField()
    state = models.CharField(max_length=10, choices=[(s, s) for s in JobState])
    outcome = models.CharField(max_length=10, null=True, choices=[(o, o) for o in Outcome])
    why = models.TextField(default="")  # why it waits or how it ended, for people
    attempts = models.IntegerField(default=0)
    cancel_requested_at = models.DateTimeField(null=True)
    cancel_reason = models.CharField(max_length=200, default="")
    submitted_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True)  # the centre's clock
    ended_at = models.DateTimeField(null=True)  # the centre's clock
    settled_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(name="job_order_once", fields=["tenant", "order_key"]),
            models.CheckConstraint(
                name="job_outcome_at_end",
                condition=Q(outcome__isnull=True, state__in=["queued", "placed", "running"])
                | Q(outcome__isnull=False, state__in=["ended", "settled"]),
            ),
        ]
        indexes = [
            models.Index(
                F("priority").desc(),
                F("submitted_at"),
                name="job_queue",
                condition=Q(state="queued"),
            ),
            models.Index(name="job_tenant", fields=["tenant", "-submitted_at"]),
            models.Index(name="job_unsettled", fields=["state"], condition=Q(state="ended")),
        ]

    def __str__(self) -> str:
        return str(self.id)


class Attempt(models.Model):
    """尝试: one try of a job at one cluster, and the lease that allows it.

    `fencing` is the attempt's number: it grows with every lease of the job.
    """

    id = models.UUIDField(primary_key=True, default=new_id)
    job = models.ForeignKey(Job, on_delete=models.PROTECT, related_name="tries")
    number = models.IntegerField()
    cluster = models.ForeignKey(Cluster, on_delete=models.PROTECT, related_name="+")
    engine_key = models.CharField(max_length=60, unique=True)
    work = models.JSONField()  # protocol Work, as the lease carries it
    nodes = models.JSONField()  # protocol NodeShare list: where we reserved
    allocation = models.JSONField(null=True)  # the engine's own, once it reported
    state = models.CharField(max_length=16, choices=[(s, s) for s in AttemptState])
    cause = models.CharField(max_length=16, null=True, choices=[(c, c) for c in EndCause])
    exit_code = models.IntegerField(null=True)
    message = models.TextField(default="")
    revision = models.BigIntegerField(default=0)  # the last report applied
    leased_at = models.DateTimeField()
    lease_until = models.DateTimeField()
    reported_at = models.DateTimeField(null=True)
    started_at = models.DateTimeField(null=True)  # the centre's clock
    ended_at = models.DateTimeField(null=True)  # the centre's clock
    stop_reason = models.CharField(max_length=200, default="")  # not empty: please stop
    log_bytes = models.BigIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(name="attempt_number", fields=["job", "number"]),
            # The heart of "at most once": a second live attempt of a job cannot be written.
            models.UniqueConstraint(
                name="attempt_one_live", fields=["job"], condition=~Q(state="ended")
            ),
            models.CheckConstraint(
                name="attempt_cause_at_end",
                condition=Q(state="ended", cause__isnull=False)
                | (~Q(state="ended") & Q(cause__isnull=True)),
            ),
        ]
        indexes = [
            models.Index(name="attempt_live", fields=["cluster"], condition=~Q(state="ended")),
        ]

    def __str__(self) -> str:
        return self.engine_key


class Decision(models.Model):
    """匹配决定: which places were looked at, and why this one. Append-only, replayable."""

    id = models.UUIDField(primary_key=True, default=new_id)
    attempt = models.OneToOneField(Attempt, on_delete=models.PROTECT, related_name="decision")
    job = models.ForeignKey(Job, on_delete=models.PROTECT, related_name="+")
    version = models.CharField(max_length=40)
    body = models.JSONField()
    decided_at = models.DateTimeField()

    def __str__(self) -> str:
        return str(self.attempt_id)


class LogPart(models.Model):
    """日志片段: bytes of an attempt's output from an offset on."""

    attempt = models.ForeignKey(Attempt, on_delete=models.PROTECT, related_name="log")
    offset = models.BigIntegerField()
    data = models.BinaryField()

    class Meta:
        constraints = [
            models.UniqueConstraint(name="log_part_once", fields=["attempt", "offset"]),
        ]

    def __str__(self) -> str:
        return f"{self.attempt_id}@{self.offset}"
