"""What a province sets about the checks: a check that only warns for a while, bands of prices."""

from __future__ import annotations

from datetime import date, datetime, timedelta

from django.db import transaction

from jinsuan.kernel.errors import BadInput, NotAllowed
from jinsuan.kernel.period import beijing_date
from jinsuan.kernel.ref import Actor, Ref, Role
from jinsuan.ledger.actions import Note, record
from jinsuan.vouchers.actions.checks import LABELS
from jinsuan.vouchers.models import CheckMode, PriceBand

_MAY = (Role.PROVINCIAL_OFFICER, Role.SYSTEM)
LONGEST_DAYS = 366
CARD = "card:"


@transaction.atomic
def set_check_mode(
    check: str,
    *,
    warns_only: bool,
    effective_on: date,
    until_on: date,
    reason: str,
    actor: Actor,
    now: datetime,
) -> Ref:
    """From when until when a check that lacks its data only warns (只提示), or freezes again (冻结).

    Args:
        check: a name of `LABELS`. What a check finds, and one that crashes, freezes all the same.

    Raises:
        NotAllowed: neither a provincial officer nor the platform.
        BadInput: no such check, no reason, days that are over or more than a year.
    """
    if actor.role not in _MAY:
        raise NotAllowed("设定核查方式", "省级经办")
    if check not in LABELS or check == "subject":
        names = "、".join(name for name in LABELS if name != "subject")
        raise BadInput("核查", f"没有“{check[:40]}”", f"可选：{names}。")
    if not reason.strip():
        raise BadInput("理由", "没有填写", "请写明为什么这段时间没有数据、何时补上。")
    if effective_on < beijing_date(now):
        raise BadInput("起始日", f"{effective_on} 已经过去", "请写今天或以后的日期。")
    if not timedelta(0) <= until_on - effective_on < timedelta(days=LONGEST_DAYS):
        raise BadInput(
            "截止日",
            f"{effective_on} 至 {until_on} 不在 1 至 {LONGEST_DAYS} 天之间",
            "请改截止日。",
        )
    row = CheckMode.objects.create(
        check_name=check,
        warns_only=warns_only,
        effective_on=effective_on,
        until_on=until_on,
        reason=reason.strip()[:400],
        person=actor.person,
        recorded_at=now,
    )
    ref = Ref("checkmode", row.id)
    after = {
        "check": check,
        "warns_only": warns_only,
        "effective_on": effective_on.isoformat(),
        "until_on": until_on.isoformat(),
    }
    note = Note(action="check.mode", subject=ref, reason=row.reason, after=after)
    record([note], actor=actor, now=now)
    return ref


@transaction.atomic
def set_price_band(
    resource: str,
    *,
    low_millifen: int,
    high_millifen: int,
    effective_on: date,
    source: str,
    actor: Actor,
    now: datetime,
) -> Ref:
    """What one card-hour of a type may cost from a day on (价格区间), with where the figures are from.

    Raises:
        NotAllowed: neither a provincial officer nor the platform.
        BadInput: no card type, no source, no band.
    """
    if actor.role not in _MAY:
        raise NotAllowed("设定价格区间", "省级经办")
    if not resource.startswith(CARD) or len(resource) <= len(CARD):
        raise BadInput("型号", f"“{resource[:40]}”不是加速卡", "请写成 card:型号，例如 card:T4。")
    if not 0 < low_millifen <= high_millifen:
        raise BadInput("价格区间", "下限要大于零且不高于上限", "请核对两个数。")
    if not source.strip():
        raise BadInput("来源", "没有填写", "请写明询价记录或文件。")
    row = PriceBand.objects.create(
        resource=resource,
        low_millifen=low_millifen,
        high_millifen=high_millifen,
        effective_on=effective_on,
        source=source.strip()[:200],
        person=actor.person,
        recorded_at=now,
    )
    ref = Ref("priceband", row.id)
    after = {
        "resource": resource,
        "low_millifen": low_millifen,
        "high_millifen": high_millifen,
        "effective_on": effective_on.isoformat(),
        "source": row.source,
    }
    record([Note(action="check.band", subject=ref, after=after)], actor=actor, now=now)
    return ref
