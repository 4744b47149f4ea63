"""One attempt that this agent answers for: what the journal keeps of it, and what only memory does."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from jinsuan.agent.usage import elapsed_ms, readings
from jinsuan.protocol.messages import AttemptReport, Lease, NodeShare, Observation, UsageReading
from jinsuan.protocol.states import AttemptState, EndCause, is_later

HANDED = frozenset(
    {
        AttemptState.SUBMITTING,
        AttemptState.SUBMIT_UNKNOWN,
        AttemptState.SUBMITTED,
        AttemptState.RUNNING,
    }
)
"""States in which the engine knows the key, or may know it."""
UNSURE = frozenset({AttemptState.LEASED, AttemptState.SUBMITTING, AttemptState.SUBMIT_UNKNOWN})
"""States in which it is not known that the engine knows the key."""


@dataclass(slots=True, kw_only=True)
class Attempt:
    """One attempt.

    Args:
        lease: None when the platform asked about an attempt that never reached us.
        handed: whether its submission was ever begun, so the engine may know the key.
        fenced: it must never be started (again), whatever arrives later.
        stop_grace: seconds of grace once its end was asked for; `message` then says why.
        revision, acked: number of the last report, and of the last that the platform stored.
        log_bytes: how much of the log the platform has stored.
        used: milli-unit-seconds per resource as last reported.
        deadline: monotonic seconds of this boot before which it may be started; None until the
            platform has sent the lease in this boot.
        unknown_since: monotonic seconds since when a reachable engine does not know the key.
        alive_at: when the engine was last seen to know it, in this boot.
        seen: the engine's last word, to compare the next with.
        asked: the platform waits for an answer about it.
        log_stuck: how often in a row the platform kept nothing of a piece of its log.
    """

    attempt: str
    job: str
    fencing: int
    engine_key: str
    lease: Lease | None = None
    state: AttemptState = AttemptState.LEASED
    handed: bool = False
    fenced: bool = False
    stop_grace: int | None = None
    revision: int = 0
    acked: int = 0
    log_bytes: int = 0
    allocation: tuple[NodeShare, ...] = ()
    started_at: datetime | None = None
    ended_at: datetime | None = None
    exit_code: int | None = None
    cause: EndCause | None = None
    message: str = ""
    used: dict[str, int] = field(default_factory=dict)

    deadline: float | None = None
    unknown_since: float | None = None
    stop_sent: bool = False
    usage_due: float | None = None
    log_done: bool = False
    log_stuck: int = 0
    asked: bool = False
    alive_at: datetime | None = None
    seen: Observation | None = None
    report: AttemptReport | None = None

    @property
    def ended(self) -> bool:
        return self.state is AttemptState.ENDED

    def touch(self) -> None:
        """There is something new to tell."""
        self.revision += 1
        self.report = None

    def move(self, state: AttemptState) -> None:
        """Follow one arrow forward."""
        assert is_later(state, self.state), (self.attempt, self.state, state)
        self.state = state
        self.handed = self.handed or state in HANDED
        self.touch()

    def end(self, cause: EndCause, *, message: str = "", at: datetime | None = None) -> None:
        """It is over, for a reason that the engine does not tell: it never ran, or is lost."""
        self.cause, self.message, self.ended_at = cause, message, at
        self.move(AttemptState.ENDED)

    def lose(self, message: str) -> None:
        """The engine has forgotten it. It ended when it was last known to be there: nobody pays
        for the time in which nobody looked.
        """
        at = self.alive_at
        if at is None and self.started_at is not None:
            at = self.started_at + timedelta(milliseconds=elapsed_ms(self.allocation, self.used))
        self.end(EndCause.ENGINE_LOST, message=message, at=at)

    def learn(self, seen: Observation) -> bool:
        """Take over what the engine says. False when nothing changed."""
        if seen is self.seen or self.ended:
            return False
        self.seen = seen
        before = (self.state, self.allocation, self.started_at)
        if is_later(seen.state, self.state):
            self.state, self.handed = seen.state, True
        self.allocation = seen.allocation or self.allocation
        self.started_at = seen.started_at or self.started_at
        if seen.state is AttemptState.ENDED:
            assert seen.cause is not None, seen
            self.ended_at, self.exit_code = seen.ended_at, seen.exit_code
            self.cause, self.message = seen.cause, seen.message or self.message
        if before == (self.state, self.allocation, self.started_at):
            return False
        self.touch()
        return True

    def tell(self, *, seen_at: datetime, model: str | None) -> AttemptReport:
        """The report of the present revision; the same one until there is something new.

        Args:
            seen_at: when the engine was last asked: use is counted until then, never beyond what
                is known to have run.
            model: of the cards it holds; None when it holds none.
        """
        if self.report is None:
            usage: tuple[UsageReading, ...] = ()
            if self.started_at is not None:
                usage = readings(
                    self.allocation,
                    model,
                    started_at=self.started_at,
                    until=self.ended_at or seen_at,
                    before=self.used,
                )
                self.used = {reading.resource: reading.milli_unit_seconds for reading in usage}
            self.report = AttemptReport(
                attempt=self.attempt,
                fencing=self.fencing,
                revision=self.revision,
                state=self.state,
                allocation=self.allocation,
                started_at=self.started_at,
                ended_at=self.ended_at,
                exit_code=self.exit_code,
                cause=self.cause,
                message=self.message[:2000],
                usage=usage,
            )
        return self.report
