"""Officials and the platform on an application: check, approve, refuse, notice, issue.

公示 is a pending transfer: from the approval the pool cannot promise this money again and nobody can
spend it; a notice without objection posts it, an objection that is upheld voids it.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import F

from jinsuan.casework.actions.cases import locked, move_case
from jinsuan.casework.actions.decisions import decide_case
from jinsuan.casework.actions.notices import publish_notice
from jinsuan.casework.models import Case, Finding
from jinsuan.casework.queries import blocking
from jinsuan.kernel.errors import NotFound
from jinsuan.kernel.money import Money
from jinsuan.kernel.period import beijing_date
from jinsuan.kernel.ref import Actor, Ref
from jinsuan.ledger import accounts
from jinsuan.ledger.actions import Note, Posting, post, record
from jinsuan.ledger.queries import balance
from jinsuan.ledger.reasons import Reason
from jinsuan.ledger.steps import Step
from jinsuan.registry.models import Organisation
from jinsuan.vouchers.actions.checks import check_case, checked, refuse_new_doubts
from jinsuan.vouchers.differences import check_not_stopped
from jinsuan.vouchers.errors import ApplicantOwes, ProgrammeClosed, ProgrammeRuns
from jinsuan.vouchers.judging import Judgement, is_high, judge, limit_account
from jinsuan.vouchers.models import Application, Programme, Voucher
from jinsuan.vouchers.queries_redeem import owed
from jinsuan.vouchers.terms import terms_of


@transaction.atomic
def pass_checks(case: UUID, *, actor: Actor, now: datetime) -> bool:
    """The platform's own check is over (初核通过), unless a doubt is open. Returns whether it moved.

    The checks run here once per round of papers, and again before an approval is signed: what they
    find stays open until its owner closes it with a reason, and this is called again.
    """
    row = Case.objects.select_for_update(no_key=True).get(id=case)
    if row.state != "checking":
        return False
    if not checked(row):
        check_case(case, actor=actor, now=now)
    if blocking(case):
        return False
    name = "初核通过" if row.kind == "voucher" else "核对一致"
    move_case(case, name, actor=actor, now=now)
    return True


@transaction.atomic
def approve_application(
    case: UUID, *, reason: str, chosen: Money | None = None, actor: Actor, now: datetime
) -> Ref:
    """Decide by the law and approve (审定通过): decision, move, notice, and the money reserved from
    the pool and from the applicant's limit, all or nothing.

    Args:
        chosen: under a ceiling rule only, the amount set by the officer, at most the bound.

    Returns:
        The decision.

    Raises:
        NotFound, NotAllowed, MoveNotAllowed, CaseFrozen, ConflictOfInterest, SamePerson,
        SecondPersonMissing, AmountRefused: as in casework.
        DecisionMissing: the law does not grant it; refuse it instead, with the reasons.
        ApplicantOwes: it still has to give money back.
        ProgrammeClosed: the year is not open today.
        NewDoubts: something came up since the checks ran; see `refuse_new_doubts`.
        InsufficientBalance: the pool or the applicant's limit has not that much left.
    """
    row = _application(case, actor, now)
    _in_year(row.programme, now)
    # Locked before the law is asked: two of one applicant's cases approved at once would both be
    # decided on what it had received before, and would both set its cap.
    Organisation.objects.select_for_update(no_key=True).get(id=row.case.applicant_id)
    owes = owed(row.case.applicant_id)
    if owes:
        raise ApplicantOwes(row.case.applicant.name, owes)
    refuse_new_doubts(row.case, now=now)
    judged = judge(row, now=now)
    decision = decide_case(
        case,
        pack=row.programme.pack,
        rule=row.programme.rule,
        facts=judged.facts,
        dates=judged.dates,
        law_day=beijing_date(now),
        chosen=chosen,
        reason=reason,
        actor=actor,
        now=now,
    )
    move_case(case, "审定通过", reason=reason, actor=actor, now=now)
    publish_notice(
        case,
        from_day=beijing_date(now) + timedelta(days=1),
        working_days=judged.terms.notice_working_days,
        actor=actor,
        now=now,
    )
    row.refresh_from_db()
    row.decision_id = decision.id
    row.save(update_fields=["decision"])
    check_not_stopped([accounts.pool(row.programme.code), limit_account(row, now)])
    post(_reserve(row, judged, now), actor=actor, now=now)
    return decision


@transaction.atomic
def refuse_application(case: UUID, *, reason: str, actor: Actor, now: datetime) -> Ref:
    """Refuse (不予通过), with what the law says kept beside the officer's words.

    Raises:
        As for an approval, save those about money.
    """
    row = _application(case, actor, now)
    judged = judge(row, now=now)
    found = judged.decision
    fixed = found.bound.rule.mode.value == "fixed"
    decision = decide_case(
        case,
        pack=row.programme.pack,
        rule=row.programme.rule,
        facts=judged.facts,
        dates=judged.dates,
        law_day=beijing_date(now),
        chosen=None if fixed or found.outcome.value != "eligible" else found.amount,
        reason=reason,
        actor=actor,
        now=now,
    )
    move_case(case, "不予通过", reason=reason, actor=actor, now=now)
    return decision


def _reserve(row: Application, judged: Judgement, now: datetime) -> list[Posting]:
    """The pool's money and the applicant's limit, pending until the notice is over."""
    assert row.decision is not None and row.decision.amount_fen is not None
    amount = Money(row.decision.amount_fen)
    decision, limit = Ref("decision", row.decision.id), limit_account(row, now)
    code = row.programme.code
    cap = judged.terms.cap_of(beijing_date(now), high=judged.high)
    more = cap - balance(limit).credits
    postings = []
    if more > Money(0):
        postings.append(
            Posting(
                key=f"cap:{limit}:{cap.fen}",
                debit=accounts.quota(code),
                credit=limit,
                amount=more,
                reason=Reason.LIMIT_SET,
                cause=decision,
                occurred_at=now,
            )
        )
    return [
        *postings,
        _posting("grant", row, amount, decision, now, Step.PENDING),
        _posting("limit", row, amount, decision, now, Step.PENDING),
    ]


def _posting(
    what: str, row: Application, amount: Money, cause: Ref, now: datetime, step: Step
) -> Posting:
    """One side of a grant: "grant" from the pool to the voucher, "limit" from the applicant's cap."""
    assert row.decision is not None
    began = f"{what}:{Ref('decision', row.decision.id)}"
    made = row.decision.recorded_at
    code = row.programme.code
    ways = {
        "grant": (
            accounts.pool(code), accounts.voucher(Ref("voucher", row.grant)), Reason.VOUCHER_ISSUE
        ),
        "limit": (limit_account(row, made), accounts.quota(code), Reason.LIMIT_USE),
    }  # fmt: skip
    debit, credit, reason = ways[what]
    return Posting(
        key=began if step is Step.PENDING else f"{began}:{step.value}",
        debit=debit,
        credit=credit,
        amount=amount,
        reason=reason,
        cause=cause,
        occurred_at=now,
        step=step,
        pending="" if step is Step.PENDING else began,
    )


def resolved(row: Application, step: Step, cause: Ref, now: datetime) -> list[Posting]:
    """What becomes of the reserved money: posted or free again, on both sides."""
    assert row.decision is not None and row.decision.amount_fen is not None
    amount = Money(row.decision.amount_fen)
    return [_posting(what, row, amount, cause, now, step) for what in ("grant", "limit")]


@transaction.atomic
def take_back_approval(case: UUID, *, reason: str, actor: Actor, now: datetime) -> None:
    """An objection was upheld (异议成立): the reserved money is free again, the case goes back.

    Raises:
        NoticeNotOver: no objection was upheld. ConflictOfInterest: whoever approved may not.
        NotFound, NotAllowed, MoveNotAllowed, CaseFrozen, BadInput.
    """
    row = _application(case, actor, now)
    move_case(case, "异议成立", reason=reason, actor=actor, now=now)
    assert row.decision is not None
    cause = Ref("decision", row.decision.id)
    post(resolved(row, Step.VOID, cause, now), actor=actor, now=now)
    row.decision_id = None
    row.save(update_fields=["decision"])


def cases_in_check() -> list[UUID]:
    """Cases handed in that the platform has not let pass yet and no open doubt freezes."""
    rows = Case.objects.filter(kind__in=("voucher", "redemption"), state="checking")
    free = rows.exclude(
        id__in=Finding.objects.filter(blocking=True, closed_at__isnull=True).values("case")
    )
    return list(free.order_by("opened_at", "id").values_list("id", flat=True))


def cases_in_notice(*, now: datetime) -> list[UUID]:
    """Voucher cases whose last day of notice is past, oldest first; some may still be held up."""
    rows = Case.objects.filter(
        kind="voucher",
        state="notice",
        notices__moves_made=F("moves_made"),
        notices__last_day__lt=beijing_date(now),
    )
    return list(rows.order_by("opened_at", "id").values_list("id", flat=True))


@transaction.atomic
def issue_granted(case: UUID, *, actor: Actor, now: datetime) -> Ref:
    """The notice is over (公示期满): the pending money is posted and the voucher exists (发放).

    When the programme's year ended meanwhile, the case ends and the money is free again.

    Raises:
        NoticeNotOver, CaseFrozen, MoveNotAllowed, NotFound.
        ProgrammeClosed: see `end_with_year`, which the caller takes then.
    """
    row = _application(case, actor, now)
    _in_year(row.programme, now)
    move_case(case, "公示期满", actor=actor, now=now)
    terms = terms_of(row.programme.pack, row.programme.rule)
    voucher = granted_voucher(row, high=is_high(row, terms), now=now)
    voucher.save(force_insert=True)
    ref = Ref("voucher", voucher.id)
    post(resolved(row, Step.POST, ref, now), actor=actor, now=now)
    record([issue_note(row, voucher)], actor=actor, now=now)
    return ref


def granted_voucher(row: Application, *, high: bool, now: datetime) -> Voucher:
    """The voucher that an approved application becomes on this day; not yet written."""
    decision, today = row.decision, beijing_date(now)
    assert decision is not None and decision.amount_fen is not None
    terms = terms_of(row.programme.pack, row.programme.rule)
    rate = terms.rate_of(beijing_date(decision.recorded_at), high=high)
    return Voucher(
        id=row.grant,
        programme=row.programme,
        tenant_id=row.case.applicant_id,
        face_fen=decision.amount_fen,
        rate_numerator=rate.numerator,
        rate_denominator=rate.denominator,
        case_id=row.case_id,
        contract_id=row.contract_id,
        provider_id=row.provider_id,
        valid_from=today,
        expires_on=terms.expiry(today, row.programme.closes_on),
        issued_by_id=decision.person,
        issued_at=now,
        reason=f"案件 {row.case.number}",
    )


def issue_note(row: Application, voucher: Voucher) -> Note:
    """What the audit book says of an issued voucher."""
    assert row.decision is not None
    after = {
        "case": row.case.number,
        "programme": row.programme.code,
        "tenant": str(row.case.applicant_id),
        "face_fen": voucher.face_fen,
        "rate": str(voucher.rate),
        "decision_sha256": bytes(row.decision.content_digest).hex(),
    }
    return Note(action="voucher.issue", subject=Ref("voucher", voucher.id), after=after)


@transaction.atomic
def end_with_year(case: UUID, *, actor: Actor, now: datetime) -> None:
    """The programme's year ended during the notice (年度结束): the money goes free, the case ends.

    Raises:
        ProgrammeRuns: the year is not over yet.
        NotFound, NotAllowed, MoveNotAllowed, CaseFrozen.
    """
    row = _application(case, actor, now)
    if beijing_date(now) <= row.programme.closes_on:
        raise ProgrammeRuns(row.programme.title, beijing_date(now), row.programme.closes_on)
    move_case(case, "年度结束", reason=f"{row.programme.title}已经结束", actor=actor, now=now)
    assert row.decision is not None
    post(resolved(row, Step.VOID, Ref("case", case), now), actor=actor, now=now)


def _in_year(programme: Programme, now: datetime) -> None:
    today = beijing_date(now)
    if not programme.opens_on <= today <= programme.closes_on:
        raise ProgrammeClosed(programme.title, today, programme.opens_on, programme.closes_on)


def _application(case: UUID, actor: Actor, now: datetime) -> Application:
    held = locked(case, actor=actor, now=now)
    row = (
        Application.objects.select_related("case__applicant", "programme", "decision")
        .filter(case=held)
        .first()
    )
    if row is None:
        raise NotFound("算力券申领", held.number)
    return row
