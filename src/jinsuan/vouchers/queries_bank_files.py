"""The bank's files for pages: what was taken in, what became of each line, whose a movement may be."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from jinsuan.kernel.errors import NotFound
from jinsuan.kernel.ref import Actor, Ref
from jinsuan.registry.models import Organisation
from jinsuan.vouchers.models import BankEntry, BankFile, CashOrder
from jinsuan.vouchers.queries_bank import SEES_BANK, EntryView, entry_view

_Outcome = BankEntry.Outcome
_State = CashOrder.State


@dataclass(frozen=True, slots=True, kw_only=True)
class FileView:
    """One file that was taken in. `open`: lines that still wait for a person."""

    ref: Ref
    name: str
    account: str
    rows: int
    fresh: int
    open: int
    sha256: str
    taken_by: Ref
    taken_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryRow:
    """One line of a file and what became of it."""

    view: EntryView
    line: int
    outcome_code: str
    matched: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FitOrder:
    """An order that a movement may be: of the same amount and in the right state."""

    ref: Ref
    number: str
    payee: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryFile:
    """One movement as a page: who took it in, who matched it and why, which orders would fit."""

    row: EntryRow
    file: Ref
    taken_by: Ref
    matched_by: Ref | None
    matched_at: datetime | None
    reason: str
    fits: tuple[FitOrder, ...]


def bank_files(
    viewer: Actor, *, before: UUID | None = None, limit: int
) -> tuple[tuple[FileView, ...], str]:
    """Files, newest first, and after which the next page begins ("" for none).

    Raises:
        NotFound: not for this viewer.
    """
    _door(viewer)
    rows = BankFile.objects.select_related("account").order_by("-id")
    if before is not None:
        rows = rows.filter(id__lt=before)
    found = [_file(row) for row in rows[: limit + 1]]
    return tuple(found[:limit]), str(found[limit - 1].ref) if len(found) > limit else ""


def bank_file(viewer: Actor, pk: UUID) -> FileView:
    """The door to one file.

    Raises:
        NotFound: there is none, or it is not for this viewer.
    """
    _door(viewer)
    row = BankFile.objects.select_related("account").filter(id=pk).first()
    if row is None:
        raise NotFound("银行流水文件", str(Ref("bankfile", pk)))
    return _file(row)


def file_entries(
    viewer: Actor, pk: UUID, *, after: int = 0, limit: int
) -> tuple[tuple[EntryRow, ...], int]:
    """A file's lines that were new, in their order, and after which line the next page begins (0
    for none). Lines known from an earlier file stand in that one.

    Raises:
        NotFound: not for this viewer.
    """
    _door(viewer)
    rows = BankEntry.objects.filter(file=pk, line__gt=after).select_related("account")
    found = list(rows.order_by("line")[: limit + 1])
    names = _names(found[:limit])
    shown = tuple(_row(row, names) for row in found[:limit])
    return shown, found[limit - 1].line if len(found) > limit else 0


def entry_file(viewer: Actor, pk: UUID) -> EntryFile:
    """The door to one movement.

    Raises:
        NotFound: there is none, or it is not for this viewer.
    """
    _door(viewer)
    rows = BankEntry.objects.select_related("account", "file", "match")
    row = rows.filter(id=pk).first()
    if row is None:
        raise NotFound("银行流水", str(Ref("bankentry", pk)))
    match = getattr(row, "match", None)
    return EntryFile(
        row=_row(row, _names([row])),
        file=Ref("bankfile", row.file_id),
        taken_by=Ref("person", row.file.taken_by),
        matched_by=None if match is None else Ref("person", match.matched_by),
        matched_at=None if match is None else match.matched_at,
        reason="" if match is None else match.reason,
        fits=_fits(row),
    )


def _fits(row: BankEntry) -> tuple[FitOrder, ...]:
    """What came in may be a paid order come back; what went out, one that waits for the bank."""
    wanted = {_Outcome.SUSPENSE: _State.PAID, _Outcome.UNEXPLAINED: _State.CONFIRMED}
    state = wanted.get(_Outcome(row.outcome))
    if state is None:
        return ()
    orders = CashOrder.objects.filter(
        state=state, amount_fen=row.amount_fen, account=row.account_id
    ).select_related("organisation")
    return tuple(
        FitOrder(ref=Ref("cashorder", one.id), number=one.number, payee=one.organisation.name)
        for one in orders.order_by("-id")[:20]
    )


def _door(viewer: Actor) -> None:
    if viewer.role not in SEES_BANK:
        raise NotFound("页面", "银行流水")


def _file(row: BankFile) -> FileView:
    return FileView(
        ref=Ref("bankfile", row.id),
        name=row.name,
        account=row.account.code,
        rows=row.rows,
        fresh=row.entries.count(),
        open=row.entries.filter(outcome__in=[_Outcome.SUSPENSE, _Outcome.UNEXPLAINED]).count(),
        sha256=row.sha256,
        taken_by=Ref("person", row.taken_by),
        taken_at=row.taken_at,
    )


def _row(row: BankEntry, names: dict[str, str]) -> EntryRow:
    return EntryRow(
        view=entry_view(row),
        line=row.line,
        outcome_code=row.outcome,
        matched=names.get(row.matched, row.matched),
    )


def _names(rows: list[BankEntry]) -> dict[str, str]:
    """Organisations by name and orders by number, in two queries."""
    refs = [Ref.read(row.matched) for row in rows if row.matched]
    owners = [ref.id for ref in refs if ref.kind == "organisation"]
    orders = [ref.id for ref in refs if ref.kind == "cashorder"]
    found = {
        str(Ref("organisation", pk)): name
        for pk, name in Organisation.objects.filter(id__in=owners).values_list("id", "name")
    }
    for pk, number in CashOrder.objects.filter(id__in=orders).values_list("id", "number"):
        found[str(Ref("cashorder", pk))] = number
    return found
