"""Between the book and the engine: hand over, look, stop; decide what silence of the engine means."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import structlog

from jinsuan.agent.attempt import UNSURE, Attempt
from jinsuan.agent.book import Book
from jinsuan.agent.engines.base import Engine, Fences
from jinsuan.agent.engines.errors import EngineRefused, EngineUnreachable
from jinsuan.protocol.states import AttemptState, EndCause

log = structlog.get_logger(__name__)

GHOST_SECONDS = 3600
"""How long a key that was declared never started is still looked for in the engine."""


class Warden:
    """Carries attempts into the engine and back.

    Args:
        settle_seconds: how long a reachable engine must not know a key before that is believed. A
            submit that timed out may still be on its way inside a real scheduler.
    """

    def __init__(
        self,
        engine: Engine,
        book: Book,
        *,
        monotonic: Callable[[], float],
        settle_seconds: int,
    ) -> None:
        self._engine, self._book = engine, book
        self._monotonic, self._settle_seconds = monotonic, settle_seconds
        self.heard = False
        """Whether the platform has answered in this boot: only then is a lease's absence news."""
        self.seen_at: datetime | None = None
        """When the engine was last seen; None before the first time in this boot."""
        self._ghosts: dict[str, float] = {}

    def look(self, seen_at: datetime) -> bool:
        """One look at the engine and all that follows from it.

        Args:
            seen_at: now, on the agent's clock, before the engine is asked.

        Returns:
            Whether anything was handed over.
        """
        at = self._monotonic()
        watched = {a.engine_key: a for a in self._book if not a.ended and (a.handed or a.fenced)}
        known = self._observe(watched, seen_at, at)
        start: list[Attempt] = []
        for attempt in self._book:
            if attempt.ended or (known and attempt.engine_key in known):
                continue
            # Of a key that an engine may hold, only an engine that answers can say that it does not.
            if known is not None or attempt.engine_key not in watched:
                self._unknown(attempt, at, start)
        for key in known or ():
            self._stop(watched[key])
            self._answer(watched[key])
        return self._hand_over(start)

    def _observe(
        self, watched: dict[str, Attempt], seen_at: datetime, at: float
    ) -> set[str] | None:
        """Take over what the engine says; the keys it knows, or None when it does not answer."""
        self._ghosts = {key: until for key, until in self._ghosts.items() if until > at}
        try:
            seen = self._engine.observe([*watched, *self._ghosts])
            for observation in seen:
                if observation.engine_key in self._ghosts:
                    self._lay(observation.engine_key, observation.state)
        except (EngineUnreachable, EngineRefused) as error:
            log.warning("engine.silent", problem=error.explain())
            return None
        self.seen_at = seen_at
        known: set[str] = set()
        for observation in seen:
            if attempt := watched.get(observation.engine_key):
                known.add(observation.engine_key)
                attempt.unknown_since, attempt.alive_at = None, seen_at
                if attempt.learn(observation):
                    self._book.note(attempt)
        return known

    def _unknown(self, attempt: Attempt, at: float, start: list[Attempt]) -> None:
        """The engine does not know the key, or was never told it."""
        if attempt.unknown_since is None:
            attempt.unknown_since = at
        settled = at - attempt.unknown_since >= self._settle_seconds
        if attempt.state not in UNSURE:
            if settled:
                self._forgotten(attempt, at)
            return
        if attempt.lease is not None and not attempt.fenced and attempt.stop_grace is None:
            if attempt.deadline is not None and at < attempt.deadline:
                start.append(attempt)
                return
            if not self.heard:
                return  # only this boot's platform can say whether the lease still holds
            attempt.fenced = True
            self._book.note(attempt)
        if settled or not attempt.handed:
            self._close(attempt, at)

    def _forgotten(self, attempt: Attempt, at: float) -> None:
        """The engine took it, and does not know it any more."""
        if attempt.started_at is None and isinstance(self._engine, Fences):
            # Queued when the engine lost its memory: once it is fenced, it is as if never handed over.
            attempt.fenced = True
            self._close(attempt, at)
            return
        attempt.lose("引擎不再知道这个作业")
        self._book.note(attempt)

    def _close(self, attempt: Attempt, at: float) -> None:
        """It never ran and never will: written down before the platform hears of it."""
        if attempt.handed and not self._fence(attempt):
            return
        if attempt.stop_grace is not None:
            attempt.end(EndCause.CANCELLED, message=attempt.message)
        else:
            attempt.end(EndCause.NEVER_STARTED, message="租约到期前没有启动")
        self._book.note(attempt)
        if attempt.handed:
            self._ghosts[attempt.engine_key] = at + GHOST_SECONDS

    def _fence(self, attempt: Attempt) -> bool:
        """Whether it can never begin: only an engine that may begin what it forgot is asked."""
        if not isinstance(self._engine, Fences):
            return True
        try:
            if self._engine.fence(attempt.engine_key):
                return True
        except (EngineUnreachable, EngineRefused) as error:
            log.warning("engine.not_fenced", attempt=attempt.attempt, problem=error.explain())
            return False
        attempt.unknown_since = None  # it has begun after all: the next look sees it
        return False

    def _lay(self, key: str, state: AttemptState) -> None:
        """A submit that was given up long ago turns up: it must not run beside its successor."""
        log.error("engine.ghost", key=key, state=state)
        if state is not AttemptState.ENDED:
            self._engine.cancel(key, grace_seconds=0)
        del self._ghosts[key]

    def _stop(self, attempt: Attempt) -> None:
        if attempt.ended or attempt.stop_grace is None or attempt.stop_sent:
            return
        try:
            self._engine.cancel(attempt.engine_key, grace_seconds=attempt.stop_grace)
        except (EngineUnreachable, EngineRefused) as error:
            log.warning("engine.not_stopped", attempt=attempt.attempt, problem=error.explain())
            return
        attempt.stop_sent = True

    def _answer(self, attempt: Attempt) -> None:
        """The platform asked: say what the engine knows, even if it is nothing new."""
        if attempt.asked:
            attempt.asked = False
            attempt.touch()
            self._book.note(attempt)

    def _hand_over(self, start: list[Attempt]) -> bool:
        """Submit what may start, each key only after this engine was seen not to know it."""
        ready = [a for a in start if all(b.ended for b in self._book.siblings(a))]
        for attempt in ready:
            if attempt.state is AttemptState.LEASED:
                attempt.move(AttemptState.SUBMITTING)
                self._book.note(attempt)
        self._book.flush()
        reachable = True
        for attempt in ready:
            reachable = reachable and self._submit(attempt)
            if not reachable and attempt.state is AttemptState.SUBMITTING:
                attempt.move(AttemptState.SUBMIT_UNKNOWN)
            self._book.note(attempt)
        self._book.flush()
        return bool(ready) and reachable

    def _submit(self, attempt: Attempt) -> bool:
        """Hand one over. False when the engine did not answer."""
        assert attempt.lease is not None and attempt.deadline is not None
        if self._monotonic() >= attempt.deadline:
            return True  # the ones before it took too long; the next look draws the consequence
        try:
            self._engine.submit(attempt.lease)
        except EngineUnreachable as error:
            log.warning("engine.submit_unknown", attempt=attempt.attempt, problem=error.explain())
            # It may still arrive: that the key was unknown before it was sent says nothing.
            attempt.unknown_since = None
            return False
        except EngineRefused as error:
            attempt.end(EndCause.ENGINE_REFUSED, message=error.problem)
        else:
            attempt.unknown_since = None
            attempt.move(AttemptState.SUBMITTED)
        return True
