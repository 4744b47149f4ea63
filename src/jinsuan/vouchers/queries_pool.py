"""A year's pool as the book has it, the notices that run, and cases that wait for the platform."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from django.db.models import F

from jinsuan.casework.models import Case, Notice
from jinsuan.kernel.money import Money
from jinsuan.kernel.period import beijing_date
from jinsuan.kernel.ref import Ref
from jinsuan.ledger import accounts
from jinsuan.ledger.queries import balance, balances
from jinsuan.vouchers.models import FundingSource, Programme


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolView:
    """资金池: where a year's money stands, to the fen.

    `funding = remaining + in_notice + issued + returned_late`, where `issued` is what left the pool
    for vouchers and has not come back to it; `returned_late` came back after the year ended.

    Args:
        used: drawn by jobs from these vouchers.
        redeemed: paid out by the treasury.
        left: still on vouchers, to be used.
    """

    code: str
    title: str
    document: str
    article: str
    opens_on: date
    closes_on: date
    funding: Money
    remaining: Money
    in_notice: Money
    issued: Money
    left: Money
    used: Money
    redeemed: Money
    returned_late: Money


def pool_view(programme: Programme) -> PoolView:
    """One year's pool."""
    code = programme.code
    pool, lapsed = balance(accounts.pool(code)), balance(accounts.lapsed(code))
    vouchers = list(programme.vouchers.values_list("id", flat=True))
    left = balances(accounts.voucher(Ref("voucher", one)) for one in vouchers).values()
    funding = Money(programme.pool_fen)
    drawn = FundingSource.objects.filter(voucher__in=vouchers).values_list(
        "captured_fen", flat=True
    )
    return PoolView(
        code=code,
        title=programme.title,
        document=programme.document,
        article=programme.article,
        opens_on=programme.opens_on,
        closes_on=programme.closes_on,
        funding=funding,
        remaining=pool.available,
        in_notice=pool.pending_out,
        issued=funding - pool.posted - lapsed.posted,
        left=Money.total(one.available for one in left),
        used=Money(sum(drawn)),
        redeemed=balance(accounts.paid(code)).available,
        returned_late=lapsed.posted,
    )


def pool_views() -> tuple[PoolView, ...]:
    """Every year's pool, the newest first."""
    return tuple(pool_view(one) for one in Programme.objects.order_by("-opens_on", "code"))


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeView:
    """公示: what everybody may know of a grant; no person is named."""

    number: str
    applicant: str
    amount: Money
    clause: str
    from_day: date
    last_day: date


def notices_now(*, now: datetime) -> tuple[NoticeView, ...]:
    """The notices that run, the first to end first."""
    rows = (
        Notice.objects.filter(
            case__state="notice",
            case__moves_made=F("moves_made"),
            case__kind="voucher",
            last_day__gte=beijing_date(now),
        )
        .select_related("case__applicant", "case__application__programme", "decision")
        .order_by("last_day", "case__number")
    )
    return tuple(
        NoticeView(
            number=row.case.number,
            applicant=row.case.applicant.name,
            amount=Money(row.decision.amount_fen or 0),
            clause=f"{row.case.application.programme.document}"
            f"{row.case.application.programme.article}",
            from_day=row.from_day,
            last_day=row.last_day,
        )
        for row in rows
    )


def cases_checking(limit: int = 500) -> list[UUID]:
    """Cases that wait for the platform's own check, oldest first."""
    rows = Case.objects.filter(kind__in=("voucher", "redemption"), state="checking")
    return list(rows.order_by("opened_at", "id").values_list("id", flat=True)[:limit])
