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

_lock = threading.Lock()
_board: Board | None = None
_made = 0.0


def recent_board(*, now: datetime) -> Board:
    """The board, made anew when the last one is too old."""
    global _board, _made
    with _lock:
        if _board is None or time.monotonic() - _made > MAX_AGE_SECONDS:
            _board, _made = board_now(now=now), time.monotonic()
        return _board


def forget_board() -> None:
    """Make the next reader look at the tables again."""
    global _board
    with _lock:
        _board = None
