"""Well-typed expressions come to the same in closures, in columns, in the trace and in fractions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Any

import numpy as np
from hypothesis import assume, given, strategies as st

from jinsuan.policy.columns import Column, Columns
from jinsuan.policy.grammar import SyntaxRefused, parse
from jinsuan.policy.kinds import FIRST_DAY, LAST_DAY
from jinsuan.policy.pack import Base, Fact
from jinsuan.policy.scalar import compiled
from jinsuan.policy.tree import INT64, Node
from tests.policy_world import FACTS, OPERATORS, checker, oracle

Texts = st.SearchStrategy[str]
ORDER = st.sampled_from(["<", "<=", ">", ">=", "==", "!="])
SAME = st.sampled_from(["==", "!="])
ATOMS = {
    "money": ["cash", "debt", "cap", "wealth", "sum(bills)"],
    "per": ["per_rack"],
    "racks": [
        "racks",
        "old_racks",
        "floor_racks",
        "sum(steps)",
        "(racks - 3)",
        "max(old_racks, 7)",
    ],
    "number": ["number", "3", "-2"],
    "ratio": ["rate", "part", "share_rate", "third", "pue"],
    "bool": ["good", "local", "open_to_all", "big"],
    "enum": ["kind", "favoured"],
    "date": ["begun", "ended", "since"],
}


def made(kind: str, depth: int) -> Texts:
    """Expressions of a type, in words."""
    atoms = st.sampled_from(ATOMS[kind])
    if depth == 0 or kind in ("per", "ratio", "enum"):
        return atoms
    return atoms | st.deferred(lambda: compound(kind, depth - 1))


def compound(kind: str, depth: int) -> Texts:
    def of(kind: str) -> Texts:
        return made(kind, depth)

    def say(shape: str, *parts: Texts) -> Texts:
        return st.tuples(*parts).map(lambda found: shape.format(*found))

    if kind == "date":
        years = st.integers(0, 100).map(str)
        return say("add_years({}, {})", of("date"), years) | picked(kind, depth)
    if kind == "bool":
        return truths(depth)
    own = of(kind)
    options = [
        say("({} + {})", own, own),
        say("({} - {})", own, own),
        say("({} * {})", of("number"), own),
        say("min({}, {})", own, own),
        say("max({}, {}, {})", own, own, own),
        say("share(max({}, {}), {})", own, zero(kind), of("ratio")),
        picked(kind, depth),
    ]
    if kind == "money":
        options.append(say("((racks + {}) * {})", of("racks"), of("per")))
    if kind == "number":
        options = [say("({} * {})", own, own), say("max({}, 1)", own), picked(kind, depth)]
    return st.one_of(options)


def zero(kind: str) -> Texts:
    return st.just("cash" if kind == "money" else "0")


def picked(kind: str, depth: int) -> Texts:
    parts = st.tuples(made("bool", depth), made(kind, depth), made(kind, depth))
    return parts.map(lambda p: f"pick({p[0]}, {p[1]}, {p[2]})")


def truths(depth: int) -> Texts:
    def compared(kind: str, signs: st.SearchStrategy[str] = ORDER, right: str = "") -> Texts:
        sides = st.tuples(made(kind, depth), signs, made(right or kind, depth))
        return sides.map(lambda p: f"({p[0]} {p[1]} {p[2]})")

    def rated(kind: str) -> Texts:
        sides = st.tuples(made(kind, depth), ORDER, made(kind, depth), made("ratio", 0))
        return sides.map(lambda p: f"({p[0]} {p[1]} {p[2]} * {p[3]})")

    part = made("bool", depth)
    logic = st.tuples(part, st.sampled_from(["and", "or"]), part)
    chosen = st.sampled_from(['("a",)', '("b", "c")', '("a", "b", "c")'])
    return st.one_of(
        compared("money"),
        compared("racks"),
        compared("ratio"),
        compared("date"),
        compared("bool", SAME),
        rated("money"),
        rated("racks"),
        st.sampled_from(['(kind == "a")', '("b" != kind)', "(kind == favoured)"]),
        st.tuples(made("enum", 0), st.sampled_from(["in", "not in"]), chosen).map(
            lambda p: f"({p[0]} {p[1]} {p[2]})"
        ),
        logic.map(lambda p: f"({p[0]} {p[1]} {p[2]})"),
        part.map(lambda p: f"(not {p})"),
        st.tuples(made("date", depth), made("date", depth), ORDER, made("racks", 0)).map(
            lambda p: f"(days_between({p[0]}, {p[1]}) {p[2]} 365)"
        ),
    )


def values_of(fact: Fact) -> st.SearchStrategy[Any]:
    if fact.base is Base.LIST:
        items = st.integers(fact.low, fact.high)
        return st.lists(items, max_size=fact.max_items).map(tuple)
    if fact.base is Base.DATE:
        # Ends of the range and of February.
        odd = [FIRST_DAY, LAST_DAY, 738_945, 738_946, 738_579]
        return st.sampled_from(odd) | st.integers(fact.low, fact.high)
    return st.sampled_from([fact.low, fact.high]) | st.integers(fact.low, fact.high)


applicants = st.fixed_dictionaries({n: st.none() | values_of(f) for n, f in FACTS.items()})
crowds = st.lists(applicants, min_size=1, max_size=5)


def columns_of(crowd: list[dict[str, Any]], facts: Mapping[str, Fact] = FACTS) -> Columns:
    """The crowd as columns; where a fact is unknown, something misleading stands there."""
    columns = {}
    for name, fact in facts.items():
        cells = [row[name] for row in crowd]
        unknown = np.array([cell is None for cell in cells])
        missing = unknown if unknown.any() else None
        if fact.base is Base.LIST:
            lists = [(fact.high,) if cell is None else cell for cell in cells]
            starts = np.cumsum([0, *map(len, lists)])
            flat = np.array([item for items in lists for item in items], np.int64)
            columns[name] = Column(flat, missing, starts)
        else:
            filled = [fact.high if cell is None else cell for cell in cells]
            columns[name] = Column(np.array(filled, np.int64), missing)
    return Columns(columns, len(crowd))


def column_answers(
    node: Node, crowd: list[dict[str, Any]], columns: Columns | None = None
) -> list[int | None]:
    values, missing = (columns or columns_of(crowd)).evaluate(node)
    values = np.broadcast_to(values, len(crowd))
    unknown = np.broadcast_to(False if missing is None else missing, len(crowd))
    return [None if u else int(v) for v, u in zip(values, unknown, strict=True)]


def below(node: Node) -> Iterator[Node]:
    yield node
    for part in node.args:
        yield from below(part)


def all_stay_in_range(node: Node, facts: dict[str, Any]) -> None:
    for part in below(node):
        if part.op == "fact" and FACTS[part.name].base is Base.LIST:
            continue
        found = compiled(part)(facts)
        assert -INT64 <= part.low <= part.high <= INT64
        assert found is None or part.low <= found <= part.high, part


@given(made("money", 3), crowds)
def test_an_amount_is_the_same_four_ways(text: str, crowd: list[dict[str, Any]]) -> None:
    syntax = parse(text)
    try:
        node = checker().amount(parse(f"max({text}, 0)"))
    except SyntaxRefused as refusal:
        assume("超出 64 位" not in refusal.what and "9999" not in refusal.what)
        assume("太大" not in refusal.what and "可能小于 0" not in refusal.what)
        raise
    expected = [oracle(syntax, facts) for facts in crowd]
    wanted = [None if e is None else max(e, 0) for e in expected]

    assert [compiled(node)(facts) for facts in crowd] == wanted
    assert column_answers(node, crowd) == wanted
    for facts in crowd:
        all_stay_in_range(node, facts)


@given(truths(2).filter(lambda text: "share" not in text), crowds)
def test_a_condition_is_the_same_four_ways(text: str, crowd: list[dict[str, Any]]) -> None:
    syntax = parse(text)
    try:
        node, comparisons = checker().condition(syntax)
    except SyntaxRefused as refusal:
        assume("永远" not in refusal.what and "超出 64 位" not in refusal.what)
        assume("太大" not in refusal.what and "9999" not in refusal.what)
        raise
    wanted = [oracle(syntax, facts) for facts in crowd]

    assert [compiled(node)(facts) for facts in crowd] == wanted
    assert column_answers(node, crowd) == wanted
    for facts in crowd:
        all_stay_in_range(node, facts)
        for c in comparisons:
            left, right = compiled(c.left.top)(facts), compiled(c.right.top)(facts)
            holds = None
            if left is not None and right is not None:
                sides = Fraction(left, c.left.bottom), Fraction(right, c.right.bottom)
                holds = OPERATORS[c.op](*sides)
            assert compiled(c.node)(facts) == holds, c
