"""Phone, identity and bank account numbers: how they are checked, and how pages show them. Pure."""

from __future__ import annotations

import re
from datetime import date
from enum import StrEnum
from uuid import UUID

from jinsuan.kernel.errors import BadInput
from jinsuan.registry.sealing import Place

PHONE = "手机号"
IDENTITY = "公民身份号码"
BANK_ACCOUNT = "银行账号"

_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_CHECK = "10X98765432"
_REGIONS = re.compile(r"1[1-5]|2[1-3]|3[1-7]|4[1-6]|5[0-4]|6[1-5]|71|8[1-3]")
"""Provinces by GB/T 2260; 83 stands in residence permits of Taiwan's inhabitants."""
_BLANKS = re.compile(r"[\s\-]")
_CARD = re.compile(r"62[0-9]{14,17}")  # UnionPay's cards: 16 to 19 digits with a Luhn digit


class Field(StrEnum):
    """What is kept sealed."""

    PHONE = "phone"
    IDENTITY = "identity"
    BANK_ACCOUNT = "bank_account"

    @property
    def label(self) -> str:
        return {"phone": PHONE, "identity": IDENTITY, "bank_account": BANK_ACCOUNT}[self.value]


def place_of(field: Field, row: UUID) -> Place:
    """Where a field of a person or an organisation stands, as the seal binds it."""
    table = "organisation" if field is Field.BANK_ACCOUNT else "person"
    return Place(field=f"{table}.{field}", row=row)


def read_phone(text: str) -> str:
    """A mainland mobile number as eleven digits.

    >>> read_phone("+86 138-0013-8000")
    '13800138000'

    Raises:
        BadInput: it is none. The refusal does not repeat the number: refusals are logged.
    """
    digits = re.sub(r"^(\+86|0086|86(?=1))", "", _BLANKS.sub("", text))
    if not re.fullmatch(r"1[3-9][0-9]{9}", digits):
        raise BadInput(PHONE, "不是中国大陆的手机号", "请填 11 位数字，以 13 至 19 开头。")
    return digits


def identity_check(first_seventeen: str) -> str:
    """The 18th character by GB 11643-1999: weights 2^(17-i) mod 11."""
    total = sum(int(c) * w for c, w in zip(first_seventeen, _WEIGHTS, strict=True))
    return _CHECK[total % 11]


def read_identity(text: str, *, on: date) -> str:
    """An identity number in capitals, checked in every way that it can be without a register.

    Args:
        on: today; nobody is born after it.

    Raises:
        BadInput: length, region, day of birth or check character. It does not repeat the number.
    """
    number = _BLANKS.sub("", text).upper()
    mend = "请对照居民身份证核对，共 18 位，末位可以是 X。"
    if not re.fullmatch(r"[0-9]{17}[0-9X]", number):
        raise BadInput(IDENTITY, "应为 18 位：前 17 位数字，末位数字或 X", mend)
    if not _REGIONS.fullmatch(number[:2]):
        raise BadInput(IDENTITY, "前两位不是省级行政区划代码", mend)
    try:
        born = date(int(number[6:10]), int(number[10:12]), int(number[12:14]))
    except ValueError:
        raise BadInput(IDENTITY, "第 7 至 14 位不是日期", mend) from None
    if not date(1890, 1, 1) <= born <= on:
        raise BadInput(IDENTITY, "出生日期不合理", mend)
    if number[17] != identity_check(number[:17]):
        raise BadInput(IDENTITY, "校验码不符，可能有一位写错", mend)
    return number


def luhn(digits: str) -> bool:
    """Whether the last digit fits the others (ISO/IEC 7812-1, annex B)."""
    total = 0
    for place, character in enumerate(reversed(digits)):
        value = int(character) * (2 if place % 2 else 1)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def read_bank_account(text: str) -> str:
    """An account number as digits.

    Numbers of company accounts are each bank's own affair: 8 to 30 digits and no check digit. A
    number that looks like a UnionPay card (62, 16 to 19 digits) must pass Luhn.

    Raises:
        BadInput: it is none. The refusal does not repeat the number.
    """
    digits = _BLANKS.sub("", text)
    if not re.fullmatch(r"[0-9]{8,30}", digits):
        raise BadInput(BANK_ACCOUNT, "应为 8 至 30 位数字", "请对照开户许可证或开户证明核对。")
    if _CARD.fullmatch(digits) and not luhn(digits):
        raise BadInput(BANK_ACCOUNT, "卡号校验位不符，可能有一位写错", "请对照卡面或开户证明核对。")
    return digits


def mask(field: Field, value: str) -> str:
    """What a page may show.

    >>> mask(Field.PHONE, "13800138000"), mask(Field.BANK_ACCOUNT, "0502123409300012345")
    ('138****8000', '****2345')
    """
    match field:
        case Field.PHONE:
            return f"{value[:3]}****{value[-4:]}"
        case Field.IDENTITY:
            return f"{value[:3]}{'*' * 11}{value[-4:]}"
        case Field.BANK_ACCOUNT:
            return f"****{value[-4:]}"
