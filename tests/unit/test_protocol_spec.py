"""What a job specification may say, and the Chinese answer to what it may not."""

from __future__ import annotations

from typing import Any

import pytest

from jinsuan.kernel.money import Money
from jinsuan.protocol.errors import Problem, SpecInvalid
from jinsuan.protocol.parse import parse_spec
from jinsuan.protocol.spec import Accelerators, JobSpec

BASE: dict[str, Any] = {"name": "微调", "run": "python train.py", "max_duration": "2h"}
VOUCHER = "voucher_0123456789abcdefghjkmnpqrs"


def parse(**changes: object) -> JobSpec:
    return parse_spec({**BASE, **changes})


def problems(raw: object) -> tuple[Problem, ...]:
    with pytest.raises(SpecInvalid) as refused:
        parse_spec(raw)
    return refused.value.problems


def problem(**changes: object) -> Problem:
    (only,) = problems({**BASE, **changes})
    return only


def test_the_smallest_order_takes_the_defaults() -> None:
    spec = parse()

    assert (spec.num_nodes, spec.priority, spec.max_seconds) == (1, 50, 7200)
    assert spec.resources.accelerators == ()
    assert (spec.resources.cpu_milli, spec.resources.memory_mib) == (1000, 1024)
    assert (spec.budget.total, spec.budget.voucher) == (None, "auto")


def test_keys_without_a_value_count_as_not_written() -> None:
    keys = ["num_nodes", "resources", "envs", "image", "budget", "placement", "priority", "labels"]
    empty = parse(**dict.fromkeys(keys))
    inner = parse(
        resources={"accelerators": None, "cpus": None, "memory": None},
        budget={"total": None, "currency": None, "voucher": None},
        placement={"require": {"city": None, "centre": None, "domestic": None}, "exclude": None},
    )

    assert empty == inner == parse()


@pytest.mark.parametrize(
    ("written", "cards"),
    [
        ("Ascend 910B3:8", [("Ascend 910B3", 8, 1000)]),
        ("昇腾", None),
        ("T4:0.5", [("T4", 1, 500)]),
        ("T4:1.0", [("T4", 1, 1000)]),
        ("T4", [("T4", 1, 1000)]),
        ("H100:8+", [("H100", 8, 1000)]),
        ({"H800": 8}, [("H800", 8, 1000)]),
        ({"T4": "0.25"}, [("T4", 1, 250)]),
        ({910: 4}, [("910", 4, 1000)]),
        (["H800:8", "Ascend 910B3:8"], [("H800", 8, 1000), ("Ascend 910B3", 8, 1000)]),
        (["H800:8", {"T4": 2}], [("H800", 8, 1000), ("T4", 2, 1000)]),
        ([], []),
    ],
)
def test_accelerators_have_several_spellings(
    written: object, cards: list[tuple[str, int, int]] | None
) -> None:
    if cards is None:
        assert "读不懂" in problem(resources={"accelerators": written}).problem
        return
    read = parse(resources={"accelerators": written}).resources.accelerators
    assert read == tuple(Accelerators(model=m, count=n, card_milli=k) for m, n, k in cards)


@pytest.mark.parametrize(
    ("written", "milli"), [(8, 8000), ("8", 8000), ("8+", 8000), ("0.5", 500), ("0.001", 1)]
)
def test_cores_may_be_thousandths(written: object, milli: int) -> None:
    assert parse(resources={"cpus": written}).resources.cpu_milli == milli


@pytest.mark.parametrize(
    ("written", "mib"),
    [
        (64, 65536),
        ("64", 65536),
        ("64+", 65536),
        ("64GB", 65536),
        ("64gib", 65536),
        ("64 G", 65536),
        ("64GB..", 65536),
        ("512MiB", 512),
        ("512mb", 512),
        ("1TB", 1048576),
        ("1.5GB", 1536),
    ],
)
def test_memory_has_units_and_counts_in_1024(written: object, mib: int) -> None:
    assert parse(resources={"memory": written}).resources.memory_mib == mib


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("90s", 90),
        ("90m", 5400),
        ("2h", 7200),
        ("1d12h", 129600),
        ("1d2h3m4s", 93784),
        ("00:00:01", 1),
        ("12:00:00", 43200),
        ("1-12:00:00", 129600),
        ("2-6", 194400),
        ("2-06:30", 196200),
        ("365d", 31536000),
        (" 2h ", 7200),
    ],
)
def test_durations_come_with_units_or_as_sbatch_writes_them(written: str, seconds: int) -> None:
    assert parse(max_duration=written).max_seconds == seconds


@pytest.mark.parametrize(
    ("written", "fen"),
    [
        (3000, 300000),
        ("3000", 300000),
        ("0.01", 1),
        ("3,000.5", 300050),
        ("1，234，567", 123456700),
    ],
)
def test_a_budget_is_yuan(written: object, fen: int) -> None:
    assert parse(budget={"total": written}).budget.total == Money(fen)


def test_a_budget_alone_is_limit_enough() -> None:
    spec = parse_spec({"name": "a", "run": "b", "budget": {"total": "1"}})

    assert spec.max_seconds is None


@pytest.mark.parametrize("voucher", ["auto", "none", VOUCHER])
def test_vouchers_are_automatic_none_or_one(voucher: str) -> None:
    assert parse(budget={"voucher": voucher}).budget.voucher == voucher


def test_places_are_one_name_or_several() -> None:
    where = parse(
        placement={
            "require": {"city": "太原", "centre": ["C01"], "domestic": True},
            "exclude": "C9",
        }
    ).where

    assert (where.cities, where.centres, where.exclude) == (("太原",), ("C01",), ("C9",))
    assert where.domestic


def test_whole_numbers_are_welcome_as_environment_values() -> None:
    assert parse(envs={"EPOCHS": 3, "LR": "0.1"}).envs == (("EPOCHS", "3"), ("LR", "0.1"))


def test_priority_nought_is_not_forgotten() -> None:
    lowest = parse(priority=0)

    assert lowest.plain()["priority"] == 0
    assert parse_spec(lowest.plain()).priority == 0
    assert lowest.digest() != parse().digest()


@pytest.mark.parametrize("key", ["accelerators", "cpus", "memory"])
def test_fractions_without_quotation_marks_are_told_to_put_them_on(key: str) -> None:
    value: object = {"T4": 0.5} if key == "accelerators" else 0.5
    found = problem(resources={key: value})

    assert found.path == f"resources.{key}"
    assert "没有加引号" in found.problem
    assert "加引号" in found.mend


def test_a_fraction_among_the_environment_is_told_so_too() -> None:
    assert "加引号" in problem(envs={"LR": 0.1}).mend


BAD = [
    ({"name": ""}, "name", "没有写"),
    ({"name": "  "}, "name", "没有写"),
    ({"name": 7}, "name", "不是文本"),
    ({"name": "字" * 41}, "name", "超过 120 字节"),
    ({"name": "a\nb"}, "name", "控制字符"),
    ({"name": "a\x00"}, "name", "控制字符"),
    ({"name": "a\x7f"}, "name", "控制字符"),
    ({"name": "a\u202eb"}, "name", "控制字符"),
    ({"name": "a\ud800"}, "name", "控制字符"),
    ({"run": ["a", "b"]}, "run", "不是文本"),
    ({"run": "x" * 65537}, "run", "超过 65536 字节"),
    ({"run": "echo \x1b[31m"}, "run", "控制字符"),
    ({"num_nodes": 0}, "num_nodes", "1 到 1024"),
    ({"num_nodes": 1025}, "num_nodes", "1 到 1024"),
    ({"num_nodes": True}, "num_nodes", "1 到 1024"),
    ({"num_nodes": "two"}, "num_nodes", "1 到 1024"),
    ({"num_nodes": 1.0}, "num_nodes", "没有加引号"),
    ({"num_nodes": 10**5000}, "num_nodes", "1 到 1024"),
    ({"priority": -1}, "priority", "0 到 100"),
    ({"priority": 101}, "priority", "0 到 100"),
    ({"priority": False}, "priority", "0 到 100"),
    ({"resources": []}, "resources", "键: 值"),
    ({"resources": {"cpus": 0}}, "resources.cpus", "应大于 0"),
    ({"resources": {"cpus": -1}}, "resources.cpus", "不带符号"),
    ({"resources": {"cpus": "0.0001"}}, "resources.cpus", "三位小数"),
    ({"resources": {"cpus": 1_000_001}}, "resources.cpus", "至多 1000000"),
    ({"resources": {"cpus": True}}, "resources.cpus", "不带符号"),
    ({"resources": {"cpus": "８"}}, "resources.cpus", "不带符号"),
    ({"resources": {"memory": "0"}}, "resources.memory", "大于 0"),
    ({"resources": {"memory": "64KB"}}, "resources.memory", "读不懂内存"),
    ({"resources": {"memory": "0.5MiB"}}, "resources.memory", "整 MiB"),
    ({"resources": {"memory": "1073741824GB"}}, "resources.memory", "至多 1024TiB"),
    ({"resources": {"memory": "1.2.3GB"}}, "resources.memory", "三位小数"),
    ({"resources": {"accelerators": "T4:0"}}, "resources.accelerators", "应大于 0"),
    ({"resources": {"accelerators": "T4:1.5"}}, "resources.accelerators", "整卡"),
    ({"resources": {"accelerators": "T4:65"}}, "resources.accelerators", "1 至 64"),
    ({"resources": {"accelerators": "T4:-1"}}, "resources.accelerators", "不带符号"),
    ({"resources": {"accelerators": ":8"}}, "resources.accelerators", "读不懂"),
    ({"resources": {"accelerators": "A:B:8"}}, "resources.accelerators", "读不懂"),
    ({"resources": {"accelerators": 8}}, "resources.accelerators", "读不懂"),
    ({"resources": {"accelerators": ["T4", 8]}}, "resources.accelerators[1]", "读不懂"),
    ({"resources": {"accelerators": ["T4", None]}}, "resources.accelerators[1]", "读不懂"),
    ({"resources": {"accelerators": {"T4": True}}}, "resources.accelerators", "不带符号"),
    ({"resources": {"accelerators": {"T4": {}}}}, "resources.accelerators", "不带符号"),
    ({"max_duration": "2"}, "max_duration", "读不懂时长"),
    ({"max_duration": 120}, "max_duration", "读不懂时长"),
    ({"max_duration": "30:00"}, "max_duration", "读不懂时长"),
    ({"max_duration": "01:60:00"}, "max_duration", "读不懂时长"),
    ({"max_duration": "12h1d"}, "max_duration", "读不懂时长"),
    ({"max_duration": "-2h"}, "max_duration", "读不懂时长"),
    ({"max_duration": "2 h"}, "max_duration", "读不懂时长"),
    ({"max_duration": ""}, "max_duration", "读不懂时长"),
    ({"max_duration": "９0m"}, "max_duration", "读不懂时长"),
    ({"max_duration": "off"}, "max_duration", "读不懂时长"),
    ({"max_duration": True}, "max_duration", "读不懂时长"),
    ({"max_duration": ["2h"]}, "max_duration", "读不懂时长"),
    ({"max_duration": "0s"}, "max_duration", "应大于 0"),
    ({"max_duration": "366d"}, "max_duration", "不超过 365 天"),
    ({"budget": "3000"}, "budget", "键: 值"),
    ({"budget": {"total": "-5"}}, "budget.total", "正的元数"),
    ({"budget": {"total": -5}}, "budget.total", "正的元数"),
    ({"budget": {"total": 0}}, "budget.total", "应大于 0"),
    ({"budget": {"total": "1.234"}}, "budget.total", "两位小数"),
    ({"budget": {"total": "3,00"}}, "budget.total", "千位"),
    ({"budget": {"total": "1,2345"}}, "budget.total", "千位"),
    ({"budget": {"total": "1e3"}}, "budget.total", "正的元数"),
    ({"budget": {"total": "¥30"}}, "budget.total", "正的元数"),
    ({"budget": {"total": "1000000000.01"}}, "budget.total", "不超过"),
    ({"budget": {"total": 10**400}}, "budget.total", "正的元数"),
    ({"budget": {"total": True}}, "budget.total", "正的元数"),
    ({"budget": {"total": 0.5}}, "budget.total", "没有加引号"),
    ({"budget": {"currency": "USD"}}, "budget.currency", "人民币"),
    ({"budget": {"voucher": "some"}}, "budget.voucher", "auto"),
    ({"budget": {"voucher": VOUCHER.upper()}}, "budget.voucher", "auto"),
    ({"budget": {"voucher": True}}, "budget.voucher", "auto"),
    ({"placement": {"require": {"domestic": "yes"}}}, "placement.require.domestic", "true"),
    ({"placement": {"require": {"city": [1]}}}, "placement.require.city", "名称"),
    ({"placement": {"require": {"city": ""}}}, "placement.require.city", "名称"),
    ({"placement": {"require": {"city": " "}}}, "placement.require.city", "名称"),
    ({"placement": {"exclude": ["x" * 81]}}, "placement.exclude", "名称"),
    ({"placement": {"exclude": ["x"] * 101}}, "placement.exclude", "100"),
    ({"envs": ["A=1"]}, "envs", "名: 值"),
    ({"envs": {"1A": "x"}}, "envs.1A", "名不合规"),
    ({"envs": {"A": True}}, "envs.A", "值不是文本"),
    ({"envs": {"A": None}}, "envs.A", "值不是文本"),
    ({"envs": {"A": "\x00"}}, "envs.A", "控制字符"),
    ({"envs": {"A": 10**5000}}, "envs.A", "值不是文本"),
    ({"envs": {"A": "x" * 32769}}, "envs.A", "超过 32768"),
    ({"envs": {f"A{i}": "x" for i in range(257)}}, "envs", "256"),
    ({"labels": {"a": "x\n"}}, "labels.a", "控制字符"),
    ({"image": ""}, "image", "没有写"),
    ({"image": "a b"}, "image", "空白"),
    ({"image": "x" * 501}, "image", "超过 500 字节"),
]


@pytest.mark.parametrize(("changes", "path", "says"), BAD, ids=[row[1] for row in BAD])
def test_one_bad_value_makes_one_problem(changes: dict[str, Any], path: str, says: str) -> None:
    found = problem(**changes)

    assert found.path == path
    assert says in found.problem
    assert found.mend


@pytest.mark.parametrize(
    ("changes", "path", "hint"),
    [
        ({"num_node": 2}, "num_node", "num_nodes"),
        ({"commands": ["x"]}, "commands", "run"),
        ({"gpus": 8}, "gpus", "resources.accelerators"),
        ({"image_id": "x"}, "image_id", "image"),
        ({"time": "2h"}, "time", "max_duration"),
        ({"zzzz": 1}, "zzzz", "可用的键"),
        ({7: 1}, "7", "可用的键"),
        ({"resources": {"cpu": 1}}, "resources.cpu", "cpus"),
        ({"resources": {"mem": 1}}, "resources.mem", "memory"),
        ({"budget": {"max_price": 1}}, "budget.max_price", "budget.total"),
        ({"placement": {"require": {"citys": "x"}}}, "placement.require.citys", "city"),
    ],
    ids=str,
)
def test_an_unknown_key_is_refused_with_a_hint(changes: Any, path: str, hint: str) -> None:
    (found,) = problems({**BASE, **changes})

    assert found.path == path
    assert found.problem == "不认识的键"
    assert hint in found.mend


def test_no_limit_at_all_is_one_problem() -> None:
    for empty in ({}, {"max_duration": None}, {"budget": {}}, {"budget": {"total": None}}):
        (found,) = problems({"name": "a", "run": "b", **empty})
        assert "都没有写" in found.problem


@pytest.mark.parametrize(
    "limit", [{"max_duration": "soon"}, {"budget": {"total": "much"}}, {"budget": "much"}]
)
def test_a_limit_that_cannot_be_read_is_reported_once(limit: dict[str, Any]) -> None:
    assert len(problems({"name": "a", "run": "b", **limit})) == 1


@pytest.mark.parametrize("raw", [None, [], "name: a", 7, True])
def test_what_is_no_mapping_is_one_problem(raw: object) -> None:
    (found,) = problems(raw)

    assert found.path == "作业说明"


def test_all_problems_come_together() -> None:
    found = problems({"nam": "x", "run": 3, "budget": {"total": -1}, "priority": "high"})

    assert [p.path for p in found] == ["nam", "name", "run", "budget.total", "priority"]


def test_a_flood_of_problems_is_cut_short() -> None:
    with pytest.raises(SpecInvalid) as refused:
        parse_spec({f"key{i}": i for i in range(100_000)})

    assert len(refused.value.problems) == 100
    assert "100 处" in refused.value.explain()
    assert len(refused.value.explain()) < 5000


def test_a_strange_key_is_not_echoed_raw() -> None:
    (found,) = problems({**BASE, "a\x1b[31m" + "x" * 500: 1})

    assert "\x1b" not in found.path
    assert len(found.path) <= 60


def test_the_refusal_says_that_nothing_was_ordered() -> None:
    with pytest.raises(SpecInvalid) as refused:
        parse_spec({})

    assert refused.value.http_status == 422
    assert "没有下单" in refused.value.explain()


def test_the_digest_does_not_depend_on_the_order_of_keys() -> None:
    one = parse(envs={"A": "1", "B": "2"}, labels={"x": "1", "y": "2"})
    other = parse(labels={"y": "2", "x": "1"}, envs={"B": "2", "A": "1"})

    assert one.digest() == other.digest()
    assert len(one.digest()) == 64


def test_a_specification_without_a_limit_is_a_bug() -> None:
    with pytest.raises(AssertionError):
        JobSpec(name="a", run="b")
