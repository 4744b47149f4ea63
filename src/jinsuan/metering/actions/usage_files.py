"""Usage files (读数文件): taken in whole, then worked off in stretches. `dispatch` pays for them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from uuid import UUID

from django.db import connection, transaction

from jinsuan.kernel.period import BEIJING, beijing_date
from jinsuan.kernel.ref import Actor, Ref
from jinsuan.ledger.actions import Note, record
from jinsuan.metering.actions.rated import Rated, rate
from jinsuan.metering.models import Meter, UsageFile, UsageFileRow, UsageFileSubject
from jinsuan.metering.usage_sheet import UsageSheet

STRETCH = 20_000
"""Rows of one transaction; more where one job has more on one day."""
LAST_SUBJECT = 2**31 - 1
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """The attempt that a file names, and when it ended on the centre's clock."""

    attempt: UUID
    ended_at: datetime | None


Find = Callable[[UsageSheet], Mapping[Ref, Named]]
"""Finds the attempts of a sheet's subjects and notes as problems those it does not find."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """A file that is in. `known` when the same bytes were taken before."""

    file: Ref
    known: bool


@transaction.atomic
def take(
    sheet: UsageSheet, *, name: str, centre: UUID, find: Find, actor: Actor, now: datetime
) -> Taken:
    """Take a whole file in, or nothing of it. Nothing is charged yet.

    Raises:
        UsageFileRefused: with every problem found.
    """
    known = UsageFile.objects.filter(digest=sheet.digest).first()
    if known is not None:
        return Taken(file=Ref("usagefile", known.id), known=True)
    pk = UUID(hex=prefix_of(sheet.digest, now) + "0" * 8)
    rows = _copy(pk, sheet)
    named = find(sheet)
    sheet.check()
    UsageFile.objects.create(
        id=pk,
        centre_id=centre,
        digest=sheet.digest,
        name=name[:200],
        taken_by=actor.person,
        received_at=now,
        rows=rows,
    )
    UsageFileSubject.objects.bulk_create(
        (
            UsageFileSubject(
                file_id=pk, number=number, attempt=named[ref].attempt, ended_at=named[ref].ended_at
            )
            for number, ref in enumerate(sheet.subjects)
        ),
        batch_size=5000,
    )
    after = {"rows": rows, "sha256": sheet.digest.hex(), "centre": str(Ref("centre", centre))}
    note = Note(action="usagefile.take", subject=Ref("usagefile", pk), after=after)
    record([note], actor=actor, now=now)
    return Taken(file=Ref("usagefile", pk), known=False)


def prefix_of(digest: bytes, received_at: datetime) -> str:
    """24 hexadecimal digits of a UUIDv7, the same for the same file and moment.

    The other eight count: 0 is the file, a row's number its reading, that and 2^31 a charge.
    """
    ms = (received_at - EPOCH) // timedelta(milliseconds=1)
    salt = int.from_bytes(sha256(b"usagefile:" + digest).digest()[:6])
    return f"{ms:012x}7{salt >> 36:03x}{0x8 | salt >> 34 & 0x3:x}{salt & 0xFFFFFFF:07x}"


def _copy(pk: UUID, sheet: UsageSheet) -> int:
    """Put the rows where the database can work on them; how many."""
    count, key = 0, str(pk)
    table = UsageFileRow._meta.db_table  # noqa: SLF001 - Django's own way to a model's table
    columns = "file_id, line, subject, resource, milli_unit_seconds, occurred_at"
    with (
        connection.cursor() as cursor,
        cursor.copy(f"COPY {table} ({columns}) FROM STDIN") as copy,
    ):
        for row in sheet.rows():
            if not sheet.wrong:
                copy.write_row((key, *row))
                count += 1
    return count


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """One transaction's work on a file, the file as it then stands, and when to say it was done."""

    file: UsageFile
    rated: Rated
    booked_at: datetime


@transaction.atomic
def rate_next(file: UUID, *, now: datetime, size: int = STRETCH) -> Stretch | None:
    """Judge and rate the next rows of a file; None when all are done.

    The caller captures the charges in the same transaction, and saves the file with `done`.
    """
    row = UsageFile.objects.select_for_update(no_key=True).get(id=file)
    if row.finished_at is not None:
        return None
    start = (row.next_subject, row.next_at or EPOCH)
    until = _until(row.id, start, size)
    where = {
        "file": row.id,
        "subject": start[0],
        "at": start[1],
        "to_subject": until[0],
        "to_at": until[1],
    }
    _lock_meters(row.id, start[0], until[0])
    prefix = prefix_of(bytes(row.digest), row.received_at)
    at = booked_at(row, now)
    rated = rate(where, prefix=prefix, received_at=row.received_at, now=at)
    row.next_subject, row.next_at = until
    row.rows_done += rated.rows
    row.kept += rated.kept
    row.doubts += rated.doubts
    row.charges += len(rated.steps)
    row.charged_fen += sum(step.amount.fen for step in rated.steps)
    return Stretch(file=row, rated=rated, booked_at=at)


def booked_at(row: UsageFile, now: datetime) -> datetime:
    """When to say that it was written down: the moment the file came, so that going on after a
    crash changes nothing; on a later day the present, because what statements say of a day stands.
    """
    return row.received_at if beijing_date(row.received_at) == beijing_date(now) else now


def _until(file: UUID, start: tuple[int, datetime], size: int) -> tuple[int, datetime]:
    """Where to stop after some `size` rows: between two days of a job, never within one."""
    ahead = """
        SELECT subject, occurred_at FROM metering_usagefilerow
        WHERE file_id = %s AND (subject, occurred_at) >= (%s, %s)
        ORDER BY subject, occurred_at OFFSET %s LIMIT 1
    """
    with connection.cursor() as cursor:
        cursor.execute(ahead, [file, *start, size])
        found = cursor.fetchone()
    if found is None:
        return LAST_SUBJECT, start[1]
    subject, at = found
    midnight = at.astimezone(BEIJING).replace(hour=0, minute=0, second=0, microsecond=0)
    first = (subject, midnight)
    return first if first > start else (subject, midnight + timedelta(days=1))


def _lock_meters(file: UUID, first: int, last: int) -> None:
    attempts = UsageFileSubject.objects.filter(file_id=file, number__gte=first, number__lte=last)
    meters = Meter.objects.select_for_update(no_key=True).order_by("attempt")
    list(meters.filter(attempt__in=attempts.values("attempt")).values_list("attempt"))


@transaction.atomic
def done(row: UsageFile, *, owed_fen: int, actor: Actor, now: datetime) -> None:
    """Save how far a file has come; at its end the rows go, because the readings are kept."""
    row.owed_fen += owed_fen
    if row.rows_done == row.rows:
        row.finished_at = booked_at(row, now)
        _drop_rows(row.id)
        after = {
            "rows": row.rows,
            "kept": row.kept,
            "doubts": row.doubts,
            "charges": row.charges,
            "charged_fen": row.charged_fen,
            "owed_fen": row.owed_fen,
        }
        note = Note(action="usagefile.finish", subject=Ref("usagefile", row.id), after=after)
        record([note], actor=actor, now=row.finished_at)
    row.save()


def _drop_rows(file: UUID) -> None:
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM metering_usagefilerow WHERE file_id = %s", [file])


def unmetered(attempts: Iterable[UUID]) -> set[UUID]:
    """Which of these attempts have no meter."""
    wanted = set(attempts)
    return wanted - set(Meter.objects.filter(attempt__in=wanted).values_list("attempt", flat=True))
