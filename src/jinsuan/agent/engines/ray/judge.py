"""What Ray's word for a job means for the attempt. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from jinsuan.agent.engines.ray.rows import Row
from jinsuan.protocol.messages import Observation
from jinsuan.protocol.states import AttemptState, EndCause

OVER = frozenset({"STOPPED", "SUCCEEDED", "FAILED"})
OUT_OF_TIME = frozenset({124, 128 + 9, 128 + 15})
NEVER = frozenset(
    {
        "RUNTIME_ENV_SETUP_FAILURE",
        "JOB_SUPERVISOR_ACTOR_START_FAILURE",
        "JOB_SUPERVISOR_ACTOR_START_TIMEOUT",
        "JOB_SUPERVISOR_ACTOR_UNSCHEDULABLE",
    }
)
"""Ray's words for an end before the entrypoint was run."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def instant(row: Row, unix_ms: int) -> datetime:
    """A time of Ray's on the agent's clock."""
    return _EPOCH + timedelta(milliseconds=unix_ms, seconds=row.ahead_seconds)


def standing(row: Row, message: str = "") -> Observation:
    """How a key stands that has not ended."""
    running = row.started_at is not None
    return Observation(
        engine_key=row.key,
        state=AttemptState.RUNNING if running else AttemptState.SUBMITTED,
        allocation=() if row.share is None else (row.share,),
        started_at=row.started_at,
        message="" if running else message,
    )


def lost(row: Row, message: str) -> Observation:
    """Ray knows nothing of it any more. It may have run even if it was never seen to: only a person
    can say. It ended when it was last seen.
    """
    ended_at = None if row.started_at is None else (row.alive_at or row.started_at)
    return _end(row, EndCause.ENGINE_LOST, message=message, ended_at=ended_at)


def withdrawn(row: Row) -> Observation:
    """Stopped while it waited here: Ray never heard of it."""
    return replace(
        _end(row, EndCause.CANCELLED, message="", ended_at=None), allocation=(), started_at=None
    )


def refused(row: Row, message: str) -> Observation:
    """Ray would not take it: it never ran."""
    return _end(row, EndCause.ENGINE_REFUSED, message=message[:300], ended_at=None)


def ended(row: Row, job: Mapping[str, Any]) -> Observation:
    """The end that Ray tells of."""
    code = _code(job)
    at = job.get("end_time")
    ended_at = instant(row, int(at)) if at else None
    cause, message = _cause(row, job, code, ended_at)
    if row.started_at is None:
        return _end(row, cause, message=message, ended_at=None)
    ended_at = max(row.started_at, ended_at or row.alive_at or row.started_at)
    kept = code if cause in (EndCause.EXITED, EndCause.TIME_LIMIT, EndCause.CANCELLED) else None
    return _end(row, cause, message=message, ended_at=ended_at, code=kept)


def _cause(
    row: Row, job: Mapping[str, Any], code: int | None, ended_at: datetime | None
) -> tuple[EndCause, str]:
    status, words = job["status"], str(job.get("message") or "")[:300]
    if row.stopping and (status == "STOPPED" or code is None or code in OUT_OF_TIME):
        return EndCause.CANCELLED, ""
    if row.started_at is None and (job.get("error_type") or "") in NEVER:
        return EndCause.ENGINE_REFUSED, words
    if status == "STOPPED":
        return EndCause.ENGINE_LOST, "有人在 Ray 里停止了这个作业"
    if code is None:
        return EndCause.ENGINE_LOST, words
    if code in OUT_OF_TIME and row.started_at is not None and ended_at is not None:
        assert row.lease is not None, row.key
        if (ended_at - row.started_at).total_seconds() >= row.lease.work.max_run_seconds:
            return EndCause.TIME_LIMIT, ""
    return EndCause.EXITED, ""


def _code(job: Mapping[str, Any]) -> int | None:
    if job["status"] == "SUCCEEDED":
        return 0
    code = job.get("driver_exit_code")
    if code is None:
        return None
    return int(code) if int(code) >= 0 else 128 - int(code)


def _end(
    row: Row,
    cause: EndCause,
    *,
    message: str,
    ended_at: datetime | None,
    code: int | None = None,
) -> Observation:
    return Observation(
        engine_key=row.key,
        state=AttemptState.ENDED,
        allocation=() if row.share is None else (row.share,),
        started_at=row.started_at,
        ended_at=ended_at,
        exit_code=code,
        cause=cause,
        message=message,
    )
