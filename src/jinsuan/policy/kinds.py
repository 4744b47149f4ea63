"""Types and units of expressions, and what may be combined with what. Pure functions."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from difflib import get_close_matches

from jinsuan.policy.grammar import Literal, Syntax, SyntaxRefused
from jinsuan.policy.pack import Base
from jinsuan.policy.tree import INT64, Node, Side

FIRST_DAY, LAST_DAY = date(1949, 10, 1).toordinal(), date(2199, 12, 31).toordinal()


@dataclass(frozen=True, slots=True)
class Kind:
    """The type of a value: its base, its unit, and for money what it is paid for."""

    base: Base
    unit: str = ""
    options: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        words = {
            Base.MONEY: f"元/{self.unit}" if self.unit else "钱",
            Base.COUNT: f"数（{self.unit}）" if self.unit else "数",
            Base.RATIO: "比例",
            Base.BOOL: "是非",
            Base.DATE: "日期",
            Base.ENUM: "取值",
            Base.LIST: "列表",
        }
        return words[self.base]


@dataclass(frozen=True, slots=True)
class Typed:
    """A checked part: numerator, denominator (1 unless a ratio came in), type, and its text."""

    node: Node
    kind: Kind
    text: str
    over: int = 1


def refuse(what: str, mend: str) -> SyntaxRefused:
    return SyntaxRefused(what, mend)


def const_of(value: int) -> Node:
    return Node("const", value=value, low=value, high=value)


def is_literal(syntax: Syntax) -> bool:
    return isinstance(syntax, Literal)


def literal_of(literal: Literal) -> Typed:
    value = literal.value
    if isinstance(value, bool):
        return Typed(const_of(int(value)), Kind(Base.BOOL), literal.text)
    if isinstance(value, int):
        return Typed(const_of(value), Kind(Base.COUNT), literal.text)
    return Typed(Node("const"), Kind(Base.ENUM), value)


def as_option(part: Typed, other: Typed) -> Typed:
    """A quoted text beside an enum means one of its values."""
    if part.kind.base is not Base.ENUM or part.kind.options or not other.kind.options:
        return part
    places = [key for key, _ in other.kind.options]
    if part.text not in places:
        raise refuse(f"没有取值 {part.text[:40]!r}", f"可用的是 {'、'.join(places)}")
    return Typed(const_of(places.index(part.text)), other.kind, part.text)


def same_of(left: Typed, right: Typed, text: str) -> Kind:
    a, b = left.kind, right.kind
    # A bare number of an expression takes any unit of counts: `params >= 5`.
    if a.base is b.base is Base.COUNT and a.unit != b.unit:
        if bare(left):
            return b
        if bare(right):
            return a
    # Nought is nought of anything that is counted.
    for one, other in ((a, left), (b, right)):
        opposite = right if other is left else left
        if one.base is Base.MONEY and _is_nought(opposite):
            return one
    if a.base is b.base is Base.ENUM and not a.options and not b.options:
        raise refuse(f"{text[:60]} 的两边都是写定的取值", "一边应是 enum 事实或参数")
    if a != b:
        raise refuse(f"{text[:60]} 两边不是一类：{a}与{b}", "换成同一类、同一单位的量")
    return a


def _is_nought(part: Typed) -> bool:
    return bare(part) and part.kind.base is Base.COUNT and part.node.value == 0


def bare(part: Typed) -> bool:
    return part.node.op == "const" and not part.kind.unit


def fits(node: Node, text: str) -> Node:
    if node.low < -INT64 or node.high > INT64:
        most = max(abs(node.low), abs(node.high))
        raise refuse(
            f"{text[:60]} 可能达到 {most:.1e}，超出 64 位整数", "把事实的 max 改小，或换更大的单位"
        )
    return node


def fitting(over: int, text: str) -> int:
    """A denominator, which the columns hold in 64 bits, too."""
    if over > INT64:
        raise refuse(f"{text[:60]} 的分母 {over:.1e} 超出 64 位整数", "减少比例的小数位")
    return over


def scaled(node: Node, factor: int) -> Node:
    return node if factor == 1 else product_of(node, const_of(factor))


def product_of(a: Node, b: Node) -> Node:
    if a.op == "const" and b.op == "const":
        return const_of(a.value * b.value)
    corners = [x * y for x in (a.low, a.high) for y in (b.low, b.high)]
    return Node("mul", (a, b), low=min(corners), high=max(corners))


def times(left: Typed, right: Typed, text: str) -> Typed:
    """count × count of one unit at most, count × money per unit, money × number, anything × ratio."""
    a, b = left.kind, right.kind
    if a.base is Base.RATIO and b.base is not Base.RATIO:
        left, right, a, b = right, left, b, a
    if b.base is Base.RATIO and a.base in (Base.MONEY, Base.COUNT, Base.RATIO):
        node = fits(product_of(left.node, right.node), text)
        return Typed(node, a, text, fitting(left.over * right.over, text))
    if b.base is Base.MONEY:
        left, right, a, b = right, left, b, a
    if (left.over, right.over) != (1, 1):
        raise refuse(f"{text[:60]} 里乘过比例的量不能再乘", "先用 share 取整，或移项")
    if a.base is Base.MONEY and b.base is Base.COUNT:
        if a.unit and a.unit == b.unit:
            kind = Kind(Base.MONEY)
        elif not b.unit and not a.unit:
            kind = a
        else:
            raise refuse(f"{text[:60]}：{a}不能乘以{b}", "单价的 per 要与数的 unit 一致")
    elif a.base is Base.COUNT and b.base is Base.COUNT and (not a.unit or not b.unit):
        kind = Kind(Base.COUNT, a.unit or b.unit)
    else:
        raise refuse(f"{text[:60]}：{a}不能乘以{b}", "钱不能乘钱，带单位的数不能相乘")
    return Typed(fits(product_of(left.node, right.node), text), kind, text)


def decided(op: str, a: Node, b: Node) -> tuple[int, int]:
    """What the ranges alone say of a comparison: (1, 1), (0, 0) or (0, 1)."""
    if op in ("gt", "ge"):
        op, a, b = {"gt": "lt", "ge": "le"}[op], b, a
    if op == "lt":
        return (1, 1) if a.high < b.low else (0, 0) if a.low >= b.high else (0, 1)
    if op == "le":
        return (1, 1) if a.high <= b.low else (0, 0) if a.low > b.high else (0, 1)
    apart = a.high < b.low or b.high < a.low
    equal = a.low == a.high == b.low == b.high
    if op == "eq":
        return (0, 0) if apart else (1, 1) if equal else (0, 1)
    return (1, 1) if apart else (0, 0) if equal else (0, 1)


def extreme(function: str, parts: list[Typed], text: str) -> Typed:
    kind = parts[0].kind
    for part in parts[1:]:
        kind = same_of(replace(parts[0], kind=kind), part, text)
    if kind.base not in (Base.MONEY, Base.COUNT, Base.DATE) or any(p.over != 1 for p in parts):
        raise refuse(f"{function} 里是{kind}", "只用于钱、数或日期，不用于乘过比例的量")
    pick = min if function == "min" else max
    low = pick(p.node.low for p in parts)
    high = pick(p.node.high for p in parts)
    node = Node(function, tuple(p.node for p in parts), low=low, high=high)
    return Typed(node, kind, text)


def pick_of(parts: list[Typed], text: str) -> Typed:
    test, yes, no = parts
    if test.kind.base is not Base.BOOL:
        raise refuse(f"pick 的第一个参数是{test.kind}，不是是非", "写成 pick(条件, 是, 否)")
    yes, no = as_option(yes, no), as_option(no, yes)
    kind = same_of(yes, no, text)
    over = yes.over * no.over
    a, b = yes.node, no.node
    if yes.over != no.over:  # two ratios of different denominators meet on their product
        a, b = scaled(a, no.over), scaled(b, yes.over)
    else:
        over = yes.over
    node = Node("pick", (test.node, a, b), low=min(a.low, b.low), high=max(a.high, b.high))
    return Typed(fits(node, text), kind, text, fitting(over, text))


def days_of(early: Typed, late: Typed, text: str) -> Typed:
    if early.kind.base is not Base.DATE or late.kind.base is not Base.DATE:
        raise refuse("days_between 的参数应是两个日期", "写成 days_between(早, 晚)")
    a, b = early.node, late.node
    node = Node("sub", (b, a), low=b.low - a.high, high=b.high - a.low)
    return Typed(node, Kind(Base.COUNT, "天"), text)


def add_years(day: Typed, years: Typed, text: str) -> Typed:
    if day.kind.base is not Base.DATE or years.node.op != "const":
        raise refuse("add_years 的参数应是日期和写定的年数", "写成 add_years(日期, 2)")
    number = years.node.value
    if not 0 <= number <= 100:
        raise refuse(f"add_years 的年数是 {number}", "应在 0 到 100 之间")
    high, low = day.node.high + 366 * number, day.node.low + 365 * number
    if high > date.max.toordinal():
        raise refuse(f"{text[:60]} 可能晚于 9999 年", "减少年数")
    return Typed(Node("addyears", (day.node,), value=number, low=low, high=high), day.kind, text)


def side_of(part: Typed) -> Side:
    return Side(part.text, part.node, part.over, str(part.kind.base), part.kind.unit)


def near(name: str, known: list[str]) -> str:
    found = get_close_matches(name, known, n=1)
    return found[0] if found else ""
