"""Readings that cannot be believed are named, each by its own cause."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from jinsuan.metering.readings import MAX_AHEAD, TOLERANCE, Claim, Doubt, doubt

SINCE = datetime(2025, 9, 16, 1, 0, tzinfo=UTC)
NOW = SINCE + timedelta(seconds=100)
HELD = 8_000  # eight cards
CLAIM = Claim(held_milli=HELD, since=SINCE, last=5_000)
MOST = HELD * (100 + int(TOLERANCE.total_seconds()))


@pytest.mark.parametrize(
    ("value", "ahead", "expected"),
    [
        (5_000, timedelta(0), None),
        (4_999, timedelta(0), Doubt.DECREASED),
        (MOST, timedelta(0), None),
        (MOST + 1, timedelta(0), Doubt.JUMPED),
        (6_000, MAX_AHEAD, None),
        (6_000, MAX_AHEAD + timedelta(seconds=1), Doubt.AHEAD),
    ],
)
def test_the_boundary_of_belief(value: int, ahead: timedelta, expected: Doubt | None) -> None:
    assert doubt(value, NOW + ahead, CLAIM, now=NOW) is expected


def test_a_resource_the_attempt_does_not_hold_is_foreign() -> None:
    claim = Claim(held_milli=None, since=SINCE, last=0)

    assert doubt(1, NOW, claim, now=NOW) is Doubt.FOREIGN


def test_a_centres_fast_clock_does_not_raise_the_ceiling() -> None:
    far = NOW + MAX_AHEAD

    assert doubt(MOST + 1, far, CLAIM, now=NOW) is Doubt.JUMPED
