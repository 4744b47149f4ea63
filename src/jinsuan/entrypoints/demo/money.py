"""The money of the demo's story: top-ups, and a voucher asked for too late."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from fractions import Fraction
from uuid import UUID

from jinsuan.entrypoints.demo.errors import StoryFailed
from jinsuan.entrypoints.demo.setup import demo_actor
from jinsuan.kernel.money import Money
from jinsuan.kernel.period import beijing_date, year
from jinsuan.kernel.ref import Ref, Role
from jinsuan.vouchers.actions import book_top_up, issue, open_programme
from jinsuan.vouchers.errors import ProgrammeClosed
from jinsuan.vouchers.models import Programme

DOCUMENT = "晋政办发〔2024〕35号"
ARTICLE = "（九）"
POOL = Money.yuan("50000000")
RATE = Fraction(3, 10)
FACE = Money.yuan("2000")
TOP_UP = Money.yuan("5000")
LAST_YEAR = 2026
"""The document lapses with this year."""


def _programme(number: int, *, now: datetime) -> str:
    """Open the year's programme, once; returns its code."""
    code = f"{number}:m09"
    if not Programme.objects.filter(code=code).exists():
        open_programme(
            code=code,
            title=f"{number} 年度算力券（演示）",
            document=DOCUMENT,
            article=ARTICLE,
            opens_on=date(number, 1, 1),
            closes_on=date(number, 12, 31),
            rate=RATE,
            pool=POOL,
            actor=demo_actor(Role.PROVINCIAL_OFFICER),
            now=now,
        )
    return code


def book_cash(*, now: datetime, tenants: Iterable[UUID]) -> list[tuple[str, str]]:
    """Book one top-up for each tenant; what to tell about them."""
    told = []
    for number, tenant in enumerate(tenants, start=1):
        reference = f"DEMO{now:%Y%m%d%H%M%S}{number}"
        book_top_up(
            tenant=tenant,
            amount=TOP_UP,
            bank_reference=reference,
            actor=demo_actor(Role.TREASURY),
            now=now,
        )
        told.append(("充值", f"{TOP_UP}，银行流水号 {reference}，同一流水号只入账一次"))
    return told


def refuse_late_voucher(*, now: datetime) -> str:
    """Ask for a voucher after the document has lapsed; returns the platform's reasons.

    Raises:
        StoryFailed: it was issued all the same.
    """
    opened = year(LAST_YEAR).start
    tenant = demo_actor(Role.TENANT).organisation
    assert tenant is not None
    try:
        ref: Ref = issue(
            programme=_programme(LAST_YEAR, now=opened),
            tenant=tenant,
            face=FACE,
            expires_on=date(beijing_date(now).year, 12, 31),
            reason="演示：政策到期之后申请",
            actor=demo_actor(Role.PROVINCIAL_OFFICER),
            now=now,
        )
    except ProgrammeClosed as refusal:
        return refusal.explain()
    raise StoryFailed("政策已过有效期", f"仍然发出了 {ref}")
