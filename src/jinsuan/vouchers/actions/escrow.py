"""A job's money: held when it is placed, topped up, captured while it runs, released at its end.

Every function works on many attempts at once, because each tick of the worker carries many.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from fractions import Fraction
from uuid import UUID

from django.db import transaction

from jinsuan.kernel.money import Money
from jinsuan.kernel.period import beijing_date
from jinsuan.kernel.ref import Actor, Ref
from jinsuan.ledger import accounts
from jinsuan.ledger.actions import Posting, post
from jinsuan.ledger.reasons import Reason
from jinsuan.ledger.rows import update_rows
from jinsuan.vouchers.errors import NotEnoughMoney
from jinsuan.vouchers.models import Funding, FundingSource
from jinsuan.vouchers.split import Purse, Split, split, split_step
from jinsuan.vouchers.wallets import Wallet, wallets

CASH = "cash"


@dataclass(frozen=True, slots=True, kw_only=True)
class Want:
    """Money wanted for one attempt.

    Args:
        authorised: the most it may ever cost; locked.
        cover: how much of it to hold now.
        voucher: "auto", "none" or one voucher's text id.
    """

    attempt: UUID
    job: UUID
    number: int
    tenant: UUID
    provider: UUID
    authorised: Money
    cover: Money
    voucher: str


def afford(want: Want, wallet: Wallet) -> tuple[Split, Fraction]:
    """How this want would be paid from this wallet, and at which voucher rate.

    Raises:
        NotEnoughMoney: with the numbers.
    """
    rate, purses = wallet.at(want.provider, want.voucher)
    parts = split(want.cover, purses, rate=rate)
    if parts.cash > wallet.cash:
        raise NotEnoughMoney(want.cover, parts.voucher_total, parts.cash, wallet.cash)
    return parts, rate


def _spent(wallet: Wallet, parts: Split) -> Wallet:
    taken = dict(parts.from_vouchers)
    groups = tuple(
        (
            rate,
            tuple(replace(p, left=p.left - taken.get(p.voucher, Money(0))) for p in purses),
        )
        for rate, purses in wallet.groups
    )
    return Wallet(groups=groups, cash=wallet.cash - parts.cash)


@transaction.atomic
def hold(wants: Sequence[Want], *, actor: Actor, now: datetime) -> dict[UUID, NotEnoughMoney]:
    """Move money into escrow for many attempts, in order (冻结).

    An attempt without enough money holds nothing and is named in the answer; the others go ahead.

    Raises:
        InsufficientBalance: somebody else spent the same money this moment. Nothing was held;
            the caller tries again on its next tick.
    """
    purses = wallets({w.tenant for w in wants}, on=beijing_date(now))
    refused: dict[UUID, NotEnoughMoney] = {}
    postings: list[Posting] = []
    fundings: list[Funding] = []
    sources: list[FundingSource] = []
    for want in wants:
        try:
            parts, rate = afford(want, purses[want.tenant])
        except NotEnoughMoney as error:
            refused[want.attempt] = error
            continue
        purses[want.tenant] = _spent(purses[want.tenant], parts)
        funding = Funding(
            attempt=want.attempt,
            job=want.job,
            number=want.number,
            tenant_id=want.tenant,
            provider_id=want.provider,
            rate_numerator=rate.numerator,
            rate_denominator=rate.denominator,
            authorised_fen=want.authorised.fen,
            covered_fen=want.cover.fen,
        )
        fundings.append(funding)
        for source, amount in _each(parts):
            sources.append(_source(funding, source, amount))
            postings.append(_hold_posting(funding, source, amount, now))
    Funding.objects.bulk_create(fundings)
    FundingSource.objects.bulk_create(sources)
    post(postings, actor=actor, now=now)
    return refused


def _each(parts: Split) -> list[tuple[str, Money]]:
    cash = [(CASH, parts.cash)] if parts.cash else []
    return [*parts.from_vouchers, *cash]


def _source(funding: Funding, source: str, amount: Money) -> FundingSource:
    voucher = None if source == CASH else Ref.read(source).id
    return FundingSource(funding=funding, voucher_id=voucher, held_fen=amount.fen)


def _purse_account(funding: Funding, source: str) -> str:
    if source == CASH:
        return accounts.cash(Ref("organisation", funding.tenant_id))
    return accounts.voucher(Ref.read(source))


def _hold_posting(funding: Funding, source: str, amount: Money, now: datetime) -> Posting:
    job = Ref("job", funding.job)
    return Posting(
        key=f"hold:{job}:{funding.number}.{funding.top_ups}:{source}",
        debit=_purse_account(funding, source),
        credit=accounts.hold(job, source),
        amount=amount,
        reason=Reason.HOLD,
        cause=Ref("attempt", funding.attempt),
        occurred_at=now,
    )


@transaction.atomic
def top_up(attempt: UUID, cover: Money, *, actor: Actor, now: datetime) -> Money:
    """Hold more for a running attempt, up to `cover` in all (续冻).

    Returns:
        What is covered now: `cover`, or less when it was already more or the authorised sum.

    Raises:
        NotEnoughMoney: the tenant's money ends; the caller stops the job gracefully.
    """
    refused = top_up_all({attempt: cover}, actor=actor, now=now)
    if refused:
        raise refused[attempt]
    return Money(Funding.objects.get(attempt=attempt).covered_fen)


@transaction.atomic
def top_up_all(
    covers: Mapping[UUID, Money], *, actor: Actor, now: datetime
) -> dict[UUID, NotEnoughMoney]:
    """Hold more for many attempts, each up to its sum, in order of their ids.

    An attempt without enough money holds no more than before and is named in the answer.
    """
    fundings = _locked(set(covers))
    purses = wallets({f.tenant_id for f, _ in fundings.values()}, on=beijing_date(now))
    refused: dict[UUID, NotEnoughMoney] = {}
    postings: list[Posting] = []
    changed: list[Funding] = []
    raised: list[FundingSource] = []
    fresh: list[FundingSource] = []
    for funding, sources in fundings.values():
        covered = Money(funding.covered_fen)
        cover = min(covers[funding.attempt], Money(funding.authorised_fen))
        if cover <= covered or funding.released_at is not None:
            continue
        wallet = purses[funding.tenant_id]
        try:
            parts = _more(funding, sources, cover - covered, wallet)
        except NotEnoughMoney as error:
            refused[funding.attempt] = error
            continue
        purses[funding.tenant_id] = _spent(wallet, parts)
        held = {_source_name(s): s for s in sources}
        funding.covered_fen = cover.fen
        funding.top_ups += 1
        changed.append(funding)
        for source, amount in _each(parts):
            postings.append(_hold_posting(funding, source, amount, now))
            if source in held:
                held[source].held_fen += amount.fen
                raised.append(held[source])
            else:
                fresh.append(_source(funding, source, amount))
    update_rows(changed, ["covered_fen", "top_ups"])
    update_rows(raised, ["held_fen"])
    FundingSource.objects.bulk_create(fresh)
    post(postings, actor=actor, now=now)
    return refused


def _more(funding: Funding, sources: Sequence[FundingSource], more: Money, wallet: Wallet) -> Split:
    """How the next part of a hold would be paid: by the vouchers that it stands on already."""
    held = {_source_name(s): s for s in sources}
    so_far = Money.total(Money(s.held_fen) for name, s in held.items() if name != CASH)
    purses = [p for _, group in wallet.groups for p in group if p.voucher in held]
    before = Money(funding.covered_fen)
    parts = split_step(before, more, purses, rate=funding.rate, voucher_so_far=so_far)
    if parts.cash > wallet.cash:
        raise NotEnoughMoney(more, parts.voucher_total, parts.cash, wallet.cash)
    return parts


def _source_name(row: FundingSource) -> str:
    return CASH if row.voucher_id is None else str(Ref("voucher", row.voucher_id))


@dataclass(frozen=True, slots=True, kw_only=True)
class Capture:
    """One charge to take out of escrow."""

    attempt: UUID
    charge: Ref
    number: int
    cumulative: Money
    amount: Money


@transaction.atomic
def capture(captures: Sequence[Capture], *, actor: Actor, now: datetime) -> None:
    """Pay providers out of escrow, vouchers' share first (核销).

    What the holds do not cover any more becomes a claim on the tenant (欠款), never a loss of the
    provider's and never a debt of the voucher pool. After the release nothing is held: all of a late
    charge is such a claim.
    """
    fundings = _locked({c.attempt for c in captures})
    postings: list[Posting] = []
    for item in sorted(captures, key=lambda c: (c.attempt, c.number)):
        funding, sources = fundings[item.attempt]
        before = item.cumulative - item.amount
        assert before.fen == funding.captured_fen, (item, funding.captured_fen)
        so_far = sum(s.captured_fen for s in sources if s.voucher_id is not None)
        purses = [
            Purse(
                voucher=_source_name(s),
                left=Money(s.held_fen - s.captured_fen),
                expires_on=s.voucher.expires_on,
            )
            for s in sources
            if s.voucher is not None and funding.released_at is None
        ]
        parts = split_step(
            before, item.amount, purses, rate=funding.rate, voucher_so_far=Money(so_far)
        )
        postings += _take(funding, sources, item, parts, now)
    update_rows([f for f, _ in fundings.values()], ["captured_fen", "shortfall_fen"])
    update_rows([s for _, sources in fundings.values() for s in sources], ["captured_fen"])
    post(postings, actor=actor, now=now)


def _locked(attempts: set[UUID]) -> dict[UUID, tuple[Funding, list[FundingSource]]]:
    rows = Funding.objects.select_for_update(no_key=True).filter(attempt__in=attempts)
    fundings = {f.attempt: f for f in rows.order_by("attempt")}
    assert fundings.keys() == attempts, attempts - fundings.keys()
    sources: dict[UUID, list[FundingSource]] = defaultdict(list)
    for source in FundingSource.objects.filter(funding__in=attempts).select_related("voucher"):
        sources[source.funding_id].append(source)
    return {attempt: (fundings[attempt], sources[attempt]) for attempt in fundings}


def _take(
    funding: Funding,
    sources: Sequence[FundingSource],
    item: Capture,
    parts: Split,
    now: datetime,
) -> list[Posting]:
    """Postings for one charge; the rows' running totals change with them."""
    by_name = {_source_name(s): s for s in sources}
    cash_row = by_name.get(CASH)
    held = cash_row is not None and funding.released_at is None
    cash_left = Money(cash_row.held_fen - cash_row.captured_fen if cash_row and held else 0)
    cash = min(parts.cash, cash_left)
    shortfall = parts.cash - cash
    job, provider = Ref("job", funding.job), Ref("organisation", funding.provider_id)
    postings = []
    for source, amount in [*parts.from_vouchers, (CASH, cash)]:
        if not amount:
            continue
        by_name[source].captured_fen += amount.fen
        pays = CASH if source == CASH else "voucher"
        postings.append(
            Posting(
                key=f"capture:{job}:{funding.number}.{item.number}:{source}",
                debit=accounts.hold(job, source),
                credit=accounts.payable(provider, pays),
                amount=amount,
                reason=Reason.CAPTURE,
                cause=item.charge,
                occurred_at=now,
            )
        )
    if shortfall:
        postings.append(
            Posting(
                key=f"shortfall:{job}:{funding.number}.{item.number}",
                debit=accounts.receivable(Ref("organisation", funding.tenant_id)),
                credit=accounts.payable(provider, CASH),
                amount=shortfall,
                reason=Reason.SHORTFALL,
                cause=item.charge,
                occurred_at=now,
            )
        )
    funding.captured_fen += item.amount.fen
    funding.shortfall_fen += shortfall.fen
    return postings


@transaction.atomic
def release(attempts: Sequence[UUID], *, actor: Actor, now: datetime) -> None:
    """Give back what escrow still holds (解冻). Again is harmless."""
    postings: list[Posting] = []
    open_fundings = []
    for funding, sources in _locked(set(attempts)).values():
        if funding.released_at is not None:
            continue
        funding.released_at = now
        open_fundings.append(funding)
        for row in sources:
            left = Money(row.held_fen - row.captured_fen)
            if not left:
                continue
            source, job = _source_name(row), Ref("job", funding.job)
            postings.append(
                Posting(
                    key=f"release:{job}:{funding.number}:{source}",
                    debit=accounts.hold(job, source),
                    credit=_purse_account(funding, source),
                    amount=left,
                    reason=Reason.RELEASE,
                    cause=Ref("attempt", funding.attempt),
                    occurred_at=now,
                )
            )
    opened = [funding.attempt for funding in open_fundings]
    Funding.objects.filter(attempt__in=opened).update(released_at=now)
    post(postings, actor=actor, now=now)
