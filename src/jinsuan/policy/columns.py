"""The column back end: the same trees over NumPy int64, many applicants at once, bit-identical.

A value comes with a mask of where it is unknown, or None where nothing is. The checker has shown
that no step leaves 64 bits, which is why plain NumPy arithmetic may be trusted here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np
import numpy.typing as npt

from jinsuan.policy.tree import Node

Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
EPOCH = 719_163
"""The ordinal of 1970-01-01, where NumPy counts days from."""


@dataclass(frozen=True, slots=True)
class Column:
    """One fact of many applicants.

    Args:
        values: int64; for a list fact the items of all applicants in a row.
        missing: where the fact is unknown; None when it is known of everybody.
        starts: for a list fact, where each applicant's items begin, and at the end their number.
    """

    values: Ints
    missing: Mask | None = None
    starts: Ints | None = None

    def part(self, begin: int, end: int) -> Column:
        """The applicants from `begin` to `end`."""
        missing = None if self.missing is None else self.missing[begin:end]
        if self.starts is None:
            return Column(self.values[begin:end], missing)
        starts = self.starts[begin : end + 1]
        return Column(self.values[starts[0] : starts[-1]], missing, starts - starts[0])


Pair = tuple[Any, "Mask | None"]


class Columns:
    """Evaluates trees over the columns of one block of applicants; shared parts are done once."""

    def __init__(self, facts: Mapping[str, Column], size: int) -> None:
        self._facts, self._size = facts, size
        self._done: dict[Node, Pair] = {}

    def evaluate(self, node: Node) -> Pair:
        """Values and mask of a node; values may be one number for all."""
        found = self._done.get(node)
        if found is None:
            found = self._done[node] = self._compute(node)
        return found

    def _compute(self, node: Node) -> Pair:
        match node.op:
            case "const":
                return np.int64(node.value), None
            case "fact":
                column = self._facts[node.name]
                return column.values, column.missing
            case "sum":
                return self._sum(self._facts[node.args[0].name])
            case "and" | "or":
                return self._logic(node)
            case "not":
                value, missing = self.evaluate(node.args[0])
                return np.logical_not(value), missing
            case "pick":
                return self._pick(node)
        parts = [self.evaluate(part) for part in node.args]
        values = [value for value, _ in parts]
        return _STEPS[node.op](values, node.value), _any(mask for _, mask in parts)

    def _sum(self, column: Column) -> Pair:
        assert column.starts is not None
        if not len(column.values):
            return np.zeros(self._size, np.int64), column.missing
        padded = np.append(column.values, np.int64(0))
        sums = np.add.reduceat(padded, column.starts[:-1])
        sums[column.starts[:-1] == column.starts[1:]] = 0
        return sums, column.missing

    def _logic(self, node: Node) -> Pair:
        """Kleene's and, or: known as soon as one known part decides."""
        parts = [self.evaluate(part) for part in node.args]
        decides = node.op == "or"
        values = [np.asarray(value, np.bool_) for value, _ in parts]
        missing = _any(mask for _, mask in parts)
        if missing is None:
            return reduce(np.logical_or if decides else np.logical_and, values), None
        decided = np.zeros(self._size, np.bool_)
        for (_, mask), value in zip(parts, values, strict=True):
            known = value == decides
            decided |= known if mask is None else known & ~mask
        return (decided if decides else ~decided), missing & ~decided

    def _pick(self, node: Node) -> Pair:
        test, yes, no = (self.evaluate(part) for part in node.args)
        value: Any = np.where(test[0], yes[0], no[0])
        missing = _any((test[1], yes[1], no[1]))
        if missing is None:
            return value, None
        nowhere = np.zeros(self._size, np.bool_)
        miss_yes = nowhere if yes[1] is None else yes[1]
        miss_no = nowhere if no[1] is None else no[1]
        chosen = np.where(test[0], miss_yes, miss_no)
        if test[1] is not None:
            # Unknown test: known all the same where both branches are known and equal.
            agree = (yes[0] == no[0]) & ~miss_yes & ~miss_no
            chosen = np.where(test[1], ~agree, chosen)
            value = np.where(test[1], yes[0], value)
        return value, chosen


def _any(masks: Any) -> Mask | None:
    known: list[Mask] = [mask for mask in masks if mask is not None]
    return reduce(np.logical_or, known) if known else None


def _add_years(ordinals: Any, years: int) -> Any:
    days = (np.asarray(ordinals, np.int64) - EPOCH).astype("datetime64[D]")
    months = days.astype("datetime64[M]")
    later = months + np.timedelta64(12 * years, "M")
    last = (later + np.timedelta64(1, "M")).astype("datetime64[D]") - np.timedelta64(1, "D")
    moved = later.astype("datetime64[D]") + (days - months.astype("datetime64[D]"))
    return np.minimum(moved, last).astype(np.int64) + EPOCH


_STEPS: dict[str, Any] = {
    "add": lambda v, _: v[0] + v[1],
    "sub": lambda v, _: v[0] - v[1],
    "mul": lambda v, _: v[0] * v[1],
    "floordiv": lambda v, divisor: v[0] // np.int64(divisor),
    "min": lambda v, _: _fold(np.minimum, v),
    "max": lambda v, _: _fold(np.maximum, v),
    "lt": lambda v, _: v[0] < v[1],
    "le": lambda v, _: v[0] <= v[1],
    "gt": lambda v, _: v[0] > v[1],
    "ge": lambda v, _: v[0] >= v[1],
    "eq": lambda v, _: v[0] == v[1],
    "ne": lambda v, _: v[0] != v[1],
    "addyears": lambda v, years: _add_years(v[0], years),
}


def _fold(step: Any, values: list[Any]) -> Any:
    return reduce(step, values)
