"""Read one applicant's facts from JSON, strictly: nothing is guessed, every problem is listed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Any

from jinsuan.policy.errors import FactsInvalid, Problem
from jinsuan.policy.pack import Attest, Base, Fact, Pack
from jinsuan.policy.values import Unreadable, read_plain, within

MAX_BYTES = 1_000_000
MAX_DIGITS = 30


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of one fact: a whole number (a tuple for a list), how well, and from where.

    Args:
        value: None when it is said to be unknown.
    """

    value: int | tuple[int, ...] | None
    attest: Attest = Attest.DECLARED
    evidence: str = ""


class _Fraction(str):
    """A number with a point, kept as it was written, so that it can be refused."""

    __slots__ = ()


def read_facts(data: bytes, pack: Pack, *, source: str = "事实文件") -> dict[str, Known]:
    """Facts as a JSON object: name to value, or name to {"value", "attest", "evidence"}.

    Money and ratios are texts ("12.34"), counts whole numbers, unknown is null.

    Raises:
        FactsInvalid: with every problem and its mend.
    """
    problems: list[Problem] = []
    raw = _json(data, source)
    if set(raw) == {"facts"} and isinstance(raw["facts"], dict):
        raw = raw["facts"]
    found: dict[str, Known] = {}
    for name, value in raw.items():
        fact = pack.facts.get(name)
        if fact is None:
            near = get_close_matches(name, pack.facts, n=1)
            mend = f"最接近的是 {near[0]}" if near else "用 jinsuan policy facts 查看全部事实"
            problems.append(Problem(name[:60], "没有这个事实", mend))
            continue
        try:
            found[name] = _known(value, fact)
        except Unreadable as error:
            problems.append(Problem(f"{name}（{fact.label}）", error.what, error.mend))
    if problems:
        raise FactsInvalid(source, tuple(problems))
    return found


def _json(data: bytes, source: str) -> dict[str, Any]:
    def refuse(what: str, mend: str) -> FactsInvalid:
        return FactsInvalid(source, (Problem("整个文件", what, mend),))

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        seen: dict[str, Any] = {}
        for key, value in items:
            if key in seen:
                raise refuse(f"{key[:40]} 写了两次", "只留一个")
            seen[key] = value
        return seen

    def whole(text: str) -> Any:
        return int(text) if len(text) <= MAX_DIGITS else _Fraction(text[:MAX_DIGITS] + "…")

    if len(data) > MAX_BYTES:
        raise refuse(f"有 {len(data)} 字节，上限 {MAX_BYTES}", "一份文件只写一个申报主体")
    try:
        raw = json.loads(
            data.decode("utf-8"),
            parse_float=_Fraction,
            parse_int=whole,
            parse_constant=_Fraction,
            object_pairs_hook=pairs,
        )
    except UnicodeDecodeError as error:
        raise refuse(f"不是 UTF-8 编码（第 {error.start} 字节）", "另存为 UTF-8") from None
    except (ValueError, RecursionError) as error:
        raise refuse(
            f"不是 JSON（{str(error)[:120] or '嵌套太深'}）", "检查引号、逗号和括号"
        ) from None
    if not isinstance(raw, dict):
        raise refuse("最外层不是对象", '写成 {"事实名": 值, …}')
    return raw


def _known(value: Any, fact: Fact) -> Known:
    if not isinstance(value, dict):
        return Known(_value(value, fact))
    if unknown := value.keys() - {"value", "attest", "evidence"}:
        raise Unreadable(f"不认识 {min(unknown)[:40]!r}", "可用 value、attest、evidence")
    attest = value.get("attest", "declared")
    if attest not in tuple(Attest):
        raise Unreadable(f"attest = {str(attest)[:40]!r}", f"应是 {'、'.join(Attest)} 之一")
    return Known(
        _value(value.get("value"), fact), Attest(attest), str(value.get("evidence", ""))[:120]
    )


def _value(value: Any, fact: Fact) -> int | tuple[int, ...] | None:
    if value is None:
        return None
    if isinstance(value, _Fraction):
        raise Unreadable(
            f"{value[:40]} 是不带引号的小数或太大的数", _QUOTE.get(fact.base, "写整数")
        )
    match fact.base:
        case Base.LIST if isinstance(value, list):
            return _list(value, fact)
        case Base.BOOL if isinstance(value, bool):
            return int(value)
        case Base.COUNT if type(value) is int:
            return within(value, fact)
        case Base.MONEY | Base.RATIO | Base.DATE | Base.ENUM if isinstance(value, str):
            return read_plain(value, fact)
    mend = _QUOTE.get(fact.base, "对照 jinsuan policy facts 的类型")
    raise Unreadable(f"{str(value)[:40]!r} 的写法不对", mend)


_QUOTE = {
    Base.MONEY: '金额写带引号的元，如 "12.34"',
    Base.RATIO: '比例写带引号的小数，如 "0.15"',
    Base.COUNT: "写整数，不带引号、小数点和单位",
    Base.BOOL: "写 true 或 false",
    Base.DATE: '写带引号的日期，如 "2025-03-01"',
    Base.LIST: '写列表，金额带引号，如 ["1.00", "2.00"]',
}


def _list(items: list[Any], fact: Fact) -> tuple[int, ...]:
    if len(items) > fact.max_items:
        raise Unreadable(f"有 {len(items)} 项", f"至多 {fact.max_items} 项")
    one = replace(fact, base=fact.item or Base.COUNT)
    found = []
    for place, item in enumerate(items, start=1):
        number = _value(item, one)
        if not isinstance(number, int):
            raise Unreadable(f"列表的第 {place} 项是 null", "不知道就整个列表写 null")
        found.append(number)
    return tuple(found)


def plain_values(facts: Mapping[str, Known]) -> dict[str, Any]:
    """Only the numbers, for the back ends."""
    return {name: known.value for name, known in facts.items()}
