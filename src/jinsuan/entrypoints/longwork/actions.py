"""Ask for long work, take it, go on with it a step at a time, end it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Q

from jinsuan.entrypoints.longwork import files
from jinsuan.entrypoints.longwork.errors import WorkOver
from jinsuan.entrypoints.longwork.models import LIVE, LongWork
from jinsuan.entrypoints.longwork.queries import access_row
from jinsuan.kernel.ref import Actor, Ref, Role
from jinsuan.ledger.actions import Note, record
from jinsuan.ledger.digest import canonical, digest
from jinsuan.vouchers.statements_kept import drop_lines

LEASE = timedelta(seconds=30)
"""A step commits every second or two; whoever is silent for so long is taken for dead."""
KEPT = timedelta(days=7)
DOUBLE = timedelta(seconds=60)
"""Whoever asks for the same again so soon means the same: a second click, a page sent again."""
MOST_CLAIMS = 20
"""Work that so many workers died of would kill the next one, too."""


class Lost(Exception):
    """The work was stopped, or another worker has it now."""


@transaction.atomic
def ask(
    *, kind: str, title: str, parameters: Mapping[str, Any], actor: Actor, now: datetime
) -> Ref:
    """Put work on the list (发起长任务). Of equal work that is not over, or was just finished, there
    is one: a double click gets the same.
    """
    assert actor.person is not None and actor.organisation is not None, actor
    whose = {"organisation": str(actor.organisation), "role": str(actor.role), "kind": kind}
    once = digest(canonical({**whose, "parameters": dict(parameters)})).hex()
    if (found := _same(once, now)) is not None:
        return found
    row = LongWork(
        kind=kind,
        title=title[:200],
        parameters=dict(parameters),
        person_id=actor.person,
        organisation_id=actor.organisation,
        role=actor.role,
        via=actor.via,
        once=once,
        asked_at=now,
    )
    # Two at the same moment: the second waits for the first and then inserts nothing.
    LongWork.objects.bulk_create([row], ignore_conflicts=True)
    found = _same(once, now)
    assert found is not None, once
    if found.id == row.id:
        after = {"kind": kind, "title": row.title, "once": once}
        record([Note(action="longwork.ask", subject=found, after=after)], actor=actor, now=now)
    return found


def _same(once: str, now: datetime) -> Ref | None:
    """Equal work that is not over, or was done a moment ago and still has what came of it."""
    just_done = Q(state="done", finished_at__gt=now - DOUBLE)
    just_done &= Q(file_name="") | ~Q(file_place="")
    found = LongWork.objects.filter(Q(state__in=LIVE) | just_done, once=once)
    row = found.order_by("-asked_at", "-id").first()
    return None if row is None else Ref("longwork", row.id)


@dataclass(slots=True, kw_only=True)
class Held:
    """Work in the hands of one worker. All it knows of the row is what it committed last."""

    id: UUID
    kind: str
    parameters: Mapping[str, Any]
    asker: Actor
    asked_at: datetime
    fence: int
    total: int | None
    done: int
    place: dict[str, Any] = field(default_factory=dict)

    @contextmanager
    def step(self, *, now: datetime) -> Iterator[LongWork]:
        """One step: what is written within and the progress set on the row are committed together.

        Raises:
            Lost: it is no longer ours; nothing of the step stays.
        """
        with transaction.atomic():
            row = (
                LongWork.objects.select_for_update()
                .filter(id=self.id, state="running", fence=self.fence)
                .first()
            )
            if row is None:
                raise Lost(self.id)
            yield row
            row.heartbeat_at, row.lease_until = now, now + LEASE
            row.save()
        self.total, self.done, self.place = row.total, row.done, row.place

    def beat(self, done: int, *, now: datetime) -> None:
        """Say that we live and how far we are, within a step that cannot be cut.

        Raises:
            Lost: stopped, or somebody else's.
        """
        kept = LongWork.objects.filter(id=self.id, state="running", fence=self.fence).update(
            done=done, heartbeat_at=now, lease_until=now + LEASE
        )
        if not kept:
            raise Lost(self.id)


@transaction.atomic
def claim(*, now: datetime) -> Held | None:
    """Take the work that waits longest, or one whose worker fell silent (认领)."""
    ripe = Q(state="waiting") | Q(state="running", lease_until__lte=now)
    row = (
        LongWork.objects.select_for_update(skip_locked=True)
        .filter(ripe)
        .order_by("asked_at", "id")
        .first()
    )
    if row is None:
        return None
    if row.fence >= MOST_CLAIMS:
        _end(row, LongWork.State.FAILED, now=now, error=_WORN_OUT.format(MOST_CLAIMS))
        return None
    row.state, row.fence = LongWork.State.RUNNING, row.fence + 1
    row.heartbeat_at, row.lease_until = now, now + LEASE
    row.save()
    return Held(
        id=row.id,
        kind=row.kind,
        parameters=row.parameters,
        asker=Actor(
            person=row.person_id,
            organisation=row.organisation_id,
            role=Role(row.role),
            via=row.via,
        ),
        asked_at=row.asked_at,
        fence=row.fence,
        total=row.total,
        done=row.done,
        place=row.place,
    )


_WORN_OUT = "中断了 {} 次都没有做完，已经停下。请联系平台运营查看日志，查明以后重新发起。"


def finish(held: Held, *, file: files.Result | None = None, now: datetime) -> None:
    """It is done; its file is kept for seven days."""
    with held.step(now=now) as row:
        if file is not None:
            row.file_name, row.file_media = file.name, file.media
            row.file_place, row.file_sha256, row.file_bytes = file.place, file.sha256, file.size
            row.expires_at = now + KEPT
        _end(row, LongWork.State.DONE, now=now)
    files.tidy(held.id, but=file.place if file else "")


def fail(held: Held, *, error: str, now: datetime) -> None:
    """It cannot be done, for a reason that people can read."""
    with held.step(now=now) as row:
        _end(row, LongWork.State.FAILED, now=now, error=error)
    files.tidy(held.id)


def _end(row: LongWork, state: LongWork.State, *, now: datetime, error: str = "") -> None:
    row.state, row.finished_at, row.error, row.place = state, now, error, {}
    row.save()
    drop_lines(row.id)
    after: dict[str, object] = {"state": str(state), "done": row.done, "left": row.left_count}
    if row.file_sha256 is not None:
        after["file_sha256"] = bytes(row.file_sha256).hex()
    note = Note(action="longwork.end", subject=Ref("longwork", row.id), reason=error, after=after)
    record([note], actor=Actor.system("worker:longwork"), now=now)


@transaction.atomic
def stop(work: str, *, actor: Actor, now: datetime) -> None:
    """Stop it (停止). What was done stays done; its worker finds out at its next step.

    Raises:
        NotFound: none for this viewer.
        WorkOver: it has ended.
    """
    row = access_row(actor, work, lock=True)
    if row.state not in LIVE:
        raise WorkOver(row.title, row.get_state_display())
    row.state, row.finished_at, row.place = LongWork.State.STOPPED, now, {}
    row.save()
    drop_lines(row.id)
    after = {"state": "stopped", "done": row.done}
    note = Note(action="longwork.stop", subject=Ref("longwork", row.id), after=after)
    record([note], actor=actor, now=now)


def forget(*, now: datetime) -> int:
    """Delete files that were kept long enough, and what stopped work left; returns how many."""
    gone = 0
    due = LongWork.objects.filter(~Q(file_place=""), expires_at__lte=now)
    for row in due.order_by("id"):
        files.tidy(row.id)
        gone += LongWork.objects.filter(id=row.id, expires_at__lte=now).update(
            file_place="", file_sha256=None, file_bytes=None
        )
    ended = LongWork.objects.filter(state__in=("stopped", "failed"), file_place="")
    for work in ended.filter(finished_at__gt=now - 2 * KEPT).values_list("id", flat=True):
        files.tidy(work)
    return gone
