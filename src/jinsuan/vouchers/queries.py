"""What vouchers know, as frozen values: purses, fundings, views for pages, doors and links."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from fractions import Fraction
from uuid import UUID

from django.db.models import F, Sum

from jinsuan.kernel.errors import NotFound
from jinsuan.kernel.money import Money
from jinsuan.kernel.ref import Actor, Ref, Role
from jinsuan.ledger import accounts
from jinsuan.ledger.queries import balances
from jinsuan.ledger.statements import read
from jinsuan.vouchers.models import Funding, FundingSource, Voucher


@dataclass(frozen=True, slots=True, kw_only=True)
class VoucherView:
    """One voucher for a page."""

    ref: Ref
    programme: str
    title: str
    document: str
    article: str
    tenant: Ref
    tenant_name: str
    state: str
    face: Money
    left: Money
    rate: Fraction
    valid_from: date
    expires_on: date
    issued_at: datetime
    issued_by: Ref
    issued_by_name: str
    reason: str


def _view(row: Voucher, left: Money) -> VoucherView:
    return VoucherView(
        ref=Ref("voucher", row.id),
        programme=row.programme.code,
        title=row.programme.title,
        document=row.programme.document,
        article=row.programme.article,
        tenant=Ref("organisation", row.tenant_id),
        tenant_name=row.tenant.name,
        state=row.state,
        face=Money(row.face_fen),
        left=left,
        rate=row.rate,
        valid_from=row.valid_from,
        expires_on=row.expires_on,
        issued_at=row.issued_at,
        issued_by=Ref("person", row.issued_by_id),
        issued_by_name=str(row.issued_by),
        reason=row.reason,
    )


def vouchers_of(tenant: UUID) -> list[VoucherView]:
    """A tenant's vouchers, first to expire first."""
    rows = list(
        Voucher.objects.filter(tenant=tenant)
        .select_related("programme", "tenant", "issued_by")
        .order_by("expires_on", "id")
    )
    left = balances([accounts.voucher(Ref("voucher", row.id)) for row in rows])
    return [_view(row, left[accounts.voucher(Ref("voucher", row.id))].available) for row in rows]


SEES_ALL_VOUCHERS = frozenset({Role.AUDITOR, Role.PROVINCIAL_OFFICER, Role.TREASURY, Role.SYSTEM})


def access_voucher(viewer: Actor, ref: Ref) -> VoucherView:
    """The door to one voucher.

    Raises:
        NotFound: there is none, or this viewer may not see it.
    """
    row = (
        Voucher.objects.filter(id=ref.id).select_related("programme", "tenant", "issued_by").first()
        if ref.kind == "voucher"
        else None
    )
    if row is None:
        raise NotFound("算力券", str(ref))
    if viewer.role not in SEES_ALL_VOUCHERS and row.tenant_id != viewer.organisation:
        raise NotFound("算力券", str(ref))
    code = accounts.voucher(ref)
    return _view(row, balances([code])[code].available)


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceView:
    """One source of a job's money."""

    voucher: Ref | None
    held: Money
    captured: Money


@dataclass(frozen=True, slots=True, kw_only=True)
class FundingView:
    """How one attempt is funded."""

    attempt: Ref
    job: Ref
    number: int
    rate: Fraction
    authorised: Money
    covered: Money
    captured: Money
    shortfall: Money
    released_at: datetime | None
    sources: tuple[SourceView, ...]

    @property
    def voucher_captured(self) -> Money:
        return Money.total(s.captured for s in self.sources if s.voucher is not None)

    @property
    def cash_captured(self) -> Money:
        return self.captured - self.voucher_captured

    @property
    def held(self) -> Money:
        """What still stands in escrow."""
        if self.released_at is not None:
            return Money(0)
        return Money.total(s.held - s.captured for s in self.sources)


_FUNDINGS = """
    SELECT f.attempt, f.number, f.rate_numerator, f.rate_denominator, f.authorised_fen,
           f.covered_fen, f.captured_fen, f.shortfall_fen, f.released_at,
           s.id, s.voucher_id, s.held_fen, s.captured_fen
    FROM vouchers_funding f LEFT JOIN vouchers_fundingsource s ON s.funding_id = f.attempt
    WHERE f.job = %s
    ORDER BY f.number, s.id
"""


def fundings_of(job: UUID) -> list[FundingView]:
    """The fundings of a job's attempts, oldest first. In one statement: every look at a job asks."""
    rows = read(_FUNDINGS, [job])
    found: dict[UUID, FundingView] = {}
    for (
        attempt,
        number,
        numerator,
        denominator,
        *fen,
        released_at,
        pk,
        voucher,
        held,
        taken,
    ) in rows:
        source = SourceView(
            voucher=None if voucher is None else Ref("voucher", voucher),
            held=Money(held or 0),
            captured=Money(taken or 0),
        )
        before = () if attempt not in found else found[attempt].sources
        authorised, covered, captured, shortfall = map(Money, fen)
        found[attempt] = FundingView(
            attempt=Ref("attempt", attempt),
            job=Ref("job", job),
            number=number,
            rate=Fraction(numerator, denominator),
            authorised=authorised,
            covered=covered,
            captured=captured,
            shortfall=shortfall,
            released_at=released_at,
            sources=before if pk is None else (*before, source),
        )
    return list(found.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class JobMoney:
    """What a job has cost so far and what is still held for it, over all its attempts."""

    captured: Money
    held: Money


def money_of(jobs: Iterable[UUID]) -> dict[UUID, JobMoney]:
    """The money of many jobs in two queries; a job that was never placed has no entry."""
    rows = Funding.objects.filter(job__in=set(jobs)).prefetch_related("sources")
    grouped: dict[UUID, list[FundingView]] = defaultdict(list)
    for row in rows:
        grouped[row.job].append(_funding(row))
    return {
        job: JobMoney(
            captured=Money.total(f.captured for f in found),
            held=Money.total(f.held for f in found),
        )
        for job, found in grouped.items()
    }


def held_of(tenant: UUID) -> Money:
    """What stands in escrow for all of a tenant's jobs."""
    rows = FundingSource.objects.filter(
        funding__tenant=tenant, funding__released_at__isnull=True
    ).aggregate(held=Sum(F("held_fen") - F("captured_fen")))
    return Money(int(rows["held"] or 0))


@dataclass(frozen=True, slots=True, kw_only=True)
class MoneyTotals:
    """What all jobs together were charged, who paid it, and what still stands in escrow."""

    charged: Money
    from_vouchers: Money
    cash: Money
    shortfall: Money
    held: Money


def money_totals() -> MoneyTotals:
    """The sums over every funding, for reports over the whole province."""
    whole = Funding.objects.aggregate(c=Sum("captured_fen"), s=Sum("shortfall_fen"))
    paid = FundingSource.objects.filter(voucher__isnull=False).aggregate(c=Sum("captured_fen"))
    open_rows = FundingSource.objects.filter(funding__released_at__isnull=True)
    held = open_rows.aggregate(held=Sum(F("held_fen") - F("captured_fen")))
    charged, short = Money(int(whole["c"] or 0)), Money(int(whole["s"] or 0))
    vouchers = Money(int(paid["c"] or 0))
    return MoneyTotals(
        charged=charged,
        from_vouchers=vouchers,
        cash=charged - vouchers - short,
        shortfall=short,
        held=Money(int(held["held"] or 0)),
    )


def held_by_voucher(ids: Iterable[UUID]) -> dict[Ref, Money]:
    """What stands in escrow from each voucher; one with nothing there has no entry."""
    rows = (
        FundingSource.objects.filter(voucher__in=set(ids), funding__released_at__isnull=True)
        .values_list("voucher")
        .annotate(held=Sum(F("held_fen") - F("captured_fen")))
    )
    return {Ref("voucher", pk): Money(int(held)) for pk, held in rows if pk is not None and held}


def captured_by_voucher(ids: Iterable[UUID]) -> dict[Ref, Money]:
    """What each voucher has paid so far; one that paid nothing has no entry."""
    rows = (
        FundingSource.objects.filter(voucher__in=set(ids), captured_fen__gt=0)
        .values_list("voucher")
        .annotate(paid=Sum("captured_fen"))
    )
    return {Ref("voucher", pk): Money(int(paid)) for pk, paid in rows if pk is not None}


def half_used(*, limit: int) -> list[FundingView]:
    """Fundings in a rolling hold that have used half of it or more."""
    rows = (
        Funding.objects.filter(released_at__isnull=True, covered_fen__lt=F("authorised_fen"))
        .filter(captured_fen__gte=F("covered_fen") / 2)
        .order_by("attempt")
        .prefetch_related("sources")[:limit]
    )
    return [_funding(row) for row in rows]


def _funding(row: Funding) -> FundingView:
    return FundingView(
        attempt=Ref("attempt", row.attempt),
        job=Ref("job", row.job),
        number=row.number,
        rate=row.rate,
        authorised=Money(row.authorised_fen),
        covered=Money(row.covered_fen),
        captured=Money(row.captured_fen),
        shortfall=Money(row.shortfall_fen),
        released_at=row.released_at,
        sources=tuple(_source(s) for s in sorted(row.sources.all(), key=lambda s: s.pk)),
    )


def _source(row: FundingSource) -> SourceView:
    voucher = None if row.voucher_id is None else Ref("voucher", row.voucher_id)
    return SourceView(voucher=voucher, held=Money(row.held_fen), captured=Money(row.captured_fen))


def shortfall_of(attempts: Iterable[UUID]) -> Money:
    """What these attempts were charged beyond what their holds could cover."""
    found = Funding.objects.filter(attempt__in=list(attempts)).aggregate(fen=Sum("shortfall_fen"))
    return Money(int(found["fen"] or 0))
