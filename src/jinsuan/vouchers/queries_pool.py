"""资金池 for everybody: what is left, promised, issued, used and paid of one programme year.

Every figure is read from the book; nothing here is added up from anywhere else.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from django.db.models import F

from jinsuan.kernel.money import Money
from jinsuan.kernel.ref import Ref
from jinsuan.ledger import accounts
from jinsuan.ledger.queries import balances
from jinsuan.vouchers.models import Application, Programme, Voucher


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolView:
    """One programme year. funded = remaining + in_notice + unused + drawn + lapsed.

    Args:
        in_notice: reserved for approved applications whose notice is not over.
        unused: what stands on vouchers, and is neither drawn nor taken back.
        drawn: what jobs hold or have drawn, and what claims were approved.
        paid: what the treasury has paid of the drawn.
    """

    programme: str
    title: str
    document: str
    article: str
    pays: str
    opens_on: date
    closes_on: date
    funded: Money
    remaining: Money
    in_notice: Money
    unused: Money
    drawn: Money
    lapsed: Money
    paid: Money
    clawed_back: Money
    vouchers: int


def pools() -> list[PoolView]:
    """Every programme year, the latest first. Public: it names nobody."""
    rows = Programme.objects.order_by("-opens_on", "code")
    return [_view(row) for row in rows]


def _view(row: Programme) -> PoolView:
    ids = list(Voucher.objects.filter(programme=row).values_list("id", flat=True))
    pool, lapsed = accounts.pool(row.code), accounts.lapsed(row.code)
    paid, back = accounts.paid(row.code), accounts.clawback(row.code)
    books = balances([pool, lapsed, paid, back])
    on_vouchers = balances([accounts.voucher(Ref("voucher", pk)) for pk in ids])
    unused = Money.total(one.available for one in on_vouchers.values())
    stands, funded = books[pool], Money(row.pool_fen)
    remaining, in_notice = stands.available, stands.pending_out
    return PoolView(
        programme=row.code,
        title=row.title,
        document=row.document,
        article=row.article,
        pays=row.pays,
        opens_on=row.opens_on,
        closes_on=row.closes_on,
        funded=funded,
        remaining=remaining,
        in_notice=in_notice,
        unused=unused,
        drawn=funded - remaining - in_notice - unused - books[lapsed].available,
        lapsed=books[lapsed].available,
        paid=books[paid].available,
        clawed_back=books[back].available,
        vouchers=len(ids),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicNotice:
    """公示 of one grant: who, how much, by which article, until when. Nobody's personal data."""

    number: str
    applicant: str
    provider: str
    amount: Money
    document: str
    article: str
    first_day: date
    last_day: date


def notices() -> list[PublicNotice]:
    """Grants in public notice, those that end first first."""
    rows = (
        Application.objects.filter(
            case__state="notice", case__notices__moves_made=F("case__moves_made")
        )
        .annotate(first=F("case__notices__from_day"), last=F("case__notices__last_day"))
        .select_related("case__applicant", "provider", "programme", "decision")
        .order_by("last", "case__number")
    )
    found = []
    for row in rows:
        assert row.decision is not None and row.decision.amount_fen is not None
        found.append(
            PublicNotice(
                number=row.case.number,
                applicant=row.case.applicant.name,
                provider=row.provider.name,
                amount=Money(row.decision.amount_fen),
                document=row.programme.document,
                article=row.programme.article,
                first_day=row.first,
                last_day=row.last,
            )
        )
    return found
