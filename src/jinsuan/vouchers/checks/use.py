"""Between contract and meter: price, use after the end, use far too small, use that looks made. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import pairwise

from jinsuan.kernel.money import Money
from jinsuan.kernel.ref import Ref
from jinsuan.metering.rating import show_price
from jinsuan.vouchers.checks.doubt import FULL, DataLacking, Doubt, percent, refs
from jinsuan.vouchers.checks.thresholds import AfterEnd, OverContract, Pattern, Price

MILLI = 1000
SHOWN = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """What one card-hour of a type may cost, as the province has set it; both ends included."""

    ref: Ref
    low: int
    high: int
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """What one card-hour costs under a contract, and what all other centres ask for it."""

    tariff: Ref
    resource: str
    millifen: int
    others: tuple[int, ...]
    band: Band | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Charged:
    """A charge and the last reading behind it."""

    charge: Ref
    amount: Money
    used_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """All readings of one resource of one attempt: when, and how much so far."""

    attempt: Ref
    resource: str
    held_milli: int
    points: tuple[tuple[datetime, int], ...]


def price_band(quotes: Iterable[Quote], at: Price) -> list[Doubt]:
    """价格异常: a card-hour outside the band that the province has set for its type, or, where it has
    set none, around the median of other centres.

    Raises:
        DataLacking: no band is set, and too few other centres have a price for a card.
    """
    found, thin = [], []
    for quote in sorted(quotes, key=lambda one: (one.resource, one.tariff)):
        if quote.band is not None:
            found += _outside(quote, quote.band)
            continue
        if len(quote.others) < at.least_centres:
            thin.append(f"{quote.resource} 只有 {len(quote.others)} 个其他中心有价目")
            continue
        doubled = _doubled_median(quote.others)
        share = quote.millifen * 2 * FULL
        if at.low_bps * doubled <= share <= at.high_bps * doubled:
            continue
        found.append(
            Doubt(
                code="price_band",
                title="卡时价格超出同型号的合理区间",
                evidence=refs(quote.tariff),
                detail=(
                    f"{quote.resource} 每小时 {_price(quote.millifen)}，其他 {len(quote.others)} 个"
                    f"中心的中位数是 {_price(doubled // 2)}。区间：中位数的 {percent(at.low_bps)} "
                    f"至 {percent(at.high_bps)}。"
                ),
            )
        )
    if thin:
        raise DataLacking(
            f"{'；'.join(thin)}，少于 {at.least_centres} 个，也没有设定价格区间，无法比较价格",
            "请用 jinsuan check band 设定这个型号的价格区间，或询价后写明依据",
            found,
        )
    return found


def _outside(quote: Quote, band: Band) -> list[Doubt]:
    if band.low <= quote.millifen <= band.high:
        return []
    return [
        Doubt(
            code="price_band",
            title="卡时价格超出同型号的合理区间",
            evidence=refs(quote.tariff, band.ref),
            detail=(
                f"{quote.resource} 每小时 {_price(quote.millifen)}。区间：{_price(band.low)} 至 "
                f"{_price(band.high)}（{band.source}）。"
            ),
        )
    ]


def after_end(
    charges: Iterable[Charged], *, contract: Ref, ends: datetime, at: AfterEnd
) -> list[Doubt]:
    """合同到期后仍计费: use at or after the moment when the contract holds no more.

    Args:
        ends: the first moment outside the contract.
    """
    limit = ends + timedelta(minutes=at.grace_minutes)
    late = sorted((c for c in charges if c.used_at >= limit), key=lambda c: (c.used_at, c.charge))
    if not late:
        return []
    return [
        Doubt(
            code="after_end",
            title="合同到期以后仍有计费",
            evidence=refs(contract, *(one.charge for one in late[:SHOWN])),
            detail=(
                f"合同自 {ends:%Y-%m-%d} 起失效，此后 {at.grace_minutes} 分钟以外还有 {len(late)} 笔费用"
                f"，共 {Money.total(one.amount for one in late)}，第一笔的读数时间是 "
                f"{late[0].used_at.astimezone(ends.tzinfo):%Y-%m-%d %H:%M}。"
            ),
        )
    ]


def over_contract(
    *,
    contract: Ref,
    amount: Money,
    metered: Money,
    starts_on: date,
    ends_on: date,
    today: date,
    at: OverContract,
) -> list[Doubt]:
    """合同远大于实际用量: most of the term is over and little was used.

    Args:
        ends_on: the last day, included.

    Raises:
        DataLacking: the contract names no amount.
    """
    if amount <= Money(0):
        raise DataLacking("合同没有登记可计入的金额，无法与计量比较", "请核对合同明细的金额和类别")
    days = (ends_on - starts_on).days + 1
    gone = max(0, min(days, (today - starts_on).days + 1))
    if gone * FULL <= days * at.gone_bps or metered.fen * FULL >= amount.fen * at.least_use_bps:
        return []
    return [
        Doubt(
            code="over_contract",
            title="合同金额远大于实际用量",
            evidence=refs(contract),
            detail=(
                f"合同 {amount}，计量 {metered}（{percent(metered.fen * FULL // amount.fen)}）；"
                f"合同期 {days} 天已过 {gone} 天（{percent(gone * FULL // days)}）。门槛：期限过 "
                f"{percent(at.gone_bps)} 而用量不足 {percent(at.least_use_bps)}。"
            ),
        )
    ]


def patterns(every: Iterable[Series], at: Pattern) -> list[Doubt]:
    """用量形态异常: flat at what was held for very long, or the very same series again and again.

    Agents report what an attempt holds, so a short flat series is honest use; the thresholds are
    about time without any break, and about repetition.
    """
    ordered = sorted(every, key=lambda one: (one.attempt, one.resource))
    found = [doubt for one in ordered if (doubt := _flat(one, at))]
    alike: dict[tuple[object, ...], list[Series]] = defaultdict(list)
    for one in ordered:
        if len(one.points) >= at.least_readings:
            alike[(one.resource, *_steps(one.points))].append(one)
    for group in alike.values():
        if len(group) < at.repeats:
            continue
        first = group[0]
        found.append(
            Doubt(
                code="repeated_use",
                title="多次作业的读数完全相同",
                evidence=refs(*(one.attempt for one in group)),
                detail=(
                    f"{len(group)} 次尝试的 {first.resource} 读数序列逐条相同（各 "
                    f"{len(first.points)} 条，累计 {first.points[-1][1]} 千分单位·秒）。门槛："
                    f"{at.repeats} 次，每次至少 {at.least_readings} 条。"
                ),
            )
        )
    return found


def _flat(one: Series, at: Pattern) -> Doubt | None:
    if len(one.points) < at.flat_readings or one.held_milli <= 0:
        return None
    hours = (one.points[-1][0] - one.points[0][0]) // timedelta(hours=1)
    steps = _steps(one.points)
    # Agents round down to whole milli-unit-seconds, so a step is exact to less than one.
    full = all(abs(used * MILLI - one.held_milli * ms) < MILLI for ms, used in steps)
    if hours < at.flat_hours or not full:
        return None
    return Doubt(
        code="constant_load",
        title="用量长期恒为满额",
        evidence=refs(one.attempt),
        detail=(
            f"{one.resource} 连续 {hours} 小时、{len(one.points)} 条读数，每一条的增量都恰好等于占用量"
            f"（{one.held_milli} 千分单位）。门槛：{at.flat_hours} 小时且 {at.flat_readings} 条。"
            "读数只说明占用，是否空转请看作业日志和中心的功率记录。"
        ),
    )


def _steps(points: Sequence[tuple[datetime, int]]) -> tuple[tuple[int, int], ...]:
    """Milliseconds and use from each reading to the next."""
    return tuple(
        ((late - early) // timedelta(milliseconds=1), more - less)
        for (early, less), (late, more) in pairwise(points)
    )


def _doubled_median(values: Sequence[int]) -> int:
    """Twice the median, so that it stays a whole number."""
    ordered, middle = sorted(values), len(values) // 2
    if len(ordered) % 2:
        return 2 * ordered[middle]
    return ordered[middle - 1] + ordered[middle]


def _price(millifen: int) -> str:
    return f"¥{show_price(millifen)}"
