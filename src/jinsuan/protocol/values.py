"""Read one value of a job specification: a number, a size, a duration, an amount, a word.

A reader takes whatever a loader produced and returns a whole number or a text, or raises
`ValueError("problem|mend")` for `parse` to collect. Digits are ASCII digits only. Whether a value
is of a plain kind is asked before its text is taken, so no nesting or size can break a reader.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from fractions import Fraction
from numbers import Real

from jinsuan.kernel.money import Money
from jinsuan.protocol.spec import Accelerators

MAX_CARDS_PER_NODE = 64
MAX_SECONDS = 365 * 24 * 3600
MAX_BUDGET = Money.yuan("1000000000")
MAX_MEMORY_MIB = 2**30
MAX_CPUS = 1_000_000
SHOWN = 60
"""How much of a stranger's text a refusal repeats."""

_MEMORY_MIB = {
    **dict.fromkeys(("", "G", "GB", "GIB"), 1024),
    **dict.fromkeys(("M", "MB", "MIB"), 1),
    **dict.fromkeys(("T", "TB", "TIB"), 1024 * 1024),
}
_NUMBER = re.compile(r"[0-9]{1,12}(\.[0-9]{1,3})?")
_MODEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._+()（）/\-\u4e00-\u9fff]{0,60}")
_AMOUNT = re.compile(r"([0-9]{1,10}|[0-9]{1,3}([,，][0-9]{3}){1,3})(\.[0-9]{1,2})?")
_UNITS = re.compile(r"(?:(\d{1,9})d)?(?:(\d{1,9})h)?(?:(\d{1,9})m)?(?:(\d{1,9})s)?", re.ASCII)
_SBATCH = re.compile(r"(?:(\d{1,4})-)?(\d{1,4}):([0-5]\d):([0-5]\d)", re.ASCII)
_SBATCH_DAYS = re.compile(r"(\d{1,4})-(\d{1,2})(?::([0-5]\d))?", re.ASCII)
_TURNS_TEXT_AROUND = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def shown(raw: object) -> str:
    """A short, printable piece of whatever somebody wrote, to repeat in a refusal."""
    if isinstance(raw, str):
        piece = raw[: SHOWN + 1] or "（空）"
    elif isinstance(raw, int):
        piece = str(raw) if abs(raw) < 10 ** (SHOWN - 1) else "（很大的数）"
    elif raw is None or isinstance(raw, Real):
        piece = str(raw)
    else:
        piece = "（列表）" if isinstance(raw, (list, tuple)) else "（键值）"
    piece = "".join("�" if is_odd(c) else c for c in piece)
    return piece if len(piece) <= SHOWN else piece[: SHOWN - 1] + "…"


def is_odd(character: str) -> bool:
    """A control, half a surrogate pair, a line separator, or a mark that turns text around."""
    return (
        unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp")
        or character in _TURNS_TEXT_AROUND
    )


def is_binary_fraction(raw: object) -> bool:
    """A number that a loader has already rounded to base 2."""
    return isinstance(raw, Real) and not isinstance(raw, int)


def text_of(raw: object) -> str:
    """The text of a plain value; a binary fraction is told to put on quotation marks."""
    if isinstance(raw, str):
        return raw.strip()
    if is_binary_fraction(raw):
        raise ValueError(f"小数 {shown(raw)} 没有加引号，机器读它时可能已有误差|加引号，例如 '0.5'")
    if type(raw) is int and abs(raw) < 2**63:
        return str(raw)
    return ""


def whole(low: int, high: int) -> Callable[[object], int]:
    """A reader of whole numbers within limits."""

    def read(raw: object) -> int:
        text = text_of(raw)
        if not re.fullmatch(r"[0-9]{1,9}", text) or not low <= int(text) <= high:
            raise ValueError(f"应为 {low} 到 {high} 的整数|改成这个范围内的整数")
        return int(text)

    return read


def _number(raw: object) -> Fraction:
    text = text_of(raw).removesuffix("+")
    if not _NUMBER.fullmatch(text):
        raise ValueError("应为不带符号的数，至多三位小数|例如 8 或 '0.5'")
    return Fraction(text)


def milli(raw: object) -> int:
    """Thousandths of a core or a card. A trailing `+` (at least) is read and dropped."""
    number = _number(raw) * 1000
    if not 0 < number <= MAX_CPUS * 1000:
        raise ValueError(f"应大于 0，至多 {MAX_CPUS}|例如 8 或 '0.5'")
    return int(number)


def mib(raw: object) -> int:
    """`64`, `64GB`, `512MiB`, `1TB`; `64+` and `64GB..` (at least) are read as 64 GB."""
    text = text_of(raw).removesuffix("+").removesuffix("..")
    found = re.fullmatch(r"([0-9.]+) *([A-Za-z]*)", text)
    if not found or found[2].upper() not in _MEMORY_MIB:
        raise ValueError("读不懂内存大小|例如 64、64GB 或 512MiB")
    size = _number(found[1]) * _MEMORY_MIB[found[2].upper()]
    if size.denominator != 1 or not 0 < size <= MAX_MEMORY_MIB:
        raise ValueError("内存应为大于 0 的整 MiB，至多 1024TiB|例如 64GB")
    return int(size)


def seconds(raw: object) -> int:
    """`90m`, `2h`, `1d12h`, or sbatch's `HH:MM:SS`, `D-HH`, `D-HH:MM`, `D-HH:MM:SS`.

    A bare number and sbatch's `MM:SS` are refused: one reader takes them for minutes, the next
    for seconds or hours.
    """
    text = text_of(raw)
    if found := _SBATCH.fullmatch(text):
        parts = found.groups()
    elif found := _SBATCH_DAYS.fullmatch(text):
        parts = (*found.groups(), None)
    elif text and (found := _UNITS.fullmatch(text)):
        parts = found.groups()
    else:
        raise ValueError("读不懂时长|例如 90m、2h、1d12h 或 1-12:00:00")
    days, hours, minutes, rest = (int(part or 0) for part in parts)
    total = days * 86400 + hours * 3600 + minutes * 60 + rest
    if not 0 < total <= MAX_SECONDS:
        raise ValueError("时长应大于 0 且不超过 365 天|例如 2h")
    return total


def money(raw: object) -> Money:
    """Yuan with at most two decimals; commas only where they part thousands."""
    text = text_of(raw)
    if not _AMOUNT.fullmatch(text):
        raise ValueError(
            "应为正的元数，至多两位小数，逗号只能隔开千位|写数字并加引号，例如 '3000.00'"
        )
    amount = Money.yuan(text.replace(",", "").replace("，", ""))
    if not Money(0) < amount <= MAX_BUDGET:
        raise ValueError(f"应大于 0 且不超过 {MAX_BUDGET}|例如 '3000.00'")
    return amount


def accelerators(raw: object) -> Accelerators:
    """`Ascend 910B3:8`, `T4:0.5`, or a model alone, which means one card."""
    text = text_of(raw)
    model, _, count = text.rpartition(":") if ":" in text else (text, "", "1")
    model = model.strip()
    if not isinstance(raw, str) or not _MODEL.fullmatch(model):
        raise ValueError(f"读不懂“{shown(raw)}”|例如 Ascend 910B3:8，或共享卡 T4:0.5")
    cards_milli = milli(count)
    if cards_milli < 1000:
        return Accelerators(model=model, count=1, card_milli=cards_milli)
    if cards_milli % 1000 or cards_milli > MAX_CARDS_PER_NODE * 1000:
        raise ValueError(
            f"每个节点应为 1 至 {MAX_CARDS_PER_NODE} 张整卡，或不足 1 张的一份"
            "|例如 Ascend 910B3:8，或共享卡 T4:0.5"
        )
    return Accelerators(model=model, count=cards_milli // 1000)
