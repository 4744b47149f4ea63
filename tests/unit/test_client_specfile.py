"""A specification file is read without surprises, and a wrong one is told where."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from pathlib import Path

import pytest
import yaml
from hypothesis import given, strategies as st

from jinsuan.client.errors import SpecFileInvalid, SpecFileUnreadable
from jinsuan.client.specfile import MAX_BYTES, load_spec_file
from jinsuan.protocol.parse import parse_spec

ORDER = """\
name: finetune-7b
num_nodes: 2
resources:
  accelerators: {Ascend 910B3: 8}
  cpus: 64+
  memory: 512GB
envs: {EPOCHS: "3", LR: 0.1}
run: |
  python train.py
max_duration: 12:00:00
budget: {total: 3000.00}
placement: {require: {city: [太原, 大同], domestic: true}}
"""


def test_an_order_is_read_and_nothing_in_it_changes() -> None:
    raw = load_spec_file(ORDER)
    spec = parse_spec(raw)

    assert isinstance(raw, dict)
    assert raw["max_duration"] == "12:00:00"
    assert raw["budget"] == {"total": "3000.00"}
    assert raw["envs"] == {"EPOCHS": "3", "LR": "0.1"}
    assert spec.max_seconds == 43200
    assert spec.budget.total is not None
    assert spec.budget.total.plain == "3000.00"
    assert spec.where.domestic


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("1", 1),
        ("-7", -7),
        ("0", 0),
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("1.10", "1.10"),
        ("1e3", "1e3"),
        (".5", ".5"),
        (".inf", ".inf"),
        ("+1", "+1"),
        ("007", "007"),
        ("0x1F", "0x1F"),
        ("0o17", "0o17"),
        ("1_000", "1_000"),
        ("12:30:00", "12:30:00"),
        ("2025-03-01", "2025-03-01"),
        ("yes", "yes"),
        ("NO", "NO"),
        ("on", "on"),
        ("<<", "<<"),
        ("'1'", "1"),
        ('"true"', "true"),
        ("9" * 18, 10**18 - 1),
        ("9" * 19, "9" * 19),
        ("9" * 9000, "9" * 9000),
    ],
)
def test_only_a_few_plain_words_are_more_than_text(written: str, value: object) -> None:
    found = load_spec_file(f"a: {written}\n")

    assert found == {"a": value}
    assert isinstance(found, dict)
    assert type(found["a"]) is type(value)


def test_keys_are_always_text() -> None:
    assert load_spec_file("{910: 1, true: 2, ~: 3}") == {"910": 1, "true": 2, "~": 3}


def test_json_is_welcome_with_tabs_and_escapes() -> None:
    raw = '{\n\t"name": "\\ud83d\\ude80",\n\t"budget": {"total": 0.10},\n\t"big": 12345678901234567890\n}'

    assert load_spec_file(raw) == {
        "name": "🚀",
        "budget": {"total": "0.10"},
        "big": "12345678901234567890",
    }


@pytest.mark.parametrize(
    ("text", "line", "column", "says"),
    [
        ("a: &x 1\n", 1, 4, "锚点"),
        ("a: 1\nb: *x\n", 2, 4, "引用"),
        ("a: !!python/object:os.system 1\n", 1, 4, "标签"),
        ("a: !!str 1\n", 1, 4, "标签"),
        ("a: ! 1\n", 1, 4, "标签"),
        ("a: !!binary aGk=\n", 1, 4, "标签"),
        ("- !!set {a}\n", 1, 3, "标签"),
        ("a: 1\na: 2\n", 2, 1, "键 a 出现了两次"),
        ('{"a": {"b": 1, "b": 2}}', 1, 16, "键 b 出现了两次"),
        ("a: 1\n'a': 2\n", 2, 1, "两次"),
        ("a: 1\n---\nb: 2\n", 2, 1, "第二份文档"),
        ("? [a, b]\n: 1\n", 1, 3, "键不是一个词"),
        ("a:\n\tb: 1\n", 2, 1, "制表符"),
        ("a: b: c\n", 1, 5, "冒号"),
        ("a: 1\n b: 2\n", 2, 3, "冒号"),
        ("- a\nb: 1\n", 2, 1, "缩进"),
        ("a: [1, 2\n", 2, 1, "括号"),
        ("a: 'x\n", 2, 1, "引号"),
        ('a: "\\q"\n', 1, 6, "反斜杠"),
        ("a: 1\nb: x\x00y\n", 2, 5, "控制字符"),
        ("a: @x\n", 1, 4, "读不下去"),
        ("a: " + "[" * 20 + "]" * 20, 1, 23, "嵌套超过 20 层"),
        ("{" + '"a":{' * 20 + "}" * 21, 1, 97, "嵌套超过 20 层"),
        ("[" * 60_000, 1, 21, "嵌套超过 20 层"),
        ('{"a":' * 12_000, 1, 97, "嵌套超过 20 层"),
    ],
    ids=lambda v: str(v)[:24].encode("unicode_escape").decode(),
)
def test_a_wrong_file_is_told_line_column_and_mend(
    text: str, line: int, column: int, says: str
) -> None:
    with pytest.raises(SpecFileInvalid) as refused:
        load_spec_file(text)

    error = refused.value
    assert (error.line, error.column) == (line, column), error.explain()
    assert says in error.problem
    assert error.mend
    assert f"第 {line} 行第 {column} 列" in error.explain()


def test_a_billion_laughs_stop_at_the_first() -> None:
    bomb = "a: &a [x, x]\n" + "".join(f"b{i}: &b{i} [*a, *a]\n" for i in range(50))
    start = time.monotonic()

    with pytest.raises(SpecFileInvalid):
        load_spec_file(bomb)

    assert time.monotonic() - start < 1


def test_the_largest_file_is_read_in_reasonable_time() -> None:
    text = "run: x\nlabels:\n" + "".join(f"  k{i}: v\n" for i in range(6000))
    assert len(text) < MAX_BYTES
    start = time.monotonic()

    load_spec_file(text)

    assert time.monotonic() - start < 10


def test_a_file_is_named_in_its_refusal(tmp_path: Path) -> None:
    path = tmp_path / "作业.yaml"
    path.write_text("a: &x 1\n", encoding="utf-8")

    with pytest.raises(SpecFileInvalid) as refused:
        load_spec_file(path)

    assert str(path) in refused.value.explain()


def test_a_byte_order_mark_and_windows_lines_are_no_matter(tmp_path: Path) -> None:
    path = tmp_path / "job.yaml"
    path.write_bytes("\ufeffname: 甲\r\nrun: x\r\n".encode())

    assert load_spec_file(path) == {"name": "甲", "run": "x"}


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "什么也没有"),
        (b" \n\n", "什么也没有"),
        (b"x" * (MAX_BYTES + 1), "超过 64 KiB"),
        ("名: 值".encode("gb18030"), "不是 UTF-8"),
        (b"a: \xff\n", "第 4 个字节"),
    ],
)
def test_an_unreadable_file_says_why(tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "job.yaml"
    path.write_bytes(content)

    with pytest.raises(SpecFileUnreadable) as refused:
        load_spec_file(path)

    assert says in refused.value.explain()


def test_a_missing_file_or_a_folder_is_a_refusal(tmp_path: Path) -> None:
    for path in (tmp_path / "none.yaml", tmp_path):
        with pytest.raises(SpecFileUnreadable):
            load_spec_file(path)


plain_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**17), 10**17)
    | st.text(
        st.characters(exclude_categories=["Cc", "Cs"], exclude_characters="\ufeff"), max_size=20
    ),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=8), inner, max_size=3
        )
    ),
    max_leaves=10,
)


@given(st.dictionaries(st.text("abc", min_size=1), plain_values, min_size=1, max_size=4))
def test_what_json_and_yaml_write_is_read_back(value: dict[str, object]) -> None:
    assert load_spec_file(json.dumps(value)) == value
    dumped = yaml.safe_dump(value, allow_unicode=True)
    if "&" not in dumped:
        assert load_spec_file(dumped) == value


@given(st.text(st.sampled_from("ab:-[]{}#&*!|>'\"%@`,? \n\t\\0.~<\x00é"), max_size=40))
def test_any_text_is_plain_values_or_a_refusal(text: str) -> None:
    found: object = None
    with suppress(SpecFileInvalid, SpecFileUnreadable):
        found = load_spec_file(text)
    assert _is_plain(found)


def _is_plain(value: object) -> bool:
    if isinstance(value, dict):
        return all(isinstance(k, str) and _is_plain(v) for k, v in value.items())
    if isinstance(value, list):
        return all(map(_is_plain, value))
    return value is None or type(value) in (str, int, bool)
