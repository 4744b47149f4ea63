"""Whatever a stranger writes where an expression belongs, only SyntaxRefused comes out."""

from __future__ import annotations

import ast
import warnings
from typing import Any

import numpy as np
from hypothesis import given, strategies as st

from jinsuan.policy.columns import Column, Columns
from jinsuan.policy.grammar import FUNCTIONS, SyntaxRefused, parse
from jinsuan.policy.pack import Base
from jinsuan.policy.scalar import compiled
from jinsuan.policy.tree import INT64, Node
from tests.policy_world import DEFINES, FACTS, PARAMS, checker

PYTHON = "and or not in is if else lambda for await yield async def None True False eval os system"
SIGNS = "( ) [ ] { } , . + - * / // % ** ~ < <= == != >= > << >> & | ^ -> ' \" ''' f' b' r\" : := ; @ # ` $"
ODD = "0 1 1.5 1e999 0x10 0b1 1j 9007199254740993 99999999999999999999 'a' \"b\" '中' 名 … \ud800 \u202e ａ é"
WORDS = [
    *(*FACTS, *PARAMS, *DEFINES, *FUNCTIONS, "__import__", "__class__"),
    *(*PYTHON.split(), *SIGNS.split(), *ODD.split(), "\n", "\t", "\0", "\\"),
]
jumbled = st.lists(st.sampled_from(WORDS), max_size=25).map(" ".join)
anything = st.text(max_size=200)


def nodes() -> st.SearchStrategy[ast.expr]:
    """Random trees over Python's grammar of expressions, most of it not ours."""
    name = st.sampled_from([*FACTS, *PARAMS, *DEFINES, *FUNCTIONS, "os", "__import__"])
    names = name.map(lambda n: ast.Name(n, ast.Load()))
    constants = st.one_of(
        st.integers(-(10**20), 10**20),
        st.booleans(),
        st.none(),
        st.floats(allow_nan=False),
        st.text("ab中\n\x1b'", max_size=3),
        st.binary(max_size=2),
        st.just(...),
        st.complex_numbers(allow_nan=False),
    ).map(ast.Constant)

    def grown(part: st.SearchStrategy[ast.expr]) -> st.SearchStrategy[ast.expr]:
        few = st.lists(part, min_size=1, max_size=3)
        operators = st.sampled_from([ast.Add, ast.Sub, ast.Mult, ast.Div, ast.Pow, ast.LShift])
        signs = st.sampled_from([ast.Lt, ast.GtE, ast.Eq, ast.In, ast.NotIn, ast.Is])
        unary = st.sampled_from([ast.Not, ast.USub, ast.UAdd, ast.Invert])
        arguments = ast.arguments(
            posonlyargs=[], args=[], kwonlyargs=[], kw_defaults=[], defaults=[]
        )
        return st.one_of(
            st.builds(lambda a, o, b: ast.BinOp(a, o(), b), part, operators, part),
            st.builds(
                lambda o, p: ast.BoolOp(o(), [*p, p[0]]), st.sampled_from([ast.And, ast.Or]), few
            ),
            st.builds(lambda o, a: ast.UnaryOp(o(), a), unary, part),
            st.builds(lambda a, o, p: ast.Compare(a, [o()] * len(p), p), part, signs, few),
            st.builds(lambda f, p: ast.Call(f, p, []), names | part, few),
            st.builds(ast.IfExp, part, part, part),
            st.builds(lambda a: ast.Attribute(a, "x", ast.Load()), part),
            st.builds(lambda a, b: ast.Subscript(a, b, ast.Load()), part, part),
            st.builds(lambda a: ast.Lambda(arguments, a), part),
            few.map(lambda p: ast.Tuple(p, ast.Load())),
            few.map(lambda p: ast.List(p, ast.Load())),
            few.map(lambda p: ast.Dict(list(p), list(p))),
            part.map(lambda a: ast.JoinedStr([ast.FormattedValue(a, -1)])),
            st.builds(lambda a: ast.NamedExpr(ast.Name("x", ast.Store()), a), part),
            st.builds(ast.Starred, part, st.just(ast.Load())),
            st.builds(ast.Await, part),
        )

    return st.recursive(names | constants, grown, max_leaves=12)


def written(tree: ast.expr) -> str:
    try:
        return ast.unparse(tree)
    except ValueError:
        return "f'{racks}'"


def low_and_high() -> list[dict[str, Any]]:
    """Two applicants at the ends of every range, and one of whom nothing is known."""
    ends: list[dict[str, Any]] = [{}, {}]
    for name, fact in FACTS.items():
        for row, end in zip(ends, (fact.low, fact.high), strict=True):
            row[name] = (end,) * fact.max_items if fact.base is Base.LIST else end
    return [*ends, dict.fromkeys(FACTS)]


def runs_everywhere(node: Node) -> None:
    """What passed neither raises nor overflows, in either back end."""
    crowd = low_and_high()
    columns = {}
    for name, fact in FACTS.items():
        ends = [fact.low, fact.high, fact.low]
        missing = np.array([False, False, True])
        starts = None
        if fact.base is Base.LIST:
            ends = [fact.low] * fact.max_items + [fact.high] * fact.max_items
            starts = np.array([0, fact.max_items, 2 * fact.max_items, 2 * fact.max_items])
        columns[name] = Column(np.array(ends, np.int64), missing, starts)
    with np.errstate(all="raise"), warnings.catch_warnings():
        warnings.simplefilter("error")
        values, unknown = Columns(columns, 3).evaluate(node)
    values, unknown = (
        np.broadcast_to(values, 3),
        np.broadcast_to(bool(0) if unknown is None else unknown, 3),
    )
    for place, facts in enumerate(crowd):
        found = compiled(node)(facts)
        assert found is None or node.low <= found <= node.high
        assert found is None or abs(found) <= INT64
        assert found == (None if unknown[place] else int(values[place]))


def only_refused(text: str) -> None:
    try:
        syntax = parse(text)
    except SyntaxRefused as refusal:
        says_what_and_how(refusal)
        return
    for check in (lambda: checker().condition(syntax)[0], lambda: checker().amount(syntax)):
        try:
            node = check()
        except SyntaxRefused as refusal:
            says_what_and_how(refusal)
        else:
            runs_everywhere(node)


def says_what_and_how(refusal: SyntaxRefused) -> None:
    assert refusal.what
    assert refusal.mend
    assert len(refusal.what) < 400
    f"{refusal.what}{refusal.mend}".encode()  # can be printed


@given(anything)
def test_any_text_is_read_or_refused(text: str) -> None:
    only_refused(text)


@given(jumbled)
def test_words_of_the_language_in_any_order_are_read_or_refused(text: str) -> None:
    only_refused(text)


@given(nodes())
def test_any_expression_of_python_is_read_or_refused(tree: ast.expr) -> None:
    only_refused(written(ast.fix_missing_locations(tree)))
