"""A network made of faults and an agent that dies where a test says, for the lease machine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from django.db import transaction

from jinsuan.agent.attempt import Attempt as Kept
from jinsuan.agent.errors import PlatformUnreachable
from jinsuan.agent.journal import Journal
from jinsuan.dispatch import actions as dispatch
from jinsuan.dispatch.pace import SyncPace
from jinsuan.protocol.codec import decode, encode
from jinsuan.protocol.messages import Lease, Observation, Offer, SyncRequest, SyncResponse
from jinsuan.registry.actions.capacity import apply_inventory
from jinsuan.registry.models import AgentChannel
from tests.contracts.memory import MemoryEngine
from tests.flows.world import World

START = datetime(2025, 9, 16, 1, 0, tzinfo=UTC)


class Killed(BaseException):
    """kill -9: nothing in the agent may catch it."""


Death = tuple[str, int, int] | None
"""Where an agent dies, the how-manieth time it comes there, and for how many seconds it is away."""
PLACES = ["ask", "asked", "save", "saved", "submit", "submitted", "observe", "cancel", "cancelled"]


class Fate:
    """Kills the agent before or after a write, a question to its engine, a message."""

    def __init__(self) -> None:
        self.death: Death = None

    def comes_to(self, place: str) -> None:
        if self.death is not None and self.death[0] == place:
            left = self.death[1] - 1
            self.death = (place, left, self.death[2])
            if not left:
                raise Killed

    @contextmanager
    def around(self, before: str, after: str) -> Iterator[None]:
        self.comes_to(before)
        yield
        self.comes_to(after)


class Clock:
    """Business time that moves only when a rule says so."""

    def __init__(self) -> None:
        self.seconds = 0

    def now(self) -> datetime:
        return START + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        return self.seconds


class MortalJournal(Journal):
    """The real journal. Without fsync: a process is killed here, not the machine."""

    def __init__(self, folder: Path, fate: Fate) -> None:
        super().__init__(folder)
        self._db.execute("pragma synchronous = off")
        self._fate = fate

    def save(self, attempts: Any, *, settled_at: datetime | None = None) -> None:
        rows: list[Kept] = list(attempts)
        if rows:
            with self._fate.around("save", "saved"):
                super().save(rows, settled_at=settled_at)


class MortalEngine:
    """The agent's way to its engine, on which it may die.

    Args:
        deadlines: until when this boot of the agent was allowed to start each attempt.
    """

    name = "memory"

    def __init__(
        self, engine: MemoryEngine, fate: Fate, clock: Clock, deadlines: dict[str, float]
    ) -> None:
        self._engine, self._fate = engine, fate
        self._clock, self._deadlines = clock, deadlines

    def offers(self) -> Sequence[Offer]:
        return self._engine.offers()

    def submit(self, lease: Lease) -> None:
        assert self._clock.monotonic() < self._deadlines[lease.attempt], "started too late"
        with self._fate.around("submit", "submitted"):
            self._engine.submit(lease)

    def observe(self, keys: Sequence[str]) -> Sequence[Observation]:
        self._fate.comes_to("observe")
        return self._engine.observe(keys)

    def cancel(self, key: str, *, grace_seconds: int) -> None:
        with self._fate.around("cancel", "cancelled"):
            self._engine.cancel(key, grace_seconds=grace_seconds)

    def read_log(self, key: str, *, offset: int, limit: int) -> bytes:
        return self._engine.read_log(key, offset=offset, limit=limit)


class FaultyNetwork:
    """Carries a sync to the platform, or loses it, or its answer, or brings an old one."""

    def __init__(self, clock: Clock, world: World, fate: Fate) -> None:
        self._clock, self._world, self._fate = clock, world, fate
        self.fault = "none"
        self.questions: list[Any] = []
        self.answers: list[Any] = []
        self.deadlines: dict[str, float] = {}

    def sync(self, request: SyncRequest) -> SyncResponse:
        self._fate.comes_to("ask")
        if self.fault == "request lost":
            raise PlatformUnreachable("platform", self.fault)
        self.questions.append(encode(request))
        with transaction.atomic():
            self.deliver(-1)
            if self.fault == "platform killed":
                transaction.set_rollback(True)
                self.answers.pop()
        self._fate.comes_to("asked")
        if self.fault in ("platform killed", "answer lost"):
            raise PlatformUnreachable("platform", self.fault)
        old = self.fault == "old answer"
        answer = decode(SyncResponse, self.answers[len(self.answers) // 2 if old else -1])
        for lease in answer.leases:
            self.deadlines[lease.attempt] = self._clock.monotonic() + lease.start_within_seconds
        return answer

    def deliver(self, index: int) -> None:
        """Let the platform hear a message, for the first time or again, past its envelope."""
        message = decode(SyncRequest, self.questions[index])
        centre, now = self._world.centre_id, self._clock.now()
        AgentChannel.objects.filter(centre=centre).update(last_seen_at=now)
        if message.offers is not None:
            actor = dispatch.agent_actor(self._world.centre)
            apply_inventory(centre, message.offers, actor=actor, now=now)
        answer = dispatch.sync(
            centre,
            self._world.centre,
            message,
            pace=SyncPace(interval_ms=1000, usage_interval_ms=10_000),
            now=now,
        )
        self.answers.append(encode(answer))
