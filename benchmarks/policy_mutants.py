"""How well a pack's hand-worked cases hold its rules: change one thing at a time and see who notices.

Every comparator is changed, every parameter moved by one unit, every cap and condition removed, every
`not` taken away, every `and` made `or`. A mutant is killed when the pack no longer loads, a case comes
out otherwise, or (with an official text) the lint disagrees. Survivors are printed by name.

    python -m benchmarks.policy_mutants shanxi-2024-35 [--text official.txt]
"""

from __future__ import annotations

import argparse
import ast
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path

from jinsuan.policy.cases import run_cases
from jinsuan.policy.errors import PackInvalid
from jinsuan.policy.law import bind
from jinsuan.policy.library import days_of_change, load_pack
from jinsuan.policy.lint import lint
from jinsuan.policy.pack import Base, Condition, Pack, Param, Rule, Text, Value

OTHERS: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}


JUSTIFIED: dict[str, str] = {}
"""Mutants that say the same as the pack, with the reason."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """A pack with one thing changed.

    Args:
        rule: whose cases are tried first; empty for all.
    """

    name: str
    pack: Pack
    rule: str = ""


def expressions(text: str) -> Iterator[tuple[str, str]]:
    """What was changed, and the expression with that change."""
    tree = ast.parse(" ".join(text.split()), mode="eval")
    for place, node in enumerate(ast.walk(tree)):
        for what, change in _changes(node):
            copied = deepcopy(tree)
            target = list(ast.walk(copied))[place]
            changed = change(target)
            new = ast.fix_missing_locations(_Swap(target, changed).visit(copied))
            yield what, ast.unparse(new)


class _Swap(ast.NodeTransformer):
    def __init__(self, target: ast.AST, new: ast.AST) -> None:
        self._target, self._new = target, new

    def visit(self, node: ast.AST) -> ast.AST:
        if node is self._target:
            return self._new
        return self.generic_visit(node)


def _changes(node: ast.AST) -> Iterator[tuple[str, Callable[[ast.AST], ast.AST]]]:
    match node:
        case ast.Compare():
            yield from _compared(node)
        case ast.UnaryOp(op=ast.Not()):
            yield "去掉 not", lambda n: n.operand  # type: ignore[attr-defined]
        case ast.BoolOp(op=op):
            other_word = ast.Or() if isinstance(op, ast.And) else ast.And()
            yield "and ↔ or", _with(op=other_word)
        case ast.Call(func=ast.Name(id="min" | "max" as function), args=args):
            for place in range(len(args)):
                yield f"{function} 去掉第 {place + 1} 项", _dropped(place)
        case ast.Call(func=ast.Name(id="pick"), args=[test, yes, no]):
            yield "pick 两支互换", _with(args=[test, no, yes])
        case ast.BinOp(op=ast.Add()):
            yield "+ → -", _with(op=ast.Sub())
        case ast.BinOp(op=ast.Sub()):
            yield "- → +", _with(op=ast.Add())


def _compared(node: ast.Compare) -> Iterator[tuple[str, Callable[[ast.AST], ast.AST]]]:
    (op,) = node.ops
    for other in OTHERS[type(op)]:
        yield f"{_sign(op)} → {_sign(other())}", _with(ops=[other()])
    if isinstance(op, ast.In | ast.NotIn):
        yield from _options_dropped(node)


def _options_dropped(node: ast.Compare) -> Iterator[tuple[str, Callable[[ast.AST], ast.AST]]]:
    (options,) = node.comparators
    assert isinstance(options, ast.Tuple)
    for place in range(len(options.elts) if len(options.elts) > 1 else 0):
        left = ast.Tuple([e for i, e in enumerate(options.elts) if i != place], ast.Load())
        yield f"去掉取值 {ast.unparse(options.elts[place])}", _with(comparators=[left])


def _with(**fields: object) -> Callable[[ast.AST], ast.AST]:
    def change(node: ast.AST) -> ast.AST:
        new = deepcopy(node)
        for name, value in fields.items():
            setattr(new, name, deepcopy(value))
        return new

    return change


def _dropped(place: int) -> Callable[[ast.AST], ast.AST]:
    def change(node: ast.AST) -> ast.AST:
        assert isinstance(node, ast.Call)
        left = [argument for i, argument in enumerate(node.args) if i != place]
        return left[0] if len(left) == 1 else ast.Call(node.func, left, [])

    return change


def _sign(op: ast.cmpop) -> str:
    compared = ast.unparse(ast.Compare(ast.Name("a"), [op], [ast.Name("b")]))
    return compared[2:-2]


def mutants(pack: Pack) -> Iterator[Mutant]:
    """Every pack that differs in one thing."""
    for name, text in pack.defines.items():
        for what, new in expressions(text.text):
            defines = {**pack.defines, name: Text(new, text.line)}
            yield Mutant(f"define {name}：{what}", replace(pack, defines=defines))
    for what, general in _conditions(pack.general):
        yield Mutant(f"共同条件{what}", replace(pack, general=general))
    for rule in pack.rules.values():
        for what, changed in _rules(rule):
            rules = {**pack.rules, rule.id: changed}
            yield Mutant(f"{rule.id}：{what}", replace(pack, rules=rules), rule.id)
    for rule in pack.rules.values():
        for other in rule.instead_of:
            yield Mutant(
                f"{rule.id} 与 {other} 不再互相替代", _apart(pack, rule.id, other), rule.id
            )
    for param in pack.params.values():
        for what, moved in _moved(param):
            params = {**pack.params, param.name: moved}
            yield Mutant(f"参数 {param.name} {what}", replace(pack, params=params))


def _apart(pack: Pack, one: str, other: str) -> Pack:
    """Both ways at once: either rule may name the other."""
    rules = {
        name: replace(
            rule, instead_of=tuple(n for n in rule.instead_of if {n, name} != {one, other})
        )
        for name, rule in pack.rules.items()
    }
    return replace(pack, rules=rules)


def _rules(rule: Rule) -> Iterator[tuple[str, Rule]]:
    for what, when in _conditions(rule.when):
        yield what, replace(rule, when=when)
    if rule.amount is not None:
        for what, new in expressions(rule.amount.text):
            yield f"金额 {what}", replace(rule, amount=Text(new, rule.amount.line))


def _conditions(when: tuple[Condition, ...]) -> Iterator[tuple[str, tuple[Condition, ...]]]:
    for place, condition in enumerate(when):
        rest = when[:place], when[place + 1 :]
        yield f"“{condition.label}”去掉", (*rest[0], *rest[1])
        for what, new in expressions(condition.test.text):
            changed = replace(condition, test=Text(new, condition.test.line))
            yield f"“{condition.label}”{what}", (*rest[0], changed, *rest[1])


def _moved(param: Param) -> Iterator[tuple[str, Param]]:
    for place, (since, value) in enumerate(param.values):
        for step in (1, -1):
            new = _step(param.base, value, step)
            if new is None:
                continue
            values = (*param.values[:place], (since, new), *param.values[place + 1 :])
            yield f"{since} 起 {step:+d}", replace(param, values=values)


def _step(base: Base, value: Value, step: int) -> Value | None:
    """One fen, one unit, one day, or one in the last decimal place of a ratio."""
    if base in (Base.BOOL, Base.ENUM):
        return Value(1 - value.number) if base is Base.BOOL and step == 1 else None
    if base is not Base.RATIO:
        return Value(value.number + step)
    for unit in (100, 1_000, 10_000):
        if unit % value.over == 0:
            return Value(value.number * (unit // value.over) + step, unit)
    return Value(value.number, value.over + step)


def killer(mutant: Mutant, text: str) -> str:
    """Who notices: 装入, 例子, 原文; nobody when empty."""
    pack = mutant.pack
    own = tuple(case for case in pack.cases if case.rule == mutant.rule)
    try:
        for day in days_of_change(pack):
            bind(pack, day)
        for cases in (own, pack.cases):
            if run_cases(replace(pack, cases=cases)):
                return "例子"
    except PackInvalid:
        return "装入"
    return "原文" if text and lint(pack, text).problems else ""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pack")
    parser.add_argument("--text", type=Path, help="an official text, for the lint")
    chosen = parser.parse_args()
    pack = load_pack(chosen.pack)
    text = chosen.text.read_text("utf-8") if chosen.text else ""
    begun = time.perf_counter()
    found = [(mutant, killer(mutant, text)) for mutant in mutants(pack)]
    by = Counter(who for _, who in found)
    alive = [mutant.name for mutant, who in found if not who]
    for mutant, who in found:
        if who == "原文":
            print(f"只有原文核对发现  {mutant.name}")
    for name in alive:
        print(f"活着  {name}" + (f"（{JUSTIFIED[name]}）" if name in JUSTIFIED else ""))
    print(
        f"{pack.id} {pack.digest[:16]}：杀死 {len(found) - len(alive)} / {len(found)}"
        f"（装入 {by['装入']}，例子 {by['例子']}，原文 {by['原文']}），"
        f"活着而有理由 {len(set(alive) & JUSTIFIED.keys())}，{time.perf_counter() - begun:.0f} 秒"
    )
    return 1 if set(alive) - JUSTIFIED.keys() else 0


if __name__ == "__main__":
    sys.exit(main())
