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
from jinsuan.vouchers.models import Funding, FundingSource, Voucher
from jinsuan.vouchers.split import Purse


@dataclass(frozen=True, slots=True, kw_only=True)
class Wallet:
    """What a tenant can spend today: the vouchers that pay together, at one rate, and cash."""

    purses: tuple[Purse, ...]
    rate: Fraction
    cash: Money


def wallets(tenants: Iterable[UUID], *, on: date) -> dict[UUID, Wallet]:
    """The wallets of many tenants, read in three queries.

    Vouchers of one programme pay together; the programme whose voucher expires first goes first.
    """
    ids = set(tenants)
    rows = (
        Voucher.objects.filter(
            tenant__in=ids,
            state=Voucher.State.ISSUED,
            valid_from__lte=on,
            expires_on__gte=on,
        )
        .select_related("programme")
        .order_by("expires_on", "id")
    )
    vouchers: dict[UUID, list[Voucher]] = defaultdict(list)
    for row in rows:
        vouchers[row.tenant_id].append(row)
    codes = {accounts.cash(Ref("organisation", tenant)) for tenant in ids}
    codes |= {accounts.voucher(Ref("voucher", v.id)) for vs in vouchers.values() for v in vs}
    left = {code: balance.available for code, balance in balances(codes).items()}
    return {tenant: _wallet(tenant, vouchers[tenant], left) for tenant in ids}


def _wallet(tenant: UUID, rows: list[Voucher], left: dict[str, Money]) -> Wallet:
    cash = left.get(accounts.cash(Ref("organisation", tenant)), Money(0))
    purses = [
        (
            row,
            Purse(
                voucher=str(Ref("voucher", row.id)),
                left=left.get(accounts.voucher(Ref("voucher", row.id)), Money(0)),
                expires_on=row.expires_on,
            ),
        )
        for row in rows
    ]
    spendable = [(row, purse) for row, purse in purses if purse.left > Money(0)]
    if not spendable:
        return Wallet(purses=(), rate=Fraction(0), cash=cash)
    programme = spendable[0][0].programme
    return Wallet(
        purses=tuple(p for row, p in spendable if row.programme_id == programme.id),
        rate=programme.rate,
        cash=cash,
    )


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
        face=Money(row.face_fen),
        left=left,
        rate=row.programme.rate,
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


def fundings_of(job: UUID) -> list[FundingView]:
    """The fundings of a job's attempts, oldest first."""
    rows = Funding.objects.filter(job=job).order_by("number").prefetch_related("sources")
    return [_funding(row) for row in rows]


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


def held_by_voucher(ids: Iterable[UUID]) -> dict[Ref, Money]:
    """What stands in escrow from each voucher; one with nothing there has no entry."""
    rows = (
        FundingSource.objects.filter(voucher__in=set(ids), funding__released_at__isnull=True)
        .values_list("voucher")
        .annotate(held=Sum(F("held_fen") - F("captured_fen")))
    )
    return {Ref("voucher", pk): Money(int(held)) for pk, held in rows if pk is not None and held}


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


def links(ref: Ref) -> list[Ref]:
    """What vouchers know to hang together with this thing."""
    if ref.kind == "job":
        sources = FundingSource.objects.filter(funding__job=ref.id, voucher__isnull=False)
        ids = sources.order_by("pk").values_list("voucher_id", flat=True)
        return [Ref("voucher", pk) for pk in dict.fromkeys(ids)]
    if ref.kind == "voucher":
        row = Voucher.objects.filter(id=ref.id).first()
        if row is None:
            return []
        return [
            Ref("programme", row.programme_id),
            Ref("organisation", row.tenant_id),
            Ref("person", row.issued_by_id),
        ]
    return []
