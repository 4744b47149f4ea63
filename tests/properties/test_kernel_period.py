"""Months tile the year without gap or overlap, and every instant has one month and one day."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise

from hypothesis import given, strategies as st

from jinsuan.kernel.period import Period, beijing_date, month, year

years = st.integers(1980, 2200)
instants = st.datetimes(datetime(1981, 1, 1), datetime(2199, 12, 30), timezones=st.just(UTC))  # noqa: DTZ001


@given(years)
def test_twelve_months_tile_the_year(number: int) -> None:
    months = [month(f"{number}-{m:02d}") for m in range(1, 13)]

    assert months[0].start == year(number).start
    assert months[-1].end == year(number).end
    assert all(a.end == b.start for a, b in pairwise(months))


@given(years)
def test_years_touch(number: int) -> None:
    assert year(number).end == year(number + 1).start


@given(instants)
def test_an_instant_lies_in_the_month_of_its_beijing_day(instant: datetime) -> None:
    day = beijing_date(instant)

    assert instant in month(f"{day.year}-{day.month:02d}")
    assert instant in year(day.year)


@given(*[st.lists(instants, min_size=2, max_size=2, unique=True).map(sorted)] * 2, instants)
def test_two_periods_overlap_when_they_share_an_instant(
    one: list[datetime], other: list[datetime], instant: datetime
) -> None:
    a, b = Period(*one), Period(*other)

    assert a.overlaps(b) == b.overlaps(a)
    assert a.overlaps(b) == (max(a.start, b.start) in a and max(a.start, b.start) in b)
    if instant in a and instant in b:
        assert a.overlaps(b)
