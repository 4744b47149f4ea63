"""The clock of a scheduler beside the agent's, as an HTTP answer tells it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime

NEAR_SECONDS = 5
"""A date has whole seconds and an answer takes time: clocks this near are taken to be the same."""


def date_of(headers: Mapping[str, str]) -> datetime | None:
    """When an answer was written, on the scheduler's clock; None when it does not say."""
    try:
        return parsedate_to_datetime(headers["date"])
    except (KeyError, ValueError):
        return None


def ahead_seconds(now: datetime, there: datetime | None) -> int:
    """By how much the agent's clock is ahead of the scheduler's. Kept per attempt, once, so that no
    time of it moves and its length is the scheduler's own.
    """
    if there is None or there.tzinfo is None:
        return 0
    ahead = round((now - there).total_seconds())
    return 0 if abs(ahead) <= NEAR_SECONDS else ahead
