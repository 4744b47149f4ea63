"""Values made for showing: chips, split bars, spans of time, dates. Pure; no request, no table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from fractions import Fraction

from jinsuan.kernel.money import Money
from jinsuan.kernel.period import BEIJING

HUNDREDTHS = 10_000
"""A split bar's width in hundredths of a percent."""


@dataclass(frozen=True, slots=True)
class Chip:
    """A state for people: kind is a CSS class (wait, run, hold, ok, warn, bad or nothing)."""

    word: str
    kind: str
    icon: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One part of a split bar. `x` and `width` are percentages as text; `fill` a CSS class."""

    label: str
    amount: Money
    fill: str
    key: str
    hatched: bool
    x: str
    width: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """A horizontal bar of money that adds up to the fen."""

    label: str
    total: Money
    parts: tuple[Part, ...]


# label, amount, letter of the colour (v voucher, c cash, n nothing yet), hatched
Slice = tuple[str, Money, str, bool]


def split(what: str, slices: Sequence[Slice]) -> Split:
    """Lay parts end to end. Empty parts are left out; the words say every amount."""
    total = Money.total(amount for _, amount, _, _ in slices)
    parts, start = [], 0
    running = Money(0)
    for label, amount, colour, hatched in slices:
        assert amount >= Money(0), (label, amount)
        if not amount:
            continue
        running += amount
        end = running.fen * HUNDREDTHS // total.fen
        parts.append(
            Part(
                label=label,
                amount=amount,
                fill=colour,
                key=colour + ("h" if hatched else ""),
                hatched=hatched,
                x=_percent(start),
                width=_percent(end - start),
            )
        )
        start = end
    words = "，".join(f"{p.label} {grouped(p.amount)} 元" for p in parts) or "没有金额"
    return Split(label=f"{what} {grouped(total)} 元：{words}", total=total, parts=tuple(parts))


def _percent(hundredths: int) -> str:
    return f"{hundredths // 100}.{hundredths % 100:02d}%"


def day(when: date | datetime) -> str:
    """2026-09-16."""
    if isinstance(when, datetime):
        when = when.astimezone(BEIJING).date()
    return f"{when:%Y-%m-%d}"


def moment(when: datetime) -> str:
    """2026-09-16 14:04:12."""
    return f"{when.astimezone(BEIJING):%Y-%m-%d %H:%M:%S}"


def short(when: datetime) -> str:
    """9月16日 14:04."""
    local = when.astimezone(BEIJING)
    return f"{local.month}月{local.day}日 {local:%H:%M}"


def clock(when: datetime) -> str:
    """14:04:12."""
    return f"{when.astimezone(BEIJING):%H:%M:%S}"


def lasting(length: timedelta) -> str:
    """12 小时 18 分; seconds only below a minute."""
    seconds = max(0, int(length.total_seconds()))
    days, rest = divmod(seconds, 86_400)
    hours, rest = divmod(rest, 3_600)
    minutes, seconds = divmod(rest, 60)
    if days:
        return f"{days} 天 {hours} 小时" if hours else f"{days} 天"
    if hours:
        return f"{hours} 小时 {minutes} 分" if minutes else f"{hours} 小时"
    if minutes:
        return f"{minutes} 分 {seconds} 秒" if seconds else f"{minutes} 分钟"
    return f"{seconds} 秒"


def ago(then: datetime, now: datetime) -> str:
    """8 秒前."""
    return f"{lasting(now - then)}前"


def pieces(text: str, *, keep: int = 10) -> str:
    """The last characters of an identifier, for people to tell two apart."""
    return text if len(text) <= keep else f"…{text[-keep:]}"


def percent(rate: Fraction) -> str:
    """30%; at most one decimal, cut."""
    tenths = rate.numerator * 1000 // rate.denominator
    whole, rest = divmod(tenths, 10)
    return f"{whole}.{rest}%" if rest else f"{whole}%"


def grouped(amount: Money) -> str:
    """11,289.60: yuan in words on a page; a real minus."""
    yuan, fen = divmod(abs(amount.fen), 100)
    return f"{'−' if amount.fen < 0 else ''}{yuan:,}.{fen:02d}"
