"""The check character of 统一社会信用代码, tried on published codes and on every single slip."""

from __future__ import annotations

import pytest

from jinsuan.kernel.uscc import UsccInvalid, check_character, read_uscc

PUBLISHED = [
    "91350100M000100Y43",  # the worked example of GB 32100-2015
    "9144030071526726XG",
    "91330100799655058B",
    "914403001922038216",
    "91110000802100433B",
    "911100007109250324",
    "91100000100003962T",
    "91110000600037341L",
    "91440300192317458F",
    "9152000071430580XT",
    "911103026605015136",
    "911000001000013428",
]
"""Codes printed on companies' own public pages; their 9th to 17th place also pass GB 11714."""
LETTERS = "0123456789ABCDEFGHJKLMNPQRTUWXY"


def _holds(code: str) -> bool:
    return check_character(code[:17]) == code[17]


@pytest.mark.parametrize("code", PUBLISHED)
def test_a_published_code_passes(code: str) -> None:
    assert read_uscc(code) == code


@pytest.mark.parametrize("code", PUBLISHED)
def test_the_organisation_part_of_a_published_code_passes_its_own_older_check(code: str) -> None:
    letters, weights = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ", (3, 7, 9, 10, 5, 8, 4, 2)
    total = sum(letters.index(c) * w for c, w in zip(code[8:16], weights, strict=True))

    assert code[16] == "0123456789X"[-total % 11]


@pytest.mark.parametrize("code", PUBLISHED)
def test_every_change_of_one_character_is_noticed(code: str) -> None:
    slips = [
        code[:i] + letter + code[i + 1 :]
        for i in range(18)
        for letter in LETTERS
        if letter != code[i]
    ]

    assert len(slips) == 18 * 30
    assert not any(_holds(slip) for slip in slips)


@pytest.mark.parametrize("code", PUBLISHED)
def test_every_swap_of_two_different_neighbours_is_noticed(code: str) -> None:
    swaps = [
        code[:i] + code[i + 1] + code[i] + code[i + 2 :]
        for i in range(17)
        if code[i] != code[i + 1]
    ]

    assert swaps
    assert not any(_holds(swap) for swap in swaps)


def test_the_scheme_cannot_tell_the_first_place_from_the_last() -> None:
    """3^0 = 1 is also the weight of the check character: known, and no promise of the standard."""
    code = "91330100799655058B"

    assert _holds("B" + code[1:17] + "9")


def test_blanks_around_and_small_letters_are_forgiven() -> None:
    assert read_uscc("\t91350100m000100y43 \n") == "91350100M000100Y43"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "应为 18 位，实为 0 位"),
        ("91350100M000100Y4", "实为 17 位"),
        ("91350100M000100Y433", "实为 19 位"),
        ("9135O100M000100Y43", "第 5 位“O”不是允许的字符"),
        ("91350100M000100Z43", "第 16 位“Z”不是允许的字符"),
        ("９1350100M000100Y43", "第 1 位“９”不是允许的字符"),
        ("91350100M000100Y44", "第 18 位校验码不符"),
    ],
)
def test_a_wrong_code_says_where(text: str, problem: str) -> None:
    with pytest.raises(UsccInvalid) as refused:
        read_uscc(text)

    assert problem in refused.value.explain()
    assert "营业执照" in refused.value.explain()


def test_a_refusal_does_not_repeat_a_whole_book() -> None:
    assert len(UsccInvalid("9" * 10_000, "应为 18 位").explain()) < 200
