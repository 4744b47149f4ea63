"""Facts that cannot be read are refused in Chinese, with the place, and nothing is half taken."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from jinsuan.policy.errors import FactsInvalid
from jinsuan.policy.facts import MAX_BYTES, Known, read_facts
from jinsuan.policy.load import read_pack
from jinsuan.policy.pack import Attest, Pack
from tests.policy_world import write_pack


@pytest.fixture
def pack(tmp_path: Path) -> Pack:
    return read_pack(write_pack(tmp_path))


BAD = {
    "an amount without quotes": ('{"invest": 0.1}', "invest（投资）", "0.1", "带引号"),
    "a whole amount without quotes": ('{"invest": 100}', "invest（投资）", "100", "带引号"),
    "three decimals": ('{"invest": "0.123"}', "invest（投资）", "0.123", "两位小数"),
    "a negative amount": ('{"invest": "-0.01"}', "invest（投资）", "-0.01", "核对"),
    "an amount with its unit": ('{"invest": "5000万元"}', "invest（投资）", "5000万元", "写元"),
    "an amount beyond the range": (
        '{"invest": "100000000000.01"}',
        "invest（投资）",
        "不在",
        "核对数值",
    ),
    "a count with its unit": ('{"racks": "100架"}', "racks（机架）", "100架", "写整数"),
    "a count in quotes": ('{"racks": "100"}', "racks（机架）", "100", "不带引号"),
    "a count with a point": ('{"racks": 100.0}', "racks（机架）", "100.0", "写整数"),
    "a count as a power": ('{"racks": 1e3}', "racks（机架）", "1e3", "写整数"),
    "a negative count": ('{"racks": -1}', "racks（机架）", "-1", "核对数值"),
    "a truth for a count": ('{"racks": true}', "racks（机架）", "True", "写整数"),
    "a count for a truth": ('{"honest": 1}', "honest（不在失信名单上）", "1", "true"),
    "NaN": ('{"racks": NaN}', "racks（机架）", "NaN", "写整数"),
    "infinity": ('{"invest": -Infinity}', "invest（投资）", "-Infinity", "带引号"),
    "a ratio without quotes": ('{"rate": 0.15}', "rate（占比）", "0.15", "带引号"),
    "a ratio of too many places": ('{"rate": "0.153"}', "rate（占比）", "0.153", "至多"),
    "a ratio in percent": ('{"rate": "15%"}', "rate（占比）", "15%", "小数"),
    "an unknown value": ('{"kind": "serving"}', "kind（用途）", "serving", "training"),
    "no date": ('{"opened": "2025-02-30"}', "opened（投运日）", "2025-02-30", "2025-03-01"),
    "a date without dashes": ('{"opened": "20250301"}', "opened（投运日）", "20250301", "写成"),
    "a date of weeks": ('{"opened": "2025-W09-6"}', "opened（投运日）", "2025-W09-6", "写成"),
    "a date before the window": ('{"opened": "1900-01-01"}', "opened（投运日）", "不在", "核对"),
    "a date after the window": ('{"opened": "2200-01-01"}', "opened（投运日）", "不在", "核对"),
    "a text for a list": ('{"bills": "1.00"}', "bills（账单）", "1.00", "写列表"),
    "two amounts in one": ('{"bills": ["1.00,2.00"]}', "bills（账单）", "1.00,2.00", "写元"),
    "nothing in a list": ('{"bills": [""]}', "bills（账单）", "''", "写元"),
    "null in a list": ('{"bills": ["1.00", null]}', "bills（账单）", "第 2 项", "整个列表"),
    "a bare amount in a list": ('{"bills": [1]}', "bills（账单）", "1", "带引号"),
    "a list in a list": ('{"bills": [["1.00"]]}', "bills（账单）", "1.00", "带引号"),
    "too long a list": ('{"bills": ["1", "1", "1", "1"]}', "bills（账单）", "4 项", "至多 3"),
    "an unknown fact": ('{"rackz": 1}', "rackz", "没有这个事实", "racks"),
    "a fact of no known shape": ('{"zzz": 1}', "zzz", "没有这个事实", "jinsuan policy facts"),
    "a fact twice": ('{"racks": 1, "racks": 2}', "整个文件", "racks 写了两次", "只留一个"),
    "unknown keys": ('{"racks": {"valeu": 1}}', "racks（机架）", "valeu", "value"),
    "an unknown proof": (
        '{"racks": {"value": 1, "attest": "sworn"}}',
        "racks（机架）",
        "sworn",
        "measured",
    ),
    "a fact in a fact": ('{"racks": {"value": {"value": 1}}}', "racks（机架）", "value", "写整数"),
    "not JSON": ("{racks: 1}", "整个文件", "不是 JSON", "引号"),
    "nothing": ("", "整个文件", "不是 JSON", "引号"),
    "no object": ("[1]", "整个文件", "不是对象", "写成"),
    "deep nesting": ("[" * 100_000 + "]" * 100_000, "整个文件", "不是 JSON", "括号"),
    "a number without end": ('{"racks": ' + "9" * 900_000 + "}", "racks（机架）", "太大", "写整数"),
    "an amount without end": (
        '{"invest": "' + "9" * 900_000 + '"}',
        "invest（投资）",
        "不是金额",
        "写元",
    ),
}


@pytest.mark.parametrize(("text", "place", "what", "mend"), BAD.values(), ids=BAD)
def test_bad_facts_are_refused_with_their_place(
    pack: Pack, text: str, place: str, what: str, mend: str
) -> None:
    with pytest.raises(FactsInvalid) as caught:
        read_facts(text.encode(), pack, source="甲公司.json")

    (problem,) = caught.value.problems
    assert problem.place == place
    assert what in problem.what
    assert mend in problem.mend
    said = caught.value.explain()
    assert said.startswith("甲公司.json 没有采用，有 1 处要改")
    assert len(said) < 400


def test_other_encodings_and_endless_files_are_refused(pack: Pack) -> None:
    with pytest.raises(FactsInvalid, match="不是 UTF-8"):
        read_facts('{"kind": "训练"}'.encode("gbk"), pack)
    with pytest.raises(FactsInvalid, match="上限"):
        read_facts(b" " * (MAX_BYTES + 1), pack)


def test_all_that_is_wrong_is_said_at_once(pack: Pack) -> None:
    with pytest.raises(FactsInvalid) as caught:
        read_facts(b'{"racks": -1, "invest": 0.1, "rate": "9", "kind": "x", "nobody": 1}', pack)

    assert len(caught.value.problems) == 5


def test_good_facts_become_whole_numbers(pack: Pack) -> None:
    text = """{"facts": {"invest": "0.10", "racks": {"value": 7, "attest": "attested",
        "evidence": "清单 3 页"}, "rate": "0.15", "kind": "inference", "honest": true,
        "opened": "2025-03-01", "bills": ["1.00", "2"], "facility_wh": null}}"""

    found = read_facts(text.encode(), pack)

    assert found == {
        "invest": Known(10),
        "racks": Known(7, Attest.ATTESTED, "清单 3 页"),
        "rate": Known(15),
        "kind": Known(1),
        "honest": Known(1),
        "opened": Known(739_311),
        "bills": Known((100, 200)),
        "facility_wh": Known(None),
    }


def jinsuan(*words: str | Path) -> subprocess.CompletedProcess[str]:
    code = "from jinsuan.entrypoints.cli import main; main()"
    command = [sys.executable, "-c", code, *map(str, words)]
    return subprocess.run(command, capture_output=True, encoding="utf-8", check=False)


@pytest.mark.parametrize("name", ["an amount without quotes", "deep nesting", "an unknown fact"])
def test_the_command_ends_with_two_and_says_where(tmp_path: Path, name: str) -> None:
    text, place, what, _ = BAD[name]
    facts = tmp_path / "facts.json"
    facts.write_text(text)

    done = jinsuan("policy", "decide", write_pack(tmp_path), "--facts", facts, "--on", "2025-03-01")

    assert done.returncode == 2
    assert place in done.stderr
    assert what in done.stderr
    assert "policy.facts_invalid" in done.stderr
    assert not done.stdout


def test_the_command_decides_and_ends_with_nought_or_one(tmp_path: Path) -> None:
    pack = write_pack(tmp_path)
    facts = tmp_path / "facts.json"
    facts.write_text(
        '{"honest": true, "facility_wh": 1179999, "it_wh": 1000000, "racks": 100, "rate": "0.15"}'
    )

    good = jinsuan("policy", "decide", pack, "--facts", facts, "--on", "2025-03-01")
    late = jinsuan("policy", "decide", pack, "--facts", facts, "--on", "2027-01-01")
    nonsense = jinsuan("policy", "decide", pack, "--facts", facts, "--on", "tomorrow")

    assert (good.returncode, late.returncode, nonsense.returncode) == (0, 1, 2)
    assert "最多给（上限） 100000.00 元" in good.stdout
    assert "2027-01-01 不在 2024-07-01 至 2026-12-31" in late.stdout
    assert "tomorrow" in nonsense.stderr
