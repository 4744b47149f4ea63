"""Usage files as frozen values, and the door to one."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from jinsuan.kernel.errors import NotFound
from jinsuan.kernel.money import Money
from jinsuan.kernel.ref import Ref
from jinsuan.metering.models import UsageFile


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageFileView:
    """How far one file of readings has come.

    Args:
        kept: rows that became readings; `rows_done` less `kept` and `doubts` were repeats.
        owed: what of `charged` was beyond the tenants' money and became a claim on them.
    """

    ref: Ref
    name: str
    sha256: str
    centre: str
    rows: int
    rows_done: int
    kept: int
    doubts: int
    charges: int
    charged: Money
    owed: Money
    received_at: datetime
    finished_at: datetime | None


def usage_files(centres: Collection[UUID], *, unfinished: bool = False) -> list[UsageFileView]:
    """The files of these centres, newest first; or only those that are not done, oldest first."""
    rows = UsageFile.objects.select_related("centre").filter(centre__in=centres)
    if unfinished:
        rows = rows.filter(finished_at__isnull=True).order_by("received_at", "id")
    else:
        rows = rows.order_by("-received_at", "-id")
    return [_view(row) for row in rows]


def left_undone(*, received_before: datetime) -> list[UUID]:
    """Files that came before then and are not done, of any centre, oldest first: for the platform."""
    rows = UsageFile.objects.filter(finished_at__isnull=True, received_at__lt=received_before)
    return list(rows.order_by("received_at", "id").values_list("id", flat=True))


def usage_file_view(centres: Collection[UUID], pk: UUID) -> UsageFileView:
    """One file of these centres.

    Raises:
        NotFound: there is none.
    """
    row = UsageFile.objects.select_related("centre").filter(id=pk, centre__in=centres).first()
    if row is None:
        raise NotFound("读数文件", str(Ref("usagefile", pk)))
    return _view(row)


def _view(row: UsageFile) -> UsageFileView:
    return UsageFileView(
        ref=Ref("usagefile", row.id),
        name=row.name,
        sha256=bytes(row.digest).hex(),
        centre=row.centre.code,
        rows=row.rows,
        rows_done=row.rows_done,
        kept=row.kept,
        doubts=row.doubts,
        charges=row.charges,
        charged=Money(row.charged_fen),
        owed=Money(row.owed_fen),
        received_at=row.received_at,
        finished_at=row.finished_at,
    )
