"""Thousandths and unit-hours, as people read them."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given, strategies as st

from jinsuan.kernel.quantity import MILLI_UNIT_SECONDS_PER_UNIT_HOUR, show_milli, show_unit_hours


@pytest.mark.parametrize(
    ("milli", "text"),
    [
        (0, "0"),
        (1, "0.001"),
        (10, "0.01"),
        (460, "0.46"),
        (1000, "1"),
        (1050, "1.05"),
        (-1, "-0.001"),
    ],
)
def test_thousandths_are_shown_without_trailing_zeros(milli: int, text: str) -> None:
    assert show_milli(milli) == text


@given(st.integers(-(10**15), 10**15))
def test_shown_thousandths_mean_the_same_number(milli: int) -> None:
    assert Fraction(show_milli(milli)) == Fraction(milli, 1000)


@pytest.mark.parametrize(
    ("used", "text"),
    [
        (0, "0.0000"),
        (359, "0.0000"),
        (360, "0.0001"),
        (3_600_000, "1.0000"),
        (8 * 3_600_000 * 1000, "8,000.0000"),
    ],
)
def test_card_hours_have_four_decimals_and_never_claim_more_than_was_used(
    used: int, text: str
) -> None:
    assert show_unit_hours(used) == text


@given(st.integers(0, 10**18))
def test_shown_card_hours_are_at_most_a_ten_thousandth_short(used: int) -> None:
    shown = Fraction(show_unit_hours(used).replace(",", ""))
    exact = Fraction(used, MILLI_UNIT_SECONDS_PER_UNIT_HOUR)

    assert 0 <= exact - shown < Fraction(1, 10_000)


def test_negative_use_is_a_bug() -> None:
    with pytest.raises(AssertionError):
        show_unit_hours(-1)
