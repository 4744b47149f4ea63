"""A picture of the province's capacity that is at most two seconds old, shared by the threads.

Ordering and planning only read it. What counts is the placement, which looks at the tables.
"""

from __future__ import annotations

import threading
import time
from datetime import datetime

from jinsuan.dispatch.actions.place import board_now
from jinsuan.dispatch.placement import Board

MAX_AGE_SECONDS = 2


class RecentBoard:
    """Holds the last board and makes a new one when it is too old."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._board: Board | None = None
        self._made = 0.0

    def get(self, *, now: datetime) -> Board:
        """The board, at most two seconds old."""
        with self._lock:
            if self._board is None or time.monotonic() - self._made > MAX_AGE_SECONDS:
                self._board, self._made = board_now(now=now), time.monotonic()
            return self._board

    def forget(self) -> None:
        """Make the next reader look at the tables again."""
        with self._lock:
            self._board = None


recent_board = RecentBoard()
