"""Money is a whole number of fen (分); a rate is an exact fraction; rounding is always named.

A binary fraction cannot hold 0.10 yuan, so nothing here accepts or produces one: the constructor
takes an int, `Money.yuan` takes decimal text, and a rate is a `Fraction`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from fractions import Fraction
from math import floor

_YUAN = re.compile(r"([+-]?)([0-9]{1,30})(?:\.([0-9]{1,2}))?")


class Rounding(Enum):
    """How a fraction of a fen disappears. The law or the contract picks one; there is no default."""

    DOWN = "down"  # 舍去
    HALF_UP = "half_up"  # 四舍五入
    UP = "up"  # 进一


def whole(exact: Fraction, rounding: Rounding) -> int:
    """Turn an exact, non-negative number into a whole one, as named.

    >>> whole(Fraction(5, 2), Rounding.HALF_UP), whole(Fraction(5, 2), Rounding.DOWN)
    (3, 2)
    """
    assert isinstance(exact, (Fraction, int)), exact
    assert exact >= 0, exact
    match rounding:
        case Rounding.DOWN:
            return floor(exact)
        case Rounding.HALF_UP:
            return floor(exact + Fraction(1, 2))
        case Rounding.UP:
            return -floor(-exact)


@dataclass(frozen=True, order=True, slots=True)
class Money:
    """An amount in renminbi, held as whole fen. 1 元 = 100 分.

    >>> Money.yuan("12.34") + Money(6)
    Money(fen=1240)
    >>> Money(100).divided_by_weight([1, 1, 1])
    [Money(fen=34), Money(fen=33), Money(fen=33)]
    >>> str(Money.yuan("-1234567.8"))
    '-¥1,234,567.80'
    """

    fen: int

    def __post_init__(self) -> None:
        if type(self.fen) is not int:
            raise TypeError(f"fen must be an int, got {self.fen!r}. Use Money.yuan('12.34').")

    @classmethod
    def yuan(cls, text: str) -> Money:
        """Read decimal text such as "12.34". A third decimal is an error, never a rounding.

        Raises:
            ValueError: not plain decimal text; "1/3", "1e3" and "1,000" are none either.
        """
        found = _YUAN.fullmatch(text.strip())
        if not found:
            raise ValueError(f"{text[:60]!r} is not yuan with at most two decimals.")
        sign, yuan, cents = found[1], found[2], found[3] or ""
        fen = int(yuan) * 100 + int(cents.ljust(2, "0"))
        return cls(-fen if sign == "-" else fen)

    @classmethod
    def total(cls, amounts: Iterable[Money]) -> Money:
        """Add up any number of amounts; none at all is nought."""
        return cls(sum(amount.fen for amount in amounts))

    def __add__(self, other: Money) -> Money:
        return Money(self.fen + other.fen)

    def __sub__(self, other: Money) -> Money:
        return Money(self.fen - other.fen)

    def __neg__(self) -> Money:
        return Money(-self.fen)

    def __bool__(self) -> bool:
        return self.fen != 0

    def times(self, rate: Fraction, rounding: Rounding) -> Money:
        """Multiply by an exact, non-negative rate and round the size once, as named."""
        size = whole(abs(self.fen) * rate, rounding)
        return Money(size if self.fen >= 0 else -size)

    def divided_by_weight(self, weights: Sequence[int]) -> list[Money]:
        """Cut into parts that add up to exactly this amount (largest remainder first)."""
        assert weights and all(w >= 0 for w in weights) and sum(weights) > 0, weights
        total = sum(weights)
        exact = [Fraction(self.fen * weight, total) for weight in weights]
        parts = [floor(share) for share in exact]
        by_remainder = sorted(range(len(parts)), key=lambda i: parts[i] - exact[i])
        for i in by_remainder[: self.fen - sum(parts)]:
            parts[i] += 1
        return [Money(part) for part in parts]

    @property
    def plain(self) -> str:
        """Yuan with two decimals and nothing else: "1234.50". For files and machines."""
        sign = "-" if self.fen < 0 else ""
        yuan, fen = divmod(abs(self.fen), 100)
        return f"{sign}{yuan}.{fen:02d}"

    def __str__(self) -> str:
        sign = "-" if self.fen < 0 else ""
        yuan, fen = divmod(abs(self.fen), 100)
        return f"{sign}¥{yuan:,}.{fen:02d}"
