"""What a Job's pods say of the work: begun, ended and how. Pure.

A pod whose container was ended from outside without our asking (drained, evicted, preempted, out of
memory on its node) is not an exit of the work: that attempt is lost, and a person looks at it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from jinsuan.agent.engines.kubernetes.record import Record
from jinsuan.agent.engines.kubernetes.spec import STOP
from jinsuan.protocol.messages import Observation
from jinsuan.protocol.states import AttemptState, EndCause

REJECTED = frozenset(
    {"OutOfcpu", "OutOfmemory", "OutOfpods", "UnexpectedAdmissionError", "NodeAffinity"}
)
"""Reasons for which a node sends a pod back before it makes anything of it."""
Pod = Mapping[str, Any]
OUT_OF_TIME = frozenset({124, 128 + 9, 128 + 15})
"""Exit codes that work brought to its end by its time limit can leave."""
BAD_IMAGE = frozenset({"InvalidImageName", "ErrImageNeverPull"})
"""Reasons for which a container will never be made, however long one waits."""


@dataclass(frozen=True, slots=True)
class Stop:
    """An end that was asked for, as the Job's annotation keeps it."""

    cause: EndCause
    message: str = ""

    @staticmethod
    def of(job: Mapping[str, Any]) -> Stop | None:
        text = job["metadata"]["annotations"].get(STOP)
        if text is None:
            return None
        kept = json.loads(text)
        return Stop(EndCause(kept["cause"]), kept.get("message", ""))

    def text(self) -> str:
        return json.dumps({"cause": self.cause, "message": self.message}, ensure_ascii=False)


@dataclass(frozen=True, slots=True)
class Rank:
    """One pod that may run the work.

    Args:
        over: it does nothing any more.
        code: None when its container left none, or never was.
        taken: somebody other than us, or the work itself, brought it to its end.
        never: its node says that no container of it ever began.
    """

    started_at: datetime | None
    ended_at: datetime | None
    over: bool
    code: int | None
    taken: bool
    late: bool
    never: bool
    message: str

    @property
    def bad(self) -> bool:
        return self.over and (self.code != 0 or self.taken)


def rank_of(pod: Pod | None) -> Rank:
    """What one pod says; None stands for a pod that is gone."""
    if pod is None:
        return Rank(None, None, True, None, True, False, False, "Pod 已不在")
    status = pod.get("status") or {}
    phase, reason = status.get("phase"), status.get("reason") or ""
    (container, *_) = status.get("containerStatuses") or [{}]
    state = container.get("state") or {}
    ended = state.get("terminated")
    began = ended or state.get("running") or {}
    over = phase in ("Succeeded", "Failed")
    code = ended.get("exitCode") if ended else None
    waiting = (state.get("waiting") or {}).get("reason") or ""
    gone = pod["metadata"].get("deletionTimestamp") is not None
    late = reason == "DeadlineExceeded"
    words = "：".join(w for w in (reason, status.get("message") or waiting) if w)
    return Rank(
        started_at=_time(began.get("startedAt")),
        ended_at=_time(ended.get("finishedAt")) if ended else None,
        over=over,
        code=code,
        taken=(over and code is None) or (bool(reason) and not late) or (gone and code != 0),
        late=late,
        never=over and not began and (reason in REJECTED or bool(late and waiting)),
        message=words[:300],
    )


def has_failed(job: Mapping[str, Any]) -> str | None:
    """Why the Job controller has given a Job up; None while it has not."""
    for condition in (job.get("status") or {}).get("conditions") or []:
        if condition["type"] == "Failed" and condition["status"] == "True":
            return str(condition.get("message") or condition.get("reason") or "")[:300]
    return None


def never_starts(pod: Pod | None) -> bool:
    """Whether a pod waits for an image that cannot come."""
    for status in () if pod is None else (pod.get("status") or {}).get("containerStatuses") or ():
        if ((status.get("state") or {}).get("waiting") or {}).get("reason") in BAD_IMAGE:
            return True
    return False


def observe(
    job: Mapping[str, Any],
    record: Record | None,
    pods: Mapping[str, Pod],
    *,
    max_run_seconds: int,
) -> Observation:
    """What holds for one key that has not been written down as ended.

    Args:
        pods: all pods of the Job by name.
    """
    key = job["metadata"]["name"]
    if record is None:
        message = next((w for pod in pods.values() if (w := _why_waiting(pod))), "")
        return Observation(engine_key=key, state=AttemptState.SUBMITTED, message=message)
    stop = Stop.of(job)
    if not record.pods:
        return Observation(
            engine_key=key,
            state=AttemptState.ENDED,
            cause=EndCause.CANCELLED if stop is None else stop.cause,
            message="" if stop is None else stop.message,
        )
    ahead = timedelta(seconds=record.ahead_seconds)
    ranks = [_moved(rank_of(pods.get(name)), ahead) for name in record.pods]
    started_at = min((r.started_at for r in ranks if r.started_at), default=None)
    begun = all(r.started_at or r.over for r in ranks) and started_at is not None
    if not all(rank.over for rank in ranks):
        return Observation(
            engine_key=key,
            state=AttemptState.RUNNING if begun else AttemptState.SUBMITTED,
            allocation=record.shares,
            started_at=started_at if begun else None,
            message="" if begun else next((r.message for r in ranks if r.message), ""),
        )
    return _ended(key, record, stop, ranks, started_at, max_run_seconds)


def _moved(rank: Rank, ahead: timedelta) -> Rank:
    """The same with its times on the agent's clock."""
    started_at, ended_at = (
        None if at is None else at + ahead for at in (rank.started_at, rank.ended_at)
    )
    return replace(rank, started_at=started_at, ended_at=ended_at)


def _ended(
    key: str,
    record: Record,
    stop: Stop | None,
    ranks: Sequence[Rank],
    started_at: datetime | None,
    max_run_seconds: int,
) -> Observation:
    ended_at = max((r.ended_at for r in ranks if r.ended_at), default=started_at)
    first = _first_bad(ranks)
    cause, message = EndCause.EXITED, ""
    if stop is not None and (first is None or not _by_itself(first)):
        cause, message = stop.cause, stop.message
    elif any(rank.never for rank in ranks) and started_at is None:
        cause, message = EndCause.ENGINE_REFUSED, next(r.message for r in ranks if r.never)
    elif first is not None and _is_late(first, max_run_seconds):
        cause = EndCause.TIME_LIMIT
    elif first is not None and first.taken:
        cause, message = EndCause.ENGINE_LOST, first.message or "Pod 被集群结束"
    if stop is not None and first is None and started_at is not None:
        cause, message = EndCause.EXITED, ""  # it was done before the stop reached it
    return Observation(
        engine_key=key,
        state=AttemptState.ENDED,
        allocation=record.shares,
        started_at=started_at,
        ended_at=ended_at if started_at is not None else None,
        exit_code=0 if first is None and started_at else first.code if first else None,
        cause=cause,
        message=message,
    )


def _first_bad(ranks: Sequence[Rank]) -> Rank | None:
    """The rank that failed first: the others were ended because of it."""
    bad = [rank for rank in ranks if rank.bad]
    # A rank that failed by itself before one that was taken away: ties within a second are common.
    return min(bad, key=lambda r: (r.taken, r.ended_at is None, r.ended_at or 0), default=None)


def _by_itself(rank: Rank) -> bool:
    """Whether a rank ended before anybody's stop could have ended it."""
    return not rank.taken and not rank.late and rank.code not in OUT_OF_TIME


def _is_late(rank: Rank, max_run_seconds: int) -> bool:
    if rank.late:
        return True
    if rank.code not in OUT_OF_TIME or rank.started_at is None or rank.ended_at is None:
        return False
    # The API has whole seconds: either end may be up to one second off.
    return (rank.ended_at - rank.started_at).total_seconds() >= max_run_seconds - 1


def _why_waiting(pod: Pod) -> str:
    """Why the scheduler has not given a pod its place, in its own words."""
    for condition in (pod.get("status") or {}).get("conditions") or []:
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            return str(condition.get("message") or "")[:300]
    return ""


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
