"""Phone, identity and account numbers: what is taken, what is refused, what a page shows."""

from __future__ import annotations

from datetime import date

import pytest

from jinsuan.kernel.errors import BadInput
from jinsuan.registry.personal import (
    Field,
    identity_check,
    luhn,
    mask,
    read_bank_account,
    read_identity,
    read_phone,
)

TODAY = date(2025, 9, 16)
# The worked example of GB 11643-1999 itself.
EXAMPLE = "11010519491231002X"


@pytest.mark.parametrize(
    "text",
    ["13800138000", "138 0013 8000", "+86 138-0013-8000", "008613800138000", "8613800138000"],
)
def test_a_mobile_number_is_read_however_people_write_it(text: str) -> None:
    assert read_phone(text) == "13800138000"


@pytest.mark.parametrize("text", ["", "12800138000", "1380013800", "138001380001", "+1 2025550123"])
def test_what_is_no_mainland_mobile_is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(BadInput) as refused:
        read_phone(text)
    assert not text or text not in refused.value.explain()


def test_the_example_of_the_standard_is_right() -> None:
    assert read_identity(EXAMPLE.lower(), on=TODAY) == EXAMPLE
    assert identity_check(EXAMPLE[:17]) == "X"


@pytest.mark.parametrize(
    ("number", "why"),
    [
        ("11010519491231002", "18 位"),
        ("110105194912310021", "校验码"),
        ("99010519491231002X", "行政区划"),
        ("110105194913310029", "日期"),
        ("110105202512310020", "出生日期"),
        ("1101051949123100XX", "18 位"),
    ],
)
def test_a_wrong_identity_number_says_what_is_wrong_and_not_the_number(
    number: str, why: str
) -> None:
    with pytest.raises(BadInput) as refused:
        read_identity(number, on=TODAY)
    assert why in refused.value.explain()
    assert number not in refused.value.explain()


def test_a_company_account_needs_no_check_digit_and_a_card_does() -> None:
    assert read_bank_account("0502 1234 0930 0012 345") == "0502123409300012345"
    assert luhn("6222020000000000004") is False
    card = next(f"622202000000000000{d}" for d in range(10) if luhn(f"622202000000000000{d}"))
    assert read_bank_account(card) == card
    wrong = card[:-1] + str((int(card[-1]) + 1) % 10)
    with pytest.raises(BadInput, match="校验位"):
        read_bank_account(wrong)


@pytest.mark.parametrize("text", ["1234567", "1" * 31, "05021234abcd", ""])
def test_what_is_no_account_is_refused(text: str) -> None:
    with pytest.raises(BadInput):
        read_bank_account(text)


def test_a_mask_keeps_what_people_recognise_and_no_more() -> None:
    assert mask(Field.PHONE, "13812341234") == "138****1234"
    assert mask(Field.IDENTITY, EXAMPLE) == "110***********002X"
    assert mask(Field.BANK_ACCOUNT, "0502123409300012345") == "****2345"
