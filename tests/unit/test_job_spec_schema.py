"""The published JSON Schema of the job specification takes what `parse` takes."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from jinsuan.client.specfile import load_spec_file
from jinsuan.protocol.errors import SpecInvalid
from jinsuan.protocol.parse import parse_spec
from jinsuan.protocol.schema import job_spec_schema

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "job-spec.md"
SCHEMA = jsonschema_rs.validator_for(
    {"$schema": "https://json-schema.org/draft/2020-12/schema", **job_spec_schema()}
)
LEAST = {"name": "a", "run": "b", "max_duration": "1h"}


def takes(raw: object) -> bool:
    try:
        parse_spec(raw)
    except SpecInvalid:
        return False
    return True


def with_value(path: str, value: object) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(json.dumps(LEAST))
    part = found
    *folders, last = path.split(".")
    for folder in folders:
        part = part.setdefault(folder, {})
    part[last] = value
    return found


GOOD: list[tuple[str, object]] = [
    ("max_duration", "90m"),
    ("max_duration", " 1d12h "),
    ("max_duration", "1-12:00:00"),
    ("max_duration", "12:00:00"),
    ("max_duration", "1-12"),
    ("budget.total", "3,000.00"),
    ("budget.total", 3000),
    ("budget.total", "0.01"),
    ("budget.voucher", "auto"),
    ("budget.voucher", "voucher_" + "0" * 26),
    ("budget.currency", "CNY"),
    ("budget", None),
    ("num_nodes", 1024),
    ("num_nodes", "7"),
    ("priority", 0),
    ("resources.cpus", "64+"),
    ("resources.cpus", 1_000_000),
    ("resources.cpus", "0.001"),
    ("resources.memory", "512GB.."),
    ("resources.memory", "1TiB"),
    ("resources.memory", 64),
    ("resources.memory", "64 mb"),
    ("resources.accelerators", "T4:0.5"),
    ("resources.accelerators", {"T4": 2, "H800": "8"}),
    ("resources.accelerators", ["T4", {"H800": 8}]),
    ("resources.accelerators", []),
    ("resources", None),
    ("envs", {"A": "多\n行", "B": 7, "_c": ""}),
    ("envs", {}),
    ("labels", {"课题 甲": "x"}),
    ("image", "registry/a:b"),
    ("image", None),
    ("placement.require.city", "太原"),
    ("placement.require.city", ["太原", "大同"]),
    ("placement.require.domestic", True),
    ("placement.require.domestic", None),
    ("placement.exclude", "C09"),
    ("placement.exclude", []),
    ("name", "长" * 40),
]
BAD: list[tuple[str, object]] = [
    ("gpus", 8),
    ("budget.totl", "1"),
    ("resources.gpu", 1),
    ("placement.require.region", "x"),
    ("max_duration", 120),
    ("max_duration", "120"),
    ("max_duration", "30:00"),
    ("budget.total", "-1"),
    ("budget.total", "3,00"),
    ("budget.total", "1e3"),
    ("budget.total", True),
    ("budget.total", -1),
    ("budget.currency", "USD"),
    ("budget.voucher", "voucher_9"),
    ("budget", []),
    ("num_nodes", 0),
    ("num_nodes", 1025),
    ("num_nodes", "x"),
    ("priority", 101),
    ("resources.cpus", "many"),
    ("resources.memory", "64 parsec"),
    ("resources.accelerators", 8),
    ("envs", {"1A": "x"}),
    ("envs", {"A": None}),
    ("envs", {"A": True}),
    ("envs", ["A=1"]),
    ("labels", {"": "x"}),
    ("placement.require.domestic", "true"),
    ("placement.exclude", [""]),
    ("placement.exclude", ["C01"] * 101),
    ("name", ""),
    ("name", " "),
    ("name", None),
    ("name", 7),
    ("run", "x" * 70_000),
]


@pytest.mark.parametrize(("path", "value"), GOOD, ids=lambda x: ascii(x)[:40])
def test_what_parse_takes_fits_the_schema(path: str, value: object) -> None:
    raw = with_value(path, value)

    assert takes(raw)
    assert SCHEMA.is_valid(raw), [error.message for error in SCHEMA.iter_errors(raw)]


@pytest.mark.parametrize(("path", "value"), BAD, ids=lambda x: ascii(x)[:40])
def test_what_the_schema_refuses_parse_refuses_too(path: str, value: object) -> None:
    raw = with_value(path, value)

    assert not SCHEMA.is_valid(raw)
    assert not takes(raw)


@pytest.mark.parametrize(
    "raw",
    [
        {"name": "a", "run": "b"},
        {"name": "a", "run": "b", "max_duration": None},
        {"name": "a", "run": "b", "budget": {"voucher": "auto"}},
        {"name": "a", "run": "b", "budget": {"total": None}},
        {"name": "a", "max_duration": "1h"},
        [],
        "x",
        None,
    ],
)
def test_without_a_limit_or_a_command_both_refuse(raw: object) -> None:
    assert not takes(raw)
    assert not SCHEMA.is_valid(raw)


def test_the_examples_of_the_page_and_of_the_schema_fit() -> None:
    blocks = re.findall(r"^```yaml\n(.*?)^```", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    specs = [load_spec_file(block) for block in blocks] + job_spec_schema()["examples"]
    assert len(specs) >= 4

    for raw in specs:
        assert takes(raw), raw
        assert SCHEMA.is_valid(raw), raw
        canonical = parse_spec(raw).plain()
        assert SCHEMA.is_valid(canonical), canonical


def test_every_key_that_parse_knows_is_in_the_schema() -> None:
    from jinsuan.protocol import parse

    properties = job_spec_schema()["properties"]
    placement = properties["placement"]["properties"]
    assert properties.keys() == parse._TOP
    assert properties["resources"]["properties"].keys() == parse._RESOURCES
    assert properties["budget"]["properties"].keys() == parse._BUDGET
    assert placement.keys() == parse._PLACEMENT
    assert placement["require"]["properties"].keys() == parse._REQUIRE
