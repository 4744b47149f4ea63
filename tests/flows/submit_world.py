"""A platform of a few lines and a mortal way to Slurm, for the submit machine."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from jinsuan.agent.errors import PlatformUnreachable
from jinsuan.protocol.messages import Ack, Ask, Cancel, Lease, SyncRequest, SyncResponse
from jinsuan.protocol.states import AttemptState, EndCause
from tests.flows.faults import Clock, MortalEngine

LEASE_SECONDS = 60
AGAIN = (EndCause.NEVER_STARTED, EndCause.ENGINE_REFUSED)
"""Ends after which the platform gives a job to somebody else."""


class MortalSlurm(MortalEngine):
    """The way to the engine, with the fence on it."""

    def fence(self, key: str) -> bool:
        with self._fate.around("fence", "fenced"):
            return bool(self._engine.fence(key))  # type: ignore[attr-defined]


@dataclass(slots=True)
class Told:
    """What the platform knows of one attempt."""

    lease: Lease
    until: float
    state: AttemptState = AttemptState.LEASED
    cause: EndCause | None = None
    exit_code: int | None = None
    revision: int = 0
    stop: int | None = None
    ask: bool = False


@dataclass
class Platform:
    """Leases for a minute, asks about silence, leases again only what never ran."""

    clock: Clock
    attempts: dict[str, Told] = field(default_factory=dict)
    deadlines: dict[str, float] = field(default_factory=dict)
    lost: str = ""

    def place(self, job: str, work: Lease) -> None:
        number = 1 + sum(told.lease.job == job for told in self.attempts.values())
        key = f"{job}-{number}"
        made = replace(
            work, attempt=key, engine_key=key, job=job, number=number, fencing=number, cluster="c"
        )
        self.attempts[key] = Told(made, self.clock.monotonic() + LEASE_SECONDS)

    def sync(self, request: SyncRequest) -> SyncResponse:
        if self.lost == "question":
            raise PlatformUnreachable("platform", self.lost)
        for report in request.reports:
            told = self.attempts[report.attempt]
            if report.revision > told.revision and told.state is not AttemptState.ENDED:
                told.revision, told.state = report.revision, report.state
                told.cause, told.exit_code, told.ask = report.cause, report.exit_code, False
                if report.cause in AGAIN and told.stop is None:
                    self.place(told.lease.job, told.lease)
        if self.lost == "answer":
            raise PlatformUnreachable("platform", self.lost)
        return self._answer(request)

    def _answer(self, request: SyncRequest) -> SyncResponse:
        at = self.clock.monotonic()
        open_ = [t for t in self.attempts.values() if t.state is not AttemptState.ENDED]
        leases = []
        for told in open_:
            left = int(told.until - at)
            if told.state is AttemptState.LEASED and not told.revision and left > 0:
                leases.append(replace(told.lease, start_within_seconds=left))
                self.deadlines[told.lease.attempt] = at + left
            elif not told.revision and left <= 0:
                told.ask = True
        return SyncResponse(
            now=self.clock.now(),
            interval_ms=1000,
            usage_interval_ms=10_000,
            leases=tuple(leases),
            cancels=tuple(
                Cancel(
                    attempt=t.lease.attempt,
                    fencing=t.lease.fencing,
                    grace_seconds=t.stop,
                    reason="",
                )
                for t in open_
                if t.stop is not None
            ),
            asks=tuple(
                Ask(attempt=t.lease.attempt, fencing=t.lease.fencing, engine_key=t.lease.engine_key)
                for t in open_
                if t.ask
            ),
            acks=tuple(
                Ack(attempt=r.attempt, revision=r.revision, log_bytes=0) for r in request.reports
            ),
        )
