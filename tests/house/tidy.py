"""The house rules that no linter knows, as functions from a text to complaints.

They are functions so that test_gate.py can plant a violation of each and see it caught.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import PurePath

MOST_LINES = 400
LONGEST_FUNCTION = 70
EXACT_ROOMS = {"kernel", "protocol", "ledger", "metering", "policy", "casework", "vouchers"}
"""Rooms where a float would be money, usage or law."""
EMPTY_NAMES = {"utils", "util", "common", "helpers", "helper", "core", "manager", "managers"}
CLOCKS = {
    *(("datetime", name) for name in ("now", "utcnow", "today")),
    *(("time", name) for name in ("time", "time_ns")),
    ("date", "today"),
    ("timezone", "now"),
}
MAY_READ_CLOCKS = {PurePath("kernel/ids.py")}
"""A UUIDv7 begins with the moment of its making; nothing is decided by it."""
# Written in two halves, or this file would be the first offender.
HOSTS = [
    first + second
    for first, second in (
        ("pypi", ".org"),
        ("pythonhosted", ".org"),
        ("npmjs", ".org"),
        ("npmjs", ".com"),
        ("npmmirror", ".com"),
        ("tuna.tsinghua", ".edu.cn"),
        ("mirrors.aliyun", ".com"),
        ("mirrors.ustc", ".edu.cn"),
        ("mirrors.cloud.tencent", ".com"),
        ("deb.debian", ".org"),
        ("yarnpkg", ".com"),
    )
]
FOLDER = "/{}".format("work")
"""Where one machine keeps its checkouts."""
WORKPLACE = re.compile(rf"(?<![\w.\-/}}]){FOLDER}\b")


def size(source: str) -> Iterator[str]:
    """Files of at most 400 lines, functions that fit on a screen."""
    lines = source.count("\n")
    if lines > MOST_LINES:
        yield f"{lines} lines, at most {MOST_LINES}: split it by noun."
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            length = node.end_lineno - node.lineno + 1
            if length >= LONGEST_FUNCTION:
                yield (
                    f"line {node.lineno}: {node.name} has {length} lines, fewer than "
                    f"{LONGEST_FUNCTION} please: give its steps names and make them functions."
                )


def says_what_it_is(source: str) -> Iterator[str]:
    """A module begins with what it is for."""
    tree = ast.parse(source)
    if tree.body and not ast.get_docstring(tree):
        yield "no docstring at the top: say in one line what this file is for."


def name_means_something(path: PurePath) -> Iterator[str]:
    """Nothing is called utils or its cousins."""
    for part in path.with_suffix("").parts:
        if part in EMPTY_NAMES:
            yield f"“{part}” says nothing: name it after the noun it is about."


def no_floats(path: PurePath, source: str) -> Iterator[str]:
    """Money, usage and law are whole numbers and exact fractions."""
    if path.parts[0] not in EXACT_ROOMS:
        return
    for node in ast.walk(ast.parse(source)):
        literal = isinstance(node, ast.Constant) and isinstance(node.value, float | complex)
        named = isinstance(node, ast.Name) and node.id == "float"
        field = isinstance(node, ast.Attribute) and node.attr == "FloatField"
        if literal or named or field:
            assert isinstance(node, ast.expr)
            yield f"line {node.lineno}: a float. Use int, Money, Fraction or Decimal('…')."


def no_clocks(path: PurePath, source: str) -> Iterator[str]:
    """`now` is an argument everywhere below entrypoints, so that any day can be replayed."""
    if path.parts[0] == "entrypoints" or path in MAY_READ_CLOCKS:
        return
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.keyword) and node.arg in ("auto_now", "auto_now_add"):
            yield f"line {node.lineno}: {node.arg} reads the clock. Let the action pass `now`."
        if isinstance(node, ast.Attribute) and (_last(node.value), node.attr) in CLOCKS:
            yield f"line {node.lineno}: reads the clock. Take `now` as an argument."
        if isinstance(node, ast.alias) and node.name == "Now":
            yield f"line {node.lineno}: Now() reads the database's clock. Pass `now`."


def names_no_place(text: str) -> Iterator[str]:
    """What is committed works anywhere: no registry's host, no folder of one machine."""
    for number, line in enumerate(text.splitlines(), start=1):
        for host in HOSTS:
            if host in line:
                yield f"line {number}: names the host {host}. Leave the choice to the user's tools."
        if WORKPLACE.search(line):
            yield f"line {number}: a path of one machine. Derive it from __file__ or a setting."


def lock_has_no_address(text: str) -> Iterator[str]:
    """Locks hold versions and hashes, so that any mirror will do."""
    for number, line in enumerate(text.splitlines(), start=1):
        if "://" in line or '"resolved"' in line or line.startswith(("-i ", "--", "-f ")):
            yield f"line {number}: {line.strip()[:80]}: lock again without addresses."


def _last(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""
