"""统一社会信用代码: 18 characters, the last one a check character (GB 32100-2015, clause 4.2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from jinsuan.kernel.errors import DomainError

_ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
"""31 characters: digits and capitals without I, O, S, V and Z."""
_WEIGHTS = tuple(pow(3, i, 31) for i in range(17))


@dataclass(eq=False)
class UsccInvalid(DomainError):
    """统一社会信用代码有误."""

    code: ClassVar[str] = "uscc_invalid"
    http_status: ClassVar[int] = 422
    text: str
    problem: str

    def explain(self) -> str:
        return (
            f"统一社会信用代码“{self.text[:40]}”有误：{self.problem}。"
            "请对照营业执照或法人证书核对，共 18 位，不含字母 I、O、S、V、Z。"
        )


def check_character(first_seventeen: str) -> str:
    """The 18th character: 31 - (sum of value * 3^i mod 31) mod 31, with 31 read as 0."""
    total = sum(_ALPHABET.index(c) * w for c, w in zip(first_seventeen, _WEIGHTS, strict=True))
    return _ALPHABET[-total % 31]


def read_uscc(text: str) -> str:
    """Return the code in capitals without surrounding blanks.

    >>> read_uscc(" 91350100m000100y43 ")
    '91350100M000100Y43'

    Raises:
        UsccInvalid: wrong length, a forbidden character, or a wrong check character.
    """
    code = text.strip().upper()
    if len(code) != 18:
        raise UsccInvalid(text, f"应为 18 位，实为 {len(code)} 位")
    for place, character in enumerate(code, start=1):
        if character not in _ALPHABET:
            raise UsccInvalid(text, f"第 {place} 位“{character}”不是允许的字符")
    if code[-1] != check_character(code[:17]):
        raise UsccInvalid(text, "第 18 位校验码不符，可能有一位写错")
    return code
