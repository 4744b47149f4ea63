"""An inventory (算力资源清单) as a CSV file: what its columns mean, and what is wrong with a row.

Pure: no Django, no files but the one handed in. The format is docs/reference/inventory-csv.md.
"""

from __future__ import annotations

import codecs
import contextlib
import csv
import io
import re
from collections.abc import Container, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import BinaryIO

from jinsuan.kernel.uscc import UsccInvalid, read_uscc
from jinsuan.registry.capacity import Machine
from jinsuan.registry.catalogue import catalogue, cities, near_models
from jinsuan.registry.errors import InventoryUnreadable

MOST_ROWS = 200_000
MOST_BYTES = 64 * 1024 * 1024
MOST_CARDS = 1_024
MOST_CORES = 100_000
MOST_GIB = 1_000_000
KINDS = ("智算", "通算", "超算", "边缘")
ENGINES = ("slurm", "ray", "kubernetes", "embedded")
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")

HEADERS = {
    "centre": ("centre", "中心代码"),
    "centre_name": ("centre_name", "中心名称"),
    "owner_uscc": ("owner_uscc", "产权单位统一社会信用代码"),
    "city": ("city", "城市"),
    "kind": ("kind", "算力类型"),
    "network": ("network", "网络"),
    "industry": ("industry", "行业"),
    "cluster": ("cluster", "集群"),
    "engine": ("engine", "调度引擎"),
    "node": ("node", "节点"),
    "model": ("model", "加速卡型号"),
    "cards": ("cards", "卡数"),
    "cpu_cores": ("cpu_cores", "CPU核数"),
    "memory_gib": ("memory_gib", "内存GiB"),
}
"""Each column's name, in English and in Chinese; both may head a column."""
OPTIONAL = frozenset({"network", "industry", "model", "cards"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing wrong with one row. Row 1 is the header, as a spreadsheet counts."""

    row: int
    column: str
    value: str
    problem: str
    mend: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CentreLine:
    """What every row of a centre says of it, and says alike."""

    code: str
    name: str
    owner_uscc: str
    adcode: str
    kind: str
    network: str
    industry: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One row that can be read: a node with its cluster and centre."""

    row: int
    centre: CentreLine
    cluster: str
    engine: str
    machine: Machine


@dataclass(frozen=True, slots=True, kw_only=True)
class BadLine:
    """One row that cannot be taken, with every reason."""

    row: int
    problems: tuple[Problem, ...]


def read_inventory(file: BinaryIO) -> tuple[tuple[str, ...], Iterator[Line | BadLine]]:
    """The header, and the rows one by one as they are read.

    Raises:
        InventoryUnreadable: encoding, header, size or form is wrong for the file as a whole; also
            while the rows are read.
    """
    rows = csv.reader(_text(file), strict=True)
    header = tuple(cell.strip() for cell in _next_row(rows) or ())
    return header, _lines(rows, _places(header))


def rows_numbered(file: BinaryIO, wanted: Container[int]) -> Iterator[list[str]]:
    """The header and some rows as they stand in the file, for the list of rejected rows."""
    rows = csv.reader(_text(file), strict=True)
    number = 0
    while (cells := _next_row(rows)) is not None:
        number += 1
        if number == 1 or number in wanted:
            yield cells


def encoding_of(file: BinaryIO) -> str:
    """UTF-8 (with or without mark) if all of it is that, else GB 18030, which holds GBK."""
    if (size := file.seek(0, 2)) > MOST_BYTES:
        raise InventoryUnreadable(
            f"文件有 {size // 1024 // 1024} MiB，超过 {MOST_BYTES // 1024 // 1024} MiB",
            "请按中心拆成几个文件。",
        )
    for encoding in ("utf-8-sig", "gb18030"):
        file.seek(0)
        decoder = codecs.getincrementaldecoder(encoding)()
        try:
            while chunk := file.read(65536):
                decoder.decode(chunk)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            continue
        file.seek(0)
        return encoding
    raise InventoryUnreadable("既不是 UTF-8 也不是 GBK 编码", "请另存为“CSV UTF-8”后再导入。")


def _text(file: BinaryIO) -> Iterator[str]:
    # No newline translation: a cell in quotes may hold line breaks, and those are the reader's.
    text = io.TextIOWrapper(file, encoding_of(file), newline="")
    try:
        for line in text:
            if "\0" in line:
                raise InventoryUnreadable(
                    "含有空字符，不是文本文件", "请另存为 CSV，不要直接改扩展名。"
                )
            yield line
    finally:
        with contextlib.suppress(ValueError):  # the caller may have closed the file already
            text.detach()  # and if not, closing it stays his affair


def _next_row(rows: Iterator[list[str]]) -> list[str] | None:
    try:
        return next(rows, None)
    except csv.Error as error:
        raise InventoryUnreadable(
            f"不是规范的 CSV：{error}", "多半是引号没有成对；请用表格软件另存为 CSV。"
        ) from None


def _places(header: tuple[str, ...]) -> dict[str, int]:
    """Where each column stands."""
    names = {name: key for key, both in HEADERS.items() for name in both}
    places: dict[str, int] = {}
    for place, cell in enumerate(header):
        key = names.get(cell) or names.get(cell.casefold())
        if key is None:
            known = "、".join(chinese for _, chinese in HEADERS.values())
            raise InventoryUnreadable(f"表头里有不认识的列“{cell[:40]}”", f"可用的列：{known}。")
        if key in places:
            raise InventoryUnreadable(f"表头里“{cell}”出现了两次", "请删去多余的一列。")
        places[key] = place
    missing = [HEADERS[key][1] for key in HEADERS if key not in places and key not in OPTIONAL]
    if missing:
        raise InventoryUnreadable(
            f"表头缺少 {'、'.join(missing)}", "第一行应当是表头，中文或英文列名都可以。"
        )
    return places


def _lines(rows: Iterator[list[str]], places: dict[str, int]) -> Iterator[Line | BadLine]:
    """Read rows, each alone and then against those before it."""
    centres: dict[str, tuple[int, CentreLine]] = {}
    engines: dict[tuple[str, str], tuple[int, str]] = {}
    nodes: dict[tuple[str, str, str], int] = {}
    row = 1
    while (cells := _next_row(rows)) is not None:
        row += 1
        if row > MOST_ROWS + 1:
            raise InventoryUnreadable(f"超过 {MOST_ROWS:,} 行", "请按中心拆成几个文件。")
        if not any(cell.strip() for cell in cells):
            continue
        reader = _Row(row, cells, places)
        line = reader.line()
        if line is not None:
            _compare(reader, line, centres, engines, nodes)
        if line is None or reader.problems:
            yield BadLine(row=row, problems=tuple(reader.problems))
            continue
        code = line.centre.code
        centres.setdefault(code, (row, line.centre))
        engines.setdefault((code, line.cluster), (row, line.engine))
        nodes[code, line.cluster, line.machine.name] = row
        yield line


def _compare(
    reader: _Row,
    line: Line,
    centres: dict[str, tuple[int, CentreLine]],
    engines: dict[tuple[str, str], tuple[int, str]],
    nodes: dict[tuple[str, str, str], int],
) -> None:
    """What a row says against the rows before it."""
    code, node = line.centre.code, (line.centre.code, line.cluster, line.machine.name)
    first, said = centres.get(code, (0, line.centre))
    attributes = {
        "centre_name": "name",
        "owner_uscc": "owner_uscc",
        "city": "adcode",
        "kind": "kind",
        "network": "network",
        "industry": "industry",
    }
    for column, attribute in attributes.items():
        if getattr(said, attribute) != getattr(line.centre, attribute):
            reader.wrong(
                column,
                f"与第 {first} 行对中心 {code} 的写法不一致",
                "同一个中心的各行应当写得一样。",
            )
    first, engine = engines.get((code, line.cluster), (0, line.engine))
    if engine != line.engine:
        reader.wrong(
            "engine", f"与第 {first} 行的 {engine} 不一致", "一个集群只有一个调度引擎；请改成一样。"
        )
    if node in nodes:
        reader.wrong(
            "node", f"与第 {nodes[node]} 行是同一个节点", "请删去重复的一行，或改正节点名。"
        )


class _Row:
    """One row being read; collects everything that is wrong with it."""

    def __init__(self, row: int, cells: list[str], places: dict[str, int]) -> None:
        self.row = row
        self.problems: list[Problem] = []
        self._cells = cells
        self._places = places

    def cell(self, column: str) -> str:
        place = self._places.get(column)
        if place is None or place >= len(self._cells):
            return ""
        return self._cells[place].strip()

    def wrong(self, column: str, problem: str, mend: str) -> None:
        self.problems.append(
            Problem(
                row=self.row,
                column=HEADERS[column][1],
                value=self.cell(column)[:80],
                problem=problem,
                mend=mend,
            )
        )

    def line(self) -> Line | None:
        if len(self._cells) > len(self._places):
            extra = len(self._cells) - len(self._places)
            if any(cell.strip() for cell in self._cells[len(self._places) :]):
                self.wrong("centre", f"比表头多出 {extra} 格", "内容里有逗号时请加双引号。")
        centre = CentreLine(
            code=self._name("centre", 40),
            name=self._words("centre_name", 120),
            owner_uscc=self._uscc(),
            adcode=self._city(),
            kind=self._one_of("kind", KINDS),
            network=self._words("network", 40),
            industry=self._words("industry", 40),
        )
        cluster = self._name("cluster", 60)
        engine = self._one_of("engine", ENGINES)
        machine = self._machine()
        if self.problems or machine is None:
            return None
        return Line(row=self.row, centre=centre, cluster=cluster, engine=engine, machine=machine)

    def _machine(self) -> Machine | None:
        name = self._name("node", 120)
        cards = self._whole("cards", MOST_CARDS)
        model = self._model(cards)
        cpu = self._scaled("cpu_cores", 1000, MOST_CORES, "核数至多三位小数")
        memory = self._scaled("memory_gib", 1024, MOST_GIB, "应当是 1/1024 GiB（1 MiB）的整数倍")
        if cpu is None or memory is None or cards is None:
            return None
        return Machine(name=name, model=model, cards=cards, cpu_milli=cpu, memory_mib=memory)

    def _name(self, column: str, most: int) -> str:
        text = self.cell(column)
        if not text:
            self.wrong(column, "没有填写", "这一列每行都要填。")
        elif len(text) > most or not NAME.fullmatch(text):
            self.wrong(
                column,
                "不是可用的名称",
                f"只用字母、数字、点、短横和下划线，以字母或数字开头，至多 {most} 个字符。",
            )
        return text

    def _words(self, column: str, most: int) -> str:
        text = self.cell(column)
        if not text and column not in OPTIONAL:
            self.wrong(column, "没有填写", "这一列每行都要填。")
        if len(text) > most or any(ord(c) < 32 for c in text):
            self.wrong(
                column, f"太长或含有换行等控制字符（共 {len(text)} 字）", f"至多 {most} 字。"
            )
        return text

    def _uscc(self) -> str:
        try:
            return read_uscc(self.cell("owner_uscc"))
        except UsccInvalid as error:
            self.wrong("owner_uscc", error.problem, "请对照营业执照或法人证书核对。")
            return ""

    def _city(self) -> str:
        text = self.cell("city")
        for adcode, city in cities().items():
            if text in (adcode, city.name, city.name.removesuffix("市")):
                return adcode
        names = "、".join(city.name for city in cities().values())
        self.wrong("city", "不是本省的市", f"请填市名或六位行政区划代码：{names}。")
        return ""

    def _one_of(self, column: str, known: tuple[str, ...]) -> str:
        text = self.cell(column).casefold()
        if text not in known:
            self.wrong(column, "不是可用的取值", f"请填其中之一：{'、'.join(known)}。")
        return text

    def _whole(self, column: str, most: int) -> int | None:
        text = self.cell(column) or "0"
        if not re.fullmatch(r"[0-9]{1,9}", text) or int(text) > most:
            self.wrong(column, f"应为 0 至 {most:,} 的整数", "没有加速卡的节点填 0 或留空。")
            return None
        return int(text)

    def _model(self, cards: int | None) -> str | None:
        text = self.cell("model")
        if cards is not None and bool(text) != bool(cards):
            column = "cards" if text else "model"
            said = f"写了型号，卡数却是 {cards}" if text else f"卡数是 {cards}，却没有写型号"
            self.wrong(column, said, "有卡的节点型号和卡数都要填，没有卡的都留空。")
        if text and text not in catalogue():
            near = near_models(text)
            meant = f"您要写的可能是：{'、'.join(near)}。" if near else ""
            self.wrong(
                "model",
                "加速卡目录里没有这个型号",
                f"{meant}目录里确实没有的，请联系平台运营先收录，并提供厂商资料。",
            )
        return text or None

    def _scaled(self, column: str, scale: int, most: int, rule: str) -> int | None:
        """A decimal number, exactly, in thousandths of a core or in MiB."""
        text = self.cell(column)
        if not re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,12})?", text):
            self.wrong(column, "不是数字", "请填不带单位和千分位的数，如 96 或 1024.5。")
            return None
        exact = Fraction(text) * scale
        if exact.denominator != 1:
            self.wrong(column, "小数位太多", f"{rule}。")
            return None
        if not 0 < exact <= most * scale:
            self.wrong(column, f"应大于 0，且不超过 {most:,}", "请核对单位。")
            return None
        return exact.numerator
