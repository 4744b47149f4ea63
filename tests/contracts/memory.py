"""An engine in memory, for tests of the agent: same contract, a clock that tests move, and faults.

It outlives its agent, as real engines do, counts how often each key was started, and can be away,
take work over without saying so, or take it over only after a while.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from string import Template

from jinsuan.agent.engines.embedded.folder import is_key
from jinsuan.agent.engines.embedded.room import Room, VirtualNode
from jinsuan.agent.engines.errors import EngineRefused, EngineUnreachable
from jinsuan.protocol.messages import Lease, NodeShare, Observation, Offer
from jinsuan.protocol.states import AttemptState, EndCause

STOPPED = 143
IF_EXIT = re.compile(r'if \[ "\$(\w+)" = (\w+) \]; then exit (\d+); fi')


@dataclass(slots=True)
class Script:
    """What one rank will do if nobody stops it: output at seconds, and an end."""

    lines: list[tuple[float, str]] = field(default_factory=list)
    seconds: float = 0
    code: int = 0
    stubborn: bool = False

    @classmethod
    def read(cls, text: str, env: dict[str, str]) -> Script:
        script = cls()
        for line in text.splitlines():
            word, _, rest = line.partition(" ")
            condition = IF_EXIT.fullmatch(line)
            if word == "echo":
                said = Template(rest.strip('"')).safe_substitute(env)
                script.lines.append((script.seconds, said + "\n"))
            elif word == "sleep":
                script.seconds += float(rest)
            elif word == "exit" or (condition and env[condition[1]] == condition[2]):
                script.code = int(condition[3] if condition else rest)
                break
            elif word == "trap":
                script.stubborn = True
            else:
                assert condition or word == "true", line
        return script


@dataclass(slots=True)
class Held:
    """One key."""

    lease: Lease
    allocation: tuple[NodeShare, ...] = ()
    started_at: datetime | None = None
    scripts: list[Script] = field(default_factory=list)
    stop: tuple[datetime, float, EndCause] | None = None
    ended_at: datetime | None = None
    exit_code: int | None = None
    cause: EndCause | None = None

    def rank_end(self, script: Script) -> datetime:
        assert self.started_at is not None
        natural = self.started_at + timedelta(seconds=script.seconds)
        if self.stop is None:
            return natural
        at, grace, _ = self.stop
        return min(natural, at + timedelta(seconds=grace if script.stubborn else 0))

    def judge(self, now: datetime) -> bool:
        """Draw the end, if it has come by now; whether it has just come."""
        if self.started_at is None or self.cause is not None:
            return False
        limit = self.started_at + timedelta(seconds=self.lease.work.max_run_seconds)
        reasons = [(limit, EndCause.TIME_LIMIT)]
        reasons += [(self.rank_end(s), EndCause.EXITED) for s in self.scripts if s.code]
        at, cause = min(reasons)
        last = max(self.rank_end(script) for script in self.scripts)
        if self.stop is None and at <= now and at < last:
            self.stop = (at, 15, cause)
            last = max(self.rank_end(script) for script in self.scripts)
        if last > now:
            return False
        self.ended_at = last
        self.cause = EndCause.EXITED if self.stop is None else self.stop[2]
        codes = [s.code for s in self.scripts if s.code]
        self.exit_code = STOPPED if self.cause is not EndCause.EXITED else (codes or [0])[0]
        return True

    def log(self, now: datetime) -> bytes:
        last = min(now, self.ended_at or now)
        said: list[tuple[float, int, str]] = []
        for rank, script in enumerate(self.scripts):
            assert self.started_at is not None
            until = (min(last, self.rank_end(script)) - self.started_at).total_seconds()
            said += [(at, rank, text) for at, text in script.lines if at <= until]
        return "".join(text for _, _, text in sorted(said, key=lambda line: line[:2])).encode()

    def observation(self) -> Observation:
        state = AttemptState.SUBMITTED if self.started_at is None else AttemptState.RUNNING
        return Observation(
            engine_key=self.lease.engine_key,
            state=state if self.cause is None else AttemptState.ENDED,
            allocation=self.allocation,
            started_at=self.started_at,
            ended_at=self.ended_at,
            exit_code=self.exit_code,
            cause=self.cause,
        )


class MemoryEngine:
    """The five verbs, and what a test does to them.

    Args:
        away: it does not answer at all.
        swallow: a submit takes effect, and its answer is lost.
        late_seconds: a submit is not answered and takes effect only so much later.
    """

    name = "memory"

    def __init__(
        self, nodes: Sequence[VirtualNode], *, now: Callable[[], datetime], cluster: str
    ) -> None:
        self._now, self._cluster = now, cluster
        self._room = Room(nodes)
        self.keys: dict[str, Held] = {}
        self.starts: Counter[str] = Counter()
        self.away = self.swallow = False
        self.late_seconds = 0
        self._late: list[tuple[datetime, Lease]] = []

    def offers(self) -> Sequence[Offer]:
        self._reach()
        nodes = self._room.offers()
        return (Offer(cluster=self._cluster, engine=self.name, nodes=nodes, card_share=True),)

    def submit(self, lease: Lease) -> None:
        self._reach()
        if not is_key(lease.engine_key):
            raise EngineRefused(self.name, "键不合规")
        if lease.cluster != self._cluster:
            raise EngineRefused(self.name, f"没有集群 {lease.cluster}")
        if problem := self._room.never_fits(lease.work):
            raise EngineRefused(self.name, problem)
        if self.late_seconds:
            self._late.append((self._now() + timedelta(seconds=self.late_seconds), lease))
            raise EngineUnreachable(self.name, "还没有应答")
        self._take(lease)
        if self.swallow:
            raise EngineUnreachable(self.name, "应答丢了")

    def observe(self, keys: Sequence[str]) -> Sequence[Observation]:
        self._reach()
        return [self.keys[key].observation() for key in keys if key in self.keys]

    def cancel(self, key: str, *, grace_seconds: int) -> None:
        self._reach()
        held = self.keys.get(key)
        if held is None or held.cause is not None:
            return
        now = self._now()
        if held.started_at is None:
            held.cause, held.ended_at = EndCause.CANCELLED, now
        elif held.stop is None:
            held.stop = (now, grace_seconds, EndCause.CANCELLED)
        else:
            at, grace, cause = held.stop
            held.stop = (at, min(grace, (now - at).total_seconds() + grace_seconds), cause)
        self.tick()

    def read_log(self, key: str, *, offset: int, limit: int) -> bytes:
        self._reach()
        if not is_key(key):
            raise EngineRefused(self.name, "键不合规")
        held = self.keys.get(key)
        return b"" if held is None else held.log(self._now())[offset : offset + limit]

    # ── what a test does ──────────────────────────────────────────────────────────────────────

    def tick(self) -> None:
        """Work goes on, whether or not anybody asks."""
        now = self._now()
        for due, lease in [*self._late]:
            if due <= now:
                self._late.remove((due, lease))
                self._take(lease)
        for held in self.keys.values():
            if held.judge(now):
                self._room.give(held.allocation)
        self._start(now)

    def lose(self, key: str) -> None:
        """A job dies of something that no exit code tells."""
        held = self.keys[key]
        if held.started_at is not None and held.cause is None:
            held.cause, held.ended_at = EndCause.ENGINE_LOST, self._now()
            self._room.give(held.allocation)

    def running(self) -> list[str]:
        """Keys whose work is running now."""
        return [key for key, held in self.keys.items() if held.started_at and held.cause is None]

    # ── small things ──────────────────────────────────────────────────────────────────────────

    def _reach(self) -> None:
        self.tick()
        if self.away:
            raise EngineUnreachable(self.name, "不在")

    def _take(self, lease: Lease) -> None:
        if lease.engine_key not in self.keys:
            self.keys[lease.engine_key] = Held(lease)
            self._start(self._now())

    def _start(self, now: datetime) -> None:
        for key, held in self.keys.items():
            if held.started_at is not None or held.cause is not None:
                continue
            shares = self._room.find(held.lease.work, held.lease.nodes)
            if shares is None:
                continue
            self._room.take(shares)
            held.allocation, held.started_at = shares, now
            held.scripts = [rank_script(held, rank) for rank in range(len(shares))]
            self.starts[key] += 1
            if held.judge(now):
                self._room.give(shares)


def rank_script(held: Held, rank: int) -> Script:
    """What one rank of a started job will do."""
    work, share = held.lease.work, held.allocation[rank]
    ours = {
        "NODE_RANK": str(rank),
        "NUM_NODES": str(len(held.allocation)),
        "NODE_NAMES": ",".join(part.node for part in held.allocation),
        "CARDS_PER_NODE": str(work.cards),
        "CUDA_VISIBLE_DEVICES": ",".join(str(card) for card in share.cards),
    }
    theirs = dict(zip(work.env_names, work.env_values, strict=True))
    return Script.read(work.run, {**theirs, **ours})
