"""What the end of an attempt means for its job."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from jinsuan.dispatch.actions.place import MAX_ATTEMPTS
from jinsuan.dispatch.models import Attempt, Job
from jinsuan.kernel.ref import Actor, Ref
from jinsuan.ledger.actions import Note, record
from jinsuan.protocol.messages import AttemptReport
from jinsuan.protocol.states import AttemptState, EndCause, JobState, Outcome
from jinsuan.protocol.values import is_odd
from jinsuan.registry.actions import capacity
from jinsuan.vouchers.actions import release

MAX_MESSAGE = 500
AGAIN = frozenset({EndCause.NEVER_STARTED, EndCause.ENGINE_REFUSED})
"""Ends of an attempt that never ran: the job may be placed again without running twice."""


def end_attempt(attempt: Attempt, report: AttemptReport, *, now: datetime) -> None:
    """Write the end into the attempt and its job. Saves neither; see `after_end`."""
    assert report.state is AttemptState.ENDED and report.cause is not None, report
    attempt.state = AttemptState.ENDED
    attempt.cause = report.cause
    attempt.exit_code = report.exit_code
    attempt.message = said(report)
    attempt.ended_at = report.ended_at
    job = attempt.job
    if report.cause in AGAIN and job.cancel_requested_at is None and job.attempts < MAX_ATTEMPTS:
        job.state, job.started_at = JobState.QUEUED, None
        job.why = f"第 {attempt.number} 次尝试没有启动（{said(report) or report.cause}），重新排队"
        return
    job.state = JobState.ENDED
    job.outcome, job.why = _outcome(attempt, job, report)
    job.started_at = attempt.started_at
    job.ended_at = report.ended_at or now


def said(report: AttemptReport) -> str:
    """The centre's own words, short enough to show and without characters that act on a screen."""
    short = report.message[:MAX_MESSAGE]
    return "".join(" " if is_odd(c) else c for c in short).strip()


def _outcome(attempt: Attempt, job: Job, report: AttemptReport) -> tuple[Outcome, str]:
    match report.cause:
        case EndCause.EXITED if report.exit_code == 0:
            return Outcome.SUCCEEDED, ""
        case EndCause.EXITED:
            return Outcome.FAILED, f"程序以退出码 {report.exit_code} 结束"
        case EndCause.TIME_LIMIT:
            seconds = attempt.work["max_run_seconds"]
            return Outcome.FAILED, f"达到最长运行时间 {seconds} 秒，已按约定停止"
        case EndCause.ENGINE_LOST:
            return Outcome.LOST, f"算力中心的引擎丢失了这个作业：{said(report)}"
        case EndCause.ENGINE_REFUSED if job.cancel_requested_at is None:
            return Outcome.REFUSED, f"试过 {job.attempts} 次，引擎都拒收：{said(report)}"
        case EndCause.NEVER_STARTED if job.cancel_requested_at is None:
            return Outcome.REFUSED, f"试过 {job.attempts} 次都没有启动：{said(report)}"
    return Outcome.CANCELLED, f"已停止：{attempt.stop_reason or job.cancel_reason or '中心停止'}"


def after_end(ended: Sequence[Attempt], *, actor: Actor, now: datetime) -> None:
    """Free what ended attempts held. Money of attempts that ran waits for settlement."""
    if not ended:
        return
    capacity.release([attempt.id for attempt in ended], now=now)
    release([a.id for a in ended if a.job.state == JobState.QUEUED], actor=actor, now=now)
    notes = [
        Note(
            action="attempt.end",
            subject=Ref("job", attempt.job_id),
            reason=str(attempt.cause),
            after={
                "attempt": str(Ref("attempt", attempt.id)),
                "exit_code": attempt.exit_code,
                "job": str(attempt.job.state),
                "outcome": attempt.job.outcome and str(attempt.job.outcome),
            },
        )
        for attempt in ended
    ]
    record(notes, actor=actor, now=now)
