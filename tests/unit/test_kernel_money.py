"""What money refuses to be made from, case by case."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest

from jinsuan.kernel.money import Money, Rounding, whole


@pytest.mark.parametrize(
    ("text", "fen"),
    [
        ("0", 0),
        ("12.34", 1234),
        ("12.3", 1230),
        ("-0.01", -1),
        ("+5", 500),
        (" 7.00 ", 700),
        ("000123", 12300),
        ("90000000000000000.99", 9000000000000000099),
    ],
)
def test_decimal_text_is_read_exactly(text: str, fen: int) -> None:
    assert Money.yuan(text) == Money(fen)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        ".5",
        "5.",
        "1.234",
        "1,000",
        "1/3",
        "1/2",
        "1e3",
        "1_000",
        "１２",
        "NaN",
        "inf",
        "--1",
        "0x10",
        "12.34元",
        "¥5",
        "1" * 31,
    ],
)
def test_other_text_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="two decimals"):
        Money.yuan(text)


@pytest.mark.parametrize("fen", [1.0, True, "1", Fraction(1), Decimal(1), None])
def test_fen_are_an_int_and_nothing_like_one(fen: object) -> None:
    with pytest.raises(TypeError, match="fen must be an int"):
        Money(fen)  # type: ignore[arg-type]


def test_a_binary_fraction_is_no_rate() -> None:
    with pytest.raises(AssertionError):
        Money(100).times(0.1, Rounding.DOWN)  # type: ignore[arg-type]


def test_a_negative_number_has_no_rounding() -> None:
    with pytest.raises(AssertionError):
        whole(Fraction(-1, 2), Rounding.UP)


@pytest.mark.parametrize("weights", [[], [0], [0, 0], [1, -1], [3, -1]])
def test_weights_without_weight_are_a_bug(weights: list[int]) -> None:
    with pytest.raises(AssertionError):
        Money(100).divided_by_weight(weights)


def test_the_odd_fen_goes_to_the_largest_remainder_then_to_the_first() -> None:
    assert Money(100).divided_by_weight([1, 1, 1]) == [Money(34), Money(33), Money(33)]
    assert Money(10).divided_by_weight([1, 2, 4]) == [Money(1), Money(3), Money(6)]
    assert Money(-100).divided_by_weight([1, 1, 1]) == [Money(-33), Money(-33), Money(-34)]


def test_money_does_not_compare_with_numbers() -> None:
    with pytest.raises(TypeError):
        Money(1) < 2  # type: ignore[operator]  # noqa: B015
    assert Money(1) != 1


def test_nothing_at_all_adds_up_to_nought() -> None:
    assert Money.total([]) == Money(0)
    assert not Money(0)
    assert Money(-1)
