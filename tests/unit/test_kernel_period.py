"""Periods are half-open and civil months and years are Beijing's."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from jinsuan.kernel.period import BEIJING, Period, beijing_date, month, year

NOON = datetime(2025, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def test_the_start_belongs_to_a_period_and_the_end_does_not() -> None:
    period = Period(NOON, NOON + HOUR)

    assert NOON in period
    assert NOON + HOUR - timedelta.resolution in period
    assert NOON + HOUR not in period
    assert NOON - timedelta.resolution not in period


def test_touching_periods_do_not_overlap() -> None:
    first, second = Period(NOON, NOON + HOUR), Period(NOON + HOUR, NOON + 2 * HOUR)

    assert not first.overlaps(second)
    assert not second.overlaps(first)
    assert first.overlaps(Period(NOON - HOUR, NOON + timedelta.resolution))


@pytest.mark.parametrize("length", [timedelta(0), -HOUR])
def test_a_period_is_never_empty(length: timedelta) -> None:
    with pytest.raises(ValueError, match="must not be empty"):
        Period(NOON, NOON + length)


def test_a_period_needs_aware_times() -> None:
    naive = datetime(2025, 3, 1)  # noqa: DTZ001
    with pytest.raises(ValueError, match="aware"):
        Period(naive, NOON)
    with pytest.raises(ValueError, match="aware"):
        Period(NOON, naive.replace(month=4))


def test_length_counts_real_hours_when_the_wall_clock_jumps() -> None:
    before = datetime(1986, 5, 4, 0, tzinfo=BEIJING)  # summer time began that night
    after = datetime(1986, 5, 5, 0, tzinfo=BEIJING)

    assert Period(before, after).length == timedelta(hours=23)


def test_the_same_instants_in_another_zone_are_the_same_period() -> None:
    paris = ZoneInfo("Europe/Paris")
    same = Period(NOON.astimezone(paris), (NOON + HOUR).astimezone(BEIJING))

    assert same == Period(NOON, NOON + HOUR)
    assert same.start.tzinfo is UTC


def test_a_month_begins_at_midnight_in_beijing() -> None:
    march = month("2025-03")

    assert march.start == datetime(2025, 2, 28, 16, tzinfo=UTC)
    assert march.end == datetime(2025, 3, 31, 16, tzinfo=UTC)
    assert march.length == timedelta(days=31)


def test_february_knows_leap_years() -> None:
    assert month("2024-02").length == timedelta(days=29)
    assert month("2100-02").length == timedelta(days=28)


@pytest.mark.parametrize(
    "text",
    ["2025-13", "2025-00", "2025-3", "2025", "2025-03-01", "+2025-03", "２０２５-03", " 2025-03"],
)
def test_a_month_is_written_in_one_way(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        month(text)


def test_the_day_is_beijings() -> None:
    assert beijing_date(datetime(2025, 12, 31, 15, 59, 59, tzinfo=UTC)) == date(2025, 12, 31)
    assert beijing_date(datetime(2025, 12, 31, 16, tzinfo=UTC)) == date(2026, 1, 1)
    with pytest.raises(ValueError, match="time zone"):
        beijing_date(datetime(2025, 1, 1))  # noqa: DTZ001


def test_a_year_is_as_long_as_its_days() -> None:
    assert year(2024).length == timedelta(days=366)
    assert year(2025).length == timedelta(days=365)
