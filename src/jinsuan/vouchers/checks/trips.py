"""Does the money come back (资金回流)? What went to the provider, what came in for the applicant. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from uuid import UUID

from jinsuan.kernel.money import Money
from jinsuan.kernel.ref import Ref
from jinsuan.vouchers.checks.doubt import FULL, DataLacking, Doubt, percent, refs
from jinsuan.vouchers.checks.thresholds import RoundTrip

PAYMENT, PAYOUT, CHARGE, VOUCHER = "付款", "结算或拨付", "作业费用", "算力券面额"
SHOWN = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Movement:
    """Money from one known organisation to another.

    Args:
        payer: None to the provider: the platform, for its users. None to anybody else: somebody that
            no register knows.
        kind: in words; a charge and a voucher's face are what money that comes back is compared with.
    """

    ref: Ref
    payer: UUID | None
    receiver: UUID
    amount: Money
    on: date
    kind: str = PAYMENT


def round_trips(
    movements: Iterable[Movement],
    *,
    provider: UUID,
    group: frozenset[UUID],
    circle: frozenset[UUID] = frozenset(),
    at: RoundTrip,
) -> list[Doubt]:
    """What came back soon after it went to the provider, and is near what went: from the provider,
    from somebody connected with it, or, once the provider was paid, from somebody unknown.

    Args:
        circle: whom the provider is connected with.
    """
    every = sorted(movements, key=lambda one: (one.on, one.ref))
    group -= {provider}
    forth = [m for m in every if m.receiver == provider and (m.payer is None or m.payer in group)]
    theirs = (circle | {provider}).__contains__
    back = [
        m
        for m in every
        if m.receiver in group and m.payer != m.receiver and (m.payer is None or theirs(m.payer))
    ]
    used: set[Ref] = set()
    found = []
    for there in forth:
        for here in back:
            days = (here.on - there.on).days
            if here.ref in used or not 0 <= days <= at.days:
                continue
            near = next((one for one in _against(there, here, forth) if _near(one, here, at)), None)
            if near is None:
                continue
            used.add(here.ref)
            found.append(_doubt(there, near, here, provider, at))
            break
    return found


def _against(there: Movement, here: Movement, forth: Sequence[Movement]) -> Iterator[Movement]:
    """What an amount that came in is held against. Somebody unknown may well help an applicant, so
    theirs counts only after the provider was paid.
    """
    if here.payer is not None:
        yield there
    elif there.kind == PAYOUT:
        yield there
        yield from (one for one in forth if one.kind in (CHARGE, VOUCHER))


def _near(there: Movement, here: Movement, at: RoundTrip) -> bool:
    return abs((here.amount - there.amount).fen) * FULL <= there.amount.fen * at.tolerance_bps


def _doubt(there: Movement, near: Movement, here: Movement, provider: UUID, at: RoundTrip) -> Doubt:
    who = "不明的第三方" if here.payer is None else "供给方的关联方"
    who = "供给方" if here.payer == provider else who
    what = f"{there.on} 付给供给方 {there.amount}（{there.kind}）"
    if there.kind in (CHARGE, VOUCHER):
        what = f"{there.on} {there.kind} {there.amount}"
    beside = "" if near == there else f"，与{near.kind} {near.amount} 相近"
    return Doubt(
        code="round_trip",
        title="付给供给方的钱疑似回流",
        evidence=refs(there.ref, near.ref, here.ref),
        detail=(
            f"{what}，{(here.on - there.on).days} 天后 {here.on} {who}付入 {here.amount}{beside}。"
            f"门槛：{at.days} 天以内，金额相差不超过 {percent(at.tolerance_bps)}。"
        ),
    )


def check_told(
    movements: Iterable[Movement],
    told: Iterable[date],
    *,
    provider: UUID,
    today: date,
    at: RoundTrip,
    found: Sequence[Doubt],
) -> None:
    """Whether the bank's files say anything of the days in which money could have come back.

    Args:
        told: every day of which a line of a bank's file tells.

    Raises:
        DataLacking: not one line since the first payment; or none in the whole time after one.
    """
    out = sorted({m.on for m in movements if m.receiver == provider})
    days = sorted(set(told))
    if not out:
        return  # nothing went to the provider, so nothing came back
    words = ""
    if not days or days[-1] < out[0]:
        # Without today's date: the same lack has to be known again tomorrow.
        words = f"自 {out[0]} 起没有登记任何银行流水"
    else:
        gaps = _merged(
            (day, end)
            for day in out
            if (end := day + timedelta(days=at.days)) < today
            and not any(day <= one <= end for one in days)
        )
        shown = "、".join(f"{start} 至 {end}" for start, end in gaps[:SHOWN])
        if gaps:
            words = f"{shown}{'等' if len(gaps) > SHOWN else ''}没有登记任何银行流水"
    if words:
        raise DataLacking(
            f"{words}，看不出付给供给方的钱有没有回来",
            "请财政登记监管账户这段时间的银行流水；没有流水的，查双方账户往来后写明依据",
            found,
        )


def _merged(spans: Iterable[tuple[date, date]]) -> list[tuple[date, date]]:
    """Spans in order, those that touch as one."""
    joined: list[tuple[date, date]] = []
    for start, end in spans:
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return joined
