"""Charge what was used, keep running jobs funded, and close jobs that ended."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import structlog
from django.db import transaction

from jinsuan.dispatch.models import Attempt, Job
from jinsuan.kernel.ref import Actor, Ref
from jinsuan.ledger.actions import Note, record
from jinsuan.metering import actions as metering
from jinsuan.metering.queries import due_attempts
from jinsuan.protocol.states import AttemptState, JobState
from jinsuan.vouchers.actions import Capture, capture, release, top_up
from jinsuan.vouchers.errors import NotEnoughMoney
from jinsuan.vouchers.queries import half_used

log = structlog.get_logger(__name__)
ACTOR = Actor.system("worker:settle")


@transaction.atomic
def settle(*, now: datetime, limit: int = 500) -> int:
    """Capture new charges, and settle jobs that ended (结清): last charge, release, done.

    Returns:
        How many jobs were settled.
    """
    jobs = list(
        Job.objects.select_for_update(no_key=True, skip_locked=True)
        .filter(state=JobState.ENDED)
        .order_by("id")[:limit]
    )
    tries = Attempt.objects.filter(job__in=[job.id for job in jobs]).values_list("id", flat=True)
    attempts = sorted({*tries, *due_attempts(limit=limit)})
    _capture(attempts, now)
    if not jobs:
        return 0
    release(list(tries), actor=ACTOR, now=now)
    ids = [job.id for job in jobs]
    Job.objects.filter(id__in=ids).update(state=JobState.SETTLED, settled_at=now)
    notes = [
        Note(action="job.settle", subject=Ref("job", job.id), after={"outcome": str(job.outcome)})
        for job in jobs
    ]
    record(notes, actor=ACTOR, now=now)
    log.info("jobs.settled", count=len(jobs))
    return len(jobs)


def _capture(attempts: Sequence[UUID], now: datetime) -> None:
    steps = metering.charge(attempts, now=now)
    captures = [
        Capture(
            attempt=step.attempt,
            charge=Ref("charge", step.charge),
            number=step.number,
            cumulative=step.cumulative,
            amount=step.amount,
        )
        for step in steps
    ]
    if captures:
        capture(captures, actor=ACTOR, now=now)


@transaction.atomic
def keep_funded(*, now: datetime, limit: int = 200) -> int:
    """Hold more for jobs that used half of their hold; stop those whose money ends.

    Returns:
        How many jobs were asked to stop.
    """
    stopped = 0
    for funding in half_used(limit=limit):
        try:
            cover = funding.covered + funding.covered
            top_up(funding.attempt.id, cover, actor=ACTOR, now=now)
        except NotEnoughMoney as error:
            reason = f"钱用完了：{error.explain()}"[:200]
            asked = (
                Attempt.objects.filter(id=funding.attempt.id, stop_reason="")
                .exclude(state=AttemptState.ENDED)
                .update(stop_reason=reason)
            )
            if asked:
                note = Note(action="job.stop", subject=funding.job, reason=reason)
                record([note], actor=ACTOR, now=now)
                stopped += 1
    return stopped
