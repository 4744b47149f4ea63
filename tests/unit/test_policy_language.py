"""What the expression language refuses, in which words; what it computes, to the fen."""

from __future__ import annotations

import re
import time
from datetime import date
from typing import Any

import pytest

from jinsuan.policy.checker import Checker
from jinsuan.policy.grammar import SyntaxRefused, parse
from jinsuan.policy.kinds import LAST_DAY
from jinsuan.policy.pack import Base, Value
from jinsuan.policy.scalar import compiled, later_by_years
from tests.policy_world import FACTS, PARAMS, VALUES, checker, fact, param

SYNTAX = """
1.5 > cash                       小数                 参数
1e400 > cash                     小数                 参数
2j > number                      小数                 参数
cash / 2 > cap                   运算不能用           share
2**9 > number                    运算不能用           share
number % 2 == 0                  运算不能用           share
number // 2 == 0                 运算不能用           share
1 < number < 5                   一次只能比较两个量   and
number is 5                      比较不能用           ==
[good]                           不能写               可用的
{good}                           不能写               可用的
[x for x in bills]               不能写               可用的
lambda: good                     不能写               可用的
good if local else good          不能写               可用的
(x := 5) > number                不能写               可用的
cash.real > 0                    不能写               可用的
bills[0] > cash                  不能写               可用的
f"{cash}" == kind                不能写               可用的
await good                       不能写               可用的
-number > 3                      不能写               负号只用于
-True == number                  不能写               负号只用于
~number == 3                     不能写               负号只用于
__import__('os').system('id')    没有函数             可用的
__import__('os')                 没有函数             可用的
eval("1")                        没有函数             可用的
cash.__class__()                 没有函数             可用的
_secret > 3                      下划线               换一个名字
min(*bills)                      按位置               去掉
min(cash, key=cash)              按位置               去掉
kind in names                    一组取值             kind in
kind in ()                       一组取值             kind in
kind in ("a", cash)              只能是写定           kind in
None == kind                     不能写               只能是整数
...                              不能写               只能是整数
b"a" == kind                     不能写               只能是整数
1000000000000001 > number        太大                 绝对值
金额 > 3                         非英文字符           半角
cash ＞ 3                        非英文字符           半角
good # and local                 有 #                 注释
good and                         读不懂               检查
"a                               读不懂               检查
"""


def rows(table: str) -> list[Any]:
    found = []
    for line in table.strip().splitlines():
        text, what, mend = re.split(r" {3,}", line)
        found.append(pytest.param(text, what, mend, id=text))
    return found


@pytest.mark.parametrize(("text", "what", "mend"), rows(SYNTAX))
def test_what_is_not_in_the_language_is_refused_with_its_mend(
    text: str, what: str, mend: str
) -> None:
    with pytest.raises(SyntaxRefused) as caught:
        parse(text)

    assert what in caught.value.what
    assert mend in caught.value.mend or mend in caught.value.what


HUGE = {
    "10,000 brackets": "(" * 10_000 + "good" + ")" * 10_000,
    "900 brackets": "(" * 900 + "good" + ")" * 900,
    "10,000 nots": "not " * 10_000 + "good",
    "190 nots": "not " * 190 + "good",
    "190 nots on lines of their own": "not\n" * 190 + "good",
    "190 signs": "+" * 190 + "number",
    "190 lambdas": "lambda:" * 190 + "good",
    "10 MB": "good and " * 1_200_000 + "good",
    "a sum of 90": "number" + "+number" * 90,
    "a NUL": "good\0",
    "a surrogate": '"\ud800" == kind',
    "a surrogate by escape": '"\\ud800" and good',
    "an escape for the terminal": '"\\x1b[2J" == kind',
    "a number of 1,900 digits": "9" * 1_900 + " > number",
    "a number of 1,900 hex digits": "0x" + "f" * 1_900 + " > number",
    "nothing": "",
    "only spaces": " \n ",
}


@pytest.mark.parametrize("text", HUGE.values(), ids=HUGE)
def test_what_is_too_much_is_refused_at_once(text: str) -> None:
    begun = time.perf_counter()
    with pytest.raises(SyntaxRefused) as caught:
        parse(text)

    assert time.perf_counter() - begun < 2
    assert len(caught.value.what) < 300
    caught.value.what.encode()


TYPES = """
rackz > 5                                没有名字                  racks
racks > people                           不是一类                  同一单位
cash > racks                             不是一类                  同一单位
cash * cash > cap                        不能乘以                  相乘
racks * people > 3                       不能乘以                  相乘
people * per_rack > cap                  不能乘以                  per
racks + cash > cap                       不是一类                  同一单位
rate + part > part                       不能相加                  改写
begun - ended > 3                        不能相减                  改写
cash * rate + cash > cap                 不是一类|不能再加减       移项
cash * rate + cash * rate > cap          不能再加减                移项
cash * rate * number > cap               不能再乘                  移项
share(cash, share_rate) > cap            条件里不能用              交叉相乘
cash                                     不是是非                  比较
good and cash                            不是是非                  比较
not number                               不是是非                  比较
kind < "b"                               只能比较是否相等          ==
good < local                             只能比较是否相等          ==
kind == "d"                              没有取值                  可用的
"a" == "b" or good                       都是写定的取值            enum
good and "a" in ("a", "b")               都是写定的取值            enum
number in (1, 2)                         不是取值                  enum
bills == bills                           列表不能直接比较          sum
sum(cash) > cap                          sum                       列表
min(cash) > cap                          参数个数                  写法
pick(good, cash) > cap                   参数个数                  写法
pick(cash, cash, cash) > cap             不是是非                  pick
min(good, local) == good                 min                       只用于
min(cash * rate, cash) > cap             min                       只用于
days_between(begun, number) > 3          两个日期                  days_between
add_years(begun, number) > ended         写定的年数                add_years
add_years(begun, 101) > ended            年数是                    100
racks >= 0                               永远成立                  min、max
racks > 1000                             永远不成立                min、max
racks >= 0 or good                       永远成立                  min、max
floor_racks == 30                        永远成立                  min、max
unset > 3                                没有值                    起始日期
circle                                   绕成了圈                  引用
"""


@pytest.mark.parametrize(("text", "what", "mend"), rows(TYPES))
def test_what_does_not_fit_together_is_refused_with_its_mend(
    text: str, what: str, mend: str
) -> None:
    unset = {**PARAMS, "unset": param("unset", Base.COUNT, Value(1))}
    rings = {"circle": parse("ring and good"), "ring": parse("circle or good")}
    check = Checker(FACTS, unset, VALUES, rings)

    with pytest.raises(SyntaxRefused) as caught:
        check.condition(parse(text))

    assert any(part in caught.value.what for part in what.split("|")), caught.value.what
    assert mend in caught.value.mend or mend in caught.value.what, caught.value.mend


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("cash * share_rate", "不是钱"),
        ("racks", "不是钱"),
        ("per_rack", "不是钱"),
        ("debt", "可能小于 0"),
        ("cash - cap", "可能小于 0"),
        ("share(debt, share_rate)", "可能小于 0"),
        ("share(per_rack, number)", "不是比例"),
        ("share(good, rate)", "基数"),
        ("share(cash * rate, rate)", "基数"),
        ("share(cash, tiny * tiny * tiny)", "分母"),
        ("huge", "64 位"),
        ("min(cash, huge)", "64 位"),
        ("cash * 100000000", "64 位"),
        ("cash * 10000 * 10000", "64 位"),
        ("share(cash, rate * rate * rate * rate)", "64 位|分母"),
    ],
)
def test_an_amount_that_is_no_amount_is_refused(text: str, what: str) -> None:
    params = {**PARAMS, "huge": param("huge", Base.MONEY, Value(10**25))}
    facts = {**FACTS, "tiny": fact("tiny", Base.RATIO, 0, 1, places=9)}
    check = Checker(facts, params, {**VALUES, "huge": Value(10**25)}, {})

    with pytest.raises(SyntaxRefused) as caught:
        check.amount(parse(text))

    assert any(part in caught.value.what for part in what.split("|")), caught.value.what


def test_a_tower_of_definitions_is_refused_before_it_is_climbed() -> None:
    doubling = {"d0": parse("number > 3 and good")}
    doubling |= {f"d{n}": parse(f"d{n - 1} and d{n - 1}") for n in range(1, 60)}
    long = {"d0": parse("number + 1")}
    long |= {f"d{n}": parse(f"d{n - 1} + 1") for n in range(1, 5_000)}
    begun = time.perf_counter()

    for defines, text in ((doubling, "d59"), (long, "d4999 > 3")):
        with pytest.raises(SyntaxRefused, match="展开后太大"):
            Checker(FACTS, PARAMS, VALUES, defines).condition(parse(text))
    upwards = Checker(FACTS, PARAMS, VALUES, long)
    for n in range(50):
        upwards.condition(parse(f"pick(d{n} > 3, good, local)"))
    with pytest.raises(SyntaxRefused, match="展开后太大"):
        _climb(upwards)

    assert time.perf_counter() - begun < 5


def _climb(check: Checker) -> None:
    for n in range(50, 5_000):
        check.condition(parse(f"pick(d{n} > 3, good, local)"))


def test_a_definition_tells_every_rule_that_names_it_which_parameters_it_uses() -> None:
    check = checker()
    check.condition(parse("big"))
    check.used_params = set()

    check.condition(parse("big and good"))

    assert check.used_params == {"floor_racks", "cap"}


def test_years_cannot_leave_the_calendar() -> None:
    def far(times: int) -> str:
        day = "begun"
        for _ in range(times):
            day = f"add_years({day}, 100)"
        return f"pick({day} > ended, good, local)"

    node, _ = checker().condition(parse(far(30)))
    late = fact("begun", Base.DATE, 1, date(9900, 1, 1).toordinal())

    assert compiled(node)({"begun": LAST_DAY, "ended": 1, "good": 0, "local": 1}) == 0
    with pytest.raises(SyntaxRefused, match="9999"):
        checker(begun=late).condition(parse(far(1)))


@pytest.mark.parametrize(
    ("day", "years", "expected"),
    [
        ("2024-02-29", 1, "2025-02-28"),
        ("2024-02-29", 4, "2028-02-29"),
        ("2096-02-29", 4, "2100-02-28"),
        ("2024-03-01", 1, "2025-03-01"),
        ("2023-02-28", 1, "2024-02-28"),
        ("2024-12-31", 0, "2024-12-31"),
    ],
)
def test_years_later_is_the_same_day_or_the_last_of_february(
    day: str, years: int, expected: str
) -> None:
    found = later_by_years(date.fromisoformat(day).toordinal(), years)

    assert date.fromordinal(found).isoformat() == expected


PUE = (
    fact("facility", Base.COUNT, 0, 10**14, unit="Wh"),
    fact("it", Base.COUNT, 1, 10**14, unit="Wh"),
)


@pytest.mark.parametrize(
    ("facility", "it", "below"),
    [
        (1181, 1001, True),  # 1.1798…, though it prints as 1.18
        (1180, 1000, False),
        (1179, 1000, True),
        (117_999_999_999_999, 10**14, True),
        (118_000_000_000_000, 10**14, False),
        (118_000_000_000_001, 10**14, False),
    ],
)
def test_a_ratio_is_compared_without_rounding(facility: int, it: int, below: bool) -> None:
    facts = {f.name: f for f in PUE}
    node, _ = checker(**facts).condition(parse("facility < it * pue"))

    assert compiled(node)({"facility": facility, "it": it}) == int(below)


@pytest.mark.parametrize(
    ("part", "whole", "enough"),
    [(10, 69, False), (15, 100, True), (149_999_999, 10**9, False), (15 * 10**7, 10**9, True)],
)
def test_ten_of_sixty_nine_is_not_fifteen_percent(part: int, whole: int, enough: bool) -> None:
    node, _ = checker().condition(parse("debt >= cash * share_rate"))

    assert compiled(node)({"debt": part, "cash": whole}) == int(enough)


@pytest.mark.parametrize(
    ("fen", "due"),
    [
        (5_000_000_007, 750_000_001),  # 50,000,000.07 yuan give 7,500,000.01
        (7, 1),
        (6, 0),
        (0, 0),
        (10**11, 15 * 10**9),
        (10**11 - 1, 15 * 10**9 - 1),
    ],
)
def test_a_share_drops_what_is_less_than_a_fen(fen: int, due: int) -> None:
    node = checker().amount(parse("share(cash, share_rate)"))

    assert compiled(node)({"cash": fen}) == due


@pytest.mark.parametrize(
    ("racks", "due"), [(4_999, 499_900_000), (5_000, 500_000_000), (5_001, 500_000_000)]
)
def test_a_cap_holds_to_the_unit(racks: int, due: int) -> None:
    many = fact("racks", Base.COUNT, 0, 10**6, unit="架")
    node = checker(racks=many).amount(parse("min(racks * per_rack, cap)"))

    assert compiled(node)({"racks": racks}) == due
