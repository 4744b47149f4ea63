"""Checked expressions: trees over 64-bit integers, from which both back ends are made.

Truth values are 0 and 1, dates ordinals, enums places in their list, money fen. A ratio has gone
into numerators and denominators already, so nothing but whole numbers is left.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

INT64 = 2**63 - 1


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """One step of a computation.

    Args:
        op: const fact add sub mul floordiv min max pick sum days addyears
            lt le eq ne gt ge and or not.
        value: of a const; the divisor of floordiv; the years of addyears.
        name: of a fact.
        low, high: what the result can be, by the declared ranges of the facts.
        size, depth: steps in all, and the longest way down.
    """

    op: str
    args: tuple[Node, ...] = ()
    value: int = 0
    name: str = ""
    low: int = 0
    high: int = 1
    size: int = field(init=False, default=1)
    depth: int = field(init=False, default=1)

    def __post_init__(self) -> None:
        # How much there is to run: definitions are shared, so a short text can mean a huge tree.
        object.__setattr__(self, "size", 1 + sum(part.size for part in self.args))
        deepest = max((part.depth for part in self.args), default=0)
        object.__setattr__(self, "depth", 1 + deepest)

    def facts(self) -> Iterator[str]:
        """The facts below, in order, perhaps more than once."""
        if self.op == "fact":
            yield self.name
        for part in self.args:
            yield from part.facts()


@dataclass(frozen=True, slots=True)
class Side:
    """One side of a comparison as people read it: numerator over denominator, with its unit."""

    text: str
    top: Node
    bottom: int
    shown: str  # money | count | ratio | date | bool | enum
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Comparison:
    """A comparison inside a condition, for the trace."""

    op: str
    left: Side
    right: Side
    node: Node


@dataclass(frozen=True, slots=True)
class Test:
    """A checked condition."""

    label: str
    text: str
    line: int
    node: Node
    comparisons: tuple[Comparison, ...]
    facts: tuple[str, ...] = field(default=())
