"""Types, units and ranges: what makes an expression safe to run. Syntax in, `tree.Node` out.

Every intermediate value's range is computed from the declared ranges of the facts, so an
expression that could leave 64 bits is refused before anything is run (interval analysis). A
condition that the ranges decide already is refused, too: it would never say anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

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
)
from jinsuan.policy.kinds import (
    Kind,
    Typed,
    add_years,
    as_option,
    const_of,
    days_of,
    decided,
    extreme,
    fits,
    fitting,
    is_literal,
    literal_of,
    near,
    pick_of,
    product_of,
    refuse,
    same_of,
    scaled,
    side_of,
    times,
)
from jinsuan.policy.pack import Base, Fact, Param, Value
from jinsuan.policy.tree import Comparison, Node

_OPERATORS = {"<": "lt", "<=": "le", ">": "gt", ">=": "ge", "==": "eq", "!=": "ne"}


MAX_SIZE = 20_000
"""Steps of one expression with its definitions written out."""
MAX_LEVEL = 100


@dataclass(frozen=True, slots=True)
class _Known:
    """A definition that has been checked, with what has to be told to whoever names it."""

    typed: Typed
    comparisons: tuple[Comparison, ...]
    params: frozenset[str]


class Checker:
    """Checks expressions of one pack on one day.

    Args:
        values: the parameters' values in force.
        defines: definitions as syntax; expanded where they are named.
    """

    def __init__(
        self,
        facts: Mapping[str, Fact],
        params: Mapping[str, Param],
        values: Mapping[str, Value],
        defines: Mapping[str, Syntax],
    ) -> None:
        self._facts, self._params, self._values = facts, params, values
        self._defines = defines
        self._opening: list[str] = []
        self._known: dict[tuple[str, bool], _Known] = {}
        self._level = 0
        self._comparisons: list[Comparison] = []
        self._in_amount = False
        self.used_params: set[str] = set()

    def condition(self, syntax: Syntax) -> tuple[Node, tuple[Comparison, ...]]:
        """A condition: true or false, without `share`."""
        self._comparisons, self._in_amount = [], False
        typed = self._check(syntax)
        if typed.kind.base is not Base.BOOL:
            raise refuse(f"条件的结果是{typed.kind}，不是是非", "写成比较，如 a >= b")
        if typed.node.low == typed.node.high and not is_literal(syntax):
            word = "永远成立" if typed.node.low else "永远不成立"
            raise refuse(f"按事实的范围，这个条件{word}", "改条件，或改事实的 min、max")
        return typed.node, tuple(self._comparisons)

    def amount(self, syntax: Syntax) -> Node:
        """An amount: money, never below nought."""
        self._in_amount = True
        typed = self._check(syntax)
        if typed.kind.base is not Base.MONEY or typed.kind.unit or typed.over != 1:
            raise refuse(f"金额的结果是{typed.kind}，不是钱", "乘比例用 share(基数, 比例)")
        if typed.node.low < 0:
            raise refuse("金额可能小于 0", "用 max(…, 0) 兜底，或改事实的范围")
        return typed.node

    def idle_defines(self) -> list[str]:
        """Definitions that nothing has named so far; they have not been checked either."""
        named = {name for name, _ in self._known}
        return [name for name in self._defines if name not in named]

    # ── one part ──────────────────────────────────────────────────────────────────────────────

    def _check(self, syntax: Syntax) -> Typed:
        self._level += 1
        try:
            typed = self._part(syntax) if self._level <= MAX_LEVEL else None
        finally:
            self._level -= 1
        if typed is None or typed.node.depth > MAX_LEVEL or typed.node.size > MAX_SIZE:
            what = f"{syntax.text[:60]} 连同用到的 define 展开后太大"
            raise refuse(what, f"至多 {MAX_LEVEL} 层、{MAX_SIZE} 步：少套几层 define")
        return typed

    def _part(self, syntax: Syntax) -> Typed:
        match syntax:
            case Name():
                return self._name(syntax)
            case Literal():
                return literal_of(syntax)
            case Binary():
                return self._binary(syntax)
            case Compare():
                return self._compare(syntax)
            case Member():
                return self._member(syntax)
            case Logic():
                return self._logic(syntax)
            case Negation():
                part = self._truth(syntax.part)
                low, high = 1 - part.high, 1 - part.low
                node = Node("not", (part,), low=low, high=high)
                return Typed(node, Kind(Base.BOOL), syntax.text)
            case Call():
                return self._call(syntax)

    def _name(self, name: Name) -> Typed:
        if fact := self._facts.get(name.id):
            node = Node("fact", name=fact.name, low=fact.low, high=fact.high)
            kind = Kind(fact.base, fact.unit, fact.options)
            return Typed(node, kind, name.text, 10**fact.places if fact.base is Base.RATIO else 1)
        if param := self._params.get(name.id):
            self.used_params.add(name.id)
            if name.id not in self._values:
                raise refuse(f"参数 {name.id} 在这一天还没有值", "在 values 里补上起始日期")
            value = self._values[name.id]
            kind = Kind(param.base, param.per or param.unit, param.options)
            node = fits(const_of(value.number), name.text)
            return Typed(node, kind, name.text, fitting(value.over, name.text))
        if name.id in self._defines:
            return self._define(name)
        known = [*self._facts, *self._params, *self._defines]
        hint = near(name.id, known)
        raise refuse(
            f"没有名字 {name.id[:60]}", f"最接近的是 {hint}" if hint else "先在 facts 里写"
        )

    def _define(self, name: Name) -> Typed:
        key = (name.id, self._in_amount)
        if key not in self._known:
            if name.id in self._opening:
                ring = " → ".join([*self._opening, name.id])
                raise refuse(f"define 绕成了圈：{ring}", "去掉其中一个引用")
            outer, self._comparisons = self._comparisons, []
            params, self.used_params = self.used_params, set()
            self._opening.append(name.id)
            try:
                typed = self._check(self._defines[name.id])
                used = frozenset(self.used_params)
                self._known[key] = _Known(typed, tuple(self._comparisons), used)
            finally:
                self._opening.pop()
                self._comparisons, self.used_params = outer, params
        known = self._known[key]
        self._comparisons += known.comparisons
        self.used_params |= known.params
        return replace(known.typed, text=name.text)

    def _truth(self, syntax: Syntax) -> Node:
        typed = self._check(syntax)
        if typed.kind.base is not Base.BOOL:
            raise refuse(f"{typed.text[:60]} 是{typed.kind}，不是是非", "写成比较，如 a >= b")
        return typed.node

    def _logic(self, logic: Logic) -> Typed:
        parts = tuple(self._truth(part) for part in logic.parts)
        lows, highs = [p.low for p in parts], [p.high for p in parts]
        pick = min if logic.op == "and" else max
        node = Node(logic.op, parts, low=pick(lows), high=pick(highs))
        return Typed(node, Kind(Base.BOOL), logic.text)

    # ── arithmetic ────────────────────────────────────────────────────────────────────────────

    def _binary(self, binary: Binary) -> Typed:
        left, right = self._check(binary.left), self._check(binary.right)
        if binary.op == "*":
            return times(left, right, binary.text)
        kind = same_of(left, right, binary.text)
        if kind.base not in (Base.MONEY, Base.COUNT):
            raise refuse(f"{kind}不能相{'加' if binary.op == '+' else '减'}", "改写算式")
        if (left.over, right.over) != (1, 1):
            raise refuse(f"{binary.text[:60]} 里乘过比例的量不能再加减", "先用 share 取整，或移项")
        a, b = left.node, right.node
        if binary.op == "+":
            node = Node("add", (a, b), low=a.low + b.low, high=a.high + b.high)
        else:
            node = Node("sub", (a, b), low=a.low - b.high, high=a.high - b.low)
        return Typed(fits(node, binary.text), kind, binary.text)

    def _compare(self, compare: Compare) -> Typed:
        left, right = self._check(compare.left), self._check(compare.right)
        left, right = as_option(left, right), as_option(right, left)
        kind = same_of(left, right, compare.text)
        if kind.base in (Base.BOOL, Base.ENUM) and compare.op not in ("==", "!="):
            raise refuse(f"{kind}只能比较是否相等", "用 == 或 !=")
        if kind.base is Base.LIST:
            raise refuse("列表不能直接比较", "先用 sum(…)")
        a, b = scaled(left.node, right.over), scaled(right.node, left.over)
        for side in (a, b):
            fits(side, compare.text)
        low, high = decided(_OPERATORS[compare.op], a, b)
        node = Node(_OPERATORS[compare.op], (a, b), low=low, high=high)
        self._comparisons.append(Comparison(compare.op, side_of(left), side_of(right), node))
        return Typed(node, Kind(Base.BOOL), compare.text)

    def _member(self, member: Member) -> Typed:
        item = self._check(member.item)
        if item.kind.base is not Base.ENUM:
            raise refuse(f"in 的左边是{item.kind}，不是取值", "只用于 enum 事实")
        parts = []
        for option in member.options:
            right = as_option(literal_of(option), item)
            same_of(item, right, member.text)
            node = Node("eq", (item.node, right.node))
            self._comparisons.append(Comparison("==", side_of(item), side_of(right), node))
            parts.append(node)
        node = Node("or", tuple(parts)) if len(parts) > 1 else parts[0]
        if member.negated:
            node = Node("not", (node,))
        return Typed(node, Kind(Base.BOOL), member.text)

    # ── functions ─────────────────────────────────────────────────────────────────────────────

    def _call(self, call: Call) -> Typed:
        parts = [self._check(argument) for argument in call.arguments]
        match call.function, len(parts):
            case "share", 2:
                return self._share(parts[0], parts[1], call.text)
            case (("min" | "max"), n) if n >= 2:
                return extreme(call.function, parts, call.text)
            case "pick", 3:
                return pick_of(parts, call.text)
            case "sum", 1:
                return self._sum(parts[0], call.text)
            case "days_between", 2:
                return days_of(parts[0], parts[1], call.text)
            case "add_years", 2:
                return add_years(parts[0], parts[1], call.text)
        raise refuse(f"{call.function} 的参数个数不对（{len(parts)} 个）", "对照算式一节的写法")

    def _share(self, base: Typed, ratio: Typed, text: str) -> Typed:
        if not self._in_amount:
            raise refuse("条件里不能用 share：它会取整", "写成 a >= b * 比例，按交叉相乘精确比较")
        if base.kind.base not in (Base.MONEY, Base.COUNT) or base.over != 1:
            raise refuse(f"share 的基数是{base.kind}", "应是钱或数")
        if ratio.kind.base is not Base.RATIO:
            raise refuse(f"share 的第二个参数是{ratio.kind}，不是比例", "写成 share(基数, 比例)")
        if base.node.low < 0 or ratio.node.low < 0:
            raise refuse("share 的基数或比例可能小于 0", "改事实的范围，或用 max(…, 0)")
        product = fits(product_of(base.node, ratio.node), text)
        if ratio.over == 1:
            return Typed(product, base.kind, text)
        low, high = product.low // ratio.over, product.high // ratio.over
        node = Node("floordiv", (product,), value=ratio.over, low=low, high=high)
        return Typed(node, base.kind, text)

    def _sum(self, part: Typed, text: str) -> Typed:
        fact = self._facts.get(part.node.name) if part.node.op == "fact" else None
        if fact is None or fact.base is not Base.LIST or fact.item is None:
            raise refuse("sum 只用于列表事实", "写成 sum(列表的名字)")
        high = max(0, fact.high * fact.max_items)
        node = Node("sum", (part.node,), low=min(0, fact.low * fact.max_items), high=high)
        return Typed(fits(node, text), Kind(fact.item, fact.unit), text)
