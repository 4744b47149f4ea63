"""A scheduler's clock beside the agent's: near ones are the same, far ones are moved whole seconds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from jinsuan.agent.engines.clock import ahead_seconds, date_of

NOW = datetime(2025, 9, 16, 1, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("off", "ahead"), [(0, 0), (4.9, 0), (-5, 0), (6, 6), (-86_400.4, -86_400)]
)
def test_only_a_clock_that_is_far_off_is_moved(off: float, ahead: int) -> None:
    assert ahead_seconds(NOW, NOW - timedelta(seconds=off)) == ahead


def test_an_answer_without_a_date_moves_nothing() -> None:
    assert date_of({}) is None
    assert date_of({"date": "yesterday"}) is None
    assert date_of({"date": "Tue, 16 Sep 2025 01:00:00 GMT"}) == NOW
    assert ahead_seconds(NOW, None) == 0
