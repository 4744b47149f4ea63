"""Doors, cases as pages and the API need them, the calendar, replay of decisions, links."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from uuid import UUID

from django.conf import settings
from django.db.models import Q, QuerySet

from jinsuan.casework import files, snapshot, working_days
from jinsuan.casework.models import (
    Attachment,
    CalendarDay,
    Case,
    CaseMove,
    Decision,
    Finding,
    Notice,
    Objection,
    PaymentBatch,
    PaymentLine,
)
from jinsuan.casework.moves import TABLES, Level
from jinsuan.kernel.errors import NotFound
from jinsuan.kernel.money import Money
from jinsuan.kernel.ref import Actor, Ref, Role
from jinsuan.policy.decide import decide
from jinsuan.policy.library import law_on
from jinsuan.registry.queries import memberships_of

_STARTS = [table.start.code for table in TABLES.values()]
_TREASURY = Q()
for _table in TABLES.values():
    _TREASURY |= Q(kind=_table.kind, state__in=[s.code for s in _table.states if s.treasury])


def _visible(viewer: Actor, now: datetime) -> Q | None:
    """What this viewer may see; one condition per line, None for nothing at all. A draft is its
    applicant's own until it is handed in.
    """
    if viewer.role is Role.SYSTEM:
        return Q()
    if viewer.role is Role.AUDITOR:
        return Q()
    if viewer.role is Role.PROVINCIAL_OFFICER:
        return ~Q(state__in=_STARTS)
    if viewer.role is Role.RECOMMENDER:
        return Q(body__in=bodies_of(viewer, now)) & ~Q(state__in=_STARTS)
    if viewer.role is Role.TREASURY:
        return _TREASURY
    if viewer.role is Role.TENANT:
        return Q(applicant=viewer.organisation)
    if viewer.role is Role.CENTRE_OPERATOR:
        return Q(applicant=viewer.organisation)
    return None  # experts see applications elsewhere, without names; the platform's operators none


def bodies_of(viewer: Actor, now: datetime) -> set[UUID]:
    """The recommending bodies that somebody acts for today in the organisation acted for."""
    if viewer.person is None:
        return set()
    return {
        found.body.id
        for found in memberships_of(viewer.person, now=now)
        if found.role is Role.RECOMMENDER
        and found.organisation.id == viewer.organisation
        and found.body is not None
    }


def cases_of(viewer: Actor, *, now: datetime) -> QuerySet[Case]:
    """The cases that this viewer may see, newest first."""
    condition = _visible(viewer, now)
    rows = Case.objects.select_related("applicant", "body").order_by("-opened_at", "-id")
    return rows.none() if condition is None else rows.filter(condition)


def access_case(viewer: Actor, which: UUID | str, *, now: datetime) -> Case:
    """The door to a case, by its id or its number.

    Raises:
        NotFound: there is none, or this viewer may not.
    """
    rows = cases_of(viewer, now=now)
    wanted = {"id": which} if isinstance(which, UUID) else {"number": which}
    found = rows.filter(**wanted).first()
    if found is None:
        raise NotFound("案件", str(which)[:60])
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class MoveView:
    """One step of a case's history."""

    number: int
    name: str
    source: str
    target: str
    level: str
    person: UUID | None
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseView:
    """A case for a page: where it stands, what this viewer can do, how it came here."""

    ref: Ref
    number: str
    title: str
    kind: str
    applicant: str
    body: str
    state: str
    state_code: str
    frozen_by: tuple[str, ...]
    buttons: tuple[str, ...]
    history: tuple[MoveView, ...]
    opened_at: datetime
    closed_at: datetime | None


def case_view(viewer: Actor, which: UUID | str, *, now: datetime) -> CaseView:
    """A case as this viewer sees it.

    Raises:
        NotFound: there is none, or this viewer may not.
    """
    case = access_case(viewer, which, now=now)
    table = TABLES[case.kind]
    frozen = blocking(case.id)
    return CaseView(
        ref=Ref("case", case.id),
        number=case.number,
        title=case.title,
        kind=table.title,
        applicant=case.applicant.name,
        body=case.body.name,
        state=table.state(case.state).label,
        state_code=case.state,
        frozen_by=frozen,
        buttons=()
        if frozen
        else tuple(move.name for move in table.moves_for(case.state, viewer.role)),
        history=tuple(_move_view(case, move) for move in case.moves.order_by("number")),
        opened_at=case.opened_at,
        closed_at=case.closed_at,
    )


def _move_view(case: Case, move: CaseMove) -> MoveView:
    table = TABLES[case.kind]
    return MoveView(
        number=move.number,
        name=move.name,
        source=table.state(move.source).label,
        target=table.state(move.target).label,
        level=Level(move.level).label,
        person=move.person,
        reason=move.reason,
        at=move.recorded_at,
    )


def blocking(case: UUID) -> tuple[str, ...]:
    """The titles of open findings that freeze a case."""
    rows = Finding.objects.filter(case=case, blocking=True, closed_at__isnull=True)
    return tuple(rows.order_by("opened_at", "id").values_list("title", flat=True))


def calendar(day: date) -> bool | None:
    """Whether a day is worked: what an operator last said, else the built-in years."""
    row = CalendarDay.objects.filter(day=day).order_by("-id").first()
    return working_days.built_in(day) if row is None else row.working


def working_days_left(notice: Notice, *, today: date) -> int:
    """How many working days of a notice are still to come, today included.

    Raises:
        CalendarUnknown: a day of a year without a calendar.
    """
    return working_days.between(max(today, notice.from_day), notice.last_day, calendar)


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """A stored decision, decided again now."""

    ref: Ref
    same: bool
    differences: tuple[str, ...]


def replay(decision: UUID) -> Replay:
    """Decide again from the stored facts, with the pack as it is now. The caller went through the
    case's door.

    Raises:
        NotFound: no such decision.
        PackNotFound, PackInvalid: the pack is gone or no longer holds together.
    """
    row = Decision.objects.filter(id=decision).first()
    if row is None:
        raise NotFound("判定", str(Ref("decision", decision)))
    then = snapshot.read(row.content)
    now = decide(law_on(then.pack, then.law_on), then.facts, then.dates)
    found = snapshot.differences(then, now)
    return Replay(ref=Ref("decision", decision), same=not found, differences=found)


@dataclass(frozen=True, slots=True, kw_only=True)
class Download:
    """A file on its way out, with the headers it must leave under."""

    data: bytes
    headers: dict[str, str]


def download(viewer: Actor, attachment: UUID, *, now: datetime) -> Download:
    """An attachment's content for whoever may see its case.

    Raises:
        NotFound: there is none, or this viewer may not.
        FileDamaged: the file is gone or was changed.
    """
    row = Attachment.objects.filter(id=attachment).first()
    if row is None or not cases_of(viewer, now=now).filter(id=row.case_id).exists():
        raise NotFound("附件", str(Ref("attachment", attachment)))
    data = files.fetch(Path(settings.FILES_FOLDER), bytes(row.sha256), row.name)
    return Download(data=data, headers=files.download_headers(row.name, row.media))


@dataclass(frozen=True, slots=True, kw_only=True)
class LineView:
    """One line of a payment sheet."""

    place: int
    ref: Ref
    case: str
    payee: str
    amount: Money
    state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchView:
    """A payment sheet: its total in figures and in capitals, and its lines."""

    ref: Ref
    number: str
    state: str
    total: Money
    capitals: str
    lines: tuple[LineView, ...]


SEES_BATCHES = (Role.TREASURY, Role.AUDITOR, Role.PROVINCIAL_OFFICER, Role.SYSTEM)


def batch_called(viewer: Actor, name: str) -> Ref:
    """A payment batch by its number or its identifier.

    Raises:
        NotFound: there is none, or this viewer may not.
    """
    rows = PaymentBatch.objects.filter(number=name.strip())
    found = [Ref("paymentbatch", pk) for pk in rows.values_list("id", flat=True)]
    if not found and name.strip().startswith("paymentbatch_"):
        with suppress(ValueError):
            found = [Ref.read(name.strip())]
    if not found or viewer.role not in SEES_BATCHES:
        raise NotFound("拨付批次", name[:60])
    return found[0]


def batch_view(viewer: Actor, which: UUID, *, now: datetime) -> BatchView:
    """A payment batch, for the treasury, the auditor and the province.

    Raises:
        NotFound: there is none, or this viewer may not.
    """
    del now  # the door has it like every other; who may see a batch does not change with time
    row = PaymentBatch.objects.filter(id=which).first()
    if row is None or viewer.role not in SEES_BATCHES:
        raise NotFound("拨付批次", str(Ref("paymentbatch", which)))
    lines = row.lines.select_related("case", "payee").order_by("place")
    return BatchView(
        ref=Ref("paymentbatch", row.id),
        number=row.number,
        state=PaymentBatch.State(row.state).label,
        total=Money(row.total_fen),
        capitals=row.total_capitals,
        lines=tuple(
            LineView(
                place=line.place,
                ref=Ref("paymentline", line.id),
                case=line.case.number,
                payee=line.payee.name,
                amount=Money(line.amount_fen),
                state=PaymentLine.State(line.state).label,
            )
            for line in lines
        ),
    )


def links(ref: Ref) -> list[Ref]:
    """What casework knows to hang together with this thing, the nearest first."""
    finder = _LINKS.get(ref.kind)
    found = () if finder is None else finder(ref.id)
    return list(dict.fromkeys([*found, *_paid_for(ref)]))


def _paid_for(ref: Ref) -> Iterator[Ref]:
    for pk in (
        PaymentLine.objects.filter(basis=str(ref)).order_by("id").values_list("id", flat=True)
    ):
        yield Ref("paymentline", pk)


def _of_case(pk: UUID) -> Iterator[Ref]:
    for case in Case.objects.filter(id=pk):
        yield Ref("organisation", case.applicant_id)
        yield Ref("body", case.body_id)
        for kind, rows in (
            ("decision", case.decisions),
            ("attachment", case.attachments),
            ("finding", case.findings),
            ("notice", case.notices),
            ("paymentline", case.payments),
        ):
            for one in rows.order_by("id").values_list("id", flat=True):
                yield Ref(kind, one)


def _of_decision(pk: UUID) -> Iterator[Ref]:
    for row in Decision.objects.filter(id=pk):
        yield Ref("case", row.case_id)
        yield Ref("person", row.person)
        for known in snapshot.read(row.content).facts.values():
            try:
                yield Ref.read(known.evidence)
            except ValueError:
                continue  # evidence named in words, not by an identifier


def _of_line(pk: UUID) -> Iterator[Ref]:
    for row in PaymentLine.objects.filter(id=pk):
        yield Ref.read(row.basis)
        yield Ref("case", row.case_id)
        yield Ref("paymentbatch", row.batch_id)


def _of_batch(pk: UUID) -> Iterator[Ref]:
    lines = PaymentLine.objects.filter(batch=pk).order_by("place")
    for one in lines.values_list("id", flat=True):
        yield Ref("paymentline", one)


def _of_objection(pk: UUID) -> Iterator[Ref]:
    for row in Objection.objects.filter(id=pk):
        yield Ref("notice", row.notice_id)


def _up(model: type[Attachment | Finding | Notice]) -> Callable[[UUID], Iterator[Ref]]:
    def find(pk: UUID) -> Iterator[Ref]:
        for case in model.objects.filter(id=pk).values_list("case_id", flat=True):
            yield Ref("case", case)

    return find


_LINKS: dict[str, Callable[[UUID], Iterator[Ref]]] = {
    "case": _of_case,
    "decision": _of_decision,
    "attachment": _up(Attachment),
    "finding": _up(Finding),
    "notice": _up(Notice),
    "objection": _of_objection,
    "paymentline": _of_line,
    "paymentbatch": _of_batch,
}
