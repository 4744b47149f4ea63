"""What usage costs: exact fractions until one named rounding. Pure; no Django here.

Charge of a reading = HALF_UP(cumulative exact cost) - what is already charged, so cutting the same
usage into more readings never changes the sum (architecture.md, "Usage is integers").
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from jinsuan.kernel.money import Money, Rounding, whole
from jinsuan.kernel.quantity import MILLI, MILLI_UNIT_SECONDS_PER_UNIT_HOUR, SECONDS_PER_HOUR
from jinsuan.metering.errors import ResourceUnpriced

CPU = "cpu_core"
MEMORY = "memory_gib"
MIB_PER_GIB = 1024
_PRICE = re.compile(r"([0-9]{1,9})(?:\.([0-9]{1,5}))?")


def card(model: str) -> str:
    """The resource name of one card model."""
    return f"card:{model}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What a job holds while it runs, over all its nodes.

    Args:
        model: None for a job without cards.
        milli_cards, cpu_milli, memory_mib: totals, not per node.
    """

    model: str | None
    milli_cards: int
    cpu_milli: int
    memory_mib: int

    def milli_units(self) -> dict[str, int]:
        """Thousandths of a unit held of each billed resource."""
        held = {CPU: self.cpu_milli, MEMORY: self.memory_mib * MILLI // MIB_PER_GIB}
        if self.model is not None:
            held[card(self.model)] = self.milli_cards
        return held


Prices = Mapping[str, int]
"""Resource name to price in thousandths of a fen per unit-hour; nought is a price, absent is not."""


def exact_fen(usage: Mapping[str, int], prices: Prices) -> Fraction:
    """The exact cost, in fen, of milli-unit-seconds per resource.

    Raises:
        ResourceUnpriced: something was used that has no price. Never read as nought.
    """
    total = Fraction(0)
    for resource, milli_unit_seconds in usage.items():
        assert milli_unit_seconds >= 0, (resource, milli_unit_seconds)
        if resource not in prices:
            raise ResourceUnpriced(resource)
        # thousandths of a unit x thousandths of a fen
        per = MILLI_UNIT_SECONDS_PER_UNIT_HOUR * MILLI
        total += Fraction(milli_unit_seconds * prices[resource], per)
    return total


def charge_so_far(usage: Mapping[str, int], prices: Prices, *, limit: Money) -> Money:
    """The whole charge for cumulative usage: rounded half up once, never above what was authorised."""
    return min(Money(whole(exact_fen(usage, prices), Rounding.HALF_UP)), limit)


def cost_of(shape: Shape, prices: Prices, *, seconds: int) -> Money:
    """What running this shape for so long costs at most: rounded up, so a hold always suffices."""
    usage = {resource: milli * seconds for resource, milli in shape.milli_units().items()}
    return Money(whole(exact_fen(usage, prices), Rounding.UP))


def seconds_for(shape: Shape, prices: Prices, *, budget: Money) -> int | None:
    """How many whole seconds the budget pays for; None when the shape costs nothing."""
    a_second = exact_fen(shape.milli_units(), prices)
    if a_second == 0:
        return None
    return int(budget.fen / a_second)


def price_per_hour(shape: Shape, prices: Prices) -> Money:
    """The price of one hour of the whole shape, rounded up: for comparing and showing."""
    return cost_of(shape, prices, seconds=SECONDS_PER_HOUR)


def spoken(resource: str) -> tuple[str, str]:
    """What a billed resource is called, and its unit-hour.

    >>> spoken("card:T4"), spoken("cpu_core")
    (('T4', '卡时'), ('处理器', '核时'))
    """
    if resource == CPU:
        return "处理器", "核时"
    if resource == MEMORY:
        return "内存", "GiB 时"
    return resource.removeprefix(card("")), "卡时"


def show_price(millifen: int) -> str:
    """Thousandths of a fen as yuan: two decimals, or as many as it needs.

    >>> show_price(1_150_000), show_price(6_000)
    ('11.50', '0.06')
    """
    assert millifen >= 0, millifen
    yuan, rest = divmod(millifen, 100_000)
    decimals = f"{rest:05d}".rstrip("0").ljust(2, "0")
    return f"{yuan:,}.{decimals}"


def read_price(text: str) -> int:
    """Yuan as people write a price, in thousandths of a fen: up to five decimals, no sign.

    >>> read_price("3.5"), read_price(" 1,200.00001 "), read_price("０．０６")
    (350000, 120000001, 6000)

    Raises:
        ValueError: it is no such number.
    """
    plain = unicodedata.normalize("NFKC", text).replace(",", "").strip()
    found = _PRICE.fullmatch(plain)
    if found is None:
        raise ValueError(text)
    yuan, decimals = found.groups()
    return int(yuan) * 100_000 + int((decimals or "").ljust(5, "0"))
