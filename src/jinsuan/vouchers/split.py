"""Who pays a charge: vouchers up to their share, cash for the rest. Pure; no Django here.

In deduction mode (抵扣) the vouchers' cumulative part never exceeds floor(rate x cumulative charge),
so cutting a bill into pieces gains nothing and no rounding drifts; the floor favours the treasury.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from uuid import UUID

from jinsuan.kernel.money import Money, Rounding


@dataclass(frozen=True, slots=True, kw_only=True)
class Purse:
    """One voucher (算力券) and what may still be taken from it.

    Args:
        provider: the only provider it pays, by its contract; None when any.
    """

    voucher: str
    left: Money
    expires_on: date
    provider: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """How one amount is paid. `from_vouchers` plus `cash` is always the whole amount."""

    from_vouchers: tuple[tuple[str, Money], ...]
    cash: Money

    @property
    def voucher_total(self) -> Money:
        return Money.total(amount for _, amount in self.from_vouchers)


def split(amount: Money, purses: Sequence[Purse], *, rate: Fraction) -> Split:
    """Cut a whole amount: vouchers in order of expiry up to floor(rate x amount), then cash."""
    return split_step(Money(0), amount, purses, rate=rate, voucher_so_far=Money(0))


def give_back(
    after: Money, taken: Sequence[Purse], *, rate: Fraction
) -> tuple[tuple[str, Money], ...]:
    """What each voucher gets back when a charge is corrected to `after`: all beyond the same
    floor(rate x cumulative), from the voucher that was drawn last. The rest of what goes back is cash.

    Args:
        taken: what was drawn from each voucher; `left` is that.
    """
    over = Money.total(purse.left for purse in taken) - after.times(rate, Rounding.DOWN)
    found: list[tuple[str, Money]] = []
    for purse in sorted(taken, key=lambda p: (p.expires_on, p.voucher), reverse=True):
        part = min(purse.left, over)
        if part > Money(0):
            found.append((purse.voucher, part))
            over -= part
    return tuple(found)


def split_step(
    before: Money,
    amount: Money,
    purses: Sequence[Purse],
    *,
    rate: Fraction,
    voucher_so_far: Money,
) -> Split:
    """Cut the next `amount` of a growing charge that stood at `before`.

    Args:
        purses: what is left on each voucher now.
        rate: the share vouchers may pay, 0 to 1.
        voucher_so_far: what vouchers paid of `before`.
    """
    assert amount >= Money(0) and before >= Money(0), (before, amount)
    assert 0 <= rate <= 1, rate
    assert voucher_so_far <= before, (voucher_so_far, before)
    room = min((before + amount).times(rate, Rounding.DOWN) - voucher_so_far, amount)
    used: list[tuple[str, Money]] = []
    for purse in sorted(purses, key=lambda p: (p.expires_on, p.voucher)):
        part = min(purse.left, room)
        if part > Money(0):
            used.append((purse.voucher, part))
            room -= part
    paid = Money.total(part for _, part in used)
    return Split(from_vouchers=tuple(used), cash=amount - paid)
