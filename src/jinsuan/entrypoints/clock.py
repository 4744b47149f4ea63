"""The one clock of the process. Below the entrypoints nobody reads a clock; `now` is an argument.

`JINSUAN_CLOCK_OFFSET_SECONDS` moves the business clock: the demo and the tests live in 2025,
because the policy lapses at the end of 2026.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta

VARIABLE = "JINSUAN_CLOCK_OFFSET_SECONDS"


def offset() -> timedelta:
    """How far the business clock is from the machine's."""
    return timedelta(seconds=int(os.environ.get(VARIABLE, "0")))


def now() -> datetime:
    """The business time, aware, UTC."""
    return datetime.now(UTC) + offset()


def offset_for(instant: datetime) -> int:
    """The offset, in whole seconds, that makes the business clock show `instant` now."""
    return round((instant - datetime.now(UTC)).total_seconds())
