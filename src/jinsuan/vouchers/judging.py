"""The facts of an application, each with where it comes from, and what the law says of them now."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from django.db.models import Sum

from jinsuan.kernel.period import beijing_date
from jinsuan.kernel.ref import Ref
from jinsuan.ledger import accounts
from jinsuan.ledger.queries import balance
from jinsuan.policy.decide import Dates, Decision, decide
from jinsuan.policy.facts import Known
from jinsuan.policy.pack import Attest, Fact
from jinsuan.policy.values import show
from jinsuan.registry.models import Centre
from jinsuan.vouchers.models import Application, Voucher
from jinsuan.vouchers.terms import Answer, Terms, terms_of

PROVINCE = "14"
"""Every centre's place begins with the province's own code."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FactView:
    """One fact for an official: what it says, who says it, and the paper."""

    name: str
    label: str
    value: str
    attest: str
    evidence: str
    paper: Ref | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What the law says of an application as it stands, before anybody signs."""

    terms: Terms
    facts: dict[str, Known]
    views: tuple[FactView, ...]
    dates: Dates
    decision: Decision
    high: bool


def limit_account(row: Application, now: datetime) -> str:
    """额度: where an applicant's cap of this Beijing year stands."""
    terms = terms_of(row.programme.pack, row.programme.rule)
    scope = f"{beijing_date(now).year}-{terms.cap_scope}"
    return accounts.limit(Ref("organisation", row.case.applicant_id), scope)


def judge(row: Application, *, now: datetime) -> Judgement:
    """Decide on the facts as they are now; writes nothing."""
    terms = terms_of(row.programme.pack, row.programme.rule)
    today = beijing_date(now)
    law = terms.law(today)
    facts = {name: _platform(row, how, now) for name, how in terms.confirm.items()}
    for fact in row.facts.select_related("evidence").order_by("name"):
        # What an applicant says counts as attested here because an official signs for having
        # compared it with the paper named beside it.
        paper = "承诺书" if fact.evidence_id is None else str(Ref("attachment", fact.evidence_id))
        facts[fact.name] = Known(fact.value, Attest.ATTESTED, paper)
    dates = Dates(application=_applied_on(row, today), event=row.signed_on, decision=today)
    found = decide(law, facts, dates).of(terms.rule)
    return Judgement(
        terms=terms,
        facts=facts,
        views=tuple(
            view_of(law.pack.facts[name], facts[name])
            for name in found.bound.facts
            if name in facts
        ),
        dates=dates,
        decision=found,
        high=is_high(row, terms),
    )


def is_high(row: Application, terms: Terms) -> bool:
    """Whether one of the facts for the higher rate and cap holds."""
    return row.facts.filter(name__in=terms.high, value=1).exists()


def _applied_on(row: Application, today: date) -> date:
    """The day it was first handed in; today while it is a draft."""
    first = row.case.moves.order_by("number").first()
    return today if first is None else beijing_date(first.recorded_at)


def _platform(row: Application, how: Answer, now: datetime) -> Known:
    """One fact that the platform answers by itself."""
    contract = str(Ref("contract", row.contract_id)) if row.contract_id else row.contract_number
    match how:
        case Answer.CONTRACT_AMOUNT:
            counted = terms_of(row.programme.pack, row.programme.rule).categories
            lines = row.lines.filter(category__in=counted)
            fen = lines.aggregate(fen=Sum("amount_fen"))["fen"]
            return Known(int(fen or 0), Attest.ATTESTED, contract)
        case Answer.CONTRACT_USED:
            used = row.contract_id is not None and (
                Voucher.objects.filter(contract=row.contract_id).exclude(case=row.case_id).exists()
            )
            return Known(int(used), Attest.MEASURED, contract)
        case Answer.RECEIVED:
            code = limit_account(row, now)
            stands = balance(code)
            return Known((stands.debits + stands.pending_out).fen, Attest.MEASURED, code)
        case Answer.PROVIDER:
            centres = Centre.objects.filter(owner=row.provider_id, adcode__startswith=PROVINCE)
            return Known(
                int(centres.exists()), Attest.MEASURED, str(Ref("organisation", row.provider_id))
            )
        case Answer.YES:
            return Known(1, Attest.MEASURED, contract)
        case Answer.SIGNED_ON:
            return Known(row.signed_on.toordinal(), Attest.ATTESTED, contract)
        case Answer.STARTS_ON:
            return Known(row.starts_on.toordinal(), Attest.ATTESTED, contract)
        case Answer.UNTIL:
            return Known(row.ends_on.toordinal() + 1, Attest.ATTESTED, contract)
        case Answer.TODAY:
            return Known(beijing_date(now).toordinal(), Attest.MEASURED, contract)


def view_of(fact: Fact, known: Known) -> FactView:
    """A fact in words, with its paper where that is a thing of ours."""
    value = known.value
    paper = None
    if known.evidence.startswith(("attachment_", "contract_", "organisation_")):
        paper = Ref.read(known.evidence)
    return FactView(
        name=fact.name,
        label=fact.label,
        value="不知道" if value is None else _shown(value, fact),
        attest=known.attest.label,
        evidence=known.evidence,
        paper=paper,
    )


def _shown(value: int | tuple[int, ...], fact: Fact) -> str:
    many = value if isinstance(value, tuple) else (value,)
    return "、".join(show(one, fact) for one in many)
