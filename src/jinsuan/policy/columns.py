"""The column back end: the same trees over NumPy int64, many applicants at once, bit-identical.

A number comes with a mask of where it is unknown, or None where nothing is. A truth is a pair: where
it surely holds, and where it may hold; Kleene's `and` and `or` are then plain ones on each half, and
where nothing is unknown both halves are one array. The checker has shown that no step leaves 64
bits, which is why plain NumPy arithmetic may be trusted here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, reduce
from typing import Any

import numpy as np
import numpy.typing as npt

from jinsuan.policy.tree import INT64, Node

Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
EPOCH = 719_163
"""The ordinal of 1970-01-01, where NumPy counts days from."""


@dataclass(frozen=True, slots=True)
class Column:
    """One fact of many applicants.

    Args:
        values: int64, or one byte each for a truth; for a list fact the items of all in a row.
        missing: where the fact is unknown; None when it is known of everybody.
        starts: for a list fact, where each applicant's items begin, and at the end their number.
    """

    values: Ints | Mask
    missing: Mask | None = None
    starts: Ints | None = None

    def part(self, begin: int, end: int) -> Column:
        """The applicants from `begin` to `end`."""
        missing = None if self.missing is None else self.missing[begin:end]
        if self.starts is None:
            return Column(self.values[begin:end], missing)
        starts = self.starts[begin : end + 1]
        return Column(self.values[starts[0] : starts[-1]], missing, starts - starts[0])


Pair = tuple[Any, Any]
"""A number and its mask (None: known), or the two halves of a truth."""


class Columns:
    """Evaluates single trees over the columns of one block of applicants."""

    def __init__(self, facts: Mapping[str, Column], size: int) -> None:
        self._facts, self._size = facts, size

    def evaluate(self, node: Node) -> tuple[Any, Mask | None]:
        """Values and the mask of where they are unknown."""
        first, second = Program([node]).run(self._facts, self._size)[0]
        if node.op in TRUTHS:
            return first, None if first is second else first ^ second
        return first, second


@dataclass(frozen=True, slots=True)
class _Step:
    run: Callable[[list[Pair], int], Pair]
    inputs: tuple[int, ...]
    value: int
    last: tuple[int, ...]


class Program:
    """Many trees as one list of steps: equal parts are done once, and let go after their last use.

    Letting go matters: the next step then writes where the last one's numbers still are in the
    processor's cache.
    """

    def __init__(self, wanted: Sequence[Node]) -> None:
        self._known: dict[tuple[Any, ...], int] = {}
        self._made: list[tuple[Callable[[list[Pair], int], Pair], tuple[int, ...], int]] = []
        self._loads: dict[int, str] = {}
        self._truths: set[int] = set()
        self._by_node: dict[Node, int] = {}
        self.wanted = [self._place(node) for node in wanted]
        uses = {place: at for at, (_, inputs, _) in enumerate(self._made) for place in inputs}
        keep = set(self.wanted)
        ends: dict[int, list[int]] = {}
        for place, at in uses.items():
            if place not in keep:
                ends.setdefault(at, []).append(place)
        self._steps = [
            _Step(run, inputs, value, tuple(ends.get(at, ())))
            for at, (run, inputs, value) in enumerate(self._made)
        ]

    @property
    def facts(self) -> list[str]:
        """The facts that are read."""
        return list(self._loads.values())

    def run(self, facts: Mapping[str, Column], size: int) -> list[Pair]:
        """What was wanted, for one block: arrays of its size."""
        cells: list[Any] = [None] * len(self._steps)
        for place, name in self._loads.items():
            cells[place] = facts[name]
        for place, step in enumerate(self._steps):
            if place in self._loads:
                cells[place] = _load(cells[place], size)
                continue
            cells[place] = step.run([cells[i] for i in step.inputs], step.value)
            for done in step.last:
                cells[done] = None
        return [_spread(cells[place], size) for place in self.wanted]

    # ── from trees to steps ───────────────────────────────────────────────────────────────────

    def _place(self, node: Node) -> int:
        place = self._by_node.get(node)
        if place is None:
            place = self._by_node[node] = self._add(node)
        return place

    def _add(self, node: Node) -> int:
        match node.op:
            case "const":
                constant = (np.int64(node.value), None)
                return self._step(("const", node.value), lambda _v, _n: constant, ())
            case "fact":
                return self._fact(node.name)
            case "sum":
                # A list is loaded as its sums: nothing else can be done with it.
                return self._fact(node.args[0].name)
            case "and" | "or" | "not":
                inputs = tuple(self._as_truth(self._place(part)) for part in node.args)
                return self._step((node.op, *inputs), _LOGIC[node.op], inputs, truth=True)
            case "pick":
                test, yes, no = (self._place(part) for part in node.args)
                inputs = (self._as_truth(test), self._as_number(yes), self._as_number(no))
                return self._step(("pick", *inputs), _pick, inputs)
        inputs = tuple(self._as_number(self._place(part)) for part in node.args)
        key = (node.op, node.value, *inputs)
        if node.op == "addyears":
            # The checker allows dates of 1949 to 2199 only, so the table is small.
            days = node.args[0]
            return self._step(key, _years_step(days.low, days.high), inputs, node.value)
        if node.op == "floordiv" and node.args[0].low >= 0:
            return self._step(key, _floordiv_of_naturals, inputs, node.value)
        if node.op in TRUTHS:
            return self._step(key, _compared(_STEPS[node.op]), inputs, truth=True)
        return self._step(key, _counted(_STEPS[node.op]), inputs, node.value)

    def _fact(self, name: str) -> int:
        place = self._step(("fact", name), _untouched, ())
        self._loads[place] = name
        return place

    def _as_truth(self, place: int) -> int:
        if place in self._truths:
            return place
        return self._step(("truth", place), _to_truth, (place,), truth=True)

    def _as_number(self, place: int) -> int:
        if place not in self._truths:
            return place
        return self._step(("number", place), _to_number, (place,))

    def _step(
        self,
        key: tuple[Any, ...],
        run: Callable[[list[Pair], int], Pair],
        inputs: tuple[int, ...],
        value: int = 0,
        *,
        truth: bool = False,
    ) -> int:
        place = self._known.get(key)
        if place is None:
            place = self._known[key] = len(self._made)
            self._made.append((run, inputs, value))
            if truth:
                self._truths.add(place)
        return place


def _untouched(_values: list[Pair], _value: int) -> Pair:
    raise AssertionError("facts are loaded, not computed")


def _load(column: Column, size: int) -> Pair:
    if column.starts is None:
        return column.values, column.missing
    if not len(column.values):
        return np.zeros(size, np.int64), column.missing
    starts = column.starts
    # A last applicant without items begins behind the end; one nought more makes that legal.
    sums = np.add.reduceat(np.append(column.values, np.int64(0)), starts[:-1])
    sums[starts[:-1] == starts[1:]] = 0
    return sums, column.missing


def _spread(pair: Pair, size: int) -> Pair:
    """One number for all as an array."""
    first, second = pair
    if np.ndim(first):
        return pair
    wide = np.broadcast_to(first, (size,))
    return wide, wide if second is first else second


def _to_truth(values: list[Pair], _value: int) -> Pair:
    number, missing = values[0]
    holds = number if number.dtype == np.bool_ else number != 0
    if missing is None:
        return holds, holds
    return holds & ~missing, holds | missing


def _to_number(values: list[Pair], _value: int) -> Pair:
    sure, may = values[0]
    return np.asarray(sure, np.int64), None if sure is may else sure ^ may


def _and(values: list[Pair], _value: int) -> Pair:
    return _halves(np.logical_and, values)


def _or(values: list[Pair], _value: int) -> Pair:
    return _halves(np.logical_or, values)


def _halves(join: Any, values: list[Pair]) -> Pair:
    sure = reduce(join, [sure for sure, _ in values])
    if all(sure is may for sure, may in values):
        return sure, sure
    return sure, reduce(join, [may for _, may in values])


def _not(values: list[Pair], _value: int) -> Pair:
    sure, may = values[0]
    never = np.logical_not(may)
    return never, never if sure is may else np.logical_not(sure)


_LOGIC = {"and": _and, "or": _or, "not": _not}


def _pick(values: list[Pair], _value: int) -> Pair:
    (sure, may), (yes, miss_yes), (no, miss_no) = values
    chosen = _blend(sure, yes, no)
    if sure is may and miss_yes is None and miss_no is None:
        return chosen, None
    blank_yes = np.False_ if miss_yes is None else miss_yes
    blank_no = np.False_ if miss_no is None else miss_no
    missing = (sure & blank_yes) | (~may & blank_no)
    if sure is not may:
        # Unknown test: known all the same where both branches are known and equal.
        missing = missing | ((sure ^ may) & ((yes != no) | blank_yes | blank_no))
    return chosen, missing


def _blend(test: Any, yes: Any, no: Any) -> Any:
    """`np.where`, but without a branch per applicant, which the processor would guess wrong."""
    if np.ndim(yes) or np.ndim(no):
        # The difference may wrap, and then the sum wraps back: exact all the same.
        base = np.asarray(no, np.int64)
        return base + np.asarray(np.asarray(yes, np.int64) - base) * test
    difference = int(yes) - int(no)
    if abs(difference) > INT64:
        return np.where(test, yes, no)
    return test * np.int64(difference) + no


def _compared(step: Any) -> Callable[[list[Pair], int], Pair]:
    def run(values: list[Pair], value: int) -> Pair:
        holds = step([number for number, _ in values], value)
        missing = _any(values)
        if missing is None:
            return holds, holds
        return holds & ~missing, holds | missing

    return run


def _counted(step: Any) -> Callable[[list[Pair], int], Pair]:
    def run(values: list[Pair], value: int) -> Pair:
        return step([number for number, _ in values], value), _any(values)

    return run


def _floordiv_of_naturals(values: list[Pair], divisor: int) -> Pair:
    """Without signs the division takes half the time; what is unknown may be anything."""
    number, missing = values[0]
    return (number.view(np.uint64) // np.uint64(divisor)).view(np.int64), missing


def _any(values: list[Pair]) -> Mask | None:
    known: list[Mask] = [missing for _, missing in values if missing is not None]
    return reduce(np.logical_or, known) if known else None


def _add_years(ordinals: Any, years: int) -> Any:
    days = (np.asarray(ordinals, np.int64) - EPOCH).astype("datetime64[D]")
    months = days.astype("datetime64[M]")
    later = months + np.timedelta64(12 * years, "M")
    last = (later + np.timedelta64(1, "M")).astype("datetime64[D]") - np.timedelta64(1, "D")
    moved = later.astype("datetime64[D]") + (days - months.astype("datetime64[D]"))
    return np.minimum(moved, last).astype(np.int64) + EPOCH


@lru_cache(maxsize=32)
def _later(low: int, high: int, years: int) -> Ints:
    """Every day of a range so many years later; looking up is ten times as quick as reckoning."""
    table: Ints = _add_years(np.arange(low, high + 1, dtype=np.int64), years)
    return table


def _years_step(low: int, high: int) -> Callable[[list[Pair], int], Pair]:
    def run(values: list[Pair], years: int) -> Pair:
        days, missing = values[0]
        # Where a day is unknown its number is anything: the nearest of the table does.
        return np.take(_later(low, high, years), days - low, mode="clip"), missing

    return run


TRUTHS = {"lt", "le", "gt", "ge", "eq", "ne", "and", "or", "not"}
_STEPS: dict[str, Any] = {
    "add": lambda v, _: v[0] + v[1],
    "sub": lambda v, _: v[0] - v[1],
    "mul": lambda v, _: v[0] * v[1],
    "floordiv": lambda v, divisor: v[0] // np.int64(divisor),
    "min": lambda v, _: reduce(np.minimum, v),
    "max": lambda v, _: reduce(np.maximum, v),
    "lt": lambda v, _: v[0] < v[1],
    "le": lambda v, _: v[0] <= v[1],
    "gt": lambda v, _: v[0] > v[1],
    "ge": lambda v, _: v[0] >= v[1],
    "eq": lambda v, _: v[0] == v[1],
    "ne": lambda v, _: v[0] != v[1],
}
