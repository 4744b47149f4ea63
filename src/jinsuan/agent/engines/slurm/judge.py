"""What holds of a key, from its files and from what Slurm says of its jobs. Pure.

The files decide what has happened to the work; Slurm decides only what may still happen. A job
that Slurm has forgotten is alive as long as its heart beats, and a job that Slurm calls over has
run if its files say so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from jinsuan.agent.engines.slurm.folder import Facts
from jinsuan.agent.engines.slurm.shapes import SlurmJob
from jinsuan.protocol.messages import NodeShare, Observation
from jinsuan.protocol.states import AttemptState, EndCause

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
CLEANING_NS = 30 * 10**9
"""How long after the end of the work Slurm may still be cleaning up before we stop waiting."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the engine says of a key.

    Args:
        seen: None when it is not known.
        final: this is the end, to be written down.
        kill: whatever Slurm still has of it must go.
        close_first: the end holds only if the key can still be kept from beginning.
    """

    seen: Observation | None = None
    final: bool = False
    kill: bool = False
    close_first: bool = False


def judge(
    key: str,
    facts: Facts,
    jobs: Sequence[SlurmJob],
    *,
    now_ns: int,
    silence_ns: int,
    seen_ns: int = 0,
) -> Verdict:
    """Draw the conclusion.

    Args:
        now_ns: the file server's time.
        seen_ns: when Slurm last said that it runs. Files belong to the job's own user, who could
            make them look older: it did not end before.
        silence_ns: how long a heart must be silent, when Slurm does not know its job as alive.
    """
    if facts.final is not None:
        return Verdict(seen=facts.final)
    if facts.closed:
        return Verdict()
    if facts.work is None:
        return _spoiled(key, facts, seen_ns)
    live = any(job.live for job in jobs)
    if facts.claimed_ns is None:
        return _not_begun(key, facts, jobs, live=live)
    cleaning = all("COMPLETING" in job.states for job in jobs if job.live)
    old = facts.ended_ns is not None and now_ns - facts.ended_ns > CLEANING_NS
    if facts.ended_ns is not None and (not live or (cleaning and old)):
        return Verdict(seen=_ended(key, facts, seen_ns), final=True)
    last_ns = max(facts.alive_ns, facts.claimed_ns)
    if facts.ended_ns is None and not live and now_ns - last_ns > silence_ns:
        return Verdict(seen=_cut_off(key, facts, jobs, seen_ns), final=True)
    return Verdict(seen=_running(key, facts))


def _not_begun(key: str, facts: Facts, jobs: Sequence[SlurmJob], *, live: bool) -> Verdict:
    if live:
        return Verdict(seen=Observation(engine_key=key, state=AttemptState.SUBMITTED))
    if not jobs:
        return Verdict()
    asked = facts.stop is not None
    seen = Observation(
        engine_key=key,
        state=AttemptState.ENDED,
        cause=EndCause.CANCELLED if asked else EndCause.ENGINE_REFUSED,
        message="" if asked else f"没有开始就被 Slurm 结束：{jobs[-1].word}",
    )
    return Verdict(seen=seen, final=True, close_first=True)


def _running(key: str, facts: Facts) -> Observation:
    assert facts.work is not None and facts.claimed_ns is not None
    if len(facts.places) < facts.work.num_nodes:
        return Observation(engine_key=key, state=AttemptState.SUBMITTED)
    return Observation(
        engine_key=key,
        state=AttemptState.RUNNING,
        allocation=_allocation(facts),
        started_at=_instant(facts, facts.claimed_ns),
    )


def _spoiled(key: str, facts: Facts, seen_ns: int) -> Verdict:
    """Its own record is gone or changed, which only the job's user can have done."""
    if facts.claimed_ns is None:
        return Verdict()
    seen = Observation(
        engine_key=key,
        state=AttemptState.ENDED,
        started_at=_instant(facts, facts.claimed_ns),
        ended_at=_instant(facts, max(facts.claimed_ns, facts.alive_ns, seen_ns)),
        cause=EndCause.ENGINE_LOST,
        message="共享文件夹里这个作业的记录被改动，已停止",
    )
    return Verdict(seen=seen, final=True, kill=True)


def _ended(key: str, facts: Facts, seen_ns: int) -> Observation:
    """All ranks are over, and say how: the first that failed tells for all."""
    assert facts.work is not None and facts.claimed_ns is not None and facts.ended_ns is not None
    codes = sorted(facts.codes.values(), key=lambda code: (code.at_ns, code.why == "term"))
    bad = next((code for code in codes if code.number), None)
    whys = {code.why for code in codes}
    cause, message = EndCause.EXITED, ""
    if "limit" in whys:
        cause = EndCause.TIME_LIMIT
    elif "stop" in whys and facts.stop is not None:
        cause = EndCause.CANCELLED
    elif bad is None and len(codes) < facts.work.num_nodes:
        cause, message = EndCause.ENGINE_LOST, "有节点没有留下退出码"
    elif bad is not None and bad.why == "term":
        cause, message = EndCause.ENGINE_LOST, "被 Slurm 或集群管理员终止"
    return Observation(
        engine_key=key,
        state=AttemptState.ENDED,
        allocation=_allocation(facts),
        started_at=_instant(facts, facts.claimed_ns),
        ended_at=_instant(facts, max(facts.ended_ns, facts.claimed_ns, seen_ns)),
        exit_code=None if cause is EndCause.ENGINE_LOST else bad.number if bad else 0,
        cause=cause,
        message=message,
    )


def _cut_off(key: str, facts: Facts, jobs: Sequence[SlurmJob], seen_ns: int) -> Observation:
    """It began, its heart is silent, and Slurm has nothing of it that lives."""
    assert facts.claimed_ns is not None
    states = {state for job in jobs for state in job.states}
    cause = EndCause.ENGINE_LOST
    if facts.stop is not None:
        cause = EndCause.CANCELLED
    elif "TIMEOUT" in states or any(code.why == "limit" for code in facts.codes.values()):
        cause = EndCause.TIME_LIMIT
    told = "；".join(job.word for job in jobs) or "Slurm 已不知道这个作业"
    last_ns = max(
        [facts.claimed_ns, facts.alive_ns, seen_ns, *(c.at_ns for c in facts.codes.values())]
    )
    return Observation(
        engine_key=key,
        state=AttemptState.ENDED,
        allocation=_allocation(facts),
        started_at=_instant(facts, facts.claimed_ns),
        ended_at=_instant(facts, last_ns),
        cause=cause,
        message=f"没有退出码：{told}" if cause is EndCause.ENGINE_LOST else "",
    )


def _allocation(facts: Facts) -> tuple[NodeShare, ...]:
    """What was ordered, where Slurm put it: that Slurm rounds up to whole cores is not billed."""
    assert facts.work is not None
    work = facts.work
    return tuple(
        NodeShare(
            node=node,
            cpu_milli=work.cpu_milli,
            memory_mib=work.memory_mib,
            cards=cards[: work.cards],
        )
        for _, (node, cards) in sorted(facts.places.items())
    )


def _instant(facts: Facts, at_ns: int) -> datetime:
    return EPOCH + timedelta(microseconds=at_ns // 1000 + facts.shift_us)
