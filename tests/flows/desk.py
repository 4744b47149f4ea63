"""A centre on a desk: an agent, an engine in memory, and a platform that says what a test tells it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from jinsuan.agent.agent import Agent
from jinsuan.protocol.messages import (
    Ack,
    Ask,
    AttemptReport,
    Cancel,
    Lease,
    SyncRequest,
    SyncResponse,
)
from tests.contracts.bench import CLUSTER, NODES, lease as make_lease
from tests.contracts.memory import MemoryEngine

START = datetime(2025, 9, 16, 1, 0, tzinfo=UTC)
SETTLE_SECONDS = 30


class Desk:
    """One centre: a clock, an engine, an agent, and a platform that only remembers and answers."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.seconds = 0.0
        self.clock_error = 0
        self.engine = MemoryEngine(NODES, now=self.now, cluster=CLUSTER)
        self.requests: list[SyncRequest] = []
        self.before_answer: Callable[[], None] = lambda: None
        self.answer: dict[str, Any] = {}
        self.acking = True
        self.log_kept: dict[str, bytes] = {}
        self.agent = self.make_agent()

    def now(self) -> datetime:
        return START + timedelta(seconds=self.seconds + self.clock_error)

    def make_agent(self) -> Agent:
        return Agent(
            self.folder,
            self.engine,
            self,
            self.now,
            lambda: self.seconds,
            settle_seconds=SETTLE_SECONDS,
        )

    def restart(self) -> None:
        self.agent.close()
        self.agent = self.make_agent()

    def sync(self, request: SyncRequest) -> SyncResponse:
        """The platform: acknowledge everything, keep logs without gaps, say what the test says."""
        self.requests.append(request)
        self.before_answer()
        for chunk in request.logs:
            kept = self.log_kept.get(chunk.attempt, b"")
            if chunk.offset <= len(kept):
                self.log_kept[chunk.attempt] = kept[: chunk.offset] + chunk.data
        names = {r.attempt: r.revision for r in request.reports}
        names |= {c.attempt: 0 for c in request.logs if c.attempt not in names}
        acks = tuple(
            Ack(attempt=name, revision=revision, log_bytes=len(self.log_kept.get(name, b"")))
            for name, revision in names.items()
        )
        values = {"acks": acks if self.acking else (), "interval_ms": 1000, **self.answer}
        return SyncResponse(now=self.now(), usage_interval_ms=10_000, **values)

    def step(self, seconds: float = 0, **answer: Any) -> tuple[AttemptReport, ...]:
        """Let time pass, then one round with this answer; what the agent reported in it."""
        self.seconds += seconds
        self.answer = answer
        self.agent.step()
        self.answer = {}
        return self.requests[-1].reports

    def last(self, name: str) -> AttemptReport:
        """What was last reported of an attempt, whenever that was."""
        found = [r for q in self.requests for r in q.reports if r.attempt == f"attempt_{name}"]
        return found[-1]

    def heard(self, seconds: float = 0) -> dict[str, AttemptReport]:
        """The reports of one more round."""
        return {report.attempt: report for report in self.step(seconds)}


def lease(
    key: str, run: str = "sleep 600", *, fencing: int = 1, job: str = "", **more: Any
) -> Lease:
    made = make_lease(key, run, **more)
    values = {f: getattr(made, f) for f in made.__dataclass_fields__}
    return Lease(**values | {"fencing": fencing, "number": fencing, "job": job or made.job})


def ask(key: str, fencing: int = 1) -> Ask:
    return Ask(attempt=f"attempt_{key}", fencing=fencing, engine_key=key)


def stop(key: str, *, grace: int = 5, fencing: int = 1) -> Cancel:
    return Cancel(attempt=f"attempt_{key}", fencing=fencing, grace_seconds=grace, reason="不要了")
