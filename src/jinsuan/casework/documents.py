"""One spelling per document (单据), so that the same paper claimed twice is seen. Pure.

A contract's number means something only between its parties, and neither should be readable by
whoever sees the register: its key is a SHA-256 of both.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from typing import Literal

from jinsuan.kernel.errors import BadInput
from jinsuan.kernel.uscc import read_uscc

Kind = Literal["invoice", "contract", "serial"]
_INVOICE = re.compile(r"[0-9]{20}")
_IDLE = re.compile(r"[\s\-_/\\.·—–()（）\[\]【】〔〕#№:：,，]+")
MOST = 80


@dataclass(frozen=True, order=True, slots=True)
class Document:
    """Something claimed: `key` is compared, `shown` is what its owner reads."""

    kind: Kind
    key: str
    shown: str


def invoice(number: str) -> Document:
    """数电票: 20 digits, in whatever width and spacing they were typed.

    Raises:
        BadInput: not 20 digits.
    """
    plain = re.sub(r"\s+", "", unicodedata.normalize("NFKC", number))
    if not _INVOICE.fullmatch(plain):
        raise BadInput(
            "发票号码",
            f"应为 20 位数字，收到的是“{number[:40]}”",
            "请照数电票左上角的发票号码填写。",
        )
    return Document("invoice", plain, plain)


def contract(number: str, parties: Iterable[str]) -> Document:
    """A contract by its number and the credit codes of its parties, in any order and spelling.

    Raises:
        BadInput: no number, or fewer than two parties.
        UsccInvalid: a party's code is wrong.
    """
    plain = _plain(number, "合同编号")
    codes = sorted({read_uscc(code) for code in parties})
    if len(codes) < 2:
        raise BadInput("合同双方", "少于两个不同的单位", "请填写甲乙双方的统一社会信用代码。")
    key = sha256("\n".join([plain, *codes]).encode()).hexdigest()
    return Document("contract", key, number.strip()[:MOST])


def serial(number: str) -> Document:
    """A machine by the serial number on its plate.

    Raises:
        BadInput: nothing in it.
    """
    return Document("serial", _plain(number, "设备序列号"), number.strip()[:MOST])


def _plain(text: str, field: str) -> str:
    """Full width, case, blanks and punctuation make no difference between two documents."""
    plain = _IDLE.sub("", unicodedata.normalize("NFKC", text)).upper()
    if not plain or len(plain) > MOST:
        raise BadInput(field, f"为空或超过 {MOST} 个字符", "请照原件填写编号。")
    return plain
