"""A stranger's pack or facts file is taken or refused; nothing else comes out."""

from __future__ import annotations

import json
import tempfile
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

from hypothesis import given, strategies as st

from jinsuan.policy.decide import decide
from jinsuan.policy.errors import FactsInvalid, PackInvalid
from jinsuan.policy.facts import read_facts
from jinsuan.policy.law import Law, bind
from jinsuan.policy.library import load_pack
from jinsuan.policy.lint import lint
from jinsuan.policy.load import read_pack
from jinsuan.policy.official import official_articles
from tests.policy_world import PACK, write_pack

LINES = PACK.splitlines()
SCRAPS = [
    *("", "```", "```toml rule", "```toml facts", "```cases m01a", "[when]", "## （三）别的", "x"),
    *("true", "1", "-1", "0.1", "[]", "{}", '""', "nan", "9" * 40, "9" * 5_000, "2024-07-01"),
    *("1979-05-27T07:32:00", '"2/0"', '"1/3"', '"a"', "'''", '"\\u0000"', "\0", "->", "?", "#"),
]
WORDS = sorted({word for text in LINES for word in text.split()} | set(SCRAPS))
edits = st.lists(
    st.tuples(
        st.sampled_from(["drop", "double", "swap", "scrap", "word", "value"]),
        st.integers(0, len(LINES) - 1),
        st.integers(0, len(LINES) - 1),
        st.sampled_from(SCRAPS),
        st.sampled_from(WORDS),
    ),
    min_size=1,
    max_size=3,
)


def edited(changes: list[tuple[str, int, int, str, str]]) -> str:
    lines = list(LINES)
    for what, at, other, scrap, word in changes:
        match what:
            case "drop":
                lines[at] = ""
            case "double":
                lines[at] += "\n" + lines[at]
            case "swap":
                lines[at], lines[other] = lines[other], lines[at]
            case "scrap":
                lines[at] = scrap
            case "word":
                words = lines[at].split(" ")
                words[other % len(words)] = word
                lines[at] = " ".join(words)
            case "value":
                lines[at] = lines[at].rpartition("=")[0] + "= " + scrap
    return "\n".join(lines)


@given(edits)
def test_a_pack_with_anything_changed_is_taken_or_refused(
    changes: list[tuple[str, int, int, str, str]],
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = write_pack(Path(folder), edited(changes))
        try:
            pack = load_pack(str(path))
        except PackInvalid as refusal:
            well_said(refusal)
        else:
            lint(pack, "（一）绿色。低于1.18的，最高500万元。")
            decide(bind(pack, pack.last_day), {})


def well_said(refusal: PackInvalid | FactsInvalid) -> None:
    assert refusal.problems
    assert all(problem.what and problem.mend for problem in refusal.problems)
    assert len(refusal.explain().encode()) < 20_000


@cache
def law() -> Law:
    with tempfile.TemporaryDirectory() as folder:
        return bind(read_pack(write_pack(Path(folder))), date(2025, 3, 1))


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=6)
    | st.sampled_from(["1.00", "0.15", "training", "2025-03-01", "declared", "-0.00", "１"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["value", "attest", "evidence", "x"]), inner, max_size=3)
    ),
    max_leaves=6,
)
names = st.sampled_from([*("honest", "facility_wh", "it_wh", "racks", "invest", "rate", "kind")])
more = st.sampled_from(["opened", "bills", "facts", "nobody", ""])


@given(st.dictionaries(names | more, values, max_size=6) | values)
def test_facts_of_any_shape_are_taken_or_refused(facts: Any) -> None:
    try:
        found = read_facts(json.dumps(facts).encode(), law().pack)
    except FactsInvalid as refusal:
        well_said(refusal)
    else:
        decide(law(), found)


@given(st.binary(max_size=60))
def test_bytes_are_taken_or_refused(data: bytes) -> None:
    try:
        read_facts(data, law().pack)
    except FactsInvalid as refusal:
        well_said(refusal)


@given(st.text("（一二三十）、。低于不超过最高以上含0123456789.%％万亿元年架\n 甲FP", max_size=120))
def test_an_official_text_of_any_shape_is_cut_and_compared(text: str) -> None:
    articles, _ = official_articles(text)

    for article in articles.values():
        assert all(sentence.endswith("。") for sentence in article.sentences)
    lint(law().pack, text)
