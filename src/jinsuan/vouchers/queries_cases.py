"""All of one case at once, for whoever may see it; findings are for officials and the auditor only."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from jinsuan.casework import snapshot
from jinsuan.casework.actions.cases import check_free_to_act
from jinsuan.casework.actions.evidence import UNCHECKED
from jinsuan.casework.errors import ConflictOfInterest
from jinsuan.casework.models import Case, Decision, Finding, Notice, Objection
from jinsuan.casework.moves import LEVEL_OF, TABLES, Level
from jinsuan.casework.queries import CaseView, access_case, case_view, working_days_left
from jinsuan.kernel.money import Money
from jinsuan.kernel.period import beijing_date
from jinsuan.kernel.ref import Actor, Ref, Role
from jinsuan.policy.decide import Outcome
from jinsuan.policy.library import law_on
from jinsuan.policy.pack import Mode
from jinsuan.vouchers.actions.apply import CONTRACT, PROMISE
from jinsuan.vouchers.judging import FactView, Judgement, judge, view_of
from jinsuan.vouchers.models import Application
from jinsuan.vouchers.queries_redeem import RedemptionView, redemption_view
from jinsuan.vouchers.terms import terms_of

OFFICIAL = frozenset({Level.CITY, Level.PROVINCE})
"""Whose moves are buttons; an applicant's are on its own pages, the platform's take no hand."""
OVER = ("notice", "issued", "withdrawn")
"""Once it is decided the signed decision speaks; the same facts asked again would count it twice."""
SEES_FINDINGS = (Role.RECOMMENDER, Role.PROVINCIAL_OFFICER, Role.TREASURY, Role.AUDITOR)


@dataclass(frozen=True, slots=True, kw_only=True)
class LineView:
    """One line of the contract; `counts` says whether the voucher's rule takes it."""

    place: int
    category: str
    description: str
    amount: Money
    counts: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplicationView:
    """What was applied for."""

    programme: str
    pack: str
    rule: str
    provider: str
    contract_number: str
    contract: Ref | None
    signed_on: date
    starts_on: date
    ends_on: date
    purpose: str
    related: bool
    lines: tuple[LineView, ...]
    total: Money
    counted: Money


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperView:
    """An attachment, without its content."""

    ref: Ref
    name: str
    purpose: str
    size: int
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingView:
    """疑点 with its evidence; `may_close` for whoever owns it."""

    ref: Ref
    title: str
    detail: str
    blocking: bool
    evidence: tuple[str, ...]
    owner: Role
    opened_at: datetime
    verdict: str
    reason: str
    closed_by: UUID | None
    closed_at: datetime | None
    may_close: bool
    unchecked: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectionView:
    """异议; `may_decide` for an officer who did not approve."""

    ref: Ref
    text: str
    received_on: date
    verdict: str
    reason: str
    closed_by: UUID | None
    may_decide: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeView:
    """公示 of this round or the last one; `left` counts working days, today included."""

    from_day: date
    last_day: date
    working_days: int
    left: int
    now_on: bool
    may_record: bool
    objections: tuple[ObjectionView, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedView:
    """What was decided last: by whom, on which law, how much."""

    ref: Ref
    outcome: Outcome
    amount: Money | None
    pack: str
    rule: str
    digest: str
    person: UUID
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseFile:
    """All of one case, as this viewer may see it."""

    view: CaseView
    moves_made: int
    buttons: tuple[str, ...]
    barred: str
    chooses: bool
    application: ApplicationView | None
    judgement: Judgement | None
    facts: tuple[FactView, ...]
    signed: SignedView | None
    redemption: RedemptionView | None
    papers: tuple[PaperView, ...]
    findings: tuple[FindingView, ...]
    notice: NoticeView | None
    recused: tuple[UUID, ...]
    may_recuse: bool


def case_file(viewer: Actor, number: str, *, now: datetime) -> CaseFile:
    """Everything on one case.

    Raises:
        NotFound: there is none, or this viewer may not.
    """
    case = access_case(viewer, number, now=now)
    view, table = case_view(viewer, case.id, now=now), TABLES[case.kind]
    row = Application.objects.filter(case=case).select_related("provider", "programme", "case")
    application = row.first()
    open_now = application is not None and case.state not in OVER
    judgement = judge(application, now=now) if application is not None and open_now else None
    moves = table.moves_for(case.state, viewer.role)
    works = LEVEL_OF.get(viewer.role) in (*OFFICIAL, Level.TREASURY)
    recused = tuple(case.recusals.order_by("id").values_list("person", flat=True))
    return CaseFile(
        view=view,
        moves_made=case.moves_made,
        buttons=()
        if view.frozen_by
        else tuple(move.name for move in moves if move.level in OFFICIAL),
        barred=_barred(case, viewer, now) if works else "",
        chooses=judgement is not None and judgement.decision.bound.rule.mode is not Mode.FIXED,
        application=None if application is None else _application(application),
        judgement=judgement,
        facts=_signed_facts(case) if judgement is None else judgement.views,
        signed=_signed(case),
        redemption=redemption_view(case),
        papers=_papers(case),
        findings=_findings(case, viewer) if viewer.role in SEES_FINDINGS else (),
        notice=_notice(case, viewer, now),
        recused=recused,
        may_recuse=works and case.closed_at is None and viewer.person not in recused,
    )


def amount_shown(file: CaseFile) -> str:
    """The amount that the page shows beside the buttons, plain; whoever signs has seen this one."""
    if file.redemption is not None:
        return file.redemption.amount.plain
    amount = None if file.judgement is None else file.judgement.decision.amount
    return "" if amount is None else amount.plain


def _barred(case: Case, viewer: Actor, now: datetime) -> str:
    """Why this person may not act here, in words; "" when nothing bars them."""
    try:
        check_free_to_act(case, viewer, now=now)
    except ConflictOfInterest as error:
        return error.explain()
    return ""


def move_taken(viewer: Actor, number: str, *, place: int, name: str, now: datetime) -> bool:
    """Whether this person already took this very move as the case's move `place` (a second click).

    Raises:
        NotFound: there is no such case for this viewer.
    """
    case = access_case(viewer, number, now=now)
    return case.moves.filter(number=place, name=name, person=viewer.person).exists()


def _application(row: Application) -> ApplicationView:
    terms = terms_of(row.programme.pack, row.programme.rule)
    lines = tuple(
        LineView(
            place=one.place,
            category=one.get_category_display(),
            description=one.description,
            amount=Money(one.amount_fen),
            counts=one.category in terms.categories,
        )
        for one in row.lines.order_by("place")
    )
    return ApplicationView(
        programme=row.programme.title,
        pack=row.programme.pack,
        rule=row.programme.rule,
        provider=row.provider.name,
        contract_number=row.contract_number,
        contract=None if row.contract_id is None else Ref("contract", row.contract_id),
        signed_on=row.signed_on,
        starts_on=row.starts_on,
        ends_on=row.ends_on,
        purpose=row.purpose,
        related=row.related,
        lines=lines,
        total=Money.total(one.amount for one in lines),
        counted=Money.total(one.amount for one in lines if one.counts),
    )


def _papers(case: Case) -> tuple[PaperView, ...]:
    words = _purposes(case)
    rows = case.attachments.order_by("recorded_at", "id")
    return tuple(
        PaperView(
            ref=Ref("attachment", one.id),
            name=one.name,
            purpose=words.get(one.purpose, one.purpose),
            size=one.size,
            at=one.recorded_at,
        )
        for one in rows
    )


def _purposes(case: Case) -> dict[str, str]:
    """What attachments are for, in words: a fact's own label where it proves one."""
    words = {CONTRACT: "合同扫描件", PROMISE: "承诺书"}
    row = Application.objects.filter(case=case).select_related("programme").first()
    if row is not None:
        law = terms_of(row.programme.pack, row.programme.rule).law(row.programme.opens_on)
        words |= {name: f"佐证：{fact.label}" for name, fact in law.pack.facts.items()}
    return words


def _signed(case: Case) -> SignedView | None:
    row: Decision | None = case.decisions.order_by("recorded_at", "id").last()
    if row is None:
        return None
    return SignedView(
        ref=Ref("decision", row.id),
        outcome=Outcome(row.outcome),
        amount=None if row.amount_fen is None else Money(row.amount_fen),
        pack=row.pack,
        rule=row.rule,
        digest=bytes(row.content_digest).hex(),
        person=row.person,
        at=row.recorded_at,
    )


def _signed_facts(case: Case) -> tuple[FactView, ...]:
    """The facts that the last decision rests on, as they were when it was signed."""
    row: Decision | None = case.decisions.order_by("recorded_at", "id").last()
    if row is None:
        return ()
    then = snapshot.read(row.content)
    law = law_on(then.pack, then.law_on)
    return tuple(
        view_of(law.pack.facts[name], then.facts[name])
        for name in law.rule(row.rule).facts
        if name in then.facts
    )


def _findings(case: Case, viewer: Actor) -> tuple[FindingView, ...]:
    rows = case.findings.order_by("closed_at", "opened_at", "id")
    return tuple(
        FindingView(
            ref=Ref("finding", one.id),
            title=one.title,
            detail=one.detail,
            blocking=one.blocking,
            evidence=tuple(one.evidence),
            owner=Role(one.owner),
            opened_at=one.opened_at,
            verdict="" if one.verdict is None else Finding.Verdict(one.verdict).label,
            reason=one.reason,
            closed_by=one.closed_by,
            closed_at=one.closed_at,
            may_close=one.closed_at is None and viewer.role == one.owner,
            unchecked=one.code.endswith(UNCHECKED),
        )
        for one in rows
    )


def _notice(case: Case, viewer: Actor, now: datetime) -> NoticeView | None:
    row: Notice | None = case.notices.order_by("moves_made").last()
    if row is None:
        return None
    today = beijing_date(now)
    on = case.state == "notice" and row.moves_made == case.moves_made
    officer = viewer.role is Role.PROVINCIAL_OFFICER
    return NoticeView(
        from_day=row.from_day,
        last_day=row.last_day,
        working_days=row.working_days,
        left=working_days_left(row, today=today) if on else 0,
        now_on=on,
        may_record=on and viewer.role in (Role.RECOMMENDER, Role.PROVINCIAL_OFFICER),
        objections=tuple(
            _objection(one, may=officer and on and viewer.person != row.approver)
            for one in row.objections.order_by("recorded_at", "id")
        ),
    )


def _objection(row: Objection, *, may: bool) -> ObjectionView:
    return ObjectionView(
        ref=Ref("objection", row.id),
        text=row.text,
        received_on=row.received_on,
        verdict={None: "", True: "成立", False: "不成立"}[row.upheld],
        reason=row.reason,
        closed_by=row.closed_by,
        may_decide=may and row.closed_at is None,
    )
