"""Capitals read back: a reader written from the rules, not from the writer, finds the amount."""

from __future__ import annotations

import re

from hypothesis import example, given, strategies as st

from jinsuan.kernel.capitals import capitals
from jinsuan.kernel.money import Money

FIGURES = {figure: value for value, figure in enumerate("零壹贰叁肆伍陆柒捌玖")}
PLACES = {"仟": 1000, "佰": 100, "拾": 10}
LARGE = {"亿": 10**8, "万": 10**4}
fen = st.integers(0, 10**18 - 1)
round_fen = st.builds(lambda n, zeros: n * 10**zeros % 10**18, fen, st.integers(0, 17))


def read_whole(words: str) -> int:
    """Read from the largest unit down, as one reads aloud: left of 亿 times 10^8, and so on."""
    for unit, size in LARGE.items():
        if unit in words:
            left, _, right = words.partition(unit)
            return read_whole(left) * size + read_whole(right)
    total, figure = 0, 0
    for letter in words:
        if letter in PLACES:
            total += figure * PLACES[letter]
            figure = 0
        else:
            figure = FIGURES[letter]
    return total + figure


def read_capitals(words: str) -> Money:
    words = words.removesuffix("整")
    sign = -1 if words.startswith("负") else 1
    words = words.removeprefix("负")
    yuan, mark, rest = words.rpartition("元")
    found = re.fullmatch(r"零?(?:(.)角)?零?(?:(.)分)?", rest)
    assert found, words
    assert mark or not yuan
    cents = FIGURES[found[1] or "零"] * 10 + FIGURES[found[2] or "零"]
    return Money(sign * (read_whole(yuan) * 100 + cents))


@given(fen | round_fen, st.booleans())
@example(10**16 + 10**12, False)
def test_capitals_read_back_as_the_amount(size: int, negative: bool) -> None:
    amount = Money(-size if negative else size)

    assert read_capitals(capitals(amount)) == amount


@given(fen | round_fen)
def test_capitals_never_double_a_zero_nor_end_a_unit_with_one(size: int) -> None:
    words = capitals(Money(size))

    assert "零零" not in words
    assert not re.search("零[万亿拾佰仟角分整]", words)
    assert "零元" not in words or size == 0


@given(fen | round_fen)
def test_whole_ends_exactly_when_there_is_no_fen(size: int) -> None:
    assert capitals(Money(size)).endswith("整") == (size % 10 == 0)


@given(fen, fen)
def test_different_amounts_have_different_capitals(one: int, other: int) -> None:
    assert (capitals(Money(one)) == capitals(Money(other))) == (one == other)
