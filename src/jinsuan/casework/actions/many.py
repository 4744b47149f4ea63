"""One move on many cases at once (批量办理): the same checks and the same rows as `move_case`, read
and written a table at a time instead of a case at a time.

Only for the platform's own moves: people act on one case after the other, each with a reason.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import transaction

from jinsuan.casework.actions.cases import content
from jinsuan.casework.errors import CaseFrozen, NoticeNotOver
from jinsuan.casework.models import Case, CaseMove, ClaimedDocument, Finding, Notice, Objection
from jinsuan.casework.moves import LEVEL_OF, TABLES
from jinsuan.kernel.errors import DomainError
from jinsuan.kernel.period import beijing_date
from jinsuan.kernel.ref import Actor, Ref, Role
from jinsuan.ledger.actions import Note, record
from jinsuan.ledger.digest import canonical, digest
from jinsuan.ledger.rows import update_rows

NOTICE_OVER = "公示期满"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """Whose notice ended, in the order asked for, and why others stay where they are."""

    moved: tuple[Case, ...]
    left: Mapping[UUID, DomainError]


@transaction.atomic
def end_notices(cases: Sequence[UUID], *, actor: Actor, now: datetime) -> Ended:
    """The notices of these cases are over (公示期满), of all that nothing holds up.

    Returns:
        Those moved, and for each other case what `move_case` would have raised.
    """
    assert actor.role is Role.SYSTEM, "people act on one case after the other"
    # One order of locks for everybody who locks many.
    rows = {
        row.id: row
        for row in Case.objects.select_for_update(no_key=True).filter(id__in=cases).order_by("id")
    }
    found = [rows[case] for case in dict.fromkeys(cases) if case in rows]
    held_up = _held_up(found, now)
    left: dict[UUID, DomainError] = {}
    moved = []
    for row in found:
        try:
            TABLES[row.kind].take(row.state, NOTICE_OVER, actor.role)
        except DomainError as error:
            left[row.id] = error
            continue
        if row.id in held_up:
            left[row.id] = held_up[row.id]
        else:
            moved.append(row)
    _take(moved, actor=actor, now=now)
    return Ended(moved=tuple(moved), left=left)


def _held_up(rows: Sequence[Case], now: datetime) -> dict[UUID, DomainError]:
    """What freezes a case or keeps its notice open; a freezing doubt is named first."""
    rounds = {(row.id, row.moves_made) for row in rows}
    notices = {
        notice.case_id: notice
        for notice in Notice.objects.filter(case__in=[row.id for row in rows])
        if (notice.case_id, notice.moves_made) in rounds
    }
    found: dict[UUID, DomainError] = {}
    for row in rows:
        notice = notices.get(row.id)
        if notice is None:
            found[row.id] = NoticeNotOver("还没有公示")
        elif beijing_date(now) <= notice.last_day:
            found[row.id] = NoticeNotOver(f"公示到 {notice.last_day}（含）")
    by_notice = {notice.id: case for case, notice in notices.items()}
    objections = Objection.objects.filter(notice__in=by_notice)
    for upheld in objections.filter(upheld=True):
        found[by_notice[upheld.notice_id]] = NoticeNotOver("有异议成立，应退回省级审定")
    for waiting in objections.filter(closed_at__isnull=True):
        found[by_notice[waiting.notice_id]] = NoticeNotOver("有异议还没有处理")
    doubts: defaultdict[UUID, list[str]] = defaultdict(list)
    numbers = {row.id: row.number for row in rows}
    freezing = Finding.objects.filter(case__in=numbers, blocking=True, closed_at__isnull=True)
    for case, title in freezing.order_by("opened_at", "id").values_list("case_id", "title"):
        doubts[case].append(title)
    return found | {case: CaseFrozen(numbers[case], tuple(t)) for case, t in doubts.items()}


def _take(rows: Sequence[Case], *, actor: Actor, now: datetime) -> None:
    """Move the rows, each with its own row of the move and its own audit row."""
    moves, notes, released = [], [], []
    for row in rows:
        move = TABLES[row.kind].take(row.state, NOTICE_OVER, actor.role)
        target = TABLES[row.kind].state(move.target)
        before = content(row)
        row.state, row.moves_made = target.code, row.moves_made + 1
        row.closed_at = now if target.end else None
        if target.releases:
            released.append(row.id)
        after = content(row)
        moves.append(
            CaseMove(
                case=row,
                number=row.moves_made,
                name=move.name,
                source=move.source,
                target=move.target,
                level=LEVEL_OF[actor.role],
                person=actor.person,
                organisation=actor.organisation,
                role=actor.role,
                reason="",
                before_digest=digest(canonical(before)),
                after_digest=digest(canonical(after)),
                recorded_at=now,
            )
        )
        notes.append(
            Note(action="case.move", subject=Ref("case", row.id), before=before, after=after)
        )
    update_rows(rows, ["state", "moves_made", "closed_at"])
    if released:
        live = ClaimedDocument.objects.filter(case__in=released, released_at__isnull=True)
        live.update(released_at=now)
    CaseMove.objects.bulk_create(moves)
    record(notes, actor=actor, now=now)
