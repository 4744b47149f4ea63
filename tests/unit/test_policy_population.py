"""Files of applicants: what can be read is read exactly, the rest is refused row by row."""

from __future__ import annotations

import csv
import importlib
import io
import sys
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from jinsuan.kernel.errors import BadInput
from jinsuan.policy import population as reading, tables
from jinsuan.policy.cells import BadCell, Cells, read_cells
from jinsuan.policy.errors import FactsInvalid, Problem
from jinsuan.policy.library import load_pack
from jinsuan.policy.made_up import as_csv, made_up
from jinsuan.policy.pack import Base, Fact
from jinsuan.policy.population import Population, read_population
from jinsuan.policy.values import Unreadable, read_list, read_plain


def fact(name: str, base: Base, low: int = 0, high: int = 10**15, **more: object) -> Fact:
    return Fact(name=name, base=base, label=name, line=1, low=low, high=high, **more)  # type: ignore[arg-type]


DAYS = (date(1949, 10, 1).toordinal(), date(2199, 12, 31).toordinal())
FACTS = {
    f.name: f
    for f in (
        fact("fee", Base.MONEY),
        fact("racks", Base.COUNT, high=1000, unit="架"),
        fact("share", Base.RATIO, high=10_000, places=4),
        fact("new", Base.BOOL, high=1),
        fact("since", Base.DATE, *DAYS),
        fact("kind", Base.ENUM, high=1, options=(("firm", "企业"), ("school", "高校"))),
        fact("parts", Base.LIST, item=Base.MONEY, max_items=3),
    )
}


def read(tmp_path: Path, content: str | bytes) -> Population:
    path = tmp_path / "主体.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
    return read_population(path, FACTS)


def problems(tmp_path: Path, content: str | bytes) -> tuple[Problem, ...]:
    with pytest.raises(FactsInvalid) as refused:
        read(tmp_path, content)
    assert refused.value.source == "主体.csv"
    return refused.value.problems


def values(population: Population, name: str) -> list[int | None]:
    column = population.columns[name]
    gone = [False] * population.size if column.missing is None else column.missing.tolist()
    plain = column.values.tolist()
    return [None if blank else int(v) for v, blank in zip(plain, gone, strict=True)]


ROWS = """\
id,applied_on,fee,racks,share,new,since,kind
a,2025-03-01,50000000.07,12,0.1801,yes,2024-02-29,firm
b,2025-03-02,0.1,0,0,否,1949-10-01,school
c,,?,,1,true,,
"""


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(ROWS, id="UTF-8"),
        pytest.param("\ufeff" + ROWS, id="with a mark"),
        pytest.param(ROWS.encode("gbk"), id="GBK"),
        pytest.param(ROWS.replace("\n", "\r\n"), id="line ends of Windows"),
        pytest.param(ROWS.rstrip("\n"), id="no last line end"),
        pytest.param(ROWS + "\n\n", id="blank lines at the end"),
        pytest.param(ROWS.replace("firm", '"firm"'), id="quotes"),
        pytest.param(ROWS.replace("12,", " 12 ,"), id="spaces"),
    ],
)
def test_every_type_is_read_exactly(tmp_path: Path, content: str | bytes) -> None:
    found = read(tmp_path, content)

    assert [found.name(row) for row in range(3)] == ["a", "b", "c"]
    assert values(found, "fee") == [5_000_000_007, 10, None]
    assert values(found, "racks") == [12, 0, None]
    assert values(found, "share") == [1801, 0, 10_000]
    assert values(found, "new") == [1, 0, 1]
    assert values(found, "since") == [date(2024, 2, 29).toordinal(), DAYS[0], None]
    assert values(found, "kind") == [0, 1, None]
    assert found.applied_on is not None
    assert found.applied_on.values[:2].tolist() == [date(2025, 3, d).toordinal() for d in (1, 2)]
    assert found.applied_on.missing is not None
    assert found.applied_on.missing.tolist() == [False, False, True]
    assert found.without_column(FACTS) == ["parts"]


def test_lists_stand_in_quotes(tmp_path: Path) -> None:
    found = read(tmp_path, 'id,parts\na,"[1.00,2.5]"\nb,[]\nc,?\nd,[7]\n').columns["parts"]

    assert found.values.tolist() == [100, 250, 700]
    assert found.starts is not None
    assert found.starts.tolist() == [0, 2, 2, 2, 3]
    assert found.missing is not None
    assert found.missing.tolist() == [False, False, True, False]


@pytest.mark.parametrize(
    ("row", "place", "words"),
    [
        ("a,0.123,1", "第 2 行 fee", "不是金额"),
        ("a,1e5,1", "第 2 行 fee", "不是金额"),
        ('a,"1,000.00",1', "第 2 行 fee", "不是金额"),
        ("a,-0.01,1", "第 2 行 fee", "不在"),
        ("a,12万元,1", "第 2 行 fee", "不是金额"),
        ("a,99999999999999999999,1", "第 2 行 fee", "不在"),
        ("a,nan,1", "第 2 行 fee", "不是金额"),
        ("a,１２,1", "第 2 行 fee", "不是金额"),
        ("a,1.00,1.0", "第 2 行 racks", "不是整数"),
        ("a,1.00,1001", "第 2 行 racks", "不在"),
        ("a,1.00", "第 2 行", "有 2 格，表头有 3 格"),
        ("a,1.00,1,", "第 2 行", "有 4 格，表头有 3 格"),
        (",1.00,1", "第 2 行 id", "没有编号"),
        ("x" * 65 + ",1.00,1", "第 2 行 id", "65 字节"),
        ('a,"1.00"x,1', "第 2 行", "不是 CSV"),
    ],
)
def test_a_bad_cell_is_named_by_row_and_column(
    tmp_path: Path, row: str, place: str, words: str
) -> None:
    (found,) = problems(tmp_path, f"id,fee,racks\n{row}\nb,1.00,1\n")

    assert found.place == place
    assert words in found.what
    assert found.mend


def test_every_bad_row_is_reported_at_once_with_its_line(tmp_path: Path) -> None:
    found = problems(tmp_path, 'id,fee,racks\na,x,1\n"b",1.00,1\nc,1.00,?\nd,1.00,y\n')

    assert [p.place for p in found] == ["第 2 行 fee", "第 5 行 racks"]


def test_a_file_of_nonsense_is_not_reported_to_the_end(tmp_path: Path) -> None:
    found = problems(tmp_path, "id,fee\n" + "".join(f"{i},x\n" for i in range(5000)))

    assert len(found) == reading.MOST_PROBLEMS


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("id,fees\na,1\n", "最接近的是 fee"),
        ("fee\n1.00\n", "没有 id 这一列"),
        ("id,fee,fee\na,1,1\n", "写了两次"),
        ("", "一行也没有"),
        ("id,fee\n", "一行也没有"),
        ("id,fee\na,1\n".encode("utf-16"), "UTF-16"),
        (b"PK\x03\x04rest", "Excel"),
        (b"id,fee\na,\x00\n", "零字节"),
        (b"id,fee\n\xff\xff\xff,1\n", "既不是 UTF-8 也不是 GBK"),
        ("id,fee\n甲,1\n".encode() + "乙".encode("gbk") + b",2\n", "既不是 UTF-8 也不是 GBK"),
        ("id,fee\na,1.00\nb,1.00\na,2.00\n", "与第 2 行相同"),
    ],
)
def test_a_file_as_a_whole_is_refused(tmp_path: Path, content: str | bytes, words: str) -> None:
    assert any(words in str(found) for found in problems(tmp_path, content))


def test_a_line_without_end_does_not_fill_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "PIECE", 1000)
    monkeypatch.setattr(tables, "MAX_LINE", 1000)

    (found,) = problems(tmp_path, 'id,fee\n"' + "a,1.00\n" * 1000)

    assert "引号没有配对" in found.what


@pytest.mark.parametrize("piece", [64, 333, 8 * 2**20])
@pytest.mark.parametrize("encoding", ["utf-8", "gbk"])
def test_what_is_written_is_read_again_whatever_the_pieces(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, piece: int, encoding: str
) -> None:
    monkeypatch.setattr(tables, "PIECE", piece)
    pack = load_pack("shanxi-2024-35")
    made = made_up(pack, 40, 7, unknown=100)
    path = tmp_path / "made.csv"
    path.write_text("".join(as_csv(made, pack.facts)), encoding)

    found = read_population(path, pack.facts)

    assert found.ids.tolist() == made.ids.tolist()
    assert found.applied_on is not None
    assert made.applied_on is not None
    assert found.applied_on.values.tolist() == made.applied_on.values.tolist()
    assert found.columns.keys() == made.columns.keys()
    for name, column in made.columns.items():
        again = found.columns[name]
        assert again.values.tolist() == column.values.tolist(), name
        for mine, its in ((again.missing, column.missing), (again.starts, column.starts)):
            assert (None if mine is None else mine.tolist()) == (
                None if its is None else its.tolist()
            )


def test_a_made_up_population_is_the_same_again_and_says_that_it_is_made_up() -> None:
    pack = load_pack("shanxi-2024-35")

    one, two, other = (made_up(pack, 30, seed) for seed in (1, 1, 2))

    assert list(as_csv(one, pack.facts)) == list(as_csv(two, pack.facts))
    assert list(as_csv(one, pack.facts)) != list(as_csv(other, pack.facts))
    assert all(one.name(row).startswith("虚构-") for row in range(30))


spelt = st.text("0123456789.-+ ?", max_size=22) | st.sampled_from(
    (
        *("yes", "no", "是", "否", "TRUE", "firm", "school", "[1.00,2.00]", "[1.001]"),
        *("2024-02-29", "2023-02-29", "2024-13-01", "20240301", "2024-1-01"),
        *("1949-09-30", "2200-01-01", "0000-01-01", "+1.00", "00012.5", "1.", ".5"),
    )
)


@settings(max_examples=200, deadline=None)
@given(texts=st.lists(spelt, min_size=1, max_size=12), name=st.sampled_from(sorted(FACTS)))
def test_the_quick_way_reads_what_the_careful_way_reads(texts: list[str], name: str) -> None:
    wanted = FACTS[name]
    bad: list[BadCell] = []

    column = read_cells(wanted, Cells.of(texts), bad)

    refused = {cell.row for cell in bad}
    for row, text in enumerate(texts):
        one = column.part(row, row + 1)
        blank = one.missing is not None and bool(one.missing[0])
        try:
            careful = text.strip()
            if careful in ("", "?"):
                assert blank
                assert row not in refused
                continue
            expected = (
                list(read_list(careful, wanted))
                if wanted.base is Base.LIST
                else [read_plain(careful, wanted)]
            )
        except Unreadable:
            assert row in refused
            continue
        assert row not in refused
        assert not blank
        assert [int(v) for v in one.values] == expected


def test_parquet_without_its_library_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("pyarrow", "pyarrow.parquet"):
        monkeypatch.setitem(sys.modules, module, None)  # as where it is not installed
    path = tmp_path / "a.parquet"
    path.write_bytes(b"PAR1")

    with pytest.raises(BadInput) as refused:
        read_population(path, FACTS)

    assert "pyarrow" in refused.value.explain()


def test_parquet_is_read_like_csv_and_never_as_binary_fractions(tmp_path: Path) -> None:
    arrow = importlib.import_module("pyarrow")
    parquet = importlib.import_module("pyarrow.parquet")
    rows = list(csv.DictReader(io.StringIO(ROWS)))
    table = {name: [row[name] or None for row in rows] for name in rows[0]}
    parquet.write_table(arrow.table(table), tmp_path / "a.parquet")
    parquet.write_table(
        arrow.table({"id": ["a"], "fee": np.array([1], np.double)}), tmp_path / "b.parquet"
    )

    found = read_population(tmp_path / "a.parquet", FACTS)

    assert values(found, "fee") == [5_000_000_007, 10, None]
    assert values(found, "since")[0] == date(2024, 2, 29).toordinal()
    with pytest.raises(FactsInvalid, match="二进制小数"):
        read_population(tmp_path / "b.parquet", FACTS)
