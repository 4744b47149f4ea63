"""Ask for a voucher (申领): a draft, its papers, and handing it in. Officials act in `grant`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from django.db import transaction

from jinsuan.casework.actions.cases import locked, move_case, open_case
from jinsuan.casework.actions.evidence import claim_documents
from jinsuan.casework.documents import contract as contract_document
from jinsuan.casework.errors import PapersClosed
from jinsuan.casework.models import Attachment, Case
from jinsuan.casework.moves import TABLES
from jinsuan.kernel.errors import BadInput, NotAllowed, NotFound
from jinsuan.kernel.money import Money
from jinsuan.kernel.period import beijing_date
from jinsuan.kernel.ref import Actor, Ref, Role
from jinsuan.ledger.actions import Note, record
from jinsuan.metering.actions import ContractItem, register_contract
from jinsuan.metering.models import ContractLine
from jinsuan.policy.values import Unreadable, read_plain
from jinsuan.registry.models import Centre, Organisation
from jinsuan.vouchers.errors import ApplicationIncomplete, ProgrammeClosed
from jinsuan.vouchers.judging import judge
from jinsuan.vouchers.models import Application, ApplicationFact, ApplicationLine, Programme
from jinsuan.vouchers.terms import Terms, terms_of

CONTRACT, PROMISE = "contract", "promise"
"""What an attachment is for: the signed contract, the promise 承诺书; or the name of a fact."""
MAX_LINES = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of the contract, tax included."""

    category: str
    description: str
    amount: Money


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractTerms:
    """The contract as the applicant writes it. `ends_on` is its last day."""

    number: str
    provider: UUID
    signed_on: date
    starts_on: date
    ends_on: date
    lines: tuple[Line, ...]


@transaction.atomic
def start_application(
    *,
    programme: str,
    body: UUID,
    terms: ContractTerms,
    purpose: str,
    related: bool,
    answers: Mapping[str, str],
    actor: Actor,
    now: datetime,
) -> Ref:
    """Begin an application as a draft (暂存); returns its case.

    Args:
        programme: the year's code, such as "2025:m09".
        body: who recommends it.
        related: 关联关系声明: whether the applicant says that it is related to the provider.
        answers: facts by name, as people write them; "?" or nothing for unknown.

    Raises:
        NotFound: no such programme.
        ProgrammeClosed: the year is not open today.
        NotAllowed, BadInput: not an applicant; something in the form is wrong.
    """
    found = Programme.objects.filter(code=programme).exclude(rule="").first()
    if found is None:
        raise NotFound("算力券年度", programme[:60])
    today = beijing_date(now)
    if not found.opens_on <= today <= found.closes_on:
        raise ProgrammeClosed(found.title, today, found.opens_on, found.closes_on)
    case = open_case(
        kind="voucher",
        programme=terms_of(found.pack, found.rule).code,
        title=f"算力券申领：{terms.number.strip()}"[:120],
        body=body,
        actor=actor,
        now=now,
    )
    assert actor.organisation is not None
    _check_contract(terms, actor.organisation)
    row = Application.objects.create(
        case_id=case.id, programme=found, **_plain(terms, purpose, related)
    )
    _write_parts(row, terms, answers, today)
    _note("application.start", row, actor, now)
    return case


@transaction.atomic
def amend_application(
    case: UUID,
    *,
    terms: ContractTerms,
    purpose: str,
    related: bool,
    answers: Mapping[str, str],
    actor: Actor,
    now: datetime,
) -> None:
    """Write the form anew while the papers are open (修改). A contract that was registered stays as
    it is: to change it, withdraw and apply on the supplement.

    Raises:
        NotFound, PapersClosed, NotAllowed, BadInput.
    """
    row = _open_papers(case, "修改申领", actor, now)
    assert actor.organisation is not None
    _check_contract(terms, actor.organisation)
    if row.contract_id is not None and terms != contract_terms(row):
        raise BadInput(
            "合同",
            f"{row.contract_number} 提交时已经登记，内容不能再改",
            "合同写错时请撤回本件，按补充协议另提一件。",
        )
    for name, value in _plain(terms, purpose, related).items():
        setattr(row, name, value)
    row.save()
    _write_parts(row, terms, answers, beijing_date(now))
    _note("application.amend", row, actor, now)


@transaction.atomic
def prove_fact(
    case: UUID, fact: str, attachment: UUID | None, *, actor: Actor, now: datetime
) -> None:
    """Say which attachment proves an answer (关联佐证).

    Raises:
        NotFound, PapersClosed, NotAllowed: as for a change; no such answer or attachment.
    """
    row = _open_papers(case, "关联佐证", actor, now)
    known = attachment is None or Attachment.objects.filter(id=attachment, case=row.case).exists()
    changed = known and row.facts.filter(name=fact).update(evidence_id=attachment)
    if not changed:
        raise NotFound("申报的事实或附件", fact[:60])
    _note("application.prove", row, actor, now)


@transaction.atomic
def submit_application(case: UUID, *, actor: Actor, now: datetime) -> None:
    """Hand it in (提交, or 补正 when it was returned): the contract is registered on the platform,
    and no other case can use it.

    Raises:
        ApplicationIncomplete: with everything that is missing.
        DocumentClaimed, ContractRefused: the contract is in use elsewhere, or cannot be registered.
        NotFound, MoveNotAllowed, CaseFrozen.
    """
    row = _open_papers(case, "提交申领", actor, now)
    missing = missing_papers(row, now)
    if missing:
        raise ApplicationIncomplete(row.case.number, tuple(missing))
    tenant = row.case.applicant
    claim_documents(
        case,
        [contract_document(row.contract_number, [tenant.uscc, row.provider.uscc])],
        actor=actor,
        now=now,
    )
    if row.contract_id is None:
        ref = register_contract(
            number=row.contract_number,
            tenant=tenant.id,
            provider=row.provider_id,
            signed_on=row.signed_on,
            effective_from=row.starts_on,
            effective_to=date.fromordinal(row.ends_on.toordinal() + 1),
            lines=[
                ContractItem(
                    category=one.category, description=one.description, ceiling_fen=one.amount.fen
                )
                for one in contract_terms(row).lines
            ],
            actor=actor,
            now=now,
        )
        row.contract_id = ref.id
        row.save(update_fields=["contract"])
    name = "提交" if row.case.state == TABLES["voucher"].start.code else "补正"
    move_case(case, name, reason="", actor=actor, now=now)


def missing_papers(row: Application, now: datetime) -> list[str]:
    """What an application still lacks, in words. An unknown fact that changes nothing is not asked."""
    terms = terms_of(row.programme.pack, row.programme.rule)
    today = beijing_date(now)
    pack = terms.law(today).pack
    unknown = judge(row, now=now).decision.missing
    purposes = set(row.case.attachments.values_list("purpose", flat=True))
    missing = [
        words
        for purpose, words in ((CONTRACT, "合同扫描件"), (PROMISE, "承诺书"))
        if purpose not in purposes
    ]
    answers = {fact.name: fact for fact in row.facts.all()}
    for name in terms.asked(today):
        label = pack.facts[name].label
        if name in unknown:
            missing.append(f"“{label}”没有回答")
        elif name in terms.high and answers[name].value and answers[name].evidence_id is None:
            missing.append(f"“{label}”回答为是，没有佐证（{pack.facts[name].evidence}）")
    return missing


def contract_terms(row: Application) -> ContractTerms:
    """The contract of an application, as it was written."""
    return ContractTerms(
        number=row.contract_number,
        provider=row.provider_id,
        signed_on=row.signed_on,
        starts_on=row.starts_on,
        ends_on=row.ends_on,
        lines=tuple(
            Line(category=one.category, description=one.description, amount=Money(one.amount_fen))
            for one in row.lines.order_by("place")
        ),
    )


def _plain(terms: ContractTerms, purpose: str, related: bool) -> dict[str, object]:
    if not purpose.strip():
        raise BadInput("用途", "没有填写", "请写明训练、微调、推理或科研，以及做什么。")
    return {
        "provider_id": terms.provider,
        "contract_number": terms.number.strip()[:80],
        "signed_on": terms.signed_on,
        "starts_on": terms.starts_on,
        "ends_on": terms.ends_on,
        "purpose": purpose.strip()[:400],
        "related": related,
    }


def _check_contract(terms: ContractTerms, tenant: UUID) -> None:
    if not terms.number.strip():
        raise BadInput("合同编号", "没有填写", "请照合同首页填写。")
    provider = Organisation.objects.filter(id=terms.provider).first()
    if provider is None or not Centre.objects.filter(owner=provider).exists():
        raise BadInput("供给方", "没有接入平台的算力中心", "请从已接入的算力企业中选一个。")
    if provider.id == tenant:
        raise BadInput("供给方", "与申领方是同一个单位", "自己的算力不能领券。")
    if terms.ends_on < terms.starts_on:
        raise BadInput(
            "合同期", f"截止日 {terms.ends_on} 早于起始日 {terms.starts_on}", "请照合同填写。"
        )
    if not 0 < len(terms.lines) <= MAX_LINES:
        raise BadInput("合同明细", f"有 {len(terms.lines)} 行", f"请填写 1 到 {MAX_LINES} 行。")
    for place, line in enumerate(terms.lines, start=1):
        if line.category not in ContractLine.Category.values:
            raise BadInput(f"合同明细第 {place} 行", "类别不在清单里", "请从清单中选一个类别。")
        if line.amount <= Money(0):
            raise BadInput(
                f"合同明细第 {place} 行", f"金额 {line.amount} 不大于零", "请填写含税金额。"
            )


def _write_parts(
    row: Application, terms: ContractTerms, answers: Mapping[str, str], today: date
) -> None:
    """Lines and answers, anew. Answers that stay the same keep the paper that proves them."""
    row.lines.all().delete()
    ApplicationLine.objects.bulk_create(
        ApplicationLine(
            application=row,
            place=place,
            category=one.category,
            description=one.description.strip()[:200],
            amount_fen=one.amount.fen,
        )
        for place, one in enumerate(terms.lines, start=1)
    )
    how = terms_of(row.programme.pack, row.programme.rule)
    proofs = {fact.name: fact.evidence_id for fact in row.facts.all()}
    row.facts.all().delete()
    ApplicationFact.objects.bulk_create(
        ApplicationFact(application=row, name=name, value=value, evidence_id=proofs.get(name))
        for name, value in read_answers(how, answers, today).items()
    )


def read_answers(terms: Terms, answers: Mapping[str, str], today: date) -> dict[str, int | None]:
    """The answers as whole numbers; every unreadable one is named.

    Raises:
        BadInput: an answer that cannot be read, or one to a question nobody asked.
    """
    asked, facts = terms.asked(today), terms.law(today).pack.facts
    strange = sorted(answers.keys() - set(asked))
    if strange:
        raise BadInput("申报的事实", f"没有问过 {strange[0][:40]}", "请只填写表上的问题。")
    found: dict[str, int | None] = {}
    problems: list[str] = []
    for name in asked:
        text = answers.get(name, "").strip()
        if text in ("", "?"):
            found[name] = None
            continue
        try:
            found[name] = read_plain(text, facts[name])
        except Unreadable as error:
            problems.append(f"“{facts[name].label}”{error.what}，{error.mend}")
    if problems:
        raise BadInput("申报的事实", "；".join(problems), "请改正后再保存。")
    return found


def _open_papers(case: UUID, act: str, actor: Actor, now: datetime) -> Application:
    """The application, through its case's door, if this applicant may still change it."""
    held = locked(case, actor=actor, now=now)
    row = (
        Application.objects.select_related("case__applicant", "programme", "provider")
        .filter(case=held)
        .first()
    )
    if row is None:
        raise NotFound("算力券申领", held.number)
    if actor.role is not Role.TENANT or held.applicant_id != actor.organisation:
        raise NotAllowed(act, "申报主体的经办人")
    if not TABLES[held.kind].papers_open(held.state, actor.role):
        raise PapersClosed(act, TABLES[held.kind].state(held.state).label)
    return row


def _note(action: str, row: Application, actor: Actor, now: datetime) -> None:
    case = Case.objects.get(id=row.case_id)
    after = {
        "case": case.number,
        "programme": row.programme.code,
        "contract": row.contract_number,
        "provider": str(row.provider_id),
        "dates": [str(row.signed_on), str(row.starts_on), str(row.ends_on)],
        "related": row.related,
        "lines_fen": _amounts(contract_terms(row).lines),
        "facts": {fact.name: fact.value for fact in row.facts.order_by("name")},
    }
    subject = Ref("case", row.case_id)
    record([Note(action=action, subject=subject, after=after)], actor=actor, now=now)


def _amounts(lines: Sequence[Line]) -> list[list[object]]:
    return [[one.category, one.amount.fen] for one in lines]
