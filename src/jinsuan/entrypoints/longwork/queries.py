"""Reads of long work, and the door to it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from jinsuan.casework.errors import FileDamaged
from jinsuan.entrypoints.longwork import files
from jinsuan.entrypoints.longwork.errors import ResultExpired, WorkNotReady
from jinsuan.entrypoints.longwork.models import LIVE, LongWork
from jinsuan.kernel.errors import NotFound
from jinsuan.kernel.ref import Actor, Ref

KEPT_DAYS = 7
SAID = 100
"""So many reasons of what was left are shown; the rest is only counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftView:
    """One thing that could not be done, and why."""

    number: str
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkView:
    """One long work for a page or the API.

    Args:
        percent: 0 to 100, whole; None while nothing is counted.
        bytes: the size of the file; None without one.
    """

    ref: Ref
    kind: str
    title: str
    person: Ref
    state: str
    state_zh: str
    live: bool
    done: int
    total: int | None
    percent: int | None
    left: tuple[LeftView, ...]
    left_count: int
    error: str
    asked_at: datetime
    heartbeat_at: datetime | None
    finished_at: datetime | None
    expires_at: datetime | None
    file_name: str
    sha256: str
    bytes: int | None


def access_row(viewer: Actor, work: str, *, lock: bool = False) -> LongWork:
    """The door: only the organisation and the role that asked, for it is theirs.

    Raises:
        NotFound: there is none, or this viewer may not see it.
    """
    missing = NotFound("长任务", work[:60])
    try:
        ref = Ref.read(work)
    except ValueError:
        raise missing from None
    rows = LongWork.objects.select_for_update() if lock else LongWork.objects
    found = rows.filter(id=ref.id, organisation=viewer.organisation, role=viewer.role).first()
    if ref.kind != "longwork" or found is None or viewer.organisation is None:
        raise missing
    return found


def access_work(viewer: Actor, work: str) -> WorkView:
    """One long work.

    Raises:
        NotFound.
    """
    return view_of(access_row(viewer, work))


def works_of(viewer: Actor, *, limit: int, kinds: tuple[str, ...] = ()) -> list[WorkView]:
    """What the viewer's organisation asked for in this role, newest first."""
    if viewer.organisation is None:
        return []
    rows = LongWork.objects.filter(organisation=viewer.organisation, role=viewer.role)
    if kinds:
        rows = rows.filter(kind__in=kinds)
    return [view_of(row) for row in rows.order_by("-asked_at", "-id")[:limit]]


@dataclass(frozen=True, slots=True, kw_only=True)
class FileView:
    """A finished file, ready to leave."""

    path: Path
    name: str
    media: str


def access_file(viewer: Actor, work: str, *, now: datetime) -> FileView:
    """The file of a work, compared with its digest once more before it leaves.

    Raises:
        NotFound, WorkNotReady, ResultExpired.
        FileDamaged: it is gone, or no longer what was written.
    """
    row = access_row(viewer, work)
    if row.state != LongWork.State.DONE or not row.file_name:
        raise WorkNotReady(row.title, row.get_state_display(), row.done, row.total)
    if not row.file_place or (row.expires_at is not None and row.expires_at <= now):
        raise ResultExpired(row.title, KEPT_DAYS)
    path = files.path_of(row.file_place)
    try:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").digest()
    except OSError as error:
        raise FileDamaged(row.file_name) from error
    assert row.file_sha256 is not None
    if found != bytes(row.file_sha256):
        raise FileDamaged(row.file_name)
    return FileView(path=path, name=row.file_name, media=row.file_media)


def view_of(row: LongWork) -> WorkView:
    """The row as it is shown."""
    return WorkView(
        ref=Ref("longwork", row.id),
        kind=row.kind,
        title=row.title,
        person=Ref("person", row.person_id),
        state=row.state,
        state_zh=row.get_state_display(),
        live=row.state in LIVE,
        done=row.done,
        total=row.total,
        percent=_percent(row),
        left=tuple(LeftView(number=x["number"], words=x["words"]) for x in row.left[:SAID]),
        left_count=row.left_count,
        error=row.error,
        asked_at=row.asked_at,
        heartbeat_at=row.heartbeat_at,
        finished_at=row.finished_at,
        expires_at=row.expires_at,
        file_name=row.file_name if row.file_place else "",
        sha256=bytes(row.file_sha256).hex() if row.file_sha256 else "",
        bytes=row.file_bytes,
    )


def _percent(row: LongWork) -> int | None:
    if row.state == LongWork.State.DONE:
        return 100
    if row.total is None:
        return None
    return min(100, row.done * 100 // row.total) if row.total else 0
