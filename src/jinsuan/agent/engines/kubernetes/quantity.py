"""Kubernetes quantities as whole numbers: thousandths of a core, MiB, cards.

Rounding is always to the safe side of whoever reads: what is held counts up, what is there counts
down. Suffixes as the API's Quantity type defines them.
"""

from __future__ import annotations

import re
from fractions import Fraction

_SUFFIX = {
    "n": Fraction(1, 10**9),
    "u": Fraction(1, 10**6),
    "m": Fraction(1, 1000),
    "": Fraction(1),
    **{letter: Fraction(1000**n) for n, letter in enumerate("kMGTPE", start=1)},
    **{f"{letter}i": Fraction(1024**n) for n, letter in enumerate("KMGTPE", start=1)},
}
_QUANTITY = re.compile(r"([+-]?[0-9]*\.?[0-9]+|[+-]?[0-9]+\.)(?:([eE][+-]?[0-9]{1,2})|([A-Za-z]*))")


def quantity(text: str | int) -> Fraction:
    """The exact value of a quantity such as `250m`, `1.5Gi`, `12e3`.

    Raises:
        ValueError: it is none.
    """
    found = _QUANTITY.fullmatch(str(text).strip())
    if found is None or (found[3] or "") not in _SUFFIX:
        raise ValueError(text)
    return Fraction(found[1] + (found[2] or "")) * _SUFFIX[found[3] or ""]


def whole(value: Fraction, *, up: bool) -> int:
    """A whole number, rounded up (what is held) or down (what is there)."""
    return -((-value.numerator) // value.denominator) if up else int(value // 1)


def milli(text: str | int, *, up: bool) -> int:
    """Thousandths of a core."""
    return whole(quantity(text) * 1000, up=up)


def mib(text: str | int, *, up: bool) -> int:
    """MiB."""
    return whole(quantity(text) / 2**20, up=up)


def count(text: str | int) -> int:
    """A number of devices."""
    return whole(quantity(text), up=False)
