"""States as chips, roles and resources as words: the glossary of the pages."""

from __future__ import annotations

from datetime import datetime

from jinsuan.entrypoints.portal.show import Chip
from jinsuan.kernel.ref import Role
from jinsuan.ledger.reasons import Reason
from jinsuan.protocol.states import (
    JOB_STATE_ZH,
    OUTCOME_ZH,
    AttemptState,
    EndCause,
    JobState,
    Outcome,
)
from jinsuan.registry.queries import SILENT_AFTER

ROLES = {
    Role.TENANT: "用算主体",
    Role.CENTRE_OPERATOR: "算力企业",
    Role.RECOMMENDER: "推荐单位",
    Role.PROVINCIAL_OFFICER: "省级经办",
    Role.EXPERT: "专家",
    Role.TREASURY: "财政",
    Role.AUDITOR: "审计",
    Role.PLATFORM_OPERATOR: "平台运营",
    Role.SYSTEM: "平台",
}

_JOB = {
    JobState.QUEUED: ("wait", "clock"),
    JobState.PLACED: ("hold", "lock"),
    JobState.RUNNING: ("run", "play"),
    JobState.ENDED: ("", "check"),
    JobState.SETTLED: ("", "check"),
}
_OUTCOME = {
    Outcome.SUCCEEDED: ("ok", "check"),
    Outcome.FAILED: ("bad", "x"),
    Outcome.CANCELLED: ("", "x"),
    Outcome.REFUSED: ("warn", "x"),
    Outcome.LOST: ("bad", "warn"),
}
_ATTEMPT = {
    AttemptState.LEASED: Chip("已出租约", "hold", "lock"),
    AttemptState.SUBMITTING: Chip("提交中", "wait", "clock"),
    AttemptState.SUBMIT_UNKNOWN: Chip("提交结果不明", "warn", "q"),
    AttemptState.SUBMITTED: Chip("引擎排队", "wait", "clock"),
    AttemptState.RUNNING: Chip("运行中", "run", "play"),
    AttemptState.UNREACHABLE: Chip("失去联系", "warn", "warn"),
    AttemptState.ENDED: Chip("已结束", "", "check"),
}
_CAUSES = {
    EndCause.EXITED: "程序退出",
    EndCause.CANCELLED: "按要求停止",
    EndCause.TIME_LIMIT: "到了最长运行时间",
    EndCause.NEVER_STARTED: "没有开始，另行匹配",
    EndCause.ENGINE_REFUSED: "引擎拒收，另行匹配",
    EndCause.ENGINE_LOST: "引擎丢失",
}
_REASONS = {
    Reason.HOLD: ("hold", "lock"),
    Reason.CAPTURE: ("wait", "check"),
    Reason.RELEASE: ("ok", "check"),
    Reason.TOP_UP: ("ok", "check"),
    Reason.SHORTFALL: ("warn", "warn"),
    Reason.REVERSAL: ("warn", "back"),
}
ENGINES = {
    "slurm": "Slurm",
    "ray": "Ray",
    "kubernetes": "Kubernetes",
    "embedded": "自带引擎",
}


def job_chip(state: str, outcome: str | None, *, stopping: bool = False) -> Chip:
    """Where a job stands; once it has ended, how."""
    if outcome is not None:
        kind, icon = _OUTCOME[Outcome(outcome)]
        return Chip(OUTCOME_ZH[Outcome(outcome)], kind, icon)
    if stopping:
        return Chip("正在停止", "warn", "clock")
    kind, icon = _JOB[JobState(state)]
    return Chip(JOB_STATE_ZH[JobState(state)], kind, icon)


def settled_word(state: str) -> str:
    """Whether the money of an ended job is final."""
    return {JobState.ENDED: "结算中", JobState.SETTLED: "已结清"}.get(JobState(state), "")


def attempt_chip(state: str) -> Chip:
    return _ATTEMPT[AttemptState(state)]


def end_words(cause: str | None, exit_code: int | None) -> str:
    """How an attempt ended, in words."""
    if cause is None:
        return ""
    words = _CAUSES[EndCause(cause)]
    return words if exit_code is None else f"{words}，退出码 {exit_code}"


def centre_chip(*, open_now: bool, seen: datetime | None, now: datetime) -> Chip:
    """Whether a centre takes orders and speaks to us."""
    if seen is None:
        return Chip("没有接入", "", "q")
    if now - seen > SILENT_AFTER:
        return Chip("失去联系", "warn", "warn")
    return Chip("开放", "ok", "check") if open_now else Chip("暂停接单", "warn", "lock")


def reason_chip(reason: Reason) -> Chip:
    kind, icon = _REASONS.get(reason, ("", "arrow"))
    return Chip(reason.label, kind, icon)


def engine(name: str) -> str:
    return ENGINES.get(name, name)
