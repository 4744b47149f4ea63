"""The scalar back end: closures over one applicant's facts, three-valued.

None is unknown. An unknown part makes arithmetic unknown; `and`, `or` and `pick` follow Kleene: they
are known as soon as what is known decides them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from functools import lru_cache
from typing import Any

from jinsuan.policy.tree import Node

Facts = Mapping[str, Any]
"""Name to whole number, to a tuple of them for a list, or to None where it is unknown."""

Run = Callable[[Facts], "int | None"]


@lru_cache(maxsize=100_000)
def compiled(node: Node) -> Run:
    """The function that computes a node."""
    if node.op == "const":
        value = node.value
        return lambda _facts: value
    if node.op == "fact":
        name = node.name
        return lambda facts: facts.get(name)
    return _MAKERS[node.op](node, [compiled(part) for part in node.args])


def _both(combine: Callable[[int, int], int]) -> Callable[[Node, list[Run]], Run]:
    def make(node: Node, parts: list[Run]) -> Run:
        del node
        left, right = parts

        def run(facts: Facts) -> int | None:
            a = left(facts)
            if a is None:
                return None
            b = right(facts)
            return None if b is None else combine(a, b)

        return run

    return make


def _and(node: Node, parts: list[Run]) -> Run:
    del node

    def run(facts: Facts) -> int | None:
        answer: int | None = 1
        for part in parts:
            truth = part(facts)
            if truth == 0:
                return 0
            if truth is None:
                answer = None
        return answer

    return run


def _or(node: Node, parts: list[Run]) -> Run:
    del node

    def run(facts: Facts) -> int | None:
        answer: int | None = 0
        for part in parts:
            truth = part(facts)
            if truth == 1:
                return 1
            if truth is None:
                answer = None
        return answer

    return run


def _not(node: Node, parts: list[Run]) -> Run:
    del node
    (part,) = parts

    def run(facts: Facts) -> int | None:
        truth = part(facts)
        return None if truth is None else 1 - truth

    return run


def _pick(node: Node, parts: list[Run]) -> Run:
    del node
    test, yes, no = parts

    def run(facts: Facts) -> int | None:
        truth = test(facts)
        if truth is None:
            a, b = yes(facts), no(facts)
            return a if a == b else None
        return yes(facts) if truth else no(facts)

    return run


def _extreme(choose: Callable[[list[int]], int]) -> Callable[[Node, list[Run]], Run]:
    def make(node: Node, parts: list[Run]) -> Run:
        del node

        def run(facts: Facts) -> int | None:
            values = []
            for part in parts:
                value = part(facts)
                if value is None:
                    return None
                values.append(value)
            return choose(values)

        return run

    return make


def _floordiv(node: Node, parts: list[Run]) -> Run:
    (part,) = parts
    divisor = node.value

    def run(facts: Facts) -> int | None:
        value = part(facts)
        return None if value is None else value // divisor

    return run


def _sum(node: Node, parts: list[Run]) -> Run:
    name = node.args[0].name
    del parts

    def run(facts: Facts) -> int | None:
        items = facts.get(name)
        return None if items is None else sum(items)

    return run


def _add_years(node: Node, parts: list[Run]) -> Run:
    (part,) = parts
    years = node.value

    def run(facts: Facts) -> int | None:
        value = part(facts)
        return None if value is None else later_by_years(value, years)

    return run


def later_by_years(ordinal: int, years: int) -> int:
    """The same day so many years later; 29 February becomes 28 February where there is none."""
    day = date.fromordinal(ordinal)
    try:
        return day.replace(year=day.year + years).toordinal()
    except ValueError:
        return day.replace(year=day.year + years, day=28).toordinal()


_MAKERS: dict[str, Callable[[Node, list[Run]], Run]] = {
    "add": _both(lambda a, b: a + b),
    "sub": _both(lambda a, b: a - b),
    "mul": _both(lambda a, b: a * b),
    "lt": _both(lambda a, b: int(a < b)),
    "le": _both(lambda a, b: int(a <= b)),
    "gt": _both(lambda a, b: int(a > b)),
    "ge": _both(lambda a, b: int(a >= b)),
    "eq": _both(lambda a, b: int(a == b)),
    "ne": _both(lambda a, b: int(a != b)),
    "and": _and,
    "or": _or,
    "not": _not,
    "pick": _pick,
    "min": _extreme(min),
    "max": _extreme(max),
    "floordiv": _floordiv,
    "sum": _sum,
    "addyears": _add_years,
}
