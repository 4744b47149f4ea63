"""The laws of money: rounding is bounded and named, parts add up, text goes there and back."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import example, given, strategies as st

from jinsuan.kernel.money import Money, Rounding, whole

amounts = st.integers(-(10**18), 10**18).map(Money)
rates = st.fractions(min_value=0, max_value=5, max_denominator=10_000)
exact_numbers = st.fractions(min_value=0, max_value=10**12, max_denominator=10_000)
weights = st.lists(st.integers(0, 10**9), min_size=1, max_size=30).filter(any)


@given(exact_numbers)
def test_every_rounding_stays_within_one_and_in_order(exact: Fraction) -> None:
    down, half_up, up = (whole(exact, r) for r in (Rounding.DOWN, Rounding.HALF_UP, Rounding.UP))

    assert down <= half_up <= up
    assert down <= exact < down + 1
    assert up - 1 < exact <= up
    assert abs(half_up - exact) <= Fraction(1, 2)


@given(st.integers(0, 10**15))
def test_a_half_rounds_up_and_a_whole_number_never_moves(number: int) -> None:
    assert whole(number + Fraction(1, 2), Rounding.HALF_UP) == number + 1
    assert {whole(Fraction(number), r) for r in Rounding} == {number}


@given(amounts, rates, st.sampled_from(Rounding))
def test_rounding_looks_at_the_size_so_a_debt_mirrors_a_credit(
    amount: Money, rate: Fraction, rounding: Rounding
) -> None:
    assert (-amount).times(rate, rounding) == -amount.times(rate, rounding)


@given(amounts, rates)
def test_a_rate_of_at_most_one_never_enlarges(amount: Money, rate: Fraction) -> None:
    share = rate / 5

    for rounding in Rounding:
        assert abs(amount.times(share, rounding).fen) <= abs(amount.fen)


@given(amounts, weights)
@example(Money(-100), [1, 1, 1])
@example(Money(1), [0, 0, 7])
def test_parts_by_weight_add_up_exactly_and_each_is_within_a_fen(
    amount: Money, given_weights: list[int]
) -> None:
    parts = amount.divided_by_weight(given_weights)

    assert Money.total(parts) == amount
    total = sum(given_weights)
    for part, weight in zip(parts, given_weights, strict=True):
        assert abs(part.fen - Fraction(amount.fen * weight, total)) < 1
        assert part.fen == 0 or weight > 0


@given(st.integers(0, 10**12), weights)
def test_parts_of_something_owed_to_nobody_are_never_negative(fen: int, given: list[int]) -> None:
    assert all(part >= Money(0) for part in Money(fen).divided_by_weight(given))


@given(amounts)
def test_plain_text_reads_back_as_the_same_amount(amount: Money) -> None:
    assert Money.yuan(amount.plain) == amount


@given(amounts)
def test_the_shown_text_is_the_plain_text_with_a_sign_and_thousands(amount: Money) -> None:
    assert str(amount).replace("¥", "").replace(",", "") == amount.plain


@given(amounts, amounts, amounts)
def test_addition_is_a_group(a: Money, b: Money, c: Money) -> None:
    assert a + b == b + a
    assert (a + b) + c == a + (b + c)
    assert a - b == a + -b
    assert not a - a


@given(st.integers(-(10**12), 10**12), st.integers(3, 12))
def test_a_third_decimal_is_refused_even_when_it_is_nought(fen: int, places: int) -> None:
    text = Money(fen).plain + "0" * (places - 2)

    with pytest.raises(ValueError, match="two decimals"):
        Money.yuan(text)


@given(st.text(max_size=20))
def test_any_text_is_an_amount_or_a_value_error(text: str) -> None:
    try:
        amount = Money.yuan(text)
    except ValueError:
        return
    assert Money.yuan(amount.plain) == amount
