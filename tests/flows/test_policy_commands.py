"""`jinsuan policy` over many applicants, as a person at a terminal runs it; no database anywhere."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from jinsuan.policy.library import known

PACK = "shanxi-2024-35"


def jinsuan(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "jinsuan.entrypoints.cli", "policy", *words],
        capture_output=True,
        encoding="utf-8",
        check=False,
        env={
            **os.environ,
            "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none",
            "COLUMNS": "200",
        },
    )


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    done = jinsuan("population", PACK, "--rows", "300", "--seed", "7")
    assert done.returncode == 0, done.stderr
    assert "虚构" in done.stderr
    path = tmp_path_factory.mktemp("people") / "主体.csv"
    path.write_text(done.stdout, "utf-8")
    return path


def test_a_simulation_tells_each_rule_and_the_pool(people: Path) -> None:
    done = jinsuan("simulate", PACK, "--population", str(people), "--on", "2025-03-01", "--json")

    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["applicants"] == 300
    assert all(sum(rule["counts"].values()) == 300 for rule in found["rules"])
    (m09,) = (rule for rule in found["rules"] if rule["rule"] == "m09")
    paid = [pool["paid"] for pool in found["pools"]]
    assert sum(int(fen.replace(".", "")) for fen in paid) == int(m09["granted"].replace(".", ""))


def test_a_changed_parameter_shows_before_and_after_in_yuan(people: Path) -> None:
    done = jinsuan(
        *("simulate", PACK, "--population", str(people), "--on", "2025-03-01"),
        *("--set", "m10_cap=1000000.00", "--share", "m09=pro_rata"),
    )

    assert done.returncode == 0, done.stderr
    assert "试改：m10_cap" in done.stdout
    assert "m10 省外算力服务奖励：符合" in done.stdout
    assert "改前 m09 2025 年总盘子 ¥50,000,000.00" in done.stdout
    assert "少得" in done.stdout


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--set", "m10_cap"], "不是“名字=值”"),
        (["--set", "m99=1"], "参数“m99”不存在"),
        (["--set", "m10_cap=0.001"], "不能改成"),
        (["--share", "m10=pro_rata"], "没有年度总盘子"),
        (["--share", "m09=lottery"], "没有分法"),
        (["--on", "2025-02-30"], "不是日期"),
    ],
)
def test_a_what_if_that_cannot_be_is_refused(people: Path, words: list[str], reason: str) -> None:
    done = jinsuan("simulate", PACK, "--population", str(people), *words)

    assert done.returncode == 2
    assert reason in done.stderr
    assert done.stdout == ""


def test_a_bad_table_is_refused_with_its_rows(tmp_path: Path) -> None:
    path = tmp_path / "坏.csv"
    path.write_text("id,m02_racks,m10_contracts\na,1,0.001\nb,-1,1.00\n", "utf-8")

    done = jinsuan("simulate", PACK, "--population", str(path))

    assert done.returncode == 2
    assert "第 2 行 m10_contracts" in done.stderr
    assert "第 3 行 m02_racks" in done.stderr


def test_packs_are_compared_by_their_articles_and_by_their_effect(
    people: Path, tmp_path: Path
) -> None:
    text = known()[PACK].read_text("utf-8")
    other = tmp_path / "shanxi-2024-35" / "pack.md"
    other.parent.mkdir()
    # A rule that no case of the pack works by hand on both sides of the new value.
    changed = text.replace('title = "大模型商用案例奖励"', 'title = "商用案例奖励"')
    assert changed != text
    other.write_text(changed, "utf-8")

    same = jinsuan("diff", PACK, PACK)
    differ = jinsuan("diff", PACK, str(other), "--json")
    effect = jinsuan("diff", PACK, str(other), "--population", str(people), "--on", "2025-03-01")

    assert same.returncode == 0
    assert differ.returncode == 1, differ.stderr
    (only,) = json.loads(differ.stdout)
    assert (only["kind"], only["name"], only["field"]) == ("rule", "m13", "title")
    assert effect.returncode == 0, effect.stderr
    assert "多得 0 个" in effect.stdout


def test_a_facts_file_that_is_not_there_is_explained_in_chinese(tmp_path: Path) -> None:
    done = jinsuan("decide", PACK, "--facts", str(tmp_path / "无.json"), "--on", "2025-03-01")

    assert done.returncode == 2
    assert "没有文件 无.json" in done.stderr
    assert "Traceback" not in done.stderr
