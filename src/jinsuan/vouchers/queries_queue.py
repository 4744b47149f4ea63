"""办理: the cases that somebody may see as a list, with what waits for them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Max, Q

from jinsuan.casework.models import Case, Finding, Notice
from jinsuan.casework.moves import TABLES
from jinsuan.casework.queries import access_case, cases_of, working_days_left
from jinsuan.kernel.period import beijing_date
from jinsuan.kernel.ref import Actor, Role
from jinsuan.vouchers.queries_cases import SEES_FINDINGS

MINE = "轮到我"


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueRow:
    """One case in a list. `notice_left` is None unless it stands in notice."""

    number: str
    title: str
    kind: str
    applicant: str
    body: str
    state: str
    state_code: str
    mine: bool
    waiting_days: int
    findings: int
    notice_left: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """A page of the list; `next` is the number after which the following page begins."""

    rows: tuple[QueueRow, ...]
    next: str
    mine: int


def state_labels(kind: str) -> tuple[str, ...]:
    """The states that a filter offers, for one kind of case or for all, in their order."""
    tables = [TABLES[kind]] if kind in TABLES else list(TABLES.values())
    found = [s.label for table in tables for s in table.states if s is not table.start]
    return tuple(dict.fromkeys(found))


def queue(
    viewer: Actor, *, kind: str = "", state: str = "", after: str = "", limit: int, now: datetime
) -> Queue:
    """The cases this viewer may see, newest first.

    Args:
        kind: a kind of case, "" for all.
        state: a state's label, `MINE` for those that wait for this role, "" for all.
        after: the number of the last case of the page before.

    Raises:
        NotFound: `after` is none that this viewer may see.
    """
    rows = cases_of(viewer, now=now)
    mine = rows.filter(_waiting_for(viewer.role)).count()
    if kind in TABLES:
        rows = rows.filter(kind=kind)
    if state == MINE:
        rows = rows.filter(_waiting_for(viewer.role))
    elif state:
        rows = rows.filter(_called(state))
    if after:
        last = access_case(viewer, after, now=now)
        earlier = Q(opened_at__lt=last.opened_at) | Q(opened_at=last.opened_at, id__lt=last.id)
        rows = rows.filter(earlier)
    found = list(rows.annotate(moved_at=Max("moves__recorded_at"))[: limit + 1])
    shown = found[:limit]
    ids = [case.id for case in shown]
    open_ones = Finding.objects.filter(case__in=ids, closed_at__isnull=True)
    findings = dict(open_ones.values_list("case").annotate(Count("id")).order_by())
    notices = {
        (notice.case_id, notice.moves_made): notice
        for notice in Notice.objects.filter(case__in=ids, case__state="notice")
    }
    sees = viewer.role in SEES_FINDINGS
    return Queue(
        rows=tuple(
            _row(
                case,
                viewer,
                findings.get(case.id, 0) if sees else 0,
                notices.get((case.id, case.moves_made)),
                now,
            )
            for case in shown
        ),
        next=shown[-1].number if len(found) > limit else "",
        mine=mine,
    )


def _row(
    case: Case, viewer: Actor, findings: int, notice: Notice | None, now: datetime
) -> QueueRow:
    table, today = TABLES[case.kind], beijing_date(now)
    since: datetime = getattr(case, "moved_at", None) or case.opened_at
    return QueueRow(
        number=case.number,
        title=case.title,
        kind=table.title,
        applicant=case.applicant.name,
        body=case.body.name,
        state=table.state(case.state).label,
        state_code=case.state,
        mine=bool(table.moves_for(case.state, viewer.role)),
        waiting_days=0 if case.closed_at else (today - beijing_date(since)).days,
        findings=findings,
        notice_left=None if notice is None else working_days_left(notice, today=today),
    )


def _waiting_for(role: Role) -> Q:
    """Where this role has a move; a condition that nothing meets for roles without any."""
    found = Q(pk__in=[])
    for kind, table in TABLES.items():
        states = {move.source for move in table.moves if move.role is role}
        found |= Q(kind=kind, state__in=states)
    return found


def _called(label: str) -> Q:
    found = Q(pk__in=[])
    for kind, table in TABLES.items():
        found |= Q(kind=kind, state__in=[s.code for s in table.states if s.label == label])
    return found
