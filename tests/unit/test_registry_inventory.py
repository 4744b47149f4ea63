"""An inventory file: what is read, and what is said of a row that is wrong."""

from __future__ import annotations

import io

import pytest

from jinsuan.registry.catalogue import near_models
from jinsuan.registry.errors import InventoryUnreadable
from jinsuan.registry.inventory import HEADERS, BadLine, Line, read_inventory, rows_numbered
from tests.flows.world import uscc

CHINESE = ",".join(chinese for _, chinese in HEADERS.values())
ENGLISH = ",".join(HEADERS)
GOOD = {
    "centre": "TY01",
    "centre_name": "太原中心",
    "owner_uscc": uscc(1),
    "city": "太原",
    "kind": "智算",
    "network": "电信",
    "industry": "通用",
    "cluster": "main",
    "engine": "slurm",
    "node": "n1",
    "model": "Ascend 910B3",
    "cards": "8",
    "cpu_cores": "192",
    "memory_gib": "1024",
}


def line(**change: str) -> str:
    return ",".join({**GOOD, **change}.values())


def file(*lines: str, header: str = CHINESE, encoding: str = "utf-8") -> io.BytesIO:
    return io.BytesIO("\r\n".join([header, *lines, ""]).encode(encoding))


def read(*lines: str) -> list[Line | BadLine]:
    return list(read_inventory(file(*lines))[1])


@pytest.mark.parametrize("header", [CHINESE, ENGLISH, ENGLISH.upper()])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gbk"])
def test_headers_in_both_languages_and_three_encodings(header: str, encoding: str) -> None:
    [found] = read_inventory(file(line(), header=header, encoding=encoding))[1]

    assert isinstance(found, Line)
    assert (found.row, found.centre.name, found.centre.adcode) == (2, "太原中心", "140100")
    machine = found.machine
    assert (machine.model, machine.cards) == ("Ascend 910B3", 8)
    assert (machine.cpu_milli, machine.memory_mib) == (192_000, 1024 * 1024)


def test_columns_may_stand_in_any_order_and_optional_ones_may_be_missing() -> None:
    kept = [c for c in reversed(GOOD) if c not in ("network", "industry", "model", "cards")]
    text = ",".join(GOOD[c] for c in kept)
    [found] = read_inventory(file(text, header=",".join(kept)))[1]

    assert isinstance(found, Line)
    assert found.machine.model is None
    assert found.machine.cards == 0
    assert found.centre.network == ""


@pytest.mark.parametrize(
    ("change", "column", "words"),
    [
        ({"centre": ""}, "中心代码", "没有填写"),
        ({"centre": "太原 1"}, "中心代码", "名称"),
        ({"owner_uscc": "123"}, "产权单位统一社会信用代码", "18 位"),
        ({"city": "北京"}, "城市", "不是本省"),
        ({"kind": "量子"}, "算力类型", "智算、通算、超算、边缘"),
        ({"engine": "pbs"}, "调度引擎", "slurm"),
        ({"node": "../etc"}, "节点", "名称"),
        ({"model": ""}, "加速卡型号", "没有写型号"),
        ({"cards": "0"}, "卡数", "卡数却是 0"),
        ({"cards": "-1"}, "卡数", "整数"),
        ({"cards": "8.5"}, "卡数", "整数"),
        ({"cards": "９"}, "卡数", "整数"),
        ({"cpu_cores": "0"}, "CPU核数", "大于 0"),
        ({"cpu_cores": "1.0005"}, "CPU核数", "小数"),
        ({"cpu_cores": "1e3"}, "CPU核数", "不是数字"),
        ({"memory_gib": "1TB"}, "内存GiB", "不是数字"),
        ({"memory_gib": "0.3"}, "内存GiB", "1 MiB"),
        ({"centre_name": "名" * 121}, "中心名称", "太长"),
    ],
)
def test_a_wrong_cell_is_named_with_row_column_value_and_mend(
    change: dict[str, str], column: str, words: str
) -> None:
    [good, bad] = read(line(node="n0"), line(**change))

    assert isinstance(good, Line)
    assert isinstance(bad, BadLine)
    [problem] = [p for p in bad.problems if p.column == column]
    assert problem.row == 3
    assert words in problem.problem + problem.mend
    assert problem.mend
    assert problem.value == next(iter(change.values()))[:80]


def test_everything_wrong_with_a_row_is_said_at_once() -> None:
    [bad] = read(line(city="北京", kind="量子", cards="x", memory_gib=""))

    assert isinstance(bad, BadLine)
    assert {p.column for p in bad.problems} == {"城市", "算力类型", "卡数", "内存GiB"}


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("ascend 910b3", "Ascend 910B3"),
        ("910B3", "Ascend 910B3"),
        ("昇腾910B", "Ascend 910B3"),
        ("A800 SXM4 80G", "A800-SXM4-80GB"),
        ("曦云C500", "C500 PCIe (曦云C500)"),
        ("K100AI", "DCU K100_AI"),
    ],
)
def test_an_unknown_model_suggests_what_was_meant(written: str, meant: str) -> None:
    assert meant in near_models(written, most=5)
    [bad] = read(line(model=written))
    assert isinstance(bad, BadLine)
    assert "加速卡目录里没有" in bad.problems[0].problem


def test_nothing_near_suggests_nothing() -> None:
    assert near_models("量子") == []


def test_rows_are_compared_with_those_before_them() -> None:
    found = read(
        line(),
        line(node="n2", centre_name="别的名字", city="大同"),
        line(node="n3", engine="ray"),
        line(),
        line(node="n4"),
    )
    words = [
        [p.problem for p in item.problems] if isinstance(item, BadLine) else [] for item in found
    ]

    assert words[0] == words[4] == []
    assert len(words[1]) == 2
    assert all("第 2 行" in w for w in words[1])
    assert "slurm" in words[2][0]
    assert "与第 2 行是同一个节点" in words[3][0]


def test_empty_rows_do_not_count_but_keep_the_numbers_right() -> None:
    [first, second] = read(line(), "", ",,,,,,,,,,,,,", line(node="n2", city="北京"))

    assert first.row == 2
    assert isinstance(second, BadLine)
    assert second.row == 4 or second.row == 5


def test_a_quoted_comma_and_a_line_break_in_a_cell_are_one_cell() -> None:
    [found] = read(line(industry='"煤炭,化工"'))
    assert isinstance(found, Line)
    assert found.centre.industry == "煤炭,化工"
    [bad] = read(line(industry='"煤炭\n化工"'))
    assert isinstance(bad, BadLine)


def test_a_row_that_is_longer_than_the_header_is_wrong_not_cut() -> None:
    [bad] = read(line(centre_name="太原,中心"))
    assert isinstance(bad, BadLine)
    [short] = read("TY01,太原中心")
    assert isinstance(short, BadLine)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "缺少"),
        ("中心代码,节点\r\n".encode(), "缺少"),
        ((CHINESE + ",备注\r\n").encode(), "备注"),
        ((CHINESE + ",节点\r\n").encode(), "两次"),
        (b"\xff\xff\x00\x81", "编码"),
        ((CHINESE + '\r\n"TY01').encode(), "CSV"),
        ((CHINESE + "\r\nTY\0").encode(), "空字符"),
    ],
)
def test_a_file_that_is_no_inventory_is_refused_as_a_whole(content: bytes, words: str) -> None:
    with pytest.raises(InventoryUnreadable) as refused:
        list(read_inventory(io.BytesIO(content))[1])
    assert words in refused.value.explain()


def test_rejected_rows_come_out_as_they_stand() -> None:
    both = file(line(), line(node="坏"), line(node="n3"), encoding="gbk")
    assert [row[9] for row in rows_numbered(both, {3})] == ["节点", "坏"]
