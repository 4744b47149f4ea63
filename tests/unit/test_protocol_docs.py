"""The page about job specifications says what the parser does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from jinsuan.client.specfile import load_spec_file
from jinsuan.protocol import parse, values
from jinsuan.protocol.parse import parse_spec

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "job-spec.md"
TEXT = PAGE.read_text("utf-8")
EXAMPLES = re.findall(r"^```yaml\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
KEYS = TEXT.partition("## 全部的键")[2].partition("\n## ")[0]
ROWS = dict(re.findall(r"^\| `([a-z_.]+)` \| (.*) \|$", KEYS, re.MULTILINE))


def test_there_are_examples() -> None:
    assert len(EXAMPLES) >= 3


@pytest.mark.parametrize("text", EXAMPLES, ids=lambda text: str(text).splitlines()[0])
def test_every_example_on_the_page_is_an_order(text: str) -> None:
    spec = parse_spec(load_spec_file(text))

    assert parse_spec(spec.plain()) == spec


def test_every_key_is_on_the_page_and_none_that_is_not() -> None:
    known = {
        *(parse._TOP - {"resources", "budget", "placement"}),
        *(f"resources.{key}" for key in parse._RESOURCES),
        *(f"budget.{key}" for key in parse._BUDGET),
        *(f"placement.{key}" for key in parse._PLACEMENT - {"require"}),
        *(f"placement.require.{key}" for key in parse._REQUIRE),
    }

    assert ROWS.keys() == known


@pytest.mark.parametrize(
    ("key", "limit"),
    [
        ("name", parse.MAX_NAME_BYTES),
        ("run", f"{parse.MAX_RUN_BYTES // 1024} KiB"),
        ("num_nodes", parse.MAX_NODES),
        ("image", parse.MAX_IMAGE_BYTES),
        ("envs", parse.MAX_ENV_CHARACTERS),
        ("envs", parse.MAX_PAIRS),
        ("labels", parse.MAX_LABEL_CHARACTERS),
        ("resources.cpus", values.MAX_CPUS),
        ("resources.memory", f"{values.MAX_MEMORY_MIB // 1024 // 1024}TiB"),
        ("resources.accelerators", values.MAX_CARDS_PER_NODE),
        ("max_duration", f"{values.MAX_SECONDS // 86400} 天"),
        ("budget.total", values.MAX_BUDGET.fen // 100),
        ("placement.require.city", parse.MAX_LIST),
    ],
)
def test_limits_on_the_page_are_the_parsers(key: str, limit: object) -> None:
    assert str(limit) in ROWS[key]


def test_every_name_from_elsewhere_is_on_the_page() -> None:
    elsewhere = TEXT.partition("## 别处的叫法")[2]
    missing = [name for name in parse._ELSEWHERE if f"`{name}`" not in elsewhere]

    assert not missing
