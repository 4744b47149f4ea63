"""Usage files of a centre (读数文件): find the jobs they speak of, and pay for what they say.

For jobs whose use the platform does not meter live. Judged, charged, split between voucher and cash
and captured as live readings are; one charge per job and Beijing day.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import BinaryIO
from uuid import UUID

from django.db import transaction
from django.db.models import Q

from jinsuan.dispatch.models import Attempt
from jinsuan.kernel.errors import NotAllowed
from jinsuan.kernel.money import Money
from jinsuan.kernel.ref import Actor, Ref, Role
from jinsuan.metering.actions import Step
from jinsuan.metering.actions.usage_files import (
    STRETCH,
    Named,
    Taken,
    done,
    rate_next,
    take,
    unmetered,
)
from jinsuan.metering.usage_sheet import JOB, UsageSheet
from jinsuan.protocol.states import AttemptState
from jinsuan.registry.queries import access_centre
from jinsuan.vouchers.actions import Capture, capture, top_up_all
from jinsuan.vouchers.queries import shortfall_of

MANY = 5000
MAY_TAKE = frozenset({Role.CENTRE_OPERATOR, Role.PLATFORM_OPERATOR, Role.SYSTEM})


@transaction.atomic
def take_usage_file(
    file: BinaryIO, *, name: str, centre: str, actor: Actor, now: datetime
) -> Taken:
    """Take in a centre's file of readings, whole or not at all (登记读数文件). Again is harmless.

    Nothing is charged yet: call `book_next` until it says that all is done.

    Raises:
        NotFound: there is no such centre, or it is not the actor's.
        NotAllowed: the actor may look at the centre, but speaks neither for it nor the platform.
        UsageFileRefused: with every row that cannot be read or names no job of this centre.
    """
    row = access_centre(actor, centre)
    if actor.role not in MAY_TAKE:
        raise NotAllowed("登记读数文件", "平台运营，或算力企业经办人")

    def find(sheet: UsageSheet) -> dict[Ref, Named]:
        return _find(sheet, row.id, centre)

    sheet = UsageSheet(file)
    return take(sheet, name=name, centre=row.id, find=find, actor=actor, now=now)


def _find(sheet: UsageSheet, centre: UUID, code: str) -> dict[Ref, Named]:
    """The attempt behind each name of a sheet. Attempts of other centres are as good as none."""
    tries: dict[Ref, list[Named]] = defaultdict(list)
    wanted = [ref.id for ref in sheet.subjects]
    for start in range(0, len(wanted), MANY):
        ids = wanted[start : start + MANY]
        rows = Attempt.objects.filter(Q(job__in=ids) | Q(id__in=ids), cluster__centre=centre)
        fields = ("id", "job_id", "state", "ended_at", "leased_at")
        for pk, job, state, ended_at, leased_at in rows.values_list(*fields).order_by("number"):
            over = (ended_at or leased_at) if state == AttemptState.ENDED else None
            named = Named(attempt=pk, ended_at=over)
            tries[Ref("job", job)].append(named)
            tries[Ref("attempt", pk)].append(named)
    without = unmetered(n.attempt for ref in sheet.subjects for n in tries[ref])
    found: dict[Ref, Named] = {}
    taken: dict[UUID, Ref] = {}
    for ref, line in sheet.subjects.items():
        mine = {n.attempt: n for n in tries[ref] if n.attempt not in without}
        if len(mine) != 1:
            _refuse(sheet, line, ref, code, len(mine))
            continue
        ((attempt, named),) = mine.items()
        other = taken.setdefault(attempt, ref)
        if other != ref:
            problem = f"和第 {sheet.subjects[other]} 行的 {other} 是同一次运行"
            sheet.refuse(line, JOB, str(ref), problem, "同一个作业在一份文件里请只用一种编号。")
        found[ref] = named
    return found


def _refuse(sheet: UsageSheet, line: int, ref: Ref, code: str, tries: int) -> None:
    if tries:
        problem = f"这个作业在中心 {code} 运行过 {tries} 次"
        sheet.refuse(line, JOB, str(ref), problem, "请改写为那一次的编号 attempt_…。")
        return
    problem = f"没有这个作业，或者它不在中心 {code} 运行"
    sheet.refuse(line, JOB, str(ref), problem, "请核对编号；别的中心的作业由那个中心交。")


@transaction.atomic
def book_next(file: UUID, *, now: datetime, size: int = STRETCH) -> bool:
    """Judge, rate, charge and capture the next rows of a file, in one transaction.

    Whatever is cut off is as if it had never begun, and the next call does it the same way.

    Returns:
        Whether there is more to do.
    """
    stretch = rate_next(file, now=now, size=size)
    if stretch is None:
        return False
    actor = Actor.system(f"usagefile:{Ref('usagefile', file)}")
    owed = _capture(stretch.rated.steps, actor=actor, now=stretch.booked_at)
    done(stretch.file, owed_fen=owed.fen, actor=actor, now=now)
    return stretch.file.finished_at is None


def _capture(steps: Sequence[Step], *, actor: Actor, now: datetime) -> Money:
    """Take the charges out of escrow, filled up first as it would have been while the job ran.

    Returns:
        What the tenants' money did not suffice for; it became a claim on them.
    """
    if not steps:
        return Money(0)
    covers = {step.attempt: step.cumulative for step in steps}  # the last one counts
    before = shortfall_of(covers)
    top_up_all(covers, actor=actor, now=now)
    captures = [
        Capture(
            attempt=step.attempt,
            charge=Ref("charge", step.charge),
            number=step.number,
            cumulative=step.cumulative,
            amount=step.amount,
        )
        for step in steps
    ]
    capture(captures, actor=actor, now=now)
    return shortfall_of(covers) - before
