"""Public notice, objections and the calendar of working days."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from uuid import UUID

from django.db import transaction

from jinsuan.casework.actions.cases import (
    check_free_to_act,
    check_not_frozen,
    current_notice,
    hold_hand,
    locked,
)
from jinsuan.casework.errors import CalendarUnknown, ConflictOfInterest, NoticeRefused
from jinsuan.casework.models import CalendarDay, Decision, Notice, Objection
from jinsuan.casework.moves import TABLES, Need
from jinsuan.casework.queries import calendar
from jinsuan.casework.working_days import is_weekday, last_of
from jinsuan.kernel.errors import BadInput, NotAllowed, NotFound
from jinsuan.kernel.ids import new_id
from jinsuan.kernel.period import beijing_date
from jinsuan.kernel.ref import Actor, Ref, Role
from jinsuan.ledger.actions import Note, record

WHOLE_YEAR = 365


@transaction.atomic
def publish_notice(
    case: UUID, *, from_day: date, working_days: int, actor: Actor, now: datetime
) -> Ref:
    """Publish a case that was approved (公示). The last day is worked out now and stays.

    Args:
        from_day: the first day that may count, today or later.
        working_days: how many working days it stands, as the programme says.

    Raises:
        NotFound: no such case for this actor.
        NotAllowed: neither the platform nor a provincial officer.
        NoticeRefused: not in notice, published already, or begins in the past.
        CalendarUnknown: it would run into a year without a calendar.
    """
    row = locked(case, actor=actor, now=now)
    if actor.role not in (Role.SYSTEM, Role.PROVINCIAL_OFFICER):
        raise NotAllowed("发布公示", "省级经办")
    check_not_frozen(row)
    check_free_to_act(row, actor, now=now)
    moves = [m for m in TABLES[row.kind].moves if m.source == row.state]
    if not any(Need.NOTICE_OVER in move.needs for move in moves):
        raise NoticeRefused("案件没有走到公示", "请先完成审定。")
    if current_notice(row) is not None:
        raise NoticeRefused("这一轮已经公示", "请等公示期满。")
    if from_day < beijing_date(now) or working_days < 1:
        raise NoticeRefused("公示从过去开始，或者不足一个工作日", "请改起始日或天数。")
    approval = row.moves.get(number=row.moves_made)
    assert approval.person is not None
    decision = Decision.objects.filter(case=row, moves_made=row.moves_made - 1)
    chosen = decision.order_by("recorded_at", "id").last()
    assert chosen is not None, "nothing comes to notice without a decision"
    made = Notice.objects.create(
        case=row,
        moves_made=row.moves_made,
        decision=chosen,
        from_day=from_day,
        working_days=working_days,
        last_day=last_of(from_day, working_days, calendar),
        approver=approval.person,
        published_by=actor.person,
        published_at=now,
    )
    if actor.person is not None:
        hold_hand(row, actor)
    ref = Ref("notice", made.id)
    after = {"case": row.number, "from": str(from_day), "last": str(made.last_day)}
    record([Note(action="notice.publish", subject=ref, after=after)], actor=actor, now=now)
    return ref


@transaction.atomic
def record_objection(
    case: UUID, *, text: str, received_on: date, actor: Actor, now: datetime
) -> Ref:
    """Note what somebody objects (异议登记). Until it is decided the notice does not end. The same words
    of the same day again, while undecided, give the same objection.

    Raises:
        NotFound: no such case for this actor.
        NotAllowed: not an official.
        NoticeRefused: there is no notice, or it was over on that day.
        BadInput: nothing was said.
    """
    row = locked(case, actor=actor, now=now)
    if actor.role not in (Role.SYSTEM, Role.RECOMMENDER, Role.PROVINCIAL_OFFICER):
        raise NotAllowed("登记异议", "推荐单位或省级经办")
    notice = current_notice(row)
    if notice is None:
        raise NoticeRefused("案件不在公示中", "公示之外的问题请登记为疑点。")
    if not notice.from_day <= received_on <= min(notice.last_day, beijing_date(now)):
        raise NoticeRefused(
            f"收到日 {received_on} 不在公示期 {notice.from_day} 至 {notice.last_day}（含）",
            "请核对收到日；逾期的问题请登记为疑点。",
        )
    if not text.strip():
        raise BadInput("异议内容", "没有填写", "请写明异议的内容和依据。")
    same = notice.objections.filter(
        text=text.strip(), received_on=received_on, closed_at__isnull=True
    ).first()
    if same is not None:
        return Ref("objection", same.id)  # a second click, not a second objection
    made = Objection.objects.create(
        notice=notice,
        text=text.strip(),
        received_on=received_on,
        approver=notice.approver,
        recorded_by=actor.person,
        recorded_at=now,
    )
    ref = Ref("objection", made.id)
    after = {"case": row.number, "received_on": str(received_on)}
    record([Note(action="objection.record", subject=ref, after=after)], actor=actor, now=now)
    return ref


@transaction.atomic
def decide_objection(
    objection: UUID, *, upheld: bool, reason: str, actor: Actor, now: datetime
) -> None:
    """Decide an objection (异议处理), by another provincial officer than who approved.

    Raises:
        NotFound: no such objection for this actor.
        NotAllowed: the actor is no provincial officer.
        ConflictOfInterest: approved it, or is otherwise bound.
        NoticeRefused: decided already.
        BadInput: no reason.
    """
    case = Objection.objects.filter(id=objection).values_list("notice__case_id", flat=True).first()
    if case is None:
        raise NotFound("异议", str(Ref("objection", objection)))
    row = locked(case, actor=actor, now=now)
    if actor.role is not Role.PROVINCIAL_OFFICER:
        raise NotAllowed("处理异议", "省级经办")
    found = Objection.objects.get(id=objection)
    if found.closed_at is not None:
        raise NoticeRefused("这个异议已经有结论", "结论不能改写；有新情况请另登记。")
    if found.approver == actor.person:
        raise ConflictOfInterest("这是您审定过的案件，异议由另一人处理")
    check_free_to_act(row, actor, now=now)
    if not reason.strip():
        raise BadInput("处理意见", "没有填写", "请写明核实了什么、依据是什么。")
    hold_hand(row, actor)
    found.upheld, found.reason = upheld, reason.strip()
    found.closed_by, found.closed_at = actor.person, now
    found.save(update_fields=["upheld", "reason", "closed_by", "closed_at"])
    after = {"case": row.number, "upheld": upheld}
    note = Note(
        action="objection.decide",
        subject=Ref("objection", objection),
        reason=found.reason,
        after=after,
    )
    record([note], actor=actor, now=now)


@transaction.atomic
def set_working_days(
    days: Mapping[date, bool], *, source: str, note: str = "", actor: Actor, now: datetime
) -> None:
    """Correct single days of a known year (调整工作日). Notices already published keep their end.

    Raises:
        NotAllowed: the actor does not run the platform.
        BadInput: no source, or no day.
        CalendarUnknown: a day of a year that was never entered as a whole.
    """
    _calendar_keeper(actor, source)
    if not days:
        raise BadInput("日期", "一天也没有写", "请写明哪天上班、哪天休息。")
    for day in sorted(days):
        if calendar(day) is None:
            raise CalendarUnknown(day)
    _write(days, source, note, actor, now)


@transaction.atomic
def set_calendar_year(
    year: int, exceptions: Mapping[date, bool], *, source: str, actor: Actor, now: datetime
) -> None:
    """Enter a whole year (录入全年安排): every day as Monday-to-Friday says, save the exceptions.

    Raises:
        NotAllowed: the actor does not run the platform.
        BadInput: no source, or an exception of another year.
    """
    _calendar_keeper(actor, source)
    strangers = sorted(day for day in exceptions if day.year != year)
    if strangers or not exceptions:
        raise BadInput(
            "节假日安排",
            f"{strangers[0]} 不在 {year} 年" if strangers else "一天也没有写",
            "请照国务院办公厅当年的通知填写全部放假日和调休上班日。",
        )
    first = date(year, 1, 1)
    every = [first + timedelta(days=n) for n in range((date(year + 1, 1, 1) - first).days)]
    assert len(every) >= WHOLE_YEAR
    days = {day: exceptions.get(day, is_weekday(day)) for day in every}
    _write(days, source, "", actor, now)


def _calendar_keeper(actor: Actor, source: str) -> None:
    if actor.role not in (Role.PLATFORM_OPERATOR, Role.PROVINCIAL_OFFICER, Role.SYSTEM):
        raise NotAllowed("调整工作日", "平台运营或省级经办")
    if not source.strip():
        raise BadInput("依据", "没有填写", "请写明依据的文件和文号。")


def _write(days: Mapping[date, bool], source: str, note: str, actor: Actor, now: datetime) -> None:
    CalendarDay.objects.bulk_create(
        CalendarDay(
            day=day,
            working=days[day],
            note=note,
            source=source.strip(),
            person=actor.person,
            recorded_at=now,
        )
        for day in sorted(days)
    )
    first, last = min(days), max(days)
    after = {
        "from": str(first),
        "to": str(last),
        "source": source.strip(),
        "working": [str(day) for day in sorted(days) if days[day] and not is_weekday(day)],
        "off": [str(day) for day in sorted(days) if not days[day] and is_weekday(day)],
    }
    ref = Ref("calendar", new_id())
    record([Note(action="calendar.set", subject=ref, after=after)], actor=actor, now=now)
