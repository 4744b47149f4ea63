"""The closed lists of states, and which state may follow which (architecture.md, "State lists")."""

from __future__ import annotations

from enum import StrEnum


class JobState(StrEnum):
    """Where a job (作业) stands."""

    QUEUED = "queued"  # 排队中
    PLACED = "placed"  # 已匹配
    RUNNING = "running"  # 运行中
    ENDED = "ended"  # 已结束，未结清
    SETTLED = "settled"  # 已结清


class Outcome(StrEnum):
    """How a job came to its end."""

    SUCCEEDED = "succeeded"  # 成功
    FAILED = "failed"  # 失败
    CANCELLED = "cancelled"  # 已取消
    REFUSED = "refused"  # 未受理
    LOST = "lost"  # 失联后确认丢失


class AttemptState(StrEnum):
    """Where one attempt (尝试) stands."""

    LEASED = "leased"  # 已出租约
    SUBMITTING = "submitting"  # 提交中
    SUBMIT_UNKNOWN = "submit_unknown"  # 提交结果不明
    SUBMITTED = "submitted"  # 引擎排队
    RUNNING = "running"  # 运行中
    UNREACHABLE = "unreachable"  # 失去联系
    ENDED = "ended"  # 已结束


class EndCause(StrEnum):
    """Why an attempt ended, as the centre knows it."""

    EXITED = "exited"  # the program ended; its exit code says how
    CANCELLED = "cancelled"  # we asked for the end
    TIME_LIMIT = "time_limit"  # max_run_seconds reached
    NEVER_STARTED = "never_started"  # fenced before the engine saw it: safe to place again
    ENGINE_REFUSED = "engine_refused"  # the engine will not take it: safe to place elsewhere
    ENGINE_LOST = "engine_lost"  # the engine forgot or killed it: it had begun


JOB_MOVES: dict[JobState, frozenset[JobState]] = {
    JobState.QUEUED: frozenset({JobState.PLACED, JobState.ENDED}),
    JobState.PLACED: frozenset({JobState.RUNNING, JobState.QUEUED, JobState.ENDED}),
    JobState.RUNNING: frozenset({JobState.ENDED}),
    JobState.ENDED: frozenset({JobState.SETTLED}),
    JobState.SETTLED: frozenset(),
}

ATTEMPT_ORDER: tuple[AttemptState, ...] = (
    AttemptState.LEASED,
    AttemptState.SUBMITTING,
    AttemptState.SUBMIT_UNKNOWN,
    AttemptState.SUBMITTED,
    AttemptState.RUNNING,
    AttemptState.ENDED,
)
"""A report never moves an attempt back in this order; `unreachable` lies outside it: it is what
the platform knows, not what the centre says, and any report at all ends it."""


def is_later(new: AttemptState, old: AttemptState) -> bool:
    """Whether a centre's report moves an attempt on. Equal states do not."""
    assert new is not AttemptState.UNREACHABLE, "a centre never reports itself unreachable"
    if old is AttemptState.UNREACHABLE:
        return True
    return ATTEMPT_ORDER.index(new) > ATTEMPT_ORDER.index(old)


JOB_STATE_ZH = {
    JobState.QUEUED: "排队中",
    JobState.PLACED: "已匹配",
    JobState.RUNNING: "运行中",
    JobState.ENDED: "已结束",
    JobState.SETTLED: "已结清",
}
OUTCOME_ZH = {
    Outcome.SUCCEEDED: "成功",
    Outcome.FAILED: "失败",
    Outcome.CANCELLED: "已取消",
    Outcome.REFUSED: "未受理",
    Outcome.LOST: "失联丢失",
}
