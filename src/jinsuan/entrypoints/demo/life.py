"""The life of three vouchers: one the provider is paid for, one the user claims, one clawed back."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from jinsuan.casework.actions.cases import move_case
from jinsuan.casework.actions.evidence import attach, receive_file
from jinsuan.casework.actions.payments import (
    BankAnswer,
    confirm_batch,
    record_answers,
    send_batch,
)
from jinsuan.casework.models import PaymentBatch
from jinsuan.entrypoints.demo.check_data import provide_check_data
from jinsuan.entrypoints.demo.setup import SETUP, demo_actor
from jinsuan.kernel.money import Money
from jinsuan.kernel.period import beijing_date
from jinsuan.kernel.ref import Actor, Ref, Role
from jinsuan.ledger import accounts
from jinsuan.ledger.queries import balance
from jinsuan.metering.actions.invoices import register_invoice
from jinsuan.registry.actions.people import (
    give_role,
    register_bodies,
    register_organisation,
    register_person,
)
from jinsuan.registry.models import Body, Centre
from jinsuan.registry.queries import holders, is_registered, organisation_with
from jinsuan.vouchers.actions.apply import (
    ContractTerms,
    Line,
    prove_fact,
    start_application,
    submit_application,
)
from jinsuan.vouchers.actions.clawback import book_repayment, confirm_clawback, propose_clawback
from jinsuan.vouchers.actions.grant import approve_application, issue_granted, pass_checks
from jinsuan.vouchers.actions.issue import open_year
from jinsuan.vouchers.actions.pay import book_paid_lines, make_redemption_batch, retry_payment
from jinsuan.vouchers.actions.redeem import (
    approve_redemption,
    latest_through,
    numbers,
    start_redemption,
    submit_redemption,
)
from jinsuan.vouchers.models import Programme, Redemption, Voucher

PLATFORM = Actor.system("demo")
BEFORE = timedelta(days=20)
"""How long ago the three applications were handed in: the notice has to be over today."""
SHANXI = {
    "g_applicant": "legal_person",
    "g_dishonest": "no",
    "g_criticised": "no",
    "g_other_provincial_money": "no",
    "g_other_direction": "no",
    "m09_user_kind": "university",
    "m09_leads_national": "no",
    "m09_develops_model": "no",
}
BEIJING = {
    "b_legal_person": "yes",
    "b_in_beijing": "yes",
    "b_industry": "software",
    "b_direction": "yes",
    "b_finance": "yes",
    "b_never_dishonest": "yes",
    "b_other_municipal_money": "no",
    "b_related": "no",
    "b_model_use": "yes",
}
Fact = Callable[[str, object], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """One voucher of the three."""

    voucher: Ref
    tenant: Actor
    programme: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Hands:
    """The people that the demo's province lacks: they come with the story."""

    city: Actor
    second: Actor
    checker: Actor
    chemist: Actor
    seller: Actor
    body: UUID


def _somebody(
    username: str, name: str, organisation: UUID, role: Role, now: datetime, body: UUID | None
) -> Actor:
    if not is_registered(username):
        row = register_person(
            username=username, display_name=name, password=None, actor=SETUP, now=now
        )
        give_role(
            person=row.id,
            organisation=organisation,
            role=role,
            effective_from=beijing_date(now),
            body=body,
            actor=SETUP,
            now=now,
        )
    from jinsuan.registry.queries import person_named

    person = person_named(username).id
    return Actor(person=person, organisation=organisation, role=role, via="demo")


def gather(provider: UUID, *, now: datetime) -> Hands:
    """Everybody who acts on the three vouchers; again finds them there."""
    long_ago = now - timedelta(days=60)
    register_bodies(actor=SETUP, now=long_ago)
    body = Body.objects.get(code="140100").id
    officer, treasury = demo_actor(Role.PROVINCIAL_OFFICER), demo_actor(Role.TREASURY)
    assert officer.organisation is not None and treasury.organisation is not None
    from jinsuan.entrypoints.demo.province import make_province

    institute = next(o for o in make_province().organisations if o.key == "institute")
    chemist = organisation_with(institute.uscc).id
    bureau = register_organisation_once("演示太原市数据局", long_ago)

    def one(username: str, name: str, place: UUID, role: Role, where: UUID | None = None) -> Actor:
        return _somebody(username, name, place, role, long_ago, where)

    return Hands(
        city=one("city", "冯推荐", bureau, Role.RECOMMENDER, body),
        second=one("officer2", "郑经办", officer.organisation, Role.PROVINCIAL_OFFICER),
        checker=one("checker", "何复核", treasury.organisation, Role.TREASURY),
        chemist=one("chemist", "陈研究员", chemist, Role.TENANT),
        seller=one(f"seller-{provider.hex[-6:]}", "卫结算", provider, Role.CENTRE_OPERATOR),
        body=body,
    )


def register_organisation_once(name: str, now: datetime) -> UUID:
    """The city's bureau, which the province of the demo does not have."""
    from jinsuan.kernel.uscc import check_character
    from jinsuan.registry.models import Organisation

    found = Organisation.objects.filter(name=name).first()
    if found is not None:
        return found.id
    plain = "11140000DEM000199"
    return register_organisation(
        uscc=plain + check_character(plain),
        name=name,
        kind="government",
        adcode="140100",
        actor=SETUP,
        now=now,
    ).id


def open_years(*, now: datetime) -> None:
    """The two programme years: the province's by deduction, a city's by claims."""
    number, officer = beijing_date(now).year, demo_actor(Role.PROVINCIAL_OFFICER)
    early = now - timedelta(days=60)
    for pack, rule, code, pool in (
        ("shanxi-2024-35", "m09", f"{number}:m09", None),
        ("beijing-2023-ai-voucher", "b01", f"{number}:b01", Money.yuan("10000000")),
    ):
        if not Programme.objects.filter(code=code).exists():
            open_year(pack=pack, rule=rule, number=number, pool=pool, actor=officer, now=early)


def grant_three(centre: str, hands: Hands, fact: Fact, *, now: datetime) -> list[Life]:
    """Apply, check, recommend, approve, publish and issue, for three applicants."""
    open_years(now=now)
    provider = Centre.objects.get(code=centre).owner_id
    tenants = {actor.organisation: replace(actor, via="demo") for actor in holders(Role.TENANT)}
    first = demo_actor(Role.TENANT)
    startup = next(
        a for a in tenants.values() if a.person not in (first.person, hands.chemist.person)
    )
    # The checks ask what held when the papers came in.
    known = [provider, *(a.organisation for a in (first, startup, hands.chemist) if a.organisation)]
    provide_check_data(known, now=now - BEFORE)
    year = beijing_date(now).year
    found = []
    for number, (tenant, programme, answers) in enumerate(
        (
            (first, f"{year}:m09", SHANXI),
            (startup, f"{year}:b01", BEIJING),
            (hands.chemist, f"{year}:m09", {**SHANXI, "m09_user_kind": "institute"}),
        ),
        start=1,
    ):
        case = _apply(tenant, programme, answers, provider, hands, number, now - BEFORE)
        assert pass_checks(case, actor=PLATFORM, now=now - BEFORE)
        day = now - BEFORE + timedelta(days=1)
        move_case(case, "推荐", reason="核过原件，同意推荐", actor=hands.city, now=day)
        chosen = Money.yuan("2000") if programme.endswith("b01") else None
        officer = demo_actor(Role.PROVINCIAL_OFFICER)
        approve_application(
            case,
            reason="符合条款，同意",
            chosen=chosen,
            actor=officer,
            now=day + timedelta(hours=1),
        )
        voucher = issue_granted(case, actor=PLATFORM, now=now - timedelta(days=8))
        row = Voucher.objects.select_related("case", "tenant", "programme").get(id=voucher.id)
        assert row.case is not None
        pays = "抵扣" if row.programme.pays == "deduct" else "后补"
        fact(
            f"第 {number} 张（{pays}）",
            f"{row.tenant.name}，案件 {row.case.number}，面额 {Money(row.face_fen)}，"
            f"比例 {row.rate}，{row.programme.document}{row.programme.article}",
        )
        found.append(Life(voucher=voucher, tenant=tenant, programme=programme))
    return found


def _apply(
    tenant: Actor,
    programme: str,
    answers: dict[str, str],
    provider: UUID,
    hands: Hands,
    number: int,
    at: datetime,
) -> UUID:
    day, tag = beijing_date(at), f"{time.time_ns() % 10**10:010d}"
    case = start_application(
        programme=programme,
        body=hands.body,
        terms=ContractTerms(
            number=f"YS-{day:%Y}-{tag}-{number}",
            provider=provider,
            signed_on=day,
            starts_on=day,
            ends_on=day + timedelta(days=300),
            lines=(
                Line(category="compute", description="训练用算力", amount=Money.yuan("10000")),
                Line(category="rack", description="机架租赁", amount=Money.yuan("500")),
            ),
        ),
        purpose="演示：微调一个小模型",
        related=False,
        answers=answers,
        actor=tenant,
        now=at,
    ).id
    for purpose, name in (("contract", "合同.pdf"), ("promise", "承诺书.pdf")):
        data = f"%PDF-1.4\n% {name} {tag} {number}\n%%EOF\n".encode()
        stored = receive_file(data, name=name)
        attach(case, stored, purpose=purpose, actor=tenant, now=at)
    for name, value in answers.items():
        if value == "yes" and name.startswith("m09"):
            prove_fact(case, name, None, actor=tenant, now=at)
    submit_application(case, actor=tenant, now=at)
    return case


def redeem_and_pay(
    life: Life, hands: Hands, fact: Fact, *, rejected_first: bool, now: datetime
) -> Money:
    """Invoice, redemption by four numbers, approval, batch, bank; returns what was paid.

    Args:
        now: the day after the use at the earliest, as only days that are over are paid for.
    """
    voucher = Voucher.objects.select_related("programme").get(id=life.voucher.id)
    assert voucher.contract_id is not None and voucher.provider_id is not None
    through = latest_through(now)
    register_invoice(
        f"{time.time_ns():020d}"[-20:],
        seller=voucher.provider_id,
        buyer=voucher.tenant_id,
        amount=Money.yuan("10000"),
        issued_on=through,
        contract=voucher.contract_id,
        actor=hands.seller,
        now=now,
    )
    payee = hands.seller if voucher.programme.pays == "deduct" else life.tenant
    case = start_redemption(voucher.id, through=through, actor=payee, now=now)
    submit_redemption(case.id, actor=payee, now=now)
    assert pass_checks(case.id, actor=PLATFORM, now=now)
    officer = demo_actor(Role.PROVINCIAL_OFFICER)
    approve_redemption(case.id, reason="四个数核对一致", actor=officer, now=now)
    row = Redemption.objects.select_related("case", "payee").get(case=case.id)
    fact(f"兑付 {row.case.number}", f"{numbers(row)}，本次 {Money(row.amount_fen)}")
    treasury = demo_actor(Role.TREASURY)
    batch = make_redemption_batch([case.id], actor=treasury, now=now)
    if rejected_first:
        line = _answer(batch, hands, now, accepted=False)
        fact("银行回单", "账号户名不符，退回；核对后重拨")
        batch = retry_payment(line, actor=treasury, now=now)
    _answer(batch, hands, now, accepted=True)
    book_paid_lines(batch.id, actor=treasury, now=now)
    fact("拨付", f"{row.payee.name} 收到 {Money(row.amount_fen)}，编制、复核两人，银行已受理")
    return Money(row.amount_fen)


def _answer(batch: Ref, hands: Hands, now: datetime, *, accepted: bool) -> UUID:
    """Confirm, send, and book what the bank says of the only line."""
    treasury = demo_actor(Role.TREASURY)
    confirm_batch(batch.id, actor=hands.checker, now=now)
    send_batch(batch.id, actor=treasury, now=now)
    line = PaymentBatch.objects.get(id=batch.id).lines.get()
    answer = BankAnswer(
        line=line.id,
        accepted=accepted,
        reference=f"BK{time.time_ns()}" if accepted else "",
        reason="" if accepted else "账号户名不符",
        answered_on=beijing_date(now),
    )
    record_answers(batch.id, [answer], actor=treasury, now=now)
    return line.id


def claw_back(life: Life, amount: Money, hands: Hands, fact: Fact, *, now: datetime) -> None:
    """The contract turns out to be false: one proposes, another confirms, the payee gives it back."""
    voucher = Voucher.objects.select_related("programme", "provider").get(id=life.voucher.id)
    officer = demo_actor(Role.PROVINCIAL_OFFICER)
    made = propose_clawback(
        voucher.id, amount, reason="演示：抽查发现合同不实", actor=officer, now=now
    )
    confirm_clawback(made.id, actor=hands.second, now=now)
    assert voucher.provider is not None
    fact("追缴", f"{voucher.provider.name} 应退 {amount}，退清前不发新券、不兑付；提出、复核两人")
    book_repayment(
        voucher.provider.id,
        life.programme,
        amount,
        bank_reference=f"RT{time.time_ns()}",
        actor=demo_actor(Role.TREASURY),
        now=now,
    )
    fact("收回", f"{amount} 已退回监管账户")


def programme_sums(programme: str) -> dict[str, Money]:
    """What the book says of one programme's pool and payments."""
    return {
        "资金池余额": balance(accounts.pool(programme)).available,
        "已兑付": balance(accounts.paid(programme)).available,
        "应追缴": balance(accounts.clawback(programme)).available,
    }
