"""A small pack and small facts for the law's tests, and a slow oracle that computes in fractions.

The oracle reads syntax, not checked trees, and shares no arithmetic with the engine: three-valued,
`fractions.Fraction` for everything, dates by the calendar.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from math import floor
from pathlib import Path
from typing import Any

from jinsuan.policy.checker import Checker
from jinsuan.policy.grammar import (
    Binary,
    Call,
    Compare,
    Literal,
    Logic,
    Member,
    Name,
    Negation,
    Syntax,
    parse,
)
from jinsuan.policy.kinds import FIRST_DAY, LAST_DAY
from jinsuan.policy.pack import Base, Fact, Param, Value

ENUM = (("a", "甲"), ("b", "乙"), ("c", "丙"))


def fact(name: str, base: Base, low: int = 0, high: int = 1, **more: Any) -> Fact:
    return Fact(name=name, base=base, label=name, line=1, low=low, high=high, **more)


FACTS = {
    f.name: f
    for f in (
        fact("racks", Base.COUNT, 0, 1_000, unit="架"),
        fact("old_racks", Base.COUNT, -5, 40, unit="架"),
        fact("people", Base.COUNT, 0, 50, unit="人"),
        fact("number", Base.COUNT, -5, 20),
        fact("rate", Base.RATIO, 0, 20_000, places=4),
        fact("part", Base.RATIO, 0, 100, places=2),
        fact("cash", Base.MONEY, 0, 10**11),
        fact("debt", Base.MONEY, -100_000, 100_000),
        fact("good", Base.BOOL),
        fact("local", Base.BOOL),
        fact("kind", Base.ENUM, 0, 2, options=ENUM),
        fact("begun", Base.DATE, FIRST_DAY, LAST_DAY),
        fact("ended", Base.DATE, FIRST_DAY, LAST_DAY),
        fact("bills", Base.LIST, 0, 100_000, item=Base.MONEY, max_items=5),
        fact("steps", Base.LIST, -3, 9, item=Base.COUNT, max_items=4, unit="架"),
    )
}


def param(name: str, base: Base, value: Value, **more: Any) -> Param:
    since = date(2024, 7, 1)
    return Param(
        name=name, base=base, label=name, line=1, article="", values=((since, value),), **more
    )


PARAMS = {
    p.name: p
    for p in (
        param("per_rack", Base.MONEY, Value(100_000), per="架"),
        param("cap", Base.MONEY, Value(500_000_000)),
        param("floor_racks", Base.COUNT, Value(30), unit="架"),
        param("share_rate", Base.RATIO, Value(3, 20)),
        param("third", Base.RATIO, Value(1, 3)),
        param("pue", Base.RATIO, Value(59, 50)),
        param("since", Base.DATE, Value(date(2024, 2, 29).toordinal())),
        param("open_to_all", Base.BOOL, Value(1)),
        param("favoured", Base.ENUM, Value(1), options=ENUM),
    )
}
VALUES = {name: p.values[0][1] for name, p in PARAMS.items()}
DEFINES = {
    "wealth": parse("cash + debt"),
    "big": parse("racks >= floor_racks and cash > cap"),
}


def checker(**more: Fact) -> Checker:
    return Checker({**FACTS, **more}, PARAMS, VALUES, DEFINES)


# ── the oracle ────────────────────────────────────────────────────────────────────────────────────

Facts = Mapping[str, Any]
OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


@dataclass(frozen=True, slots=True)
class World:
    """What names mean to the oracle."""

    facts: Mapping[str, Fact]
    params: Mapping[str, Param]
    values: Mapping[str, Value]
    defines: Mapping[str, Syntax]


SMALL = World(FACTS, PARAMS, VALUES, DEFINES)


def oracle(syntax: Syntax, facts: Facts, world: World = SMALL) -> Any:
    """What an expression comes to; None is unknown."""
    match syntax:
        case Name(id=name):
            return _named(name, facts, world)
        case Literal(value=value):
            return value
        case Binary(op=op, left=left, right=right) | Compare(op=op, left=left, right=right):
            a, b = oracle(left, facts, world), oracle(right, facts, world)
            return None if a is None or b is None else OPERATORS[op](a, b)
        case Member(item=item, options=options, negated=negated):
            found = oracle(item, facts, world)
            return None if found is None else (found in [o.value for o in options]) != negated
        case Negation(part=part):
            truth = oracle(part, facts, world)
            return None if truth is None else not truth
        case Logic(op=op, parts=parts):
            truths = [oracle(part, facts, world) for part in parts]
            decisive = op == "or"
            if any(t is not None and bool(t) is decisive for t in truths):
                return decisive
            return None if None in truths else not decisive
        case Call():
            return _called(syntax, facts, world)


def _named(name: str, facts: Facts, world: World) -> Any:
    if name in world.defines:
        return oracle(world.defines[name], facts, world)
    known: Fact | Param
    if name in world.params:
        known, value = world.params[name], world.values[name]
        number: Any = Fraction(value.number, value.over)
    else:
        known, number = world.facts[name], facts[name]
        if number is None or known.base is Base.LIST:
            return number
        number = Fraction(number, 10**known.places)
    if known.base is Base.ENUM:
        return known.options[int(number)][0]
    return bool(number) if known.base is Base.BOOL else number


def _called(call: Call, facts: Facts, world: World) -> Any:
    parts = [oracle(argument, facts, world) for argument in call.arguments]
    if call.function == "pick":
        test, yes, no = parts
        if test is None:
            return yes if yes == no else None
        return yes if test else no
    if None in parts:
        return None
    match call.function:
        case "share":
            return floor(parts[0] * parts[1])
        case "min":
            return min(parts)
        case "max":
            return max(parts)
        case "sum":
            return sum(parts[0])
        case "days_between":
            return parts[1] - parts[0]
        case _:
            day = date.fromordinal(int(parts[0]))
            leap = (day.month, day.day) == (2, 29)
            year = day.year + int(parts[1])
            there = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
            return date(year, day.month, 28 if leap and not there else day.day).toordinal()


# ── a small pack ──────────────────────────────────────────────────────────────────────────────────

PACK = (Path(__file__).parent / "policy_world.md").read_text("utf-8")


def write_pack(folder: Path, text: str = PACK, name: str = "small") -> Path:
    """Write a pack where the loader finds it."""
    path = folder / name / "pack.md"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    return path
