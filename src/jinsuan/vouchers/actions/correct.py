"""更正 of a charge after the fact: metering appends a corrected reading and a charge of either sign,
and the same money goes back, or is owed, in the same transaction. Nothing is ever edited.

Down: the vouchers keep floor(rate x what the charge is now) and get back the rest, first the one drawn
last; then the tenant's debt for this attempt goes, then cash returns. What a voucher gets back after it
has ended goes on to its pool or to 过期收回, as always. Up: nothing is held any more, so the tenant owes
it, like a late charge. What the treasury has paid already is not taken from anybody here: it stands
apart on `reclaim_account` and a clawback is proposed, which another officer confirms.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import transaction

from jinsuan.kernel.money import Money
from jinsuan.kernel.period import beijing_date
from jinsuan.kernel.ref import Actor, Ref
from jinsuan.ledger import accounts
from jinsuan.ledger.actions import Posting, post
from jinsuan.ledger.queries import balance
from jinsuan.ledger.reasons import Reason
from jinsuan.metering.actions.corrections import (
    apply_correction,
    propose_correction,
    reject_correction,
)
from jinsuan.metering.actions.use import Step
from jinsuan.metering.errors import CorrectionRefused
from jinsuan.metering.models import UseCorrection
from jinsuan.vouchers.actions.clawback import propose_clawback
from jinsuan.vouchers.actions.life import ENDED, State, take_back
from jinsuan.vouchers.models import Funding, FundingSource, Redemption, Voucher
from jinsuan.vouchers.queries_redeem import (
    approved_on,
    drawn,
    paid_on,
    paid_too_much,
    reclaim_account,
    reclaimed,
)
from jinsuan.vouchers.split import Purse, give_back

__all__ = ["confirm_correction", "correct_use", "reject_correction"]
CASH = accounts.CASH
NOTHING = Money(0)


@transaction.atomic
def correct_use(
    attempt: UUID,
    resource: str,
    cumulative: int,
    *,
    reason: str,
    document: str,
    actor: Actor,
    now: datetime,
) -> Ref:
    """Propose a correction of what an ended attempt used (提出用量更正).

    Args:
        cumulative: what the last reading should have been, in milli-unit-seconds.
        document: the number of the paper that proves it.

    Raises:
        NotFound, NotAllowed, BadInput: see `propose_correction`.
        CorrectionRefused: the job still runs or is not settled, or see `propose_correction`.
    """
    made = propose_correction(
        attempt, resource, cumulative, reason=reason, document=document, actor=actor, now=now
    )
    _check_settled(Funding.objects.filter(attempt=attempt).first())
    return made


@transaction.atomic
def confirm_correction(correction: UUID, *, actor: Actor, now: datetime) -> tuple[Ref, ...]:
    """Agree (同意更正): charge and money follow at once. Again is harmless.

    Returns:
        The clawbacks that were proposed, for another officer to confirm.

    Raises:
        NotAllowed, NotFound: see `apply_correction`.
        CorrectionRefused: see there; or a redemption is approved and not paid, or a clawback waits.
    """
    found = UseCorrection.objects.select_related("attempt").filter(id=correction).first()
    contract = None if found is None else found.attempt.contract_id
    attempt = None if found is None else found.attempt_id
    sources = FundingSource.objects.filter(funding=attempt, voucher__isnull=False)
    ids = {*sources.values_list("voucher", flat=True)}
    ids |= {*Voucher.objects.filter(contract=contract).values_list("id", flat=True)}
    rows = Voucher.objects.select_for_update(no_key=True, of=("self",)).filter(id__in=ids)
    held = list(rows.select_related("programme").order_by("id")) if found is not None else []
    today = beijing_date(now)
    granted = [row for row in held if row.contract_id is not None]
    before = {row.id: paid_too_much(row, on=today) for row in granted}
    step = apply_correction(correction, actor=actor, now=now)
    if step is None:
        return ()
    funding = Funding.objects.select_for_update(no_key=True).filter(attempt=step.attempt).first()
    _check_settled(funding)
    assert funding is not None
    assert (step.cumulative - step.amount).fen == funding.captured_fen, step
    back = _Back(funding=funding, step=step, now=now)
    post(list(back.down() if step.amount < NOTHING else back.up()), actor=actor, now=now)
    ended = [row for row in held if State(row.state) in ENDED]
    take_back(ended, actor=actor, now=now)
    claims = []
    for row in granted:
        more = paid_too_much(row, on=today) - before[row.id]
        if more > NOTHING:
            claims.append(_claim(row, more, found, actor, now))
    return tuple(claims)


def _check_settled(funding: Funding | None) -> None:
    if funding is None or funding.released_at is None:
        raise CorrectionRefused(
            "这次尝试还没有结清", "作业结束并结清以后再提；运行中的读数由中心接着报。"
        )


@dataclass(slots=True, kw_only=True)
class _Back:
    """The transfers of one correcting charge; the attempt's running totals change with them."""

    funding: Funding
    step: Step
    now: datetime

    def up(self) -> Iterator[Posting]:
        """All of it is a claim on the tenant, as for any charge after the release."""
        more = self.step.amount
        self._total(more, shortfall=more)
        yield self._posting("correct", CASH, self._tenant_owes, self._payable(CASH), more)

    def down(self) -> Iterator[Posting]:
        """Vouchers' part, then what the tenant still owed, then cash."""
        whole = -self.step.amount
        sources = list(FundingSource.objects.filter(funding=self.funding).select_related("voucher"))
        yield from self._vouchers(parts := self._parts(sources), sources)
        rest = whole - Money.total(part for _, part in parts)
        unpaid = min(rest, Money(self.funding.shortfall_fen))
        self._total(self.step.amount, shortfall=-unpaid)
        for source in sources:
            if source.voucher_id is None:
                source.captured_fen -= (rest - unpaid).fen
                source.save(update_fields=["captured_fen"])
        # A debt that was settled meanwhile comes back as cash, as the provider's own money does.
        owed = max(-balance(self._tenant_owes).available, NOTHING)
        debt = min(unpaid, owed)
        yield from self._cash(debt, rest - debt)

    def _parts(self, sources: Sequence[FundingSource]) -> tuple[tuple[str, Money], ...]:
        taken = [
            Purse(
                voucher=str(Ref("voucher", one.voucher.id)),
                left=Money(one.captured_fen),
                expires_on=one.voucher.expires_on,
            )
            for one in sources
            if one.voucher is not None
        ]
        return give_back(self.step.cumulative, taken, rate=self.funding.rate)

    def _vouchers(
        self, parts: Sequence[tuple[str, Money]], sources: Sequence[FundingSource]
    ) -> Iterator[Posting]:
        by_name = {str(Ref("voucher", s.voucher_id)): s for s in sources if s.voucher_id}
        for name, part in parts:
            row, ref = by_name[name], Ref.read(name)
            # The claim may hold other vouchers' money as well; ours is what was not redeemed yet.
            ours = drawn(ref.id) + reclaimed(ref.id) - approved_on(ref.id)
            redeemed = part - min(part, max(ours, NOTHING))
            row.captured_fen -= part.fen
            row.reclaimed_fen += redeemed.fen
            row.save(update_fields=["captured_fen", "reclaimed_fen"])
            purse, claim = accounts.voucher(ref), reclaim_account(self.funding.provider_id)
            owed = self._payable(accounts.VOUCHER)
            if part - redeemed:
                yield self._posting("correct", name, owed, purse, part - redeemed)
            if redeemed:
                yield self._posting("correct-paid", name, claim, purse, redeemed)

    def _cash(self, debt: Money, cash: Money) -> Iterator[Posting]:
        """From what the provider is still owed; what it was paid out already it owes."""
        tenant = accounts.cash(Ref("organisation", self.funding.tenant_id))
        there = balance(self._payable(CASH)).available
        owes = accounts.receivable(Ref("organisation", self.funding.provider_id))
        for what, target, amount in (
            ("owed", self._tenant_owes, debt),
            ("cash", tenant, cash),
        ):
            here = min(amount, max(there, NOTHING))
            there -= here
            if here:
                key = f"correct-{what}"
                yield self._posting(key, CASH, self._payable(CASH), target, here)
            if amount - here:
                key = f"correct-{what}-due"
                yield self._posting(key, CASH, owes, target, amount - here)

    @property
    def _tenant_owes(self) -> str:
        return accounts.receivable(Ref("organisation", self.funding.tenant_id))

    def _payable(self, source: str) -> str:
        return accounts.payable(Ref("organisation", self.funding.provider_id), source)

    def _total(self, amount: Money, *, shortfall: Money) -> None:
        self.funding.captured_fen += amount.fen
        self.funding.shortfall_fen += shortfall.fen
        self.funding.save(update_fields=["captured_fen", "shortfall_fen"])

    def _posting(self, what: str, source: str, debit: str, credit: str, amount: Money) -> Posting:
        job = Ref("job", self.funding.job)
        return Posting(
            key=f"{what}:{job}:{self.funding.number}.{self.step.number}:{source}",
            debit=debit,
            credit=credit,
            amount=amount,
            reason=Reason.CORRECTION,
            cause=Ref("charge", self.step.charge),
            occurred_at=self.now,
        )


def _claim(
    voucher: Voucher, more: Money, found: UseCorrection | None, actor: Actor, now: datetime
) -> Ref:
    """The treasury paid too much: never taken back silently, but proposed as any clawback is."""
    assert found is not None
    waiting = Redemption.objects.filter(voucher=voucher, case__state="payable")
    case = waiting.values_list("case__number", flat=True).first()
    if case is not None:
        raise CorrectionRefused(
            f"兑付案件 {case} 已核定、还没有拨付，更正会让它多付 {more}",
            "请先暂停拨付（或等拨付完成），再同意更正；暂停的案件按更正后的数重新核定。",
        )
    if voucher.clawbacks.filter(confirmed_at=None, rejected_at=None).exists():
        raise CorrectionRefused("这张券已有一件追缴等待复核", "请先复核那一件，再同意更正。")
    return propose_clawback(
        voucher.id,
        min(more, paid_on(voucher.id)),
        reason=f"用量更正 {Ref('usecorrection', found.id)}：{found.reason}"[:400],
        actor=actor,
        now=now,
    )
