"""兑付 by four numbers: contract, metered, invoiced, paid; the smallest one counts. Pure.

peers_money 3.3: cumulative, so cutting bills into pieces gains nothing and rounding cannot drift.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from jinsuan.kernel.money import Money, Rounding

LABELS = {
    "contract": "合同金额",
    "metered": "平台计量",
    "invoiced": "发票金额",
    "paid": "实付金额",
    "captured": "券已核销",
    "face": "券面金额",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Four:
    """Four sums over a contract up to a day, each from its own source.

    Args:
        captured: what jobs drew from the voucher (抵扣); None where the user claims (后补).
    """

    contract: Money
    metered: Money
    invoiced: Money
    paid: Money
    captured: Money | None = None

    @property
    def base(self) -> Money:
        """The smallest of the four."""
        return min(self.contract, self.metered, self.invoiced, self.paid)

    def due(self, *, rate: Fraction, face: Money) -> tuple[Money, str]:
        """What is due in all so far, and which number binds.

        >>> yuan = Money.yuan
        >>> four = Four(contract=yuan("100"), metered=yuan("80"), invoiced=yuan("90.01"), paid=yuan("85"))
        >>> four.due(rate=Fraction(1, 5), face=yuan("20"))
        (Money(fen=1600), 'metered')
        """
        named = {name: getattr(self, name) for name in ("contract", "metered", "invoiced", "paid")}
        smallest = min(named, key=lambda name: named[name])
        found, binding = named[smallest].times(rate, Rounding.DOWN), smallest
        for name, most in (("captured", self.captured), ("face", face)):
            if most is not None and most < found:
                found, binding = most, name
        return max(found, Money(0)), binding
