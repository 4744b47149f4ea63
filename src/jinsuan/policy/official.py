"""An operator's copy of the official text: cut into articles, sentences and printed numbers. Pure.

The copy is as people have it: from a web page or a PDF, with broken lines, page numbers, remarks of
whoever collected it, perhaps twice in one file. It is never part of this repository.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

NUMERALS = "一二三四五六七八九十百"
_HEADING = re.compile(rf"（([{NUMERALS}]+)）|([{NUMERALS}]+)、")
_FURNITURE = re.compile(r"[—–―－-]*\d+[—–―－-]*|第\d+页.*|本文内容来自网络.*|\[[^\]]{1,10}\].*")
_WIDE = {ord(wide): ord(wide) - 0xFEE0 for wide in "０１２３４５６７８９％．"}
_DIGITS = {char: number for number, char in enumerate("零一二三四五六七八九")} | {"两": 2}
_SCALES = {"十": 10, "百": 100, "千": 1_000, "万": 10_000, "亿": 100_000_000}

_UNITS = "个月|个工作日|小时|元|个|年|月|日|天|次|家|户|倍|架|台|人|项|条|亩|平方米|公里|成"
NUMBER = re.compile(
    r"[A-Za-z]+[0-9]+(?:\.[0-9]+)?"  # FP16
    rf"|[0-9]+(?:\.[0-9]+)?(?:%|[A-Za-z]+|[十百千万亿]*(?:{_UNITS})?)"  # 15%, 100PFlops, 300万元
    rf"|[一二两三四五六七八九十百千]+[万亿]+(?:{_UNITS})?"  # 千亿
    r"|[一二两三四五六七八九十百]+(?:个月|年|倍|元|成)(?!度)"  # 三年, but not 上一年度
)
_BEFORE = re.compile(r"不低于|不少于|不超过|不高于|不满|最高|超过|低于|高于|少于|达到")
_AFTER = re.compile(r"(?:（(?!含）)[^）]*）)?(及以上|以上|以下|以内|（含）)")
_CLAUSE = re.compile(r"[，。；、：！？]")

SENSES = {
    **dict.fromkeys(("以上", "及以上", "达到", "不低于", "不少于"), ">="),
    **dict.fromkeys(("低于", "少于", "不满"), "<"),
    **dict.fromkeys(("超过", "高于"), ">"),
    **dict.fromkeys(("不超过", "不高于", "最高", "以下", "以内"), "<="),
}
"""What a comparator word at a number means; （含） adds the number itself."""


@dataclass(frozen=True, slots=True)
class Printed:
    """A number as an article prints it, with the comparator words at it."""

    text: str
    words: tuple[str, ...]

    @property
    def sense(self) -> str:
        return sense_of(self.words)


@dataclass(frozen=True, slots=True)
class Official:
    """One article of the official text, without line breaks and spaces."""

    label: str
    title: str
    sentences: tuple[str, ...]
    numbers: tuple[Printed, ...]


def squeeze(text: str) -> str:
    """Without spaces and line breaks, with the usual digits and percent signs."""
    return "".join(text.split()).translate(_WIDE)


def official_articles(text: str) -> tuple[dict[str, Official], tuple[str, ...]]:
    """The articles by label, and the labels of which the file has two that differ."""
    bodies: dict[str, str] = {}
    differing = []
    for label, body in _bodies(text):
        known = bodies.setdefault(label, body)
        shorter, longer = sorted((known, body), key=len)
        if not longer.startswith(shorter):
            differing.append(label)
        # The last part of a first copy runs into the front page of the second.
        bodies[label] = shorter
    found = {label: _article(label, body) for label, body in bodies.items() if "。" in body}
    return found, tuple(differing)


def _bodies(text: str) -> Iterator[tuple[str, str]]:
    label, lines = "", list[str]()
    counts = {"（": 0, "、": 0}
    for raw in text.splitlines():
        line = squeeze(raw)
        if not line or _FURNITURE.fullmatch(line):
            continue
        heading = _HEADING.match(line)
        if heading and _is_next(heading, counts):
            yield label, "".join(lines)
            label, lines = heading[0], []
            line = line[heading.end() :]
            if heading[2]:  # the heading of a part ends with its line
                line = line if "。" in line else line + "。"
        lines.append(line)
    yield label, "".join(lines)


def _is_next(heading: re.Match[str], counts: dict[str, int]) -> bool:
    """Whether a heading goes on counting, or begins again; else it is a broken line's beginning."""
    sort = "（" if heading[1] else "、"
    number = chinese_number(heading[1] or heading[2])
    if number not in (1, counts[sort] + 1):
        return False
    counts[sort] = number
    return True


def _article(label: str, body: str) -> Official:
    title, _, rest = body.partition("。")
    sentences = [part + "。" for part in rest.split("。")[:-1]]
    return Official(label, title, tuple(sentences), tuple(numbers_of(rest)))


def numbers_of(body: str) -> Iterator[Printed]:
    """Every number of a text in order, with its words."""
    end = 0
    for found in NUMBER.finditer(body):
        clause = _CLAUSE.split(body[end : found.start()])[-1]
        words = _BEFORE.findall(clause)
        after = _AFTER.match(body, found.end())
        end = found.end()
        yield Printed(found[0], (*words, *([after[1]] if after else [])))


def words_in(text: str) -> tuple[str, ...]:
    """The comparator words of a parameter's `word`."""
    return tuple(re.findall(f"{_BEFORE.pattern}|及以上|以上|以下|以内|（含）", text))


def sense_of(words: tuple[str, ...]) -> str:
    """The operator that words ask for; empty when there are none."""
    plain = [word for word in words if word != "（含）"]
    sense = SENSES[plain[-1]] if plain else ""
    return {">": ">=", "<": "<="}.get(sense, sense) if "（含）" in words else sense


def chinese_number(text: str) -> int:
    """Numerals up to a hundred million and beyond: 十七, 千亿.

    >>> chinese_number("十七"), chinese_number("千亿"), chinese_number("二百")
    (17, 100000000000, 200)
    """
    total, section, digit = 0, 0, 0
    for char in text:
        if char in _DIGITS:
            digit = _DIGITS[char]
        elif _SCALES[char] < 10_000:
            section += (digit or 1) * _SCALES[char]
            digit = 0
        else:
            total = (total + section + digit or 1) * _SCALES[char]
            section = digit = 0
    return total + section + digit


def worth(printed: str) -> tuple[Fraction, str] | None:
    """A printed number as a fraction and its unit: 300万元 is (3000000, 元). None when it is none."""
    found = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)([十百千万亿]*)(.*)", printed)
    if found:
        exact = Fraction(found[1])
        for char in found[2]:
            exact *= _SCALES[char]
        return exact, found[3]
    found = re.fullmatch(r"([一二两三四五六七八九十百千万亿]+)(.*)", printed)
    return (Fraction(chinese_number(found[1])), found[2]) if found else None
