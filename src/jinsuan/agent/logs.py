"""Read new output of the attempts, a bounded piece per round, from where the platform's copy ends."""

from __future__ import annotations

from collections.abc import Iterable

import structlog

from jinsuan.agent.attempt import Attempt
from jinsuan.agent.engines.base import Engine
from jinsuan.agent.engines.errors import EngineRefused, EngineUnreachable
from jinsuan.protocol.messages import LogChunk
from jinsuan.protocol.states import AttemptState

log = structlog.get_logger(__name__)

MAX_BYTES = 512 * 1024
"""Of all logs in one round."""
MAX_CHUNK = 128 * 1024
MAX_READS = 200
MAX_STUCK = 50
"""An ended attempt's log that the platform does not keep is given up after so many rounds."""


class LogReader:
    """Whose turn it is, so that a thousand running jobs do not cost a thousand reads each round."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._turn = 0

    def chunks(self, attempts: Iterable[Attempt]) -> tuple[LogChunk, ...]:
        """The next pieces, at most MAX_BYTES in all."""
        waiting = [a for a in attempts if a.handed and not a.log_done and _has_begun(a)]
        if not waiting:
            return ()
        start = self._turn % len(waiting)
        found: list[LogChunk] = []
        room = MAX_BYTES
        for attempt in [*waiting[start:], *waiting[:start]][:MAX_READS]:
            if room <= 0:
                break
            self._turn += 1
            try:
                data = self._read(attempt, min(room, MAX_CHUNK))
            except EngineUnreachable:
                break
            if data:
                found.append(LogChunk(attempt=attempt.attempt, offset=attempt.log_bytes, data=data))
                room -= len(data)
        return tuple(found)

    def _read(self, attempt: Attempt, limit: int) -> bytes:
        try:
            data = self._engine.read_log(attempt.engine_key, offset=attempt.log_bytes, limit=limit)
        except EngineRefused as error:
            log.warning("log.refused", attempt=attempt.attempt, problem=error.explain())
            data = b""
        stuck = attempt.log_stuck > MAX_STUCK
        if attempt.ended and (stuck or not data):
            attempt.log_done = True
            if data:
                log.warning("log.given_up", attempt=attempt.attempt, at_byte=attempt.log_bytes)
                return b""
        return data

    def is_done(self, attempt: Attempt) -> bool:
        """Whether an ended attempt has no output left to send."""
        return attempt.log_done or not attempt.handed or not _has_begun(attempt)


def _has_begun(attempt: Attempt) -> bool:
    return attempt.started_at is not None and attempt.state in (
        AttemptState.RUNNING,
        AttemptState.ENDED,
    )
