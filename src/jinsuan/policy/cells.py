"""Cells of a table as whole numbers, a column at a time, exactly: bytes in, int64 out.

The usual spellings are read by NumPy on the bytes themselves: no cell becomes a Python object and
none a binary fraction. Whatever is spelt otherwise goes, one by one, to the same functions that read
everything else (`values`), which take it or say what is wrong; so the quick way only ever saves time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from jinsuan.policy.columns import EPOCH, Column, Ints, Mask
from jinsuan.policy.pack import Base, Fact
from jinsuan.policy.values import TRUTHS, Unreadable, read_list, read_plain

Bytes = npt.NDArray[np.uint8]
MAX_QUICK_DIGITS = 18
"""So many digits always fit into 64 bits."""
MOST_BAD = 200
"""After so many bad cells of one piece the rest is not looked at."""
_DOT, _DASH, _ZERO = 46, 45, 48


@dataclass(frozen=True, slots=True)
class Cells:
    """One column of one piece of a table: where each cell begins and ends in the bytes."""

    data: Bytes
    starts: Ints
    ends: Ints

    def text(self, row: int) -> str:
        return bytes(self.data[self.starts[row] : self.ends[row]]).decode("utf-8").strip()

    @classmethod
    def of(cls, texts: list[str]) -> Cells:
        """Cells of texts, which are joined by line ends."""
        if not texts:
            return cls(np.zeros(1, np.uint8), np.zeros(0, np.int64), np.zeros(0, np.int64))
        joined = "\n".join(text.replace("\n", " ") for text in texts) + "\n"
        data = np.frombuffer(joined.encode("utf-8"), np.uint8)
        ends = np.flatnonzero(data == ord("\n"))
        return cls(data, np.concatenate([[0], ends[:-1] + 1]).astype(np.int64), ends)


@dataclass(frozen=True, slots=True)
class BadCell:
    """A cell that cannot be read."""

    row: int
    what: str
    mend: str


def read_cells(fact: Fact, cells: Cells, bad: list[BadCell]) -> Column:
    """One fact of one piece; what cannot be read is added to `bad`."""
    if fact.base is Base.LIST:
        return _lists(fact, cells, bad)
    blank = _blank(cells)
    values, done = _QUICK[fact.base](fact, cells)
    done &= (values >= fact.low) & (values <= fact.high)
    values[~done] = 0
    for row in np.flatnonzero(~done & ~blank).tolist():
        text = cells.text(row)
        if text in ("", "?"):
            blank[row] = True
            continue
        try:
            values[row] = read_plain(text, fact)
        except Unreadable as error:
            bad.append(BadCell(row, error.what, error.mend))
            if len(bad) >= MOST_BAD:
                break
    kept = values.astype(np.bool_) if fact.base is Base.BOOL else values
    return Column(kept, blank if blank.any() else None)


def _blank(cells: Cells) -> Mask:
    length = cells.ends - cells.starts
    asked = cells.data[np.minimum(cells.starts, len(cells.data) - 1)] == ord("?")
    blank: Mask = (length == 0) | ((length == 1) & asked)
    return blank


def _lists(fact: Fact, cells: Cells, bad: list[BadCell]) -> Column:
    items: list[int] = []
    starts, missing = [0], []
    for row in range(len(cells.starts)):
        text = cells.text(row)
        missing.append(text in ("", "?"))
        try:
            items += () if missing[-1] else read_list(text, fact)
        except Unreadable as error:
            if len(bad) < MOST_BAD:
                bad.append(BadCell(row, error.what, error.mend))
        starts.append(len(items))
    blank = np.array(missing, np.bool_)
    return Column(
        np.array(items, np.int64), blank if blank.any() else None, np.array(starts, np.int64)
    )


# ── the quick ways: values, and where they were read ──────────────────────────────────────────────


def _digits(data: Bytes, starts: Ints, ends: Ints) -> tuple[Ints, Mask]:
    """Runs of one to eighteen digits."""
    length = ends - starts
    good = (length >= 1) & (length <= MAX_QUICK_DIGITS)
    values = np.zeros(len(starts), np.int64)
    longest = int(length[good].max()) if good.any() else 0
    for place in range(longest):
        # From the left, so that one multiplication per place is enough.
        at = starts + place
        inside = (at < ends) & good
        digit = data[np.minimum(at, len(data) - 1)] - np.uint8(_ZERO)  # wraps below nought
        good &= ~inside | (digit < 10)
        values = np.where(inside, values * 10 + digit, values)
    return values, good


def _decimals(data: Bytes, starts: Ints, ends: Ints, places: int) -> tuple[Ints, Mask]:
    """Digits, or digits, a point and one to `places` digits; times 10**places."""
    dot = ends.copy()
    for after in range(1, places + 1):
        at = ends - 1 - after
        hit = (at > starts) & (data[np.maximum(at, 0)] == _DOT)
        dot[hit] = at[hit]
    pointed = dot < ends
    whole, good = _digits(data, starts, dot)
    good &= dot - starts <= MAX_QUICK_DIGITS - places
    rest, fine = _digits(data, dot + 1, ends)
    factor = np.array([10 ** (places - n) for n in range(places + 1)], np.int64)
    rest *= factor[np.clip(ends - dot - 1, 0, places)]
    values: Ints = whole * np.int64(10**places) + np.where(pointed, rest, 0)
    return values, good & (fine | ~pointed)


def _money(_fact: Fact, cells: Cells) -> tuple[Ints, Mask]:
    return _decimals(cells.data, cells.starts, cells.ends, 2)


def _ratio(fact: Fact, cells: Cells) -> tuple[Ints, Mask]:
    return _decimals(cells.data, cells.starts, cells.ends, fact.places)


def _count(_fact: Fact, cells: Cells) -> tuple[Ints, Mask]:
    return _digits(cells.data, cells.starts, cells.ends)


def _date(_fact: Fact, cells: Cells) -> tuple[Ints, Mask]:
    """2025-03-01, and that day exists."""
    data, starts = cells.data, cells.starts
    good = cells.ends - starts == 10
    begin = np.where(good, starts, 0)
    for place in (4, 7):
        good &= data[np.minimum(begin + place, len(data) - 1)] == _DASH
    begin = np.where(good, starts, 0)
    parts = []
    for first, last in ((0, 4), (5, 7), (8, 10)):
        number, fine = _digits(data, begin + first, np.where(good, begin + last, begin + first))
        good &= fine
        parts.append(number)
    year, month, day = parts
    good &= (year >= 1) & (month >= 1) & (month <= 12) & (day >= 1)
    months = np.where(good, (year - 1970) * 12 + month - 1, 0).astype("datetime64[M]")
    first_day = months.astype("datetime64[D]").astype(np.int64)
    next_month = (months + np.timedelta64(1, "M")).astype("datetime64[D]").astype(np.int64)
    good &= day <= next_month - first_day
    return first_day + day - 1 + EPOCH, good


def _truth(_fact: Fact, cells: Cells) -> tuple[Ints, Mask]:
    return _words(cells, iter(TRUTHS.items()))


def _option(fact: Fact, cells: Cells) -> tuple[Ints, Mask]:
    return _words(cells, ((key, place) for place, (key, _) in enumerate(fact.options)))


def _words(cells: Cells, meanings: Iterator[tuple[str, int]]) -> tuple[Ints, Mask]:
    length = cells.ends - cells.starts
    values, good = np.zeros(len(length), np.int64), np.zeros(len(length), np.bool_)
    for word, meaning in meanings:
        spelt = word.encode("utf-8")
        rows = np.flatnonzero(length == len(spelt))
        for place, byte in enumerate(spelt):
            rows = rows[cells.data[cells.starts[rows] + place] == byte]
        values[rows], good[rows] = meaning, True
    return values, good


_QUICK: dict[Base, Callable[[Fact, Cells], tuple[Ints, Mask]]] = {
    Base.MONEY: _money,
    Base.RATIO: _ratio,
    Base.COUNT: _count,
    Base.DATE: _date,
    Base.BOOL: _truth,
    Base.ENUM: _option,
}
