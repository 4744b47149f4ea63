"""A pack bound to a day: parameters have values, expressions are checked trees, rules can run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date

from jinsuan.policy.checker import Checker
from jinsuan.policy.errors import PackInvalid, ParameterUnknown, Problem, in_order
from jinsuan.policy.grammar import Syntax, SyntaxRefused, parse
from jinsuan.policy.pack import Base, Condition, Pack, Rule, Text, Value
from jinsuan.policy.tree import Node, Test
from jinsuan.policy.values import Unreadable, read_fen, read_ratio, read_whole

ENGINE = "1"
"""Grows when the same pack and facts could give another decision; kept with every decision."""


@dataclass(frozen=True, slots=True, eq=False)
class BoundRule:
    """A rule ready to run.

    Args:
        general: how many of the tests come from the general clauses; they stand first.
        facts: all that the rule may ask, in the order of asking.
        needs: how well each of them must be proven, as a rank.
    """

    rule: Rule
    tests: tuple[Test, ...]
    general: int
    amount: Node | None
    facts: tuple[str, ...]
    needs: Mapping[str, int]
    params: frozenset[str]


@dataclass(frozen=True, slots=True, eq=False)
class Law:
    """One pack on one day, perhaps with changed parameters."""

    pack: Pack
    on: date
    values: Mapping[str, Value]
    rules: Mapping[str, BoundRule]
    changed: tuple[str, ...] = ()

    def rule(self, name: str) -> BoundRule:
        return self.rules[name]


def bind(pack: Pack, on: date, *, changes: Mapping[str, str] | None = None) -> Law:
    """Bind a pack to a day.

    Args:
        changes: what-if values of parameters, as people write them.

    Raises:
        ParameterUnknown: a change names no parameter or cannot be read.
        PackInvalid: an expression does not pass the checker on that day.
    """
    day = max(on, pack.first_day)
    values = {name: v for name, param in pack.params.items() if (v := param.on(day)) is not None}
    changed = dict(changes or {})
    for name, text in changed.items():
        values[name] = _changed(pack, name, text)
    binder = _Binder(pack, values)
    rules = {name: binder.rule(rule) for name, rule in pack.rules.items()}
    if not binder.problems:
        binder.complain_of_idle_defines()
    if binder.problems:
        raise PackInvalid(pack.id, in_order(binder.problems))
    return Law(pack, on, values, rules, tuple(sorted(changed)))


def _changed(pack: Pack, name: str, text: str) -> Value:
    param = pack.params.get(name)
    if param is None:
        raise ParameterUnknown(name, "不存在")
    try:
        match param.base:
            case Base.MONEY:
                return Value(read_fen(text))
            case Base.RATIO:
                return read_ratio(text)
            case Base.COUNT:
                return Value(read_whole(text))
    except Unreadable as error:
        raise ParameterUnknown(name, f"不能改成 {text[:40]!r}：{error.what}") from None
    raise ParameterUnknown(name, "不是金额、比例或数，不能试改")


class _Binder:
    """Checks all expressions of a pack with one set of values."""

    def __init__(self, pack: Pack, values: Mapping[str, Value]) -> None:
        self._pack = pack
        self.problems: list[Problem] = []
        defines: dict[str, Syntax] = {}
        for name, text in pack.defines.items():
            syntax = self._parse(text)
            if syntax is not None:
                defines[name] = syntax
        self._checker = Checker(pack.facts, pack.params, values, defines)
        self._general: tuple[Test, ...] | None = None
        self._general_params: frozenset[str] = frozenset()

    def rule(self, rule: Rule) -> BoundRule:
        self._checker.used_params = set()
        general = self._common() if rule.general and rule.mode.pays else ()
        tests = (*general, *self._tests(rule.when))
        amount = self._amount(rule.amount)
        asked = [name for test in tests for name in test.facts]
        asked += [] if amount is None else list(amount.facts())
        return BoundRule(
            rule=rule,
            tests=tests,
            general=len(general),
            amount=amount,
            facts=tuple(dict.fromkeys(asked)),
            needs={name: self._pack.facts[name].attest.rank for name in asked},
            params=frozenset(self._checker.used_params),
        )

    def complain_of_idle_defines(self) -> None:
        for name in self._checker.idle_defines():
            idle = SyntaxRefused(f"没有规则用到 define {name}", "删去，或在规则里用")
            self._complain(self._pack.defines[name], idle)

    def _common(self) -> tuple[Test, ...]:
        if self._general is None:
            self._general = self._tests(self._pack.general)
            self._general_params = frozenset(self._checker.used_params)
        self._checker.used_params |= self._general_params
        return self._general

    def _tests(self, conditions: Iterable[Condition]) -> tuple[Test, ...]:
        found = []
        for condition in conditions:
            syntax = self._parse(condition.test)
            if syntax is None:
                continue
            try:
                node, comparisons = self._checker.condition(syntax)
            except SyntaxRefused as error:
                self._complain(condition.test, error)
                continue
            found.append(
                Test(
                    label=condition.label,
                    text=condition.test.text,
                    line=condition.test.line,
                    node=node,
                    comparisons=comparisons,
                    facts=tuple(dict.fromkeys(node.facts())),
                )
            )
        return tuple(found)

    def _amount(self, text: Text | None) -> Node | None:
        syntax = None if text is None else self._parse(text)
        if text is None or syntax is None:
            return None
        try:
            return self._checker.amount(syntax)
        except SyntaxRefused as error:
            self._complain(text, error)
            return None

    def _parse(self, text: Text) -> Syntax | None:
        try:
            return parse(text.text)
        except SyntaxRefused as error:
            self._complain(text, error)
            return None

    def _complain(self, text: Text, error: SyntaxRefused) -> None:
        self.problems.append(
            Problem(f"{self._pack.id}/pack.md:{text.line}", error.what, error.mend)
        )
