"""Expression text to a syntax tree of our own, through a white list on Python's `ast`.

Python's parser is used to read, never to run: nothing is compiled or evaluated here or later. What
is not on the list is an error with its place, so a stranger's pack can be read without trusting it.
"""

from __future__ import annotations

import ast
import warnings
from dataclasses import dataclass

MAX_LENGTH = 2_000
MAX_NODES = 400
MAX_DEPTH = 40
MAX_INTEGER = 10**15
FUNCTIONS = frozenset({"share", "min", "max", "pick", "sum", "days_between", "add_years"})


class SyntaxRefused(Exception):
    """An expression that is not in the language. Becomes a Problem with file and line."""

    def __init__(self, what: str, mend: str) -> None:
        super().__init__(what)
        self.what, self.mend = what, mend


@dataclass(frozen=True, slots=True)
class Name:
    """A fact, a parameter or a definition."""

    id: str
    text: str


@dataclass(frozen=True, slots=True)
class Literal:
    """A whole number, a truth value or a text."""

    value: int | bool | str
    text: str


@dataclass(frozen=True, slots=True)
class Binary:
    """`+`, `-` or `*`."""

    op: str
    left: Syntax
    right: Syntax
    text: str


@dataclass(frozen=True, slots=True)
class Compare:
    """One comparison."""

    op: str
    left: Syntax
    right: Syntax
    text: str


@dataclass(frozen=True, slots=True)
class Member:
    """`x in ("a", "b")`."""

    item: Syntax
    options: tuple[Literal, ...]
    negated: bool
    text: str


@dataclass(frozen=True, slots=True)
class Logic:
    """`and` or `or` over two or more parts."""

    op: str
    parts: tuple[Syntax, ...]
    text: str


@dataclass(frozen=True, slots=True)
class Negation:
    """`not x`."""

    part: Syntax
    text: str


@dataclass(frozen=True, slots=True)
class Call:
    """One of the few functions."""

    function: str
    arguments: tuple[Syntax, ...]
    text: str


Syntax = Name | Literal | Binary | Compare | Member | Logic | Negation | Call

_ARITHMETIC: dict[type[ast.operator], str] = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*"}
_COMPARISONS: dict[type[ast.cmpop], str] = {
    ast.Eq: "==",
    ast.NotEq: "!=",
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
}


def parse(text: str) -> Syntax:
    """Read one expression.

    Raises:
        SyntaxRefused: not in the language; says what stands there and what to write instead.
    """
    if len(text) > MAX_LENGTH:
        raise SyntaxRefused(
            f"算式有 {len(text)} 个字符，上限 {MAX_LENGTH}", "拆成几个 define，各起一个名字"
        )
    if not text.isascii() and not _ascii_outside_quotes(text):
        raise SyntaxRefused("算式里有引号之外的非英文字符", "名字和符号用半角英文")
    if _brackets(text) > MAX_DEPTH:
        raise SyntaxRefused(f"括号嵌套超过 {MAX_DEPTH} 层", "拆成几个 define")
    if "#" in text:  # lines are joined, so that a remark would swallow what follows it
        raise SyntaxRefused("算式里有 #", "说明写在条件的名字里，算式里不写注释")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Python's advice about odd literals is not for us
            tree = ast.parse(" ".join(text.split()), mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError) as error:
        reason = error.msg if isinstance(error, SyntaxError) else type(error).__name__
        raise SyntaxRefused(f"读不懂算式（{reason}）", "检查括号、引号和符号") from None
    if sum(1 for _ in ast.walk(tree)) > MAX_NODES:
        raise SyntaxRefused(f"算式超过 {MAX_NODES} 个部分", "拆成几个 define")
    if _layers(tree.body) > MAX_DEPTH:
        raise SyntaxRefused(f"算式嵌套超过 {MAX_DEPTH} 层", "拆成几个 define")
    return _read(tree.body)


def _ascii_outside_quotes(text: str) -> bool:
    parts = text.replace("'", '"').split('"')
    return all(part.isascii() for part in parts[::2])


def _brackets(text: str) -> int:
    """How deep brackets stand in one another; they are what Python's parser recurses on."""
    depth = deepest = 0
    for letter in text:
        if letter in "([{":
            depth += 1
            deepest = max(deepest, depth)
        elif letter in ")]}":
            depth -= 1
    return deepest


def _layers(tree: ast.AST) -> int:
    """How deep the tree is, counted without recursion; `_read` and `ast.unparse` recurse on it."""
    layers, here = 0, [tree]
    while here:
        layers += 1
        here = [child for node in here for child in ast.iter_child_nodes(node)]
    return layers


def _text_of(node: ast.expr) -> str:
    if isinstance(node, ast.Constant):
        return str(node.value)
    try:
        return ast.unparse(node)
    except ValueError:  # an f-string that Python reads and cannot write
        return type(node).__name__


def _read(node: ast.expr) -> Syntax:
    text = _text_of(node)
    match node:
        case ast.Name(id=name):
            if name.startswith("_"):
                raise SyntaxRefused(f"名字 {name[:40]} 以下划线开头", "换一个名字")
            return Name(name, text)
        case ast.Constant(value=value):
            return _literal(value, text)
        case ast.UnaryOp():
            return _unary(node, text)
        case ast.BinOp(left=left, op=op, right=right):
            return _binary(left, op, right, text)
        case ast.BoolOp(op=op, values=parts):
            word = "and" if isinstance(op, ast.And) else "or"
            return Logic(word, tuple(_read(part) for part in parts), text)
        case ast.Compare():
            return _compare(node, text)
        case ast.Call():
            return _call(node, text)
    raise SyntaxRefused(
        f"这里不能写 {text[:60]!r}", "可用的只有名字、整数、比较、and/or/not、+ - * 和列明的函数"
    )


def _literal(value: object, text: str) -> Literal:
    if isinstance(value, str) and not value.isprintable():
        raise SyntaxRefused(f"取值 {text[:30]!r} 里有看不见的字符", "只写看得见的字符")
    if isinstance(value, bool | str):
        return Literal(value, text)
    if isinstance(value, int):
        if abs(value) > MAX_INTEGER:
            raise SyntaxRefused(f"整数 {text[:30]} 太大", f"绝对值不超过 {MAX_INTEGER}")
        return Literal(value, text)
    if type(value).__name__ in ("float", "complex"):
        raise SyntaxRefused(f"{text} 是小数", "比例和金额写成参数，参数里用文本")
    raise SyntaxRefused(f"这里不能写 {text[:40]!r}", "只能是整数、True、False 或带引号的取值")


def _binary(left: ast.expr, op: ast.operator, right: ast.expr, text: str) -> Syntax:
    sign = _ARITHMETIC.get(type(op))
    if sign is None:
        mend = "乘比例用 share(基数, 比例)；比较比例用 a >= b * 比例"
        raise SyntaxRefused(f"{text[:60]!r} 里的运算不能用", mend)
    return Binary(sign, _read(left), _read(right), text)


def _unary(node: ast.UnaryOp, text: str) -> Syntax:
    match node:
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int(value))) if not isinstance(
            value, bool
        ):
            return _literal(-value, text)
        case ast.UnaryOp(op=ast.Not(), operand=part):
            return Negation(_read(part), text)
    raise SyntaxRefused(f"这里不能写 {text[:60]!r}", "负号只用于写定的整数")


def _compare(node: ast.Compare, text: str) -> Syntax:
    if len(node.ops) != 1:
        raise SyntaxRefused("一次只能比较两个量", "写成 a <= b and b <= c")
    left, op, right = node.left, node.ops[0], node.comparators[0]
    if isinstance(op, ast.In | ast.NotIn):
        if not isinstance(right, ast.Tuple) or not right.elts:
            raise SyntaxRefused("in 的右边应是一组取值", '写成 kind in ("a", "b")')
        options = [_read(item) for item in right.elts]
        if not all(isinstance(item, Literal) for item in options):
            raise SyntaxRefused("in 的右边只能是写定的取值", '写成 kind in ("a", "b")')
        literals = tuple(item for item in options if isinstance(item, Literal))
        return Member(_read(left), literals, isinstance(op, ast.NotIn), text)
    sign = _COMPARISONS.get(type(op))
    if sign is None:
        raise SyntaxRefused(f"{text[:60]!r} 里的比较不能用", "用 == != < <= > >=")
    return Compare(sign, _read(left), _read(right), text)


def _call(node: ast.Call, text: str) -> Syntax:
    if not isinstance(node.func, ast.Name) or node.func.id not in FUNCTIONS:
        raise SyntaxRefused(f"没有函数 {text[:40]!r}", f"可用的是 {'、'.join(sorted(FUNCTIONS))}")
    if node.keywords or any(isinstance(a, ast.Starred) for a in node.args):
        raise SyntaxRefused("函数的参数只按位置写", "去掉 名字= 和 *")
    return Call(node.func.id, tuple(_read(a) for a in node.args), text)
