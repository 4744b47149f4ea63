"""How often one token may ask. A bucket per token that refills steadily.

The buckets live in this process: with several server processes a token gets that many times the
rate. That is meant to stop a runaway program, not to count exactly; a proxy in front may count.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest
from ninja.throttling import BaseThrottle

from jinsuan.registry.actions.agents import Bearer

MOST_BUCKETS = 10_000


class TokenRate(BaseThrottle):
    """`settings.API_RATE` requests per token; a full bucket allows a burst of that many."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._buckets: dict[object, tuple[float, float]] = {}  # left, and when that was counted
        self._told = threading.local()

    def allow_request(self, request: HttpRequest) -> bool:
        """Take one from the caller's bucket."""
        found = request.auth  # type: ignore[attr-defined]
        assert isinstance(found, Bearer)
        number, seconds = settings.API_RATE
        now = self._clock()
        with self._lock:
            if len(self._buckets) >= MOST_BUCKETS:
                self._buckets.clear()
            left, counted = self._buckets.get(found.token, (float(number), now))
            left = min(float(number), left + (now - counted) * number / seconds)
            allowed = left >= 1
            self._buckets[found.token] = (left - 1 if allowed else left, now)
        self._told.wait = (1 - left) * seconds / number
        return allowed

    def wait(self) -> float:
        """Seconds until this thread's refused caller may ask again."""
        return max(1.0, float(self._told.wait))

    def forget(self) -> None:
        """Fill every bucket."""
        with self._lock:
            self._buckets.clear()
