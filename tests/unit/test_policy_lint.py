"""An official text beside our pack: numbers, comparators, sentences. The texts here are made up."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from jinsuan.policy.library import load_pack
from jinsuan.policy.lint import Report, lint
from jinsuan.policy.load import read_pack
from jinsuan.policy.official import chinese_number, numbers_of, official_articles, worth
from tests.conftest import ROOT
from tests.policy_world import PACK, write_pack

SEED = ROOT.parent / "shared" / "seeds" / "000_6357e01284445a1e.txt"
TEXT = """
小文件的通知

一、支持机房

（一）支持绿色机房。对半精度 FP16 机房，电能利用效率低

于1.18、占比 15％（全年）以上的，按照每架最高 1000

元，给予每户最高不超过 500 万元的补贴。按投资的 ２５％给予补贴。

本文内容来自网络，由某某搜集整理
— 7 —
 （二）壮大产业。按有关政策支持。举办论坛。
"""


def report(folder: Path, text: str = TEXT, pack: str = PACK) -> Report:
    return lint(read_pack(write_pack(folder, pack)), text)


def said(found: Report) -> str:
    return "\n".join(map(str, found.problems))


def test_a_text_that_agrees_has_every_number_bound(tmp_path: Path) -> None:
    found = report(tmp_path)

    assert said(found) == ""
    assert (found.bound, found.plain, found.articles) == (5, 1, 2)


def test_a_text_may_stand_twice_in_a_file(tmp_path: Path) -> None:
    assert said(report(tmp_path, TEXT + TEXT)) == ""


DIFFERENT = {
    "a changed number": (
        "500 万元",
        "600 万元",
        "（一）原文的 600万元 没有对应的参数。写一个 printed",
    ),
    "a number that is gone": ("500 万元", "若干", "参数 cap 的 printed“500万元”在（一）原文里没有"),
    "a new number": ("按有关政策", "按 3 项政策", "（二）原文的 3项 没有对应的参数"),
    "another comparator before": (
        "低\n\n于1.18",
        "达到1.18",
        "参数 pue 写“低于”，原文 1.18 处是“达到”",
    ),
    "another comparator behind": (
        "（全年）以上",
        "（全年）以下",
        "参数 rate_floor 写“以上”，原文 15% 处是“以下”",
    ),
    "a bound that includes": ("低\n\n于1.18", "超过1.18（含）", "原文 1.18 处是“超过…（含）”"),
    "no comparator": ("给予每户最高不超过", "给予每户", "原文 500万元 处是“没有比较词”"),
    "a comparator where we have none": (
        "按投资的",
        "按不超过投资的",
        "参数 invest_rate 没有写 word",
    ),
    "a missing sentence": ("举办论坛。", "", "（二）原文有 1 句，规则包写 2 句"),
    "a sentence more": ("举办论坛。", "举办论坛。还有别的。", "（二）原文有 3 句，规则包写 2 句"),
    "a plain number that is gone": ("半精度 FP16", "半精度", "plain 的“FP16”在（一）原文里没有"),
    "an article more": (
        "举办论坛。",
        "举办论坛。\n（三）别的。另有支持。",
        "原文的（三）不在规则包里",
    ),
    "an article less": ("（二）壮大产业", "另外", "原文里没有（二）"),
}


@pytest.mark.parametrize(("old", "new", "words"), DIFFERENT.values(), ids=DIFFERENT)
def test_a_difference_is_found(tmp_path: Path, old: str, new: str, words: str) -> None:
    assert old in TEXT

    assert words in said(report(tmp_path, TEXT.replace(old, new, 1)))


OURS = {
    "a value": ('values = {2024-07-01 = "1.18"}', 'values = {2024-07-01 = "1.19"}', "不相等"),
    "a cap by one fen": ('"5000000.00"', '"5000000.01"', "参数 cap 的值与原文印的 500万元"),
    "an operator": ("facility_wh < it_wh * pue", "facility_wh <= it_wh * pue", "条件里用了 <="),
    "an operator from the other side": (
        "facility_wh < it_wh * pue",
        "it_wh * pue >= facility_wh",
        "条件里用了 <=",
    ),
    "an operator under not": (
        "facility_wh < it_wh * pue",
        "not (facility_wh > it_wh * pue)",
        "条件里用了 <=",
    ),
    "a bound nobody tests": (
        '"rate >= rate_floor"',
        '"rate > 0"',
        "参数 rate_floor 的比较词是“以上”，却没有条件",
    ),
    "a cap that does not cap": (
        "min(racks * per_rack, cap)",
        "max(racks * per_rack, cap)",
        "没有用 min 封顶",
    ),
    "words that are none": ('word = "低于"', 'word = "小于"', "不是比较词"),
}


@pytest.mark.parametrize(("old", "new", "words"), OURS.values(), ids=OURS)
def test_a_slip_of_ours_is_found(tmp_path: Path, old: str, new: str, words: str) -> None:
    assert old in PACK
    pack = PACK.replace(old, new, 1)
    found = report(tmp_path, pack=pack)

    assert words in said(found)
    assert found.problems[0].place.startswith("small/pack.md:")


def test_the_same_said_the_other_way_round_agrees(tmp_path: Path) -> None:
    for words in ("it_wh * pue > facility_wh", "not (facility_wh >= it_wh * pue)"):
        pack = PACK.replace("facility_wh < it_wh * pue", words)

        assert said(report(tmp_path, pack=pack)) == ""


def test_two_copies_that_differ_are_named(tmp_path: Path) -> None:
    assert "两份（一），互相不同" in said(report(tmp_path, TEXT + TEXT.replace("1.18", "1.19")))


def test_a_broken_line_is_no_heading() -> None:
    found, _ = official_articles(
        "（一）甲。按照\n（五）的办法办。\n（二）乙。另办。\n五、不是标题。\n"
    )

    assert list(found) == ["（一）", "（二）"]
    assert found["（一）"].sentences == ("按照（五）的办法办。",)


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("参数量不低于千亿、场景不少于5个", [("千亿", ">="), ("5个", ">=")]),
        ("合同总额达到2亿元及以上的", [("2亿元", ">=")]),
        ("超过30万（含）的", [("30万", ">=")]),
        ("收入超过500万元的，按1%给予", [("500万元", ">"), ("1%", "")]),
        ("给予不超过研发总投入20%、最高1000万元的补贴", [("20%", "<="), ("1000万元", "<=")]),
        ("按照不超过费用的50%给予单位最高不超过50万元", [("50%", "<="), ("50万元", "<=")]),
        ("达到100PFlops（半精度FP16）以上的", [("100PFlops", ">="), ("FP16", "")]),
        ("同一企业年度最高奖励1000万元", [("1000万元", "<=")]),
        ("上一年度的一次性奖励，一体化平台", []),
        ("为期三年，每年发放", [("三年", "")]),
    ],
)
def test_numbers_are_read_with_their_words(text: str, numbers: list[tuple[str, str]]) -> None:
    assert [(n.text, n.sense) for n in numbers_of(text)] == numbers


@pytest.mark.parametrize(
    ("text", "number", "unit"),
    [
        ("300万元", 3_000_000, "元"),
        ("2亿元", 200_000_000, "元"),
        ("千亿", 10**11, ""),
        ("15%", 15, "%"),
    ],
)
def test_printed_numbers_have_a_worth(text: str, number: int, unit: str) -> None:
    assert worth(text) == (number, unit)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("十", 10),
        ("十七", 17),
        ("二十", 20),
        ("二百零五", 205),
        ("千亿", 10**11),
        ("两万三千", 23_000),
    ],
)
def test_chinese_numerals_are_read(text: str, number: int) -> None:
    assert chinese_number(text) == number


def test_all_forty_five_numbers_of_the_measures_are_bound() -> None:
    if not SEED.exists():
        pytest.skip(f"the official text is not kept here; it would stand at {SEED}")

    found = lint(load_pack("shanxi-2024-35"), SEED.read_text("utf-8"))

    assert said(found) == ""
    assert (found.bound, found.articles) == (45, 18)


def jinsuan(*words: str | Path) -> subprocess.CompletedProcess[str]:
    code = "from jinsuan.entrypoints.cli import main; main()"
    command = [sys.executable, "-c", code, *map(str, words)]
    return subprocess.run(command, capture_output=True, encoding="utf-8", check=False)


def test_a_copy_is_kept_outside_and_checked_from_then_on(tmp_path: Path) -> None:
    pack, text, folder = write_pack(tmp_path), tmp_path / "text.txt", tmp_path / "operator"
    text.write_text(TEXT.replace("1.18", "1.19"), "utf-8")

    before = jinsuan("policy", "check", pack, "--folder", folder)
    attached = jinsuan("policy", "attach", pack, text, "--folder", folder)
    after = jinsuan("policy", "check", pack, "--folder", folder)
    text.write_text(TEXT, "utf-8")
    mended = jinsuan("policy", "check", pack, "--text", text)

    assert [p.returncode for p in (before, attached, after, mended)] == [0, 1, 1, 0]
    assert (folder / "policy" / "small" / "official.txt").read_text("utf-8").count("1.19") == 1
    assert "没有与原文核对" in before.stdout
    assert "1.19 没有对应的参数" in after.stdout
    assert "原文的数字 5 个有参数，1 个写明不是参数；不一致 0 处" in mended.stdout


def test_what_is_no_official_text_is_not_kept(tmp_path: Path) -> None:
    pack, text, folder = write_pack(tmp_path), tmp_path / "text.txt", tmp_path / "operator"

    for data, words in (
        (TEXT.encode("gbk"), "不是 UTF-8"),
        ("一封信。".encode(), "没有（一）这样的条款"),
        (None, "读不了"),
    ):
        text.unlink(missing_ok=True)
        if data is not None:
            text.write_bytes(data)
        done = jinsuan("policy", "attach", pack, text, "--folder", folder)
        assert done.returncode == 2
        assert words in done.stderr
    assert not folder.exists()
