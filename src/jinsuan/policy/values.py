"""Values as people write them, and as whole numbers. Pure; used for packs, cases, facts and tables."""

from __future__ import annotations

import re
from datetime import date
from fractions import Fraction

from jinsuan.kernel.money import Money
from jinsuan.policy.pack import Base, Fact, Value

_WHOLE = re.compile(r"-?[0-9]{1,18}")
_DECIMAL = re.compile(r"-?[0-9]{1,15}(?:\.[0-9]{1,9})?")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_FRACTION = re.compile(r"([0-9]{1,9})/([0-9]{1,9})")
TRUTHS = {"yes": 1, "true": 1, "是": 1, "no": 0, "false": 0, "否": 0}


class Unreadable(Exception):
    """A value that is not what its type asks for; says what it should be."""

    def __init__(self, what: str, mend: str) -> None:
        super().__init__(what)
        self.what, self.mend = what, mend


def read_fen(text: str) -> int:
    """Yuan as text to fen."""
    try:
        return Money.yuan(text).fen
    except ValueError:
        raise Unreadable(f"{text[:40]!r} 不是金额", '写元，至多两位小数，如 "12.34"') from None


def read_whole(text: str) -> int:
    if not _WHOLE.fullmatch(text):
        raise Unreadable(f"{text[:40]!r} 不是整数", "写整数，不带小数点、逗号和单位")
    return int(text)


def read_ratio(text: str) -> Value:
    """A decimal or a fraction, exactly."""
    if found := _FRACTION.fullmatch(text):
        if int(found[2]) == 0:
            raise Unreadable(f"{text[:40]!r} 的分母是 0", "改分母")
        exact = Fraction(int(found[1]), int(found[2]))
    elif _DECIMAL.fullmatch(text):
        exact = Fraction(text)
    else:
        raise Unreadable(f"{text[:40]!r} 不是比例", '写小数或分数的文本，如 "0.15" 或 "2/3"')
    return Value(exact.numerator, exact.denominator)


def read_places(text: str, places: int) -> int:
    """A decimal with at most so many places, as a whole number of 10**-places."""
    if not _DECIMAL.fullmatch(text):
        raise Unreadable(f"{text[:40]!r} 不是比例", f'写小数的文本，至多 {places} 位，如 "0.15"')
    scaled = Fraction(text) * 10**places
    if scaled.denominator != 1:
        raise Unreadable(f"{text[:40]!r} 超过 {places} 位小数", f"至多写 {places} 位")
    return int(scaled)


def read_day(text: str) -> int:
    refusal = Unreadable(f"{text[:40]!r} 不是日期", "写成 2025-03-01")
    if not _DAY.fullmatch(text):  # Python would also read 20250301 and 2025-W09-6
        raise refusal
    try:
        return date.fromisoformat(text).toordinal()
    except ValueError:
        raise refusal from None


def read_truth(text: str) -> int:
    if text.strip().lower() not in TRUTHS:
        raise Unreadable(f"{text[:40]!r} 不是是非", "写 yes 或 no")
    return TRUTHS[text.strip().lower()]


def read_option(text: str, fact: Fact) -> int:
    keys = [key for key, _ in fact.options]
    if text not in keys:
        raise Unreadable(f"没有取值 {text[:40]!r}", f"可用的是 {'、'.join(keys)}")
    return keys.index(text)


def read_plain(text: str, fact: Fact) -> int:
    """One value of a fact that is no list, as written in a table, checked against its range."""
    match fact.base:
        case Base.MONEY:
            return within(read_fen(text), fact)
        case Base.COUNT:
            return within(read_whole(text), fact)
        case Base.RATIO:
            return within(read_places(text, fact.places), fact)
        case Base.BOOL:
            return read_truth(text)
        case Base.DATE:
            return within(read_day(text), fact)
        case Base.ENUM:
            return read_option(text, fact)
    raise Unreadable("这是列表", "写成 [1.00,2.00]")


def read_list(text: str, fact: Fact) -> tuple[int, ...]:
    """`[1.00,2.00]`, each within the range, not more than allowed."""
    if not (text.startswith("[") and text.endswith("]")):
        raise Unreadable(f"{text[:40]!r} 不是列表", "写成 [1.00,2.00]，没有写 []")
    cells = [cell.strip() for cell in text[1:-1].split(",") if cell.strip()]
    if len(cells) > fact.max_items:
        raise Unreadable(f"有 {len(cells)} 项", f"至多 {fact.max_items} 项")
    read = read_fen if fact.item is Base.MONEY else read_whole
    return tuple(within(read(cell), fact) for cell in cells)


def within(number: int, fact: Fact) -> int:
    """The number, if it lies in the declared range."""
    if not fact.low <= number <= fact.high:
        low, high = show(fact.low, fact), show(fact.high, fact)
        raise Unreadable(f"{show(number, fact)} 不在 {low} 至 {high} 之间", "核对数值和单位")
    return number


def show(number: int, fact: Fact) -> str:
    """A whole number as people write it, with its unit."""
    match fact.base if fact.base is not Base.LIST else (fact.item or Base.COUNT):
        case Base.MONEY:
            return f"{Money(number).plain} 元"
        case Base.RATIO:
            return show_fraction(number, 10**fact.places)
        case Base.BOOL:
            return "是" if number else "否"
        case Base.DATE:
            return date.fromordinal(number).isoformat()
        case Base.ENUM:
            return fact.options[number][1]
        case _:
            return f"{number:,} {fact.unit}".rstrip()


def show_fraction(top: int, bottom: int) -> str:
    """An exact decimal where there is one, else the fraction."""
    exact = Fraction(top, bottom)
    rest = exact.denominator
    for prime in (2, 5):
        while rest % prime == 0:
            rest //= prime
    if rest != 1:
        return f"{exact.numerator}/{exact.denominator}"
    places = 0
    while exact.denominator != 1:
        exact, places = exact * 10, places + 1
    sign, digits = ("-", str(-exact.numerator)) if exact < 0 else ("", str(exact.numerator))
    digits = digits.rjust(places + 1, "0")
    return sign + (digits if not places else f"{digits[:-places]}.{digits[-places:]}")
