"""What went to a provider and what came in for an applicant and its people: for the check of round trips."""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import date
from uuid import UUID

from django.db.models import Max

from jinsuan.casework.models import PaymentLine
from jinsuan.kernel.money import Money
from jinsuan.kernel.period import beijing_date
from jinsuan.kernel.ref import Ref
from jinsuan.metering.models import ContractPayment, Meter
from jinsuan.registry.queries_relations import Surroundings
from jinsuan.registry.relations import connected
from jinsuan.vouchers.checks.thresholds import Related
from jinsuan.vouchers.checks.trips import CHARGE, PAYOUT, VOUCHER, Movement
from jinsuan.vouchers.models import BankEntry, CashOrder, Redemption
from jinsuan.vouchers.queries_checks import Subject


@dataclass(slots=True)
class Sides:
    """By which accounts and names either side is known in a bank's file."""

    accounts: dict[bytes, set[UUID]] = field(default_factory=lambda: defaultdict(set))
    names: dict[str, set[UUID]] = field(default_factory=lambda: defaultdict(set))

    def owners(self, entry: BankEntry) -> set[UUID]:
        """Whom the other side of a line may be."""
        found = set(self.names.get(_plain(entry.other_name), ()))
        if entry.other_index is not None:
            found |= self.accounts.get(bytes(entry.other_index), set())
        return found


def circle_of(subject: Subject, found: Surroundings, at: Related) -> frozenset[UUID]:
    """The provider and everybody connected with it; what only the applicant leads to left out."""
    row = subject.application
    applicant = row.case.applicant_id
    links = [one for one in found.links if one.organisation != applicant]
    own = {key: one for key, one in found.own.items() if one != applicant}
    return connected(
        row.provider_id, links, own, hops=at.hops, least_share_bps=at.least_share_bps
    ) - {applicant}


def movements_of(
    subject: Subject, group: frozenset[UUID], circle: frozenset[UUID], found: Surroundings
) -> list[Movement]:
    """Everything that went to the provider, and every line of the bank's files that came in for the
    group from another side.
    """
    provider = subject.application.provider_id
    return [
        *_slips(provider, group),
        *_payouts(provider),
        *_of_the_voucher(subject),
        *_came_in(provider, group, circle, _sides(found)),
    ]


def days_told(since: date) -> list[date]:
    """Every day from one on of which a bank's file tells."""
    rows = BankEntry.objects.filter(booked_on__gte=since).order_by("booked_on")
    return list(rows.values_list("booked_on", flat=True).distinct())


def _slips(provider: UUID, group: frozenset[UUID]) -> list[Movement]:
    rows = ContractPayment.objects.filter(contract__provider=provider, payer__in=group)
    return [
        Movement(
            ref=Ref("contractpayment", one.id),
            payer=one.payer_id,
            receiver=provider,
            amount=Money(one.amount_fen),
            on=one.paid_on,
        )
        for one in rows
    ]


def _payouts(provider: UUID) -> list[Movement]:
    orders = CashOrder.objects.filter(organisation=provider, kind=CashOrder.Kind.PAYOUT)
    refs = [str(Ref("cashorder", pk)) for pk in orders.values_list("id", flat=True)]
    rows = BankEntry.objects.filter(direction="out", matched__in=refs)
    return [_entry(one, None, provider, PAYOUT) for one in rows]


def _of_the_voucher(subject: Subject) -> list[Movement]:
    """Of a redemption: the voucher's face, what each attempt cost, and what was paid on it before."""
    asked, row = subject.redemption, subject.application
    if asked is None:
        return []
    both = {"payer": row.case.applicant_id, "receiver": row.provider_id}
    voucher = asked.voucher
    meters = Meter.objects.filter(contract=subject.contract, charged_fen__gt=0).annotate(
        used_at=Max("steps__lines__reading__occurred_at")
    )
    cases = Redemption.objects.filter(voucher=voucher).values("case")
    paid = PaymentLine.objects.filter(
        case__in=cases, payee=row.provider_id, state=PaymentLine.State.ACCEPTED
    )
    return [
        Movement(
            ref=Ref("voucher", voucher.id),
            amount=Money(voucher.face_fen),
            on=voucher.valid_from,
            kind=VOUCHER,
            **both,
        ),
        *(
            Movement(
                ref=Ref("attempt", one.attempt),
                amount=Money(one.charged_fen),
                on=beijing_date(one.used_at or one.since),
                kind=CHARGE,
                **both,
            )
            for one in meters
        ),
        *(
            Movement(
                ref=Ref("paymentline", one.id),
                payer=None,
                receiver=row.provider_id,
                amount=Money(one.amount_fen),
                on=one.answered_on,
                kind=PAYOUT,
            )
            for one in paid
            if one.answered_on is not None
        ),
    ]


def _came_in(
    provider: UUID, group: frozenset[UUID], circle: Collection[UUID], sides: Sides
) -> list[Movement]:
    ours = {str(Ref("organisation", one)): one for one in group - {provider}}
    rows = BankEntry.objects.filter(direction="in", matched__in=list(ours))
    found = []
    for one in rows:
        receiver, owners = ours[one.matched], sides.owners(one)
        # An account that both sides use is the provider's here: the doubt is about the money.
        theirs = sorted((owners & {*circle, provider}) - {receiver})
        if theirs:
            payer = provider if provider in theirs else theirs[0]
            found.append(_entry(one, payer, receiver))
        elif not owners & group:
            found.append(_entry(one, None, receiver))
    return found


def _sides(found: Surroundings) -> Sides:
    sides = Sides()
    for link in found.links:
        if link.kind == "bank_account":
            sides.accounts[link.key].add(link.organisation)
    for pk, name in found.names.items():
        sides.names[_plain(name)].add(pk)
    return sides


def _plain(name: str) -> str:
    return "".join(unicodedata.normalize("NFKC", name).split())


def _entry(entry: BankEntry, payer: UUID | None, receiver: UUID, kind: str = "") -> Movement:
    return Movement(
        ref=Ref("bankentry", entry.id),
        payer=payer,
        receiver=receiver,
        amount=Money(entry.amount_fen),
        on=entry.booked_on,
        **({"kind": kind} if kind else {}),
    )
