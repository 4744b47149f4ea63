"""Files of rows in pieces of bounded size: CSV cut on its bytes, Parquet through pyarrow."""

from __future__ import annotations

import csv
import importlib
import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from jinsuan.kernel.errors import BadInput
from jinsuan.policy.cells import Bytes, Cells
from jinsuan.policy.columns import Ints
from jinsuan.policy.errors import FactsInvalid, Problem

PIECE = 8 * 2**20
MAX_LINE = 2**20
PARQUET_ROWS = 65_536
_COMMA, _END, _RETURN, _QUOTE = 44, 10, 13, 34


@dataclass(frozen=True, slots=True)
class Piece:
    """Some rows of a table, column by column, and the line of the file each stands on."""

    names: tuple[str, ...]
    columns: tuple[Cells, ...]
    lines: Ints
    problems: tuple[Problem, ...] = field(default=())


def pieces(path: Path) -> Iterator[Piece]:
    """The rows of a file.

    Raises:
        FactsInvalid: the file cannot be read at all.
        BadInput: Parquet without pyarrow.
    """
    if path.suffix.lower() in (".parquet", ".pq"):
        yield from _parquet(path)
        return
    try:
        with path.open("rb") as file:
            yield from _Csv(path.name, file).pieces()
    except OSError as error:
        raise _whole(path.name, f"读不了（{error.strerror}）", "核对路径和权限") from None


def _whole(source: str, what: str, mend: str) -> FactsInvalid:
    return FactsInvalid(source, (Problem("整个文件", what, mend),))


class _Csv:
    """Cuts a file of bytes at line ends outside quotes, decodes, and finds the cells."""

    def __init__(self, source: str, file: BinaryIO) -> None:
        self._source, self._file = source, file
        self._encoding = ""  # not known as long as everything is ASCII
        self._line = 1
        self._names: tuple[str, ...] = ()

    def pieces(self) -> Iterator[Piece]:
        for data in self._cut():
            text = self._utf8(data)
            if not self._names:
                first, _, text = text.partition(b"\n")
                self._names = self._header(first)
                self._line = 2
            if text.strip():
                yield self._piece(text)

    def _cut(self) -> Iterator[bytes]:
        rest = b""
        first = True
        while more := self._file.read(PIECE):
            if first:
                more = self._unmarked(more)
                first = False
            data = rest + more
            end = _last_end(data)
            if end < 0 and len(data) > PIECE + MAX_LINE:
                what = f"第 {self._line} 行起 {MAX_LINE:,} 字节没有换行，或引号没有配对"
                raise _whole(self._source, what, "核对换行和引号")
            rest = data[end + 1 :]
            if end >= 0:
                yield data[: end + 1]
        if rest.strip():
            yield rest + b"\n"

    def _unmarked(self, data: bytes) -> bytes:
        if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
            raise _whole(self._source, "是 UTF-16 编码", "另存为 UTF-8 的 CSV")
        if data[:4] in (b"PK\x03\x04", b"\xd0\xcf\x11\xe0"):
            raise _whole(self._source, "是 Excel 文件，不是 CSV", "另存为 CSV（UTF-8）")
        return data.removeprefix(b"\xef\xbb\xbf")

    def _utf8(self, data: bytes) -> bytes:
        if b"\0" in data:
            raise _whole(self._source, "有零字节，不是文本", "另存为 UTF-8 的 CSV")
        if data.isascii():
            return data
        for encoding in [self._encoding] if self._encoding else ["utf-8", "gb18030"]:
            try:
                text = data.decode(encoding)
            except UnicodeDecodeError:
                continue
            self._encoding = encoding
            return data if encoding == "utf-8" else text.encode("utf-8")
        what = f"第 {self._line} 行以后既不是 UTF-8 也不是 GBK 编码"
        raise _whole(self._source, what, "另存为 UTF-8 的 CSV")

    def _header(self, line: bytes) -> tuple[str, ...]:
        rows = list(csv.reader([line.decode("utf-8").rstrip("\r")]))
        return tuple(name.strip() for name in rows[0]) if rows else ()

    def _piece(self, text: bytes) -> Piece:
        data = np.frombuffer(text, np.uint8)
        piece = self._plain(data) or self._quoted(text.decode("utf-8"))
        self._line += text.count(b"\n")
        return piece

    def _plain(self, data: Bytes) -> Piece | None:
        """Cells cut by NumPy, if every row has as many as the header and quotes only stand around
        whole cells."""
        width = len(self._names)
        quote = data == _QUOTE
        quotes = int(np.count_nonzero(quote))
        cut = (data == _COMMA) | (data == _END)
        if quotes:
            cut &= np.bitwise_xor.accumulate(quote.view(np.uint8)) == 0
        ends = np.flatnonzero(cut)
        rows, odd = divmod(len(ends), width)
        if odd or not (data[ends[width - 1 :: width]] == _END).all():
            return None
        if np.count_nonzero(data[ends] == _END) != rows:
            return None
        starts = np.concatenate([[0], ends[:-1] + 1]).astype(np.int64).reshape(rows, width)
        stops = ends.astype(np.int64).reshape(rows, width)
        last = stops[:, -1]
        stops[:, -1] = last - (data[np.maximum(last - 1, 0)] == _RETURN)
        if quotes:
            within = (stops - starts >= 2) & (data[starts] == _QUOTE) & (data[stops - 1] == _QUOTE)
            if 2 * int(np.count_nonzero(within)) != quotes:
                return None
            starts, stops = starts + within, stops - within
        columns = tuple(
            Cells(data, np.ascontiguousarray(starts[:, i]), np.ascontiguousarray(stops[:, i]))
            for i in range(width)
        )
        return Piece(self._names, columns, np.arange(rows, dtype=np.int64) + self._line)

    def _quoted(self, text: str) -> Piece:
        """Cells by the csv module, which knows quotes; rows of a wrong length are complained of."""
        reader = csv.reader(io.StringIO(text, newline=""), strict=True)
        rows, lines, problems = [], [], []
        width, line = len(self._names), self._line
        try:
            for row in reader:
                if len(row) == width:
                    rows.append(row)
                    lines.append(line)
                elif row:
                    what = f"有 {len(row)} 格，表头有 {width} 格"
                    problems.append(Problem(f"第 {line} 行", what, "补齐或删去多的格"))
                line = self._line + reader.line_num
        except csv.Error as error:
            problems.append(Problem(f"第 {line} 行", f"不是 CSV（{error}）", "核对引号和逗号"))
        columns = zip(*rows, strict=True) if rows else [()] * width
        return Piece(
            self._names,
            tuple(Cells.of(list(column)) for column in columns),
            np.array(lines, np.int64),
            tuple(problems),
        )


def _last_end(data: bytes) -> int:
    """The last line end that is not inside quotes, which come in pairs before it."""
    end = data.rfind(b"\n")
    quotes = data.count(b'"', 0, max(end, 0))
    while end >= 0 and quotes % 2:
        before = data.rfind(b"\n", 0, end)
        quotes -= data.count(b'"', max(before, 0), end)
        end = before
    return end


# ── Parquet ───────────────────────────────────────────────────────────────────────────────────────


def _parquet(path: Path) -> Iterator[Piece]:
    try:
        arrow = importlib.import_module("pyarrow")
        parquet = importlib.import_module("pyarrow.parquet")
    except ImportError:
        mend = "安装 pyarrow，或另存为 CSV"
        raise BadInput(path.name, "读 Parquet 要用 pyarrow，这里没有安装", mend) from None
    try:
        file = parquet.ParquetFile(path)
    except (OSError, arrow.ArrowException) as error:
        raise _whole(path.name, f"读不了（{str(error)[:80]}）", "核对文件") from None
    names = tuple(file.schema_arrow.names)
    inexact = [
        name for name in names if arrow.types.is_floating(file.schema_arrow.field(name).type)
    ]
    if inexact:
        what = f"{'、'.join(inexact)} 是二进制小数，不精确"
        raise _whole(path.name, what, "金额和比例存成文本或 decimal")
    line = 1
    for batch in file.iter_batches(batch_size=PARQUET_ROWS):
        lines = np.arange(batch.num_rows, dtype=np.int64) + line
        line += batch.num_rows
        yield Piece(names, tuple(_arrow_cells(arrow, column) for column in batch.columns), lines)


def _arrow_cells(arrow: Any, column: Any) -> Cells:
    if arrow.types.is_list(column.type) or arrow.types.is_large_list(column.type):
        texts = ["" if v is None else f"[{','.join(map(str, v))}]" for v in column.to_pylist()]
        return Cells.of(texts)
    text = column.cast(arrow.string()).fill_null("").cast(arrow.large_string())
    _, offsets, data = text.buffers()
    places = np.frombuffer(offsets, np.int64)[text.offset : text.offset + len(text) + 1]
    letters = np.frombuffer(data, np.uint8) if data is not None and data.size else None
    return Cells(letters if letters is not None else np.zeros(1, np.uint8), places[:-1], places[1:])
