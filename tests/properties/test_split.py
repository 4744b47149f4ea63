"""Who pays a charge: nothing lost, no limit crossed, however the charge is cut into steps."""

from __future__ import annotations

from datetime import date
from fractions import Fraction

from hypothesis import given, strategies as st

from jinsuan.kernel.money import Money, Rounding
from jinsuan.vouchers.split import Purse, split, split_step

amounts = st.integers(0, 10**9).map(Money)
rates = st.fractions(0, 1, max_denominator=1000)
purses = st.lists(
    st.builds(
        Purse,
        voucher=st.uuids().map(str),
        left=amounts,
        expires_on=st.dates(date(2025, 1, 1), date(2026, 12, 31)),
    ),
    max_size=4,
    unique_by=lambda p: p.voucher,
)


@given(amounts, purses, rates)
def test_a_split_loses_nothing_and_respects_every_limit(
    amount: Money, held: list[Purse], rate: Fraction
) -> None:
    result = split(amount, held, rate=rate)

    assert result.voucher_total + result.cash == amount
    assert result.cash >= Money(0)
    assert result.voucher_total <= amount.times(rate, Rounding.DOWN)
    left = {purse.voucher: purse.left for purse in held}
    assert all(Money(0) < part <= left[code] for code, part in result.from_vouchers)


@given(st.lists(amounts, min_size=1, max_size=8), purses, rates)
def test_steps_pay_exactly_what_one_bill_would(
    steps: list[Money], held: list[Purse], rate: Fraction
) -> None:
    left = {purse.voucher: purse.left for purse in held}
    before = paid = cash = Money(0)
    for amount in steps:
        purses_now = [
            Purse(voucher=p.voucher, left=left[p.voucher], expires_on=p.expires_on) for p in held
        ]
        part = split_step(before, amount, purses_now, rate=rate, voucher_so_far=paid)
        for code, taken in part.from_vouchers:
            left[code] -= taken
        before += amount
        paid += part.voucher_total
        cash += part.cash
        assert paid <= before.times(rate, Rounding.DOWN)

    whole = split(before, held, rate=rate)
    assert (paid, cash) == (whole.voucher_total, whole.cash)


@given(amounts, amounts, purses, rates)
def test_a_hold_for_the_most_covers_every_smaller_charge(
    most: Money, charge: Money, held: list[Purse], rate: Fraction
) -> None:
    charge = min(charge, most)
    hold = split(most, held, rate=rate)
    taken = dict(hold.from_vouchers)
    escrow = [
        Purse(voucher=p.voucher, left=taken[p.voucher], expires_on=p.expires_on)
        for p in held
        if p.voucher in taken
    ]

    assert split(charge, escrow, rate=rate).cash <= hold.cash
