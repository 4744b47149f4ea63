"""A pack is read whole or not at all; whatever is wrong is said at once, with line and mend."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from jinsuan.policy.errors import PackInvalid, PackNotFound
from jinsuan.policy.law import bind
from jinsuan.policy.library import known, load_pack
from jinsuan.policy.load import MAX_BYTES, digest_of, read_pack
from tests.policy_world import PACK, write_pack


def line(text: str, part: str) -> int:
    """The line on which a part of the pack stands."""
    return text[: text.index(part)].count("\n") + 1


def problems(folder: Path, text: str) -> list[str]:
    with pytest.raises(PackInvalid) as caught:
        load_pack(str(write_pack(folder, text)))
    return [str(problem) for problem in caught.value.problems]


def test_the_small_pack_loads_with_all_its_cases(tmp_path: Path) -> None:
    pack = load_pack(str(write_pack(tmp_path)))

    assert list(pack.rules) == ["m01a", "m01b", "m02", "m02x"]
    assert len(pack.cases) == 9


# What is changed, by what, the problem's words; the line is that of the third.
WRONG = {
    "a number without quotes": ('"1.18"}}', "1.18}}", "值 '1.18'", "pue ="),
    "an unknown key": ('word = "低于"', 'wrod = "低于"', "不认识 'wrod'", "pue ="),
    "neither printed nor ours": ('ours = "口径 1", ', "", "恰好写一个", "cutoff ="),
    "a name twice": ("rate_floor = {", "racks = {", "已在第", 'racks = {type = "ratio"'),
    "a name in capitals": ("invest_rate = {", "Invest = {", "不合规", "Invest = {"),
    "a name of a dunder": (
        "efficient = ",
        '__import__ = "honest"\nefficient = ',
        "不合规",
        "__import__",
    ),
    "no evidence": (', evidence = "发票"', "", "缺少 evidence", "invest = {"),
    "an enum of one": (', inference = "推理"', "", "两个取值", "kind = {"),
    "too many places": ("places = 2", "places = 1000000000", "places", "rate = {"),
    "places below nought": ("places = 2", "places = -1", "places", "rate = {"),
    "an endless maximum": ("max = 1_000_000,", "max = " + "9" * 30 + ",", "64 位", "racks = {"),
    "an endless list": ("max_items = 3", "max_items = 1000000000", "max_items", "bills = {"),
    "a list of none": ("max_items = 3", "max_items = -3", "max_items", "bills = {"),
    "min above max": (
        "min = 1, max",
        "min = 100_000_000_000_001, max",
        "min 大于 max",
        "it_wh = {",
    ),
    "an unknown mode": ('mode = "fixed"', 'mode = "gift"', "gift", 'id = "m01b"'),
    "no reason for no effect": ('why = "不影响谁能拿。"\n', "", "没有 why", 'id = "m02x"'),
    "nowhere to refer": ('refers_to = "战新产业政策"\n', "", "没有 refers_to", 'id = "m02"'),
    "a rule without amount": (
        'amount = "min(racks * per_rack, cap)"\n',
        "",
        "没有 amount",
        'id = "m01a"',
    ),
    "a rule twice": ('id = "m01b"', 'id = "m01a"', "已在第", 'title = "投资补贴"'),
    "another label": ('label = "（二）"', 'label = "（三）"', "不一致", 'label = "（三）"'),
    "dates that are texts": ("= 2027-06-30", '= "2027-06-30"', "decide_until", 'id = "small"'),
    "an unknown run-off": ("decide_until =", "decide_untill =", "decide_untill", 'id = "small"'),
    "force upside down": ("to = 2026-12-31", "to = 2024-06-30", "in_force", 'id = "small"'),
    "an unknown date": ('["event", ', '["evnet", ', "evnet", 'id = "small"'),
    "a pack of another name": ('id = "small"', 'id = "large"', "同名", 'id = "large"'),
    "a document twice": (
        "```toml base",
        "```toml document\n```\n\n```toml base",
        "document 写了两次",
        "```toml document\n```",
    ),
    "an article twice": (
        "```toml rule",
        '```toml article\nlabel = "（一）"\nsentences = 2\n```\n\n```toml rule',
        "article 写了两次",
        'label = "（一）"\nsentences = 2\n```',
    ),
    "an unknown block": ("```toml general", "```toml generals", "generals", "```toml generals"),
    "no TOML": ('id = "m02"', 'id = "m02', "不是 TOML", 'id = "m02'),
    "a number that TOML cannot hold": ("max = 1_000_000,", f"max = {'9' * 5_000},", "TOML", ""),
    "cases without a head": (
        "kind        opened       ->  amount   why\n",
        "\n",
        "例子",
        "invest   bills ",
    ),
    "a case out of line": (
        "1.00     [2.00]   1180000 ",
        "1.00     1180000 ",
        "这一行应有",
        "1.00     1180000 ",
    ),
    "code": (
        '"efficient"',
        "\"__import__('os').system('id')\"",
        "没有函数",
        '"低于上限"',
    ),
    "a ring": (
        'efficient = "facility_wh < it_wh * pue"',
        'efficient = "effective and honest"\neffective = "efficient or honest"',
        "绕成了圈",
        "",
    ),
    "share in a condition": (
        '"rate >= rate_floor"',
        '"share(invest, rate) >= cap"',
        "条件里不能用 share",
        '"占比够"',
    ),
    "a sentence without rule": (
        'sentence = [2]\nmode = "fixed"',
        'sentence = [1]\nmode = "fixed"',
        "第 2 句没有规则",
        "## （一）",
    ),
    "a sentence too many": (
        'sentence = [2]\nmode = "fixed"',
        'sentence = [2, 3]\nmode = "fixed"',
        "没有第 3 句",
        "## （一）",
    ),
    "a reading of nothing": (
        'affects = ["cutoff"]',
        'affects = ["cutof"]',
        "cutof 不存在",
        "number = 1",
    ),
    "instead of nothing": (
        'instead_of = ["m01a"]',
        'instead_of = ["m09"]',
        "没有规则 m09",
        'id = "m01b"',
    ),
    "instead of itself": (
        'instead_of = ["m01a"]',
        'instead_of = ["m01b"]',
        "它自己",
        'id = "m01b"',
    ),
    "an unused parameter": (
        "min(racks * per_rack, cap)",
        "racks * per_rack",
        "没有规则用到参数 cap",
        "cap = {",
    ),
    "a wrong case": (
        "->  100000.00 ",
        "->  100000.01 ",
        "手工算得 100000.01，程序得 100000.00",
        "1179999       1000000   100     0.15",
    ),
}


@pytest.mark.parametrize(("old", "new", "what", "at"), WRONG.values(), ids=WRONG)
def test_a_mistake_is_named_with_its_line(
    tmp_path: Path, old: str, new: str, what: str, at: str
) -> None:
    assert old in PACK
    text = PACK.replace(old, new, 1)

    said = problems(tmp_path, text)

    naming = [problem for problem in said if any(part in problem for part in what.split("|"))]
    assert naming, said
    if at:
        near = {line(text, at) + step for step in (-1, 0, 1)}
        assert any(
            problem.startswith(f"small/pack.md:{n}：") for problem in naming for n in near
        ), (
            near,
            naming,
        )


def test_a_case_on_no_day_is_named_with_its_line(tmp_path: Path) -> None:
    text = PACK.replace(
        "kind        opened       ->  amount   why", "kind        on       ->  amount   why"
    )
    text = text.replace("training    2025-06-30", "training    tomorrow", 1)

    said = problems(tmp_path, text)

    assert (
        f"small/pack.md:{line(text, '100.03   []')}：'tomorrow' 不是日期。写成 2025-03-01" in said
    )


def test_every_problem_of_a_file_is_said_at_once(tmp_path: Path) -> None:
    text = PACK
    for name in ("an unknown key", "no evidence", "an unknown mode", "an unknown run-off"):
        text = text.replace(WRONG[name][0], WRONG[name][1], 1)

    said = "\n".join(problems(tmp_path, text))

    assert all(word in said for word in ("wrod", "evidence", "gift", "decide_untill"))


def test_all_expressions_are_checked_before_anything_is_said(tmp_path: Path) -> None:
    text = PACK.replace('"efficient"', '"effcient"').replace("share(max(", "share(mox(")

    said = "\n".join(problems(tmp_path, text))

    assert "没有名字 effcient。最接近的是 efficient" in said
    assert "没有函数" in said


def test_other_encodings_and_endless_files_are_refused(tmp_path: Path) -> None:
    path = write_pack(tmp_path)
    path.write_bytes(PACK.encode("gbk"))
    with pytest.raises(PackInvalid, match="不是 UTF-8"):
        read_pack(path)
    path.write_bytes(b"a" * (MAX_BYTES + 1))
    with pytest.raises(PackInvalid, match="超过"):
        read_pack(path)
    with pytest.raises(PackInvalid, match="读不了"):
        read_pack(tmp_path / "nowhere" / "pack.md")


def test_problems_are_listed_from_top_to_bottom(tmp_path: Path) -> None:
    text = PACK.replace('evidence = "发票"', "", 1).replace('why = "不影响谁能拿。"\n', "", 1)

    lines = [int(said.split("：")[0].rpartition(":")[2]) for said in problems(tmp_path, text)]

    assert lines == sorted(lines)
    assert len({len(str(n)) for n in lines}) > 1  # two digits before three


def test_a_definition_that_nobody_uses_is_named(tmp_path: Path) -> None:
    text = PACK.replace('efficient = "', 'spare = "racks > cap"\nefficient = "', 1)

    (said,) = problems(tmp_path, text)

    assert (
        said
        == f"small/pack.md:{line(text, 'spare')}：没有规则用到 define spare。删去，或在规则里用"
    )


def test_deep_markdown_does_no_harm(tmp_path: Path) -> None:
    text = PACK + "\n" + "> " * 20_000 + "x\n" + "[" * 20_000 + "\n"

    assert read_pack(write_pack(tmp_path, text)).id == "small"


def test_a_tower_of_definitions_is_refused(tmp_path: Path) -> None:
    tower = "\n".join(f'd{n} = "d{n - 1} and d{n - 1}"' for n in range(1, 60))
    text = PACK.replace('efficient = "', f'd0 = "honest"\n{tower}\nefficient = "d59 and ', 1)

    assert "展开后太大" in "\n".join(problems(tmp_path, text))


def test_several_packs_stand_side_by_side(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("small", "small-2"):
        write_pack(tmp_path, PACK.replace('id = "small"', f'id = "{name}"'), name)
    monkeypatch.setenv("JINSUAN_PACKS", str(tmp_path))

    assert {"small", "small-2"} <= known().keys()
    assert (load_pack("small").id, load_pack("small-2").id) == ("small", "small-2")
    with pytest.raises(PackNotFound, match="small、small-2"):
        load_pack("small-3")


def test_the_day_picks_the_values(tmp_path: Path) -> None:
    pack = read_pack(write_pack(tmp_path))

    values = {
        on: bind(pack, date.fromisoformat(on)).values["per_rack"].number
        for on in ("2024-01-01", "2024-07-01", "2025-12-31", "2026-01-01", "2026-12-31")
    }

    assert list(values.values()) == [100_000, 100_000, 100_000, 90_000, 90_000]


def test_the_digest_is_of_what_is_said_not_of_its_layout(tmp_path: Path) -> None:
    digest = read_pack(write_pack(tmp_path)).digest
    laid_out = PACK.replace("```toml define", "\n\n```toml define").replace("  ->", "    ->")

    assert read_pack(write_pack(tmp_path, laid_out)).digest == digest
    assert read_pack(write_pack(tmp_path / "elsewhere")).digest == digest


CONTENT = {
    "a case": ("低于\n", "小于\n"),
    "a parameter": ('2026-01-01 = "900.00"', '2026-01-01 = "900.01"'),
    "a comparator": ("facility_wh < it_wh", "facility_wh <= it_wh"),
    "a label": ('label = "机架"', 'label = "机柜"'),
    "a reading": ("2026 年 6 月底", "2026 年 6 月末"),
    "prose": ("省里会办论坛", "省里要办论坛"),
    "evidence": ('evidence = "发票"', 'evidence = "合同"'),
    "a base fact": ('honest = "yes"', 'honest = "no"'),
    "the run-off": ("2027-12-31", "2027-12-30"),
    "a beneficiary": ('beneficiary = "企业"', 'beneficiary = "单位"'),
    "the order of choices": (
        'training = "训练", inference = "推理"',
        'inference = "推理", training = "训练"',
    ),
}


@pytest.mark.parametrize(("old", "new"), CONTENT.values(), ids=CONTENT)
def test_any_change_of_content_changes_the_digest(tmp_path: Path, old: str, new: str) -> None:
    assert old in PACK

    changed = read_pack(write_pack(tmp_path, PACK.replace(old, new, 1)))

    assert changed.digest != read_pack(write_pack(tmp_path / "before")).digest


def test_a_fact_named_like_a_field_counts_in_the_digest(tmp_path: Path) -> None:
    text = PACK.replace("racks", "line")
    more = text.replace('unit = "架", max = 1_000_000', 'unit = "架", max = 2_000_000')

    one, other = (read_pack(write_pack(tmp_path, t)) for t in (text, more))

    assert "line" in one.facts
    assert digest_of(one) != digest_of(other)
