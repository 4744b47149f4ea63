"""What usage costs: exact, monotone, and the same however readings are cut."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given, strategies as st

from jinsuan.kernel.money import Money
from jinsuan.metering.errors import ResourceUnpriced
from jinsuan.metering.rating import (
    CPU,
    MEMORY,
    Shape,
    card,
    charge_so_far,
    cost_of,
    exact_fen,
    seconds_for,
)

NO_LIMIT = Money(10**15)
PRICES = {card("T4"): 350_000, CPU: 6_000, MEMORY: 1_000}
shapes = st.builds(
    Shape,
    model=st.sampled_from([None, "T4"]),
    milli_cards=st.integers(1, 64_000),
    cpu_milli=st.integers(1, 512_000),
    memory_mib=st.integers(1, 2**20),
)


@given(shapes, st.lists(st.integers(0, 100_000), min_size=1, max_size=10))
def test_cutting_usage_into_readings_never_changes_the_sum(shape: Shape, cuts: list[int]) -> None:
    held, seconds, charged = shape.milli_units(), 0, Money(0)
    for cut in cuts:
        seconds += cut
        usage = {resource: milli * seconds for resource, milli in held.items()}
        step = charge_so_far(usage, PRICES, limit=NO_LIMIT) - charged
        assert step >= Money(0)
        charged += step

    whole = {resource: milli * seconds for resource, milli in held.items()}
    assert charged == charge_so_far(whole, PRICES, limit=NO_LIMIT)


@given(shapes, st.integers(0, 10**6))
def test_a_hold_covers_the_charge_of_the_same_time(shape: Shape, seconds: int) -> None:
    usage = {resource: milli * seconds for resource, milli in shape.milli_units().items()}

    assert charge_so_far(usage, PRICES, limit=NO_LIMIT) <= cost_of(shape, PRICES, seconds=seconds)


@given(shapes, st.integers(1, 10**10))
def test_a_budget_buys_only_seconds_it_can_pay(shape: Shape, fen: int) -> None:
    seconds = seconds_for(shape, PRICES, budget=Money(fen))

    assert seconds is not None
    a_second = exact_fen(shape.milli_units(), PRICES)
    assert a_second * seconds <= fen < a_second * (seconds + 1)


def test_one_card_hour_costs_its_price() -> None:
    # 1 card for 3,600 s = 3,600,000 milli-card-seconds; 350,000 millifen = 3.50 yuan an hour.
    assert exact_fen({card("T4"): 3_600_000}, PRICES) == Fraction(350)


def test_half_a_fen_is_rounded_up_and_a_smaller_part_away() -> None:
    # 1,000 core-seconds at 1.8 fen an hour is exactly half a fen.
    prices = {CPU: 1_800}

    assert charge_so_far({CPU: 1_000_000}, prices, limit=NO_LIMIT) == Money(1)
    assert charge_so_far({CPU: 999_999}, prices, limit=NO_LIMIT) == Money(0)


def test_nobody_is_charged_above_what_was_authorised() -> None:
    assert charge_so_far({card("T4"): 10**12}, PRICES, limit=Money(500)) == Money(500)


def test_a_resource_without_a_price_stops_the_charge() -> None:
    with pytest.raises(ResourceUnpriced, match="card:H800"):
        exact_fen({card("H800"): 1}, PRICES)


def test_a_price_of_nought_is_a_price() -> None:
    shape = Shape(model=None, milli_cards=0, cpu_milli=1000, memory_mib=1024)

    assert cost_of(shape, {CPU: 0, MEMORY: 0}, seconds=3600) == Money(0)
    assert seconds_for(shape, {CPU: 0, MEMORY: 0}, budget=Money(1)) is None
