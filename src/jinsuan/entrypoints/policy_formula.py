"""Expressions of a pack in words: labels for facts, values for numbers. For reading, never for running."""

from __future__ import annotations

from fractions import Fraction

from jinsuan.entrypoints.policy_words import value_words
from jinsuan.kernel.money import Money
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
from jinsuan.policy.pack import Base, Pack, Param, Value

SIGNS = {">=": "≥", "<=": "≤", "!=": "≠", "==": "=", "*": "×", "-": "−"}
LOGIC = {"and": " 且 ", "or": " 或 "}
LIMITS = {"min": "但不超过", "max": "最少"}


def formula(text: str, pack: Pack) -> str:
    """An expression that passed the checker, as a person reads it."""
    return _words(parse(text), pack)


def number(param: Param, value: Value | None = None) -> str:
    """A parameter's value (the first, unless told): money in groups of three, ratios as percentages."""
    value = value or param.values[0][1]
    if param.base is Base.RATIO:
        percent = Fraction(value.number, value.over) * 100
        if percent.denominator == 1 and percent <= 100:
            return f"{percent.numerator}%"
    if param.base is Base.MONEY:
        return f"{grouped(Money(value.number).plain)} 元" + (f"/{param.per}" if param.per else "")
    return value_words(value, param)


def grouped(plain: str) -> str:
    """`50000000.00` as `50,000,000.00`."""
    whole, point, rest = plain.partition(".")
    return f"{int(whole):,}{point}{rest}"


def _words(node: Syntax, pack: Pack) -> str:
    match node:
        case Name(id=name):
            return _name(name, pack)
        case Literal(value=value):
            return {True: "是", False: "否"}[value] if isinstance(value, bool) else str(value)
        case Binary(op=op, left=left, right=right):
            return f"{_inner(left, pack, op)} {SIGNS.get(op, op)} {_inner(right, pack, op)}"
        case Compare(op=op, left=left, right=right):
            return f"{_words(left, pack)} {SIGNS.get(op, op)} {_words(right, pack)}"
        case Member(item=item, options=options, negated=negated):
            names = _options(item, tuple(o.value for o in options), pack)
            return f"{_words(item, pack)}{'不是' if negated else '是'} {'、'.join(names)}"
        case Logic(op=op, parts=parts):
            return LOGIC[op].join(_bracketed(p, pack, Logic) for p in parts)
        case Negation(part=part):
            return f"不是“{_words(part, pack)}”"
        case Call():
            return _call(node, pack)


def _name(name: str, pack: Pack) -> str:
    if param := pack.params.get(name):
        return f"{param.label} {number(param)}"
    if fact := pack.facts.get(name):
        return fact.label
    return f"（{formula(pack.defines[name].text, pack)}）"


def _options(item: Syntax, keys: tuple[int | bool | str, ...], pack: Pack) -> list[str]:
    fact = pack.facts.get(item.id) if isinstance(item, Name) else None
    labels = dict(fact.options) if fact else {}
    return [labels.get(str(key), str(key)) for key in keys]


def _inner(node: Syntax, pack: Pack, op: str) -> str:
    """An operand; brackets where reading aloud would join it wrongly."""
    words = _words(node, pack)
    sum_in_product = op == "*" and isinstance(node, Binary) and node.op != "*"
    several = isinstance(node, Call) and node.function in ("min", "max", "pick")
    return f"（{words}）" if sum_in_product or several else words


def _bracketed(node: Syntax, pack: Pack, kind: type[Logic]) -> str:
    words = _words(node, pack)
    return f"（{words}）" if isinstance(node, kind) else words


def _call(node: Call, pack: Pack) -> str:
    words = [_words(a, pack) for a in node.arguments]
    match node.function:
        case "share":
            return f"{_inner(node.arguments[0], pack, '*')} × {words[1]}"
        case "min" | "max":
            first, *limits = [_inner(a, pack, "") for a in node.arguments]
            return first + "".join(f"，{LIMITS[node.function]} {words}" for words in limits)
        case "pick":
            return f"{words[0]}时是 {words[1]}，否则是 {words[2]}"
        case "sum":
            return f"{words[0]}相加"
        case "days_between":
            return f"{words[0]}到{words[1]}的天数"
        case _:
            return f"{words[0]}加 {words[1]}"
