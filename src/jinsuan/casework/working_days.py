"""Working days (工作日) with moved days off (调休). Pure: a calendar is asked day by day.

The built-in years are in data/working_days.csv: the days that differ from Monday-to-Friday,
made once from the PyPI package `chinesecalendar` 1.11.0 (MIT licence), which follows the State
Council's yearly notices. What operators recorded since stands in a table and wins; see `queries`.
"""

from __future__ import annotations

import csv
from collections.abc import Callable
from datetime import date, timedelta
from functools import lru_cache
from pathlib import Path

from jinsuan.casework.errors import CalendarUnknown

_FILE = Path(__file__).parent / "data" / "working_days.csv"
_SATURDAY = 5
Calendar = Callable[[date], bool | None]
"""Whether a day is worked; None when nobody has said so for its year."""


@lru_cache(maxsize=1)
def _exceptions() -> dict[date, bool]:
    with _FILE.open(encoding="utf-8", newline="") as file:
        return {
            date.fromisoformat(row["day"]): row["working"] == "yes" for row in csv.DictReader(file)
        }


def built_in(day: date) -> bool | None:
    """The calendar that comes with the platform."""
    exceptions = _exceptions()
    if day.year not in {one.year for one in exceptions}:
        return None
    return exceptions.get(day, is_weekday(day))


def is_weekday(day: date) -> bool:
    """Monday to Friday, before any holiday."""
    return day.weekday() < _SATURDAY


def last_of(from_day: date, working_days: int, calendar: Calendar) -> date:
    """The day on which so many working days are complete, `from_day` counted if it is one.

    Raises:
        CalendarUnknown: the way leads into a year without a calendar.
    """
    assert working_days > 0, working_days
    day, left = from_day, working_days
    while True:
        worked = calendar(day)
        if worked is None:
            raise CalendarUnknown(day)
        left -= worked
        if not left:
            return day
        day += timedelta(days=1)


def between(first: date, last: date, calendar: Calendar) -> int:
    """How many working days lie from `first` to `last`, both included; 0 when `last` is earlier.

    Raises:
        CalendarUnknown: a day of a year without a calendar.
    """
    count, day = 0, first
    while day <= last:
        worked = calendar(day)
        if worked is None:
            raise CalendarUnknown(day)
        count += worked
        day += timedelta(days=1)
    return count
