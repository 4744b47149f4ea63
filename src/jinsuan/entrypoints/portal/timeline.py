"""What happened to a job and what comes next, as lines. Pure; no request, no table."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from jinsuan.dispatch.queries import AttemptView, JobView
from jinsuan.entrypoints.portal.show import ago, grouped, lasting, moment, short
from jinsuan.entrypoints.portal.words import end_words, engine
from jinsuan.kernel.money import Money
from jinsuan.kernel.ref import Ref
from jinsuan.protocol.states import OUTCOME_ZH, AttemptState, JobState, Outcome
from jinsuan.vouchers.queries import FundingView


@dataclass(frozen=True, slots=True)
class Step:
    """One line; kind is done, now or next."""

    kind: str
    what: str
    fact: str = ""


def steps(job: JobView, fundings: Sequence[FundingView], *, now: datetime) -> list[Step]:
    """All lines, oldest first; at most one is `now`."""
    held = {f.attempt: f.covered for f in fundings}
    found = [Step("done", "下单", moment(job.submitted_at))]
    for attempt in job.attempts:
        found += _attempt(attempt, held, now)
    return [*found, *_rest(job, now)]


def _attempt(attempt: AttemptView, held: dict[Ref, Money], now: datetime) -> list[Step]:
    again = f"第 {attempt.number} 次" if attempt.number > 1 else ""
    amount = f"，冻结 {grouped(held[attempt.ref])} 元" if attempt.ref in held else ""
    found = [
        Step("done", f"{again}匹配到{attempt.centre_name}", f"{moment(attempt.leased_at)}{amount}")
    ]
    if attempt.started_at is not None:
        facts = f"{moment(attempt.started_at)}，{engine(attempt.engine)}，{attempt.cluster}"
        found.append(Step("done", "开始运行，开始计量", facts))
    if attempt.state == AttemptState.ENDED:
        when = moment(attempt.ended_at) if attempt.ended_at else ""
        found.append(Step("done", end_words(attempt.cause, attempt.exit_code), when))
    else:
        found.append(_now(attempt, now))
    return found


def _now(attempt: AttemptView, now: datetime) -> Step:
    heard = attempt.reported_at or attempt.leased_at
    told = f"{ago(heard, now)}收到中心消息" if attempt.reported_at else "等中心领取"
    match attempt.state:
        case AttemptState.RUNNING:
            since = attempt.started_at or attempt.leased_at
            return Step("now", f"运行中，已 {lasting(now - since)}", told)
        case AttemptState.UNREACHABLE:
            return Step("now", "失去联系", f"{ago(heard, now)}有过消息；不判失败，也不在别处重跑")
        case AttemptState.LEASED:
            return Step("now", "已出租约", told)
    return Step("now", "中心正在准备", told)


def _rest(job: JobView, now: datetime) -> list[Step]:
    """What comes, or how it ended."""
    if job.state == JobState.SETTLED:
        assert job.outcome is not None
        when = "" if job.settled_at is None else moment(job.settled_at)
        return [Step("done", f"结清，结果：{OUTCOME_ZH[Outcome(job.outcome)]}", when)]
    if job.state == JobState.ENDED:
        return [Step("now", "结算中", "核对最后的读数，退回没用到的冻结")]
    found = []
    if job.state == JobState.QUEUED:
        found.append(Step("now", f"排队中，已 {lasting(now - job.submitted_at)}", job.why))
        found.append(Step("next", "匹配到中心，冻结费用"))
    if job.cancel_requested_at is not None:
        found.append(Step("next", "正在停止", f"{short(job.cancel_requested_at)} 要求停止"))
    latest = latest_stop(job)
    if latest is not None:
        found.append(Step("next", f"最迟 {short(latest)} 停止", "到了最长运行时间"))
    found.append(Step("next", "结清，退回没用到的冻结"))
    return found


def limit_of(job: JobView) -> timedelta | None:
    """The longest running time that was ordered; None when only the budget limits it."""
    found = re.fullmatch(r"(\d+)s", str(job.spec.get("max_duration", "")))
    return timedelta(seconds=int(found[1])) if found else None


def latest_stop(job: JobView) -> datetime | None:
    """When the running attempt ends at the latest."""
    limit = limit_of(job)
    running = [a for a in job.attempts if a.state == AttemptState.RUNNING]
    if limit is None or not running or running[-1].started_at is None:
        return None
    return running[-1].started_at + limit
