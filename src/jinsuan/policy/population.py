"""Many applicants as columns: one row each, read strictly, in pieces, with a report row by row."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from jinsuan.policy.cells import BadCell, Cells, read_cells
from jinsuan.policy.columns import Column, Ints
from jinsuan.policy.errors import FactsInvalid, Problem
from jinsuan.policy.kinds import FIRST_DAY, LAST_DAY
from jinsuan.policy.pack import Base, Fact
from jinsuan.policy.tables import Piece, pieces

ID, APPLIED_ON = "id", "applied_on"
"""The two columns that are no facts: who, and when they applied."""
MAX_ROWS = 5_000_000
MAX_ID = 64
MOST_PROBLEMS = 200

Names = npt.NDArray[np.bytes_]


@dataclass(frozen=True)
class Population:
    """Applicants in the order of the file.

    Args:
        ids: who, as UTF-8; no two alike.
        columns: facts by name; a fact that is absent is unknown of everybody.
        applied_on: the day of application, as an ordinal.
    """

    ids: Names
    columns: Mapping[str, Column]
    applied_on: Column | None = None

    @property
    def size(self) -> int:
        return len(self.ids)

    @cached_property
    def places(self) -> Ints:
        """Each applicant's place in the order of ids, which settles every tie."""
        if self.size < 2 or bool((self.ids[:-1] < self.ids[1:]).all()):
            return np.arange(self.size, dtype=np.int64)
        found = np.empty(self.size, np.int64)
        found[np.argsort(self.ids, kind="stable")] = np.arange(self.size, dtype=np.int64)
        return found

    def name(self, row: int) -> str:
        return bytes(self.ids[row]).decode("utf-8")

    def column(self, name: str) -> Column:
        """A fact's column; one of unknowns when the file does not have it."""
        found = self.columns.get(name)
        if found is not None:
            return found
        nothing = np.broadcast_to(np.int64(0), (self.size,))
        return Column(nothing, np.broadcast_to(np.True_, (self.size,)))

    def without_column(self, facts: Mapping[str, Fact]) -> list[str]:
        """The facts that the file does not have."""
        return [name for name in facts if name not in self.columns]


def read_population(path: Path, facts: Mapping[str, Fact]) -> Population:
    """Read a CSV (UTF-8, with or without a mark, or GBK) or Parquet file of applicants.

    The first row names the columns: `id`, perhaps `applied_on`, and facts; money in yuan as text,
    ratios as decimals, dates as 2025-03-01, a blank or `?` where something is unknown.

    Raises:
        FactsInvalid: with the row, the column, the value and the mend of each problem.
        BadInput: a Parquet file where pyarrow is not installed.
    """
    builder = _Builder(path.name, facts)
    for piece in pieces(path):
        builder.take(piece)
    return builder.done()


_APPLIED = Fact(
    name=APPLIED_ON, base=Base.DATE, label="申报日期", line=0, low=FIRST_DAY, high=LAST_DAY
)


@dataclass
class _Builder:
    """Collects pieces of columns and the problems found in them."""

    source: str
    facts: Mapping[str, Fact]
    names: tuple[str, ...] = ()
    ids: list[Names] = field(default_factory=list)
    parts: dict[str, list[Column]] = field(default_factory=dict)
    lines: list[Ints] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    size: int = 0

    def take(self, piece: Piece) -> None:
        if not self.names:
            self._header(piece.names)
        for problem in piece.problems:
            self._complain(problem)
        self.size += len(piece.lines)
        if self.size > MAX_ROWS:
            self._complain(Problem("整个文件", f"超过 {MAX_ROWS:,} 行", "分成几个文件"))
            raise self._refusal()
        self.lines.append(piece.lines)
        for name, cells in zip(self.names, piece.columns, strict=True):
            bad: list[BadCell] = []
            if name == ID:
                self.ids.append(_ids(cells, bad))
            else:
                fact = _APPLIED if name == APPLIED_ON else self.facts[name]
                self.parts.setdefault(name, []).append(read_cells(fact, cells, bad))
            for cell in bad:
                place = f"第 {piece.lines[cell.row]} 行 {name}"
                self._complain(Problem(place, cell.what, cell.mend))

    def _header(self, names: tuple[str, ...]) -> None:
        self.names = names
        known = [*self.facts, ID, APPLIED_ON]
        for name in names:
            if name not in known:
                near = get_close_matches(name, known, n=1)
                mend = f"最接近的是 {near[0]}" if near else "用 jinsuan policy facts 查看全部事实"
                self._complain(Problem("表头", f"没有事实 {name[:40]!r}", mend))
            elif names.count(name) > 1:
                self._complain(Problem("表头", f"{name} 写了两次", "删去一列"))
        if ID not in names:
            self._complain(Problem("表头", "没有 id 这一列", "加一列主体的编号，各不相同"))
        if self.problems:
            raise self._refusal()

    def _complain(self, problem: Problem) -> None:
        self.problems.append(problem)
        if len(self.problems) >= MOST_PROBLEMS:
            raise self._refusal()

    def _refusal(self) -> FactsInvalid:
        return FactsInvalid(self.source, tuple(dict.fromkeys(self.problems)))

    def done(self) -> Population:
        if not self.size and not self.problems:
            self._complain(
                Problem("整个文件", "一行也没有", "第一行写列名，从第二行起一行一个主体")
            )
        if self.problems:
            raise self._refusal()
        columns = {name: _joined(self.parts.pop(name)) for name in list(self.parts)}
        applied_on = columns.pop(APPLIED_ON, None)
        population = Population(np.concatenate(self.ids), columns, applied_on)
        for problem in self._twins(population):
            self._complain(problem)
        if self.problems:
            raise self._refusal()
        return population

    def _twins(self, population: Population) -> Iterator[Problem]:
        order = np.empty(population.size, np.int64)
        order[population.places] = np.arange(population.size, dtype=np.int64)
        ranked = population.ids[order]
        lines = np.concatenate(self.lines)
        for at in np.flatnonzero(ranked[:-1] == ranked[1:]).tolist():
            first, again = lines[order[at]], lines[order[at + 1]]
            what = f"编号 {population.name(order[at])} 与第 {first} 行相同"
            yield Problem(f"第 {again} 行 {ID}", what, "一个主体一行")


def _ids(cells: Cells, bad: list[BadCell]) -> Names:
    """Ids as fixed-width bytes."""
    length = cells.ends - cells.starts
    for row in np.flatnonzero((length < 1) | (length > MAX_ID)).tolist():
        what = "没有编号" if length[row] < 1 else f"编号有 {length[row]} 字节"
        bad.append(BadCell(row, what, f"写 1 到 {MAX_ID} 字节的编号"))
    width = max(1, min(int(length.max(initial=1)), MAX_ID))
    within = np.arange(width, dtype=np.int64)
    at = np.minimum(cells.starts[:, None] + within, len(cells.data) - 1)
    letters = np.where(within < length[:, None], cells.data[at], np.uint8(0))
    return np.ascontiguousarray(letters).view(f"S{width}").reshape(-1)


def _joined(parts: list[Column]) -> Column:
    if len(parts) == 1:
        return parts[0]
    missing = None
    if any(part.missing is not None for part in parts):
        missing = np.concatenate([_mask(part) for part in parts])
    values = np.concatenate([part.values for part in parts])
    if parts[0].starts is None:
        return Column(values, missing)
    starts, base = [np.zeros(1, np.int64)], 0
    for part in parts:
        assert part.starts is not None
        starts.append(part.starts[1:] + base)
        base += len(part.values)
    return Column(values, missing, np.concatenate(starts))


def _mask(part: Column) -> npt.NDArray[np.bool_]:
    size = len(part.values) if part.starts is None else len(part.starts) - 1
    return np.zeros(size, np.bool_) if part.missing is None else part.missing
