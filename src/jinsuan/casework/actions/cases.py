"""Open a case and move it. Every move writes its row and its audit row in one transaction."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.db import IntegrityError, transaction

from jinsuan.casework.errors import (
    CaseFrozen,
    ConflictOfInterest,
    DecisionMissing,
    NoticeNotOver,
    PaymentRefused,
    SamePerson,
)
from jinsuan.casework.models import (
    Case,
    CaseCounter,
    CaseMove,
    ClaimedDocument,
    Decision,
    Hand,
    Notice,
    PaymentLine,
    Recusal,
)
from jinsuan.casework.moves import LEVEL_OF, TABLES, Acted, Level, Move, Need, check_hands
from jinsuan.casework.queries import access_case, blocking
from jinsuan.casework.snapshot import read as read_snapshot
from jinsuan.kernel.errors import BadInput, NotAllowed
from jinsuan.kernel.period import beijing_date
from jinsuan.kernel.ref import Actor, Ref, Role
from jinsuan.ledger.actions import Note, record
from jinsuan.ledger.digest import canonical, digest
from jinsuan.registry.models import Body, Membership
from jinsuan.registry.queries import memberships_of


@transaction.atomic
def open_case(
    *, kind: str, programme: str, title: str, body: UUID, actor: Actor, now: datetime
) -> Ref:
    """Open a case for the organisation acted for (立案). Numbers have no gaps: the counter's row is
    held until commit, so a refusal gives its number back.

    Raises:
        NotAllowed: the role opens no case of this kind.
        BadInput: no title, or no such recommending body.
    """
    table = TABLES[kind]
    if not table.moves_for(table.start.code, actor.role):
        raise NotAllowed(f"提出{table.title}", "申报主体的经办人")
    assert actor.organisation is not None, "only the platform acts for nobody, and it opens no case"
    if not title.strip():
        raise BadInput("名称", "没有填写", "请写一个能认出这件事的名称。")
    if not Body.objects.filter(id=body).exists():
        raise BadInput("推荐单位", "不存在", "请从十一市、综改区和省直单位中选一个。")
    year = beijing_date(now).year
    sequence = next_number(programme, year)
    case = Case.objects.create(
        number=f"{year}-{programme}-{sequence:04d}",
        programme=programme,
        year=year,
        sequence=sequence,
        kind=kind,
        title=title.strip()[:120],
        applicant_id=actor.organisation,
        body_id=body,
        state=table.start.code,
        opened_at=now,
    )
    ref = Ref("case", case.id)
    record([Note(action="case.open", subject=ref, after=content(case))], actor=actor, now=now)
    return ref


def next_number(programme: str, year: int) -> int:
    """The next number; whoever else wants one waits until this transaction ends."""
    CaseCounter.objects.bulk_create(
        [CaseCounter(programme=programme, year=year)], ignore_conflicts=True
    )
    counter = CaseCounter.objects.select_for_update().get(programme=programme, year=year)
    counter.last += 1
    counter.save(update_fields=["last"])
    return counter.last


def content(case: Case) -> dict[str, object]:
    """What a case says, for the audit book and the digests of its moves."""
    return {
        "number": case.number,
        "kind": case.kind,
        "title": case.title,
        "applicant": str(case.applicant_id),
        "body": str(case.body_id),
        "state": case.state,
        "moves_made": case.moves_made,
    }


@transaction.atomic
def move_case(case: UUID, name: str, *, reason: str = "", actor: Actor, now: datetime) -> Ref:
    """Take one move of the table (办理).

    Raises:
        NotFound: no such case for this actor.
        MoveNotAllowed: not from here, or not in this role; lists what is possible.
        CaseFrozen: an open finding freezes it.
        BadInput: the move needs words and has none.
        SamePerson, SecondPersonMissing, ConflictOfInterest: two people at two levels.
        DecisionMissing, NoticeNotOver, PaymentRefused: what the move needs is not there.
    """
    row = locked(case, actor=actor, now=now)
    move = TABLES[row.kind].take(row.state, name, actor.role)
    check_not_frozen(row)
    if Need.REASON in move.needs and not reason.strip():
        raise BadInput("意见", f"“{name}”要写明理由", "请写清楚依据，申报主体和审计会看到。")
    check_free_to_act(row, actor, now=now)
    check_hands(move, actor.person, _past(row))
    approver = _check_needs(row, move, now)
    if Need.UPHELD in move.needs and approver == actor.person:
        raise ConflictOfInterest("这是您审定过的案件，异议由另一人处理")
    return _take(row, move, reason.strip(), actor=actor, now=now)


def locked(case: UUID, *, actor: Actor, now: datetime) -> Case:
    """The case, through its door, held until commit so that two officials cannot both move it."""
    Case.objects.select_for_update(no_key=True).filter(id=case).first()
    return access_case(actor, case, now=now)


def check_not_frozen(case: Case) -> None:
    frozen = blocking(case.id)
    if frozen:
        raise CaseFrozen(case.number, frozen)


def check_free_to_act(case: Case, actor: Actor, *, now: datetime) -> None:
    """Nobody acts on their own organisation's case, nor on one they stand aside from.

    Raises:
        ConflictOfInterest.
    """
    if actor.person is None or LEVEL_OF.get(actor.role) is Level.APPLICANT:
        return
    own = {found.organisation.id for found in memberships_of(actor.person, now=now)}
    if case.applicant_id in own or case.applicant_id == actor.organisation:
        raise ConflictOfInterest("申报主体是您任职的单位")
    if Recusal.objects.filter(case=case, person=actor.person).exists():
        raise ConflictOfInterest("您已经声明在本案回避")


def hold_hand(case: Case, actor: Actor) -> Level:
    """Note at which level this person acts here; the database keeps it to one.

    Raises:
        SamePerson: acted at another level before.
    """
    level = LEVEL_OF[actor.role]
    if actor.person is None:
        return level
    Hand.objects.bulk_create(
        [Hand(case=case, person=actor.person, level=level)], ignore_conflicts=True
    )
    before = Level(Hand.objects.get(case=case, person=actor.person).level)
    if before is not level:
        raise SamePerson(before.label, level.label)
    return level


def _past(case: Case) -> list[Acted]:
    rows = case.moves.order_by("number").values_list("person", "level", "number")
    return [Acted(person, Level(level), number) for person, level, number in rows]


def _check_needs(case: Case, move: Move, now: datetime) -> UUID | None:
    """Whatever the table asks for beyond words and people. Returns who approved, for objections."""
    if Need.DECISION in move.needs:
        usable_decision(case)
    if Need.NOTICE_OVER in move.needs:
        _notice_over(case, now)
    if Need.UPHELD in move.needs:
        notice = current_notice(case)
        if notice is None or not notice.objections.filter(upheld=True).exists():
            raise NoticeNotOver("没有成立的异议")
        return notice.approver
    if Need.PAID in move.needs:
        lines = PaymentLine.objects.filter(case=case).exclude(state__in=["retried", "cancelled"])
        states = set(lines.values_list("state", flat=True))
        if states != {"accepted"}:
            raise PaymentRefused("银行还没有付清", "请等银行回单，或处理退回的明细。")
    return None


def usable_decision(case: Case) -> Decision:
    """The last decision on the papers as they are now, if money can rest on it.

    Raises:
        DecisionMissing.
    """
    latest = case.decisions.filter(moves_made=case.moves_made).order_by("recorded_at", "id").last()
    if latest is None:
        raise DecisionMissing("没有针对这一轮材料的判定")
    if latest.amount_fen is None:
        raise DecisionMissing("最近一次判定的结论不是“符合”")
    weak = read_snapshot(latest.content).weak
    if weak:
        raise DecisionMissing(f"判定用到的 {'、'.join(weak)} 佐证程度不够")
    return latest


def current_notice(case: Case) -> Notice | None:
    """The notice of this round."""
    return case.notices.filter(moves_made=case.moves_made).first()


def _notice_over(case: Case, now: datetime) -> None:
    notice = current_notice(case)
    if notice is None:
        raise NoticeNotOver("还没有公示")
    if notice.objections.filter(closed_at__isnull=True).exists():
        raise NoticeNotOver("有异议还没有处理")
    if notice.objections.filter(upheld=True).exists():
        raise NoticeNotOver("有异议成立，应退回省级审定")
    if beijing_date(now) <= notice.last_day:
        raise NoticeNotOver(f"公示到 {notice.last_day}（含）")


def _take(case: Case, move: Move, reason: str, *, actor: Actor, now: datetime) -> Ref:
    before = content(case)
    level = hold_hand(case, actor)
    target = TABLES[case.kind].state(move.target)
    case.state, case.moves_made = target.code, case.moves_made + 1
    case.closed_at = now if target.end else None
    case.save(update_fields=["state", "moves_made", "closed_at"])
    if target.releases:
        live = ClaimedDocument.objects.filter(case=case, released_at__isnull=True)
        live.update(released_at=now)
    after = content(case)
    made = CaseMove.objects.create(
        case=case,
        number=case.moves_made,
        name=move.name,
        source=move.source,
        target=move.target,
        level=level,
        person=actor.person,
        organisation=actor.organisation,
        role=actor.role,
        reason=reason,
        before_digest=digest(canonical(before)),
        after_digest=digest(canonical(after)),
        recorded_at=now,
    )
    note = Note(
        action="case.move", subject=Ref("case", case.id), reason=reason, before=before, after=after
    )
    record([note], actor=actor, now=now)
    return Ref("casemove", made.id)


@transaction.atomic
def recuse(case: UUID, *, person: UUID, reason: str, actor: Actor, now: datetime) -> None:
    """Somebody stands aside from a case (回避), by their own word or an officer's.

    Raises:
        NotFound: no such case for this actor.
        NotAllowed: neither that person nor a provincial officer.
        BadInput: no reason.
    """
    row = locked(case, actor=actor, now=now)
    if actor.person is None or not (
        actor.person == person or actor.role is Role.PROVINCIAL_OFFICER
    ):
        raise NotAllowed("登记他人回避", "本人或省级经办")
    if not reason.strip():
        raise BadInput("回避事由", "没有填写", "请写明关系。")
    if not Membership.objects.filter(person=person).exists():
        raise BadInput("回避人员", "没有这个人", "请核对人员。")
    try:
        with transaction.atomic():
            Recusal.objects.create(
                case=row,
                person=person,
                reason=reason.strip()[:400],
                declared_by=actor.person,
                declared_at=now,
            )
    except IntegrityError:
        return  # stands aside already: saying it twice changes nothing
    after = {"person": str(person)}
    note = Note(action="case.recuse", subject=Ref("case", row.id), reason=reason, after=after)
    record([note], actor=actor, now=now)
