"""Time is an aware UTC instant; a period is half-open; a civil month or year is Beijing's."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

BEIJING = ZoneInfo("Asia/Shanghai")


@dataclass(frozen=True, slots=True)
class Period:
    """From `start` (included) to `end` (not included), both aware; kept in UTC.

    UTC, because Python subtracts two times of one zone by their wall clocks, and a wall clock may
    jump: Beijing's did between 1986 and 1991.
    """

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        if self.start.tzinfo is None or self.end.tzinfo is None:
            raise ValueError("A period needs aware datetimes.")
        object.__setattr__(self, "start", self.start.astimezone(UTC))
        object.__setattr__(self, "end", self.end.astimezone(UTC))
        if not self.start < self.end:
            raise ValueError(f"A period must not be empty: {self.start} .. {self.end}")

    @property
    def length(self) -> timedelta:
        return self.end - self.start

    def __contains__(self, instant: datetime) -> bool:
        return self.start <= instant < self.end

    def overlaps(self, other: Period) -> bool:
        """Whether some instant lies in both; touching ends do not count."""
        return self.start < other.end and other.start < self.end


def month(text: str) -> Period:
    """The civil month "2025-03" as subsidies count it: Beijing midnight to Beijing midnight.

    >>> month("2025-03").start.isoformat()
    '2025-02-28T16:00:00+00:00'

    Raises:
        ValueError: the text is no "YYYY-MM".
    """
    found = re.fullmatch(r"([0-9]{4})-([0-9]{2})", text)
    if not found:
        raise ValueError(f"{text[:20]!r} is not a month such as 2025-03")
    year, number = int(found[1]), int(found[2])
    start = datetime(year, number, 1, tzinfo=BEIJING)
    end = datetime(year + number // 12, number % 12 + 1, 1, tzinfo=BEIJING)
    return Period(start, end)


def year(number: int) -> Period:
    """The civil year in Beijing time.

    >>> year(2025).end.isoformat()
    '2025-12-31T16:00:00+00:00'
    """
    start = datetime(number, 1, 1, tzinfo=BEIJING)
    end = datetime(number + 1, 1, 1, tzinfo=BEIJING)
    return Period(start, end)


def days(first: date, last: date) -> Period:
    """From one civil day to another, both included, Beijing midnight to Beijing midnight.

    >>> days(date(2025, 3, 1), date(2025, 3, 31)) == month("2025-03")
    True

    Raises:
        ValueError: the last day lies before the first.
    """
    if last < first:
        raise ValueError(f"{last} lies before {first}")
    start = datetime(first.year, first.month, first.day, tzinfo=BEIJING)
    after = last + timedelta(days=1)
    return Period(start, datetime(after.year, after.month, after.day, tzinfo=BEIJING))


def beijing_date(instant: datetime) -> date:
    """The calendar day it is in Beijing at this instant."""
    if instant.tzinfo is None:
        raise ValueError("An instant needs a time zone.")
    return instant.astimezone(BEIJING).date()
