"""One job inside the embedded engine, as it is kept in memory while it has not ended."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from jinsuan.protocol.messages import Lease, NodeShare, Observation, Work
from jinsuan.protocol.states import AttemptState, EndCause

KILLED = 128 + 9
"""What a shell reports of a child that SIGKILL ended; the shim itself cannot write it then."""
STOPPED = frozenset({128 + 15, KILLED})
_WHY = {
    EndCause.ENGINE_LOST: "进程已不在，也没有留下退出码：可能被外力终止，或机器重启过",
    EndCause.ENGINE_REFUSED: "多次尝试都不能启动进程：可能磁盘已满，或进程数达到上限",
}
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(slots=True)
class Stop:
    """An end that somebody asked for.

    Args:
        cause: CANCELLED, TIME_LIMIT, or EXITED when one rank failed and the others must go.
        since_ns: when, in the machine's time.
        grace_seconds: how long the work may still tidy up.
    """

    cause: EndCause
    since_ns: int
    grace_seconds: int

    @property
    def kill_ns(self) -> int:
        return self.since_ns + self.grace_seconds * 10**9


@dataclass(slots=True)
class Rank:
    """One process group of a job.

    Args:
        child: process id while it is our own child, so that nobody else can have the number.
        adopted: process id taken over from an earlier supervisor.
        seen_ns: when it was last seen alive; it cannot have ended before.
        last_ns: when an earlier supervisor was last at work: where a loss is dated if nothing
            later is known.
        tries: how often it could not be started.
        lost: it had begun and is gone without an exit code.
        failed: it could not be started at all.
    """

    number: int
    child: int | None = None
    adopted: int | None = None
    started_ns: int | None = None
    seen_ns: int = 0
    last_ns: int = 0
    ended_ns: int | None = None
    code: int | None = None
    lost: bool = False
    failed: bool = False
    looks: int = 0
    tries: int = 0


@dataclass(slots=True, kw_only=True)
class Run:
    """One job. All `_ns` are the machine's time; `shift_us` leads to the agent's clock.

    Args:
        lease: None once an ended job has been forgotten.
    """

    key: str
    lease: Lease | None
    placed: bool = False
    machine: str = ""
    allocation: tuple[NodeShare, ...] = ()
    started_ns: int | None = None
    shift_us: int = 0
    ended_ns: int | None = None
    exit_code: int | None = None
    cause: EndCause | None = None
    message: str = ""
    stop: Stop | None = None
    ranks: list[Rank] = field(default_factory=list)
    seen: Observation | None = None

    @property
    def work(self) -> Work:
        assert self.lease is not None, self.key
        return self.lease.work

    @property
    def deadline_ns(self) -> int | None:
        """When the work has had its running time; None before it runs."""
        if self.started_ns is None:
            return None
        return self.started_ns + self.work.max_run_seconds * 10**9

    def state(self) -> AttemptState:
        if self.cause is not None:
            return AttemptState.ENDED
        return AttemptState.SUBMITTED if self.started_ns is None else AttemptState.RUNNING

    def observation(self) -> Observation:
        """The same object until something changes."""
        if self.seen is None:
            self.seen = Observation(
                engine_key=self.key,
                state=self.state(),
                allocation=self.allocation,
                started_at=self._shown(self.started_ns),
                ended_at=self._shown(self.ended_ns),
                exit_code=self.exit_code,
                cause=self.cause,
                message=self.message,
            )
        return self.seen

    def judge(self, now_ns: int, *, shift_us: int, grace_seconds: int) -> None:
        """Draw from the ranks what holds for the job: begun, to be stopped, ended.

        One rank that fails brings the others to an end, because a gang waits for all its members
        and would hold its cards for nothing.
        """
        for rank in self.ranks:
            if rank.started_ns is not None and self.started_ns is None:
                self.started_ns, self.shift_us = rank.started_ns, shift_us
        ended = [rank for rank in self.ranks if rank.ended_ns is not None]
        bad = next((rank for rank in ended if rank.code or rank.lost or rank.failed), None)
        if bad is not None and self.stop is None:
            self.stop = Stop(self._blame(bad), now_ns, grace_seconds)
            self.exit_code = bad.code
            self.message = _WHY.get(self.stop.cause, "")
        if len(ended) == len(self.ranks):
            self._end()
        elif self.stop is None and self.deadline_ns is not None and now_ns >= self.deadline_ns:
            self.stop = Stop(EndCause.TIME_LIMIT, now_ns, grace_seconds)

    def _blame(self, bad: Rank) -> EndCause:
        if bad.failed and self.started_ns is None:
            return EndCause.ENGINE_REFUSED
        return EndCause.ENGINE_LOST if bad.failed or bad.lost else EndCause.EXITED

    def _end(self) -> None:
        self.ended_ns = max(rank.ended_ns or 0 for rank in self.ranks)
        self.cause = EndCause.EXITED if self.stop is None else self.stop.cause
        codes = [rank.code for rank in self.ranks if rank.code is not None]
        if self.cause in (EndCause.CANCELLED, EndCause.TIME_LIMIT):
            assert self.stop is not None
            if self._ended_by_itself(codes):
                self.cause = EndCause.EXITED
            elif self.started_ns is not None and len(codes) < len(self.ranks):
                codes.append(KILLED)
        if self.exit_code is None and self.cause not in _WHY and codes:
            self.exit_code = next((code for code in codes if code), 0)

    def _ended_by_itself(self, codes: list[int]) -> bool:
        """Whether all ranks had ended before the stop came.

        Files are stamped by a clock that ticks a few milliseconds late, so work that a stop ended
        at once can look older than the stop: its exit code tells.
        """
        assert self.stop is not None and self.ended_ns is not None
        in_time = len(codes) == len(self.ranks) and self.ended_ns <= self.stop.since_ns
        return in_time and not STOPPED.intersection(codes)

    def _shown(self, at_ns: int | None) -> datetime | None:
        return (
            None if at_ns is None else EPOCH + timedelta(microseconds=at_ns // 1000 + self.shift_us)
        )
