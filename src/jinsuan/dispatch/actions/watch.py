"""Notice silence. Silence is never taken for failure: nothing is stopped, nothing placed again."""

from __future__ import annotations

from datetime import datetime

import structlog
from django.db import transaction
from django.db.models import Q

from jinsuan.dispatch.models import Attempt, Job
from jinsuan.protocol.states import AttemptState
from jinsuan.registry.queries import SILENT_AFTER

log = structlog.get_logger(__name__)


@transaction.atomic
def mark_silent(*, now: datetime) -> int:
    """Mark attempts that nobody can see as unreachable (失去联系).

    Two cases: a lease that ran out without an answer, and anything at a centre whose agent has not
    spoken for two minutes. From then on every sync asks about them (protocol Ask); the answer,
    whenever it comes, decides.

    Returns:
        How many were marked.
    """
    silent = Q(state=AttemptState.LEASED, lease_until__lte=now) | (
        Q(
            state__in=[
                AttemptState.SUBMITTING,
                AttemptState.SUBMIT_UNKNOWN,
                AttemptState.SUBMITTED,
                AttemptState.RUNNING,
            ]
        )
        & Q(cluster__centre__channel__last_seen_at__lt=now - SILENT_AFTER)
    )
    rows = list(
        Attempt.objects.select_for_update(no_key=True, of=("self",), skip_locked=True)
        .filter(silent)
        .order_by("id")
        .values_list("id", "job_id")
    )
    if not rows:
        return 0
    Attempt.objects.filter(id__in=[pk for pk, _ in rows]).update(state=AttemptState.UNREACHABLE)
    Job.objects.filter(id__in=[job for _, job in rows]).update(
        why="与算力中心失去联系，正在询问；作业可能仍在运行，不会另起一份"
    )
    log.warning("attempts.unreachable", count=len(rows))
    return len(rows)
