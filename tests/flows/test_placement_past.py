"""Nodes are chosen by what jobs of past days asked for, once there are enough of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from jinsuan.dispatch import actions as dispatch
from jinsuan.dispatch.actions import place
from jinsuan.dispatch.demand import Demand
from jinsuan.dispatch.models import Decision
from jinsuan.dispatch.queries_past import past_demand
from tests.flows.world import make_world

NOW = datetime(2025, 9, 16, 1, 0, tzinfo=UTC)
NEXT_DAY = NOW + timedelta(days=1)
pytestmark = pytest.mark.django_db


def test_the_mix_is_that_of_past_days_and_decides_once_it_is_large_enough(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = make_world(now=NOW, nodes=4)
    for number in range(2):
        world.submit(cards=1, key=f"one {number}", now=NOW)
    world.submit(cards=2, nodes=2, key="gang", now=NOW)
    world.submit(cards=0, key="cores", now=NOW)
    assert dispatch.place_queued(now=NOW) == 4
    assert past_demand(now=NOW + timedelta(hours=14)).total == 0, "still today in Beijing"

    past = past_demand(now=NEXT_DAY)
    assert dict(zip(past.kinds, past.counts, strict=True)) == {
        Demand(2000, 1024, 0, 0): 1,
        Demand(2000, 1024, 1, 1000, ("T4",)): 2,
        Demand(2000, 1024, 2, 1000, ("T4",)): 2,
    }
    world.submit(cards=1, key="few", now=NEXT_DAY)
    assert dispatch.place_queued(now=NEXT_DAY) == 1
    assert set(Decision.objects.values_list("version", flat=True)) == {"cheapest-bestfit-1"}

    monkeypatch.setattr(place, "ENOUGH", 5)
    world.submit(cards=1, key="many", now=NEXT_DAY)
    world.submit(cards=4, key="whole node", now=NEXT_DAY)
    assert dispatch.place_queued(now=NEXT_DAY) == 2
    last = Decision.objects.order_by("-id").values_list("version", flat=True)[:2]
    assert all(version.startswith("cheapest-least-waste-") for version in last)
