"""The four numbers of a voucher's contract, what was redeemed, what an organisation owes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from fractions import Fraction
from uuid import UUID

from django.db.models import Q, Sum

from jinsuan.casework.models import Case
from jinsuan.kernel.money import Money
from jinsuan.kernel.period import BEIJING
from jinsuan.kernel.ref import Actor, Ref, Role
from jinsuan.ledger import accounts
from jinsuan.ledger.queries import balances
from jinsuan.metering.models import Charge, ContractLine, ContractPayment, Invoice, Meter
from jinsuan.vouchers.four import LABELS, Four
from jinsuan.vouchers.models import Clawback, Funding, FundingSource, Programme, Redemption, Voucher
from jinsuan.vouchers.terms import Pays, terms_of

_DEAD = ("refused", "withdrawn")


def four_of(voucher: Voucher, *, through: date) -> Four:
    """The four numbers of a granted voucher's contract, up to a day (included)."""
    assert voucher.contract_id is not None, "only a voucher granted on a contract is redeemed"
    terms = terms_of(voucher.programme.pack, voucher.programme.rule)
    lines = ContractLine.objects.filter(contract=voucher.contract_id, category__in=terms.categories)
    end = datetime.combine(through + timedelta(days=1), time(), BEIJING)
    # What a correction took back counts from the moment it is known: it was never used at all.
    charges = Charge.objects.filter(
        Q(recorded_at__lt=end) | Q(amount_fen__lt=0), attempt__contract=voucher.contract_id
    )
    metered = _sum(charges.aggregate(fen=Sum("amount_fen"))["fen"])
    attempts = Meter.objects.filter(contract=voucher.contract_id).values("attempt")
    short = Funding.objects.filter(attempt__in=attempts).aggregate(fen=Sum("shortfall_fen"))["fen"]
    papers = {"contract": voucher.contract_id}
    invoices = Invoice.objects.filter(**papers, issued_on__lte=through)
    payments = ContractPayment.objects.filter(**papers, paid_on__lte=through)
    deduct = voucher.programme.pays == Pays.DEDUCT
    return Four(
        contract=_sum(lines.aggregate(fen=Sum("ceiling_fen"))["fen"]),
        metered=metered,
        invoiced=_sum(invoices.aggregate(fen=Sum("amount_fen"))["fen"]),
        # What jobs paid on the platform is paid, save what the tenant still owes for them.
        paid=metered - _sum(short) + _sum(payments.aggregate(fen=Sum("amount_fen"))["fen"]),
        captured=drawn(voucher.id) if deduct else None,
    )


def drawn(voucher: UUID) -> Money:
    """核销: what jobs have drawn from a voucher so far."""
    rows = FundingSource.objects.filter(voucher=voucher)
    return _sum(rows.aggregate(fen=Sum("captured_fen"))["fen"])


def reclaimed(voucher: UUID) -> Money:
    """What corrections gave back to a voucher after it had been paid to the provider."""
    rows = FundingSource.objects.filter(voucher=voucher)
    return _sum(rows.aggregate(fen=Sum("reclaimed_fen"))["fen"])


def reclaim_open(voucher: UUID) -> Money:
    """What of it no clawback has answered for yet."""
    done = Clawback.objects.filter(voucher=voucher, confirmed_at__isnull=False)
    return reclaimed(voucher) - _sum(done.aggregate(fen=Sum("corrected_fen"))["fen"])


def approved_on(voucher: UUID) -> Money:
    """核定兑付 of a voucher, paid or about to be."""
    rows = Redemption.objects.filter(voucher=voucher, case__state__in=("payable", "paid"))
    return _sum(rows.aggregate(fen=Sum("amount_fen"))["fen"])


def paid_too_much(voucher: Voucher, *, on: date) -> Money:
    """What was approved on a voucher beyond what the numbers give now, less what was clawed back."""
    due, _ = four_of(voucher, through=on).due(rate=voucher.rate, face=Money(voucher.face_fen))
    back = Clawback.objects.filter(voucher=voucher, confirmed_at__isnull=False)
    clawed = _sum(back.aggregate(fen=Sum("amount_fen"))["fen"])
    return max(approved_on(voucher.id) - clawed - due, Money(0))


def redeemed_before(voucher: UUID, *, number: int) -> Money:
    """What earlier redemptions of a voucher came to; refused and withdrawn ones count nothing."""
    clawed = Clawback.objects.filter(voucher=voucher, confirmed_at__isnull=False)
    return _redeemed(voucher, number=number) - _sum(clawed.aggregate(fen=Sum("amount_fen"))["fen"])


def _redeemed(voucher: UUID, *, number: int) -> Money:
    rows = Redemption.objects.filter(voucher=voucher, number__lt=number)
    live = rows.exclude(case__state__in=_DEAD)
    return _sum(live.aggregate(fen=Sum("amount_fen"))["fen"])


def due_now(voucher: Voucher, *, through: date, number: int) -> tuple[Four, Money, Money, str]:
    """The numbers of the n-th redemption: the four, what is due in all, what was before, and which
    number binds.

    What was clawed back counts no longer as redeemed, so it falls due again. But where jobs drew on
    the voucher (抵扣) its money left with the first payment, and a claim on the same provider holds
    other vouchers' money, too: nothing falls due beyond what this voucher's own jobs still have.
    """
    four = four_of(voucher, through=through)
    found, binding = four.due(rate=voucher.rate, face=Money(voucher.face_fen))
    before = redeemed_before(voucher.id, number=number)
    if four.captured is not None:
        most = before + four.captured - _redeemed(voucher.id, number=number)
        most += reclaimed(voucher.id)
        if most < found:
            found, binding = most, "captured"
    # Less than before (a correction) is nothing due here; what is too much is clawed back.
    return four, max(found, before), before, binding


def _sum(fen: int | None) -> Money:
    return Money(int(fen or 0))


def owes_account(organisation: UUID, programme: str) -> str:
    """What an organisation has to give back of one programme."""
    return accounts.receivable(Ref("organisation", organisation), programme.replace(":", "-"))


def reclaim_account(provider: UUID) -> str:
    """What corrections gave back to vouchers of money that the treasury has paid to this provider,
    until a clawback answers for it.
    """
    return accounts.receivable(Ref("organisation", provider), accounts.VOUCHER)


def owed(organisation: UUID) -> Money:
    """追缴款 that an organisation has not given back yet, over all programmes."""
    codes = Programme.objects.values_list("code", flat=True)
    found = balances([owes_account(organisation, code) for code in codes])
    return Money(0) - Money.total(one.available for one in found.values())


def owed_of(organisation: UUID, programme: str) -> Money:
    """追缴款 of one programme that an organisation has not given back yet."""
    code = owes_account(organisation, programme)
    return Money(0) - balances([code])[code].available


def paid_on(voucher: UUID) -> Money:
    """What the treasury has paid on a voucher and not clawed back."""
    paid = Redemption.objects.filter(voucher=voucher, case__state="paid")
    back = Clawback.objects.filter(voucher=voucher, confirmed_at__isnull=False)
    return _sum(paid.aggregate(fen=Sum("amount_fen"))["fen"]) - _sum(
        back.aggregate(fen=Sum("amount_fen"))["fen"]
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberView:
    """One of the numbers of a redemption."""

    label: str
    amount: Money
    binding: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RedemptionView:
    """兑付 by its numbers."""

    payee: str
    voucher_case: str
    number: int
    through: date
    numbers: tuple[NumberView, ...]
    rate: Fraction
    cumulative: Money
    before: Money
    amount: Money
    binding: str


STILL_MEASURED = ("draft", "checking", "approval", "returned")
"""Until it is approved the numbers are worked out anew each time, as the approval will."""


def redemption_view(case: Case) -> RedemptionView | None:
    """兑付 of a case by its numbers; None for a case of another kind. The caller went through the
    case's door.
    """
    rows = Redemption.objects.filter(case=case).select_related(
        "payee", "voucher__case", "voucher__programme"
    )
    row = rows.first()
    if row is None:
        return None
    face, captured = Money(row.voucher.face_fen), row.captured_fen
    names = ("contract", "metered", "invoiced", "paid")
    four = Four(
        **{name: Money(getattr(row, f"{name}_fen")) for name in names},
        captured=None if captured is None else Money(captured),
    )
    cumulative, before, binding = Money(row.cumulative_fen), Money(row.before_fen), row.binding
    if case.state in STILL_MEASURED:
        four, cumulative, before, binding = due_now(
            row.voucher, through=row.through, number=row.number
        )
    amounts = [(name, getattr(four, name)) for name in names]
    if four.captured is not None:
        amounts.append(("captured", four.captured))
    amounts.append(("face", face))
    return RedemptionView(
        payee=row.payee.name,
        voucher_case="" if row.voucher.case is None else row.voucher.case.number,
        number=row.number,
        through=row.through,
        numbers=tuple(
            NumberView(label=LABELS[name], amount=amount, binding=name == binding)
            for name, amount in amounts
        ),
        rate=row.voucher.rate,
        cumulative=cumulative,
        before=before,
        amount=cumulative - before,
        binding=LABELS.get(binding, ""),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Redeemable:
    """A voucher that somebody is paid for, for a choice on a page."""

    ref: Ref
    case: str
    tenant: str
    face: Money
    pays: str


def redeemable(viewer: Actor) -> tuple[Redeemable, ...]:
    """The vouchers for which this organisation is paid in this role, the latest first."""
    rows = Voucher.objects.filter(case__isnull=False).select_related("case", "tenant", "programme")
    if viewer.role is Role.CENTRE_OPERATOR:
        rows = rows.filter(programme__pays=Pays.DEDUCT, provider=viewer.organisation)
    elif viewer.role is Role.TENANT:
        rows = rows.filter(programme__pays=Pays.CLAIM, tenant=viewer.organisation)
    else:
        return ()
    return tuple(
        Redeemable(
            ref=Ref("voucher", row.id),
            case="" if row.case is None else row.case.number,
            tenant=row.tenant.name,
            face=Money(row.face_fen),
            pays=Pays(row.programme.pays).label,
        )
        for row in rows.order_by("-issued_at", "-id")[:200]
    )
