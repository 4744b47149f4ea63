"""Read tables of the trace, plain or gzipped, and say where a row is wrong. Pure but for the file."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from jinsuan.entrypoints.replay.errors import ReplayDataBad, ReplayDataMissing

Row = Mapping[str, str]


def table(path: Path) -> list[dict[str, str]]:
    """Every row of a CSV file; `path` may lie there with `.gz` behind its name.

    Raises:
        ReplayDataMissing: neither is there.
        ReplayDataBad: it is no UTF-8 text.
    """
    packed = path.with_name(path.name + ".gz")
    try:
        if path.is_file():
            text = path.read_text("utf-8-sig")
        elif packed.is_file():
            text = gzip.decompress(packed.read_bytes()).decode("utf-8-sig")
        else:
            raise ReplayDataMissing(str(path))
    except (UnicodeDecodeError, gzip.BadGzipFile, EOFError) as error:
        raise ReplayDataBad(str(path), 1, f"读不了（{error}）") from None
    return list(csv.DictReader(text.splitlines()))


def numbered(rows: Iterable[Row]) -> Iterator[tuple[int, Row]]:
    """Rows with the line of the file that they stand in."""
    return enumerate(rows, start=2)


def whole(row: Row, column: str, *, file: str, line: int, default: int | None = None) -> int:
    """A whole number of nought or more; an empty cell is `default` where there is one.

    Raises:
        ReplayDataBad: no such column, or another text.
    """
    text = (row.get(column) or "").strip()
    if not text and default is not None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 16):
        raise ReplayDataBad(file, line, f"的 {column} 应为非负整数，却是“{text[:40]}”")
    return int(text)


def word(row: Row, column: str, *, file: str, line: int) -> str:
    """A text that is not empty.

    Raises:
        ReplayDataBad: it is.
    """
    text = (row.get(column) or "").strip()
    if not text:
        raise ReplayDataBad(file, line, f"没有写 {column}")
    return text
