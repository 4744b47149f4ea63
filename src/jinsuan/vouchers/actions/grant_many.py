"""Issue many granted vouchers at once (批量发放): a table at a time, one posting call per chunk.

What it writes is what `issue_granted` writes case by case. A case that is held up stays, with the
reason, and keeps no other waiting.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import structlog
from django.db import IntegrityError, transaction

from jinsuan.casework.actions.many import end_notices
from jinsuan.casework.models import Case
from jinsuan.kernel.errors import DomainError
from jinsuan.kernel.period import beijing_date
from jinsuan.kernel.ref import Actor, Ref
from jinsuan.ledger.actions import post, record
from jinsuan.ledger.steps import Step
from jinsuan.vouchers.actions.grant import (
    end_with_year,
    granted_voucher,
    issue_granted,
    issue_note,
    resolved,
)
from jinsuan.vouchers.models import Application, ApplicationFact, Voucher
from jinsuan.vouchers.terms import terms_of

log = structlog.get_logger(__name__)

CHUNK = 500
"""So many cases per transaction: half a second of locks, and no more to do again after a kill."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """A case that was not issued, and why, in words for people."""

    case: UUID
    number: str
    code: str
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuedMany:
    """What became of the cases: issued, ended with their year, left with a reason."""

    issued: tuple[Ref, ...]
    ended: tuple[UUID, ...]
    left: tuple[Left, ...]


@transaction.atomic
def issue_granted_many(cases: Sequence[UUID], *, actor: Actor, now: datetime) -> IssuedMany:
    """Issue those of these cases whose notice is over and that nothing holds up.

    Where the book or a table refuses the set, the cases are taken one by one, so that only the one
    at fault stays.
    """
    today = beijing_date(now)
    known = Application.objects.select_related("case", "programme").filter(case__in=cases)
    rows = {row.case_id: row for row in known}
    over = {
        case
        for case, row in rows.items()
        if not row.programme.opens_on <= today <= row.programme.closes_on
    }
    in_year = [case for case in dict.fromkeys(cases) if case in rows and case not in over]
    try:
        with transaction.atomic():
            issued, refused = _as_a_set(in_year, actor=actor, now=now)
    except (DomainError, IntegrityError):
        issued, refused = _one_by_one(in_year, actor=actor, now=now)
    ended = []
    for case in dict.fromkeys(cases):
        if case in over:
            try:
                end_with_year(case, actor=actor, now=now)
                ended.append(case)
            except DomainError as error:
                refused[case] = error
    left = [_left(rows[case].case, error) for case, error in refused.items()]
    return IssuedMany(issued=tuple(issued), ended=tuple(ended), left=tuple(left))


Refused = dict[UUID, DomainError | IntegrityError]


def _as_a_set(cases: Sequence[UUID], *, actor: Actor, now: datetime) -> tuple[list[Ref], Refused]:
    over = end_notices(cases, actor=actor, now=now)
    # Read behind the locks: until then an upheld objection could take an approval back.
    moved = [case.id for case in over.moved]
    read = Application.objects.select_related("case", "programme", "decision")
    found = {row.case_id: row for row in read.filter(case__in=moved)}
    ready = [found[case] for case in moved]
    high = _high(ready)
    vouchers = [granted_voucher(row, high=row.id in high, now=now) for row in ready]
    Voucher.objects.bulk_create(vouchers)
    pairs = list(zip(ready, vouchers, strict=True))
    refs = [Ref("voucher", voucher.id) for voucher in vouchers]
    postings = [
        posting
        for row, ref in zip(ready, refs, strict=True)
        for posting in resolved(row, Step.POST, ref, now)
    ]
    post(postings, actor=actor, now=now)
    record([issue_note(row, voucher) for row, voucher in pairs], actor=actor, now=now)
    return refs, dict(over.left)


def _one_by_one(cases: Sequence[UUID], *, actor: Actor, now: datetime) -> tuple[list[Ref], Refused]:
    issued: list[Ref] = []
    refused: Refused = {}
    for case in cases:
        try:
            issued.append(issue_granted(case, actor=actor, now=now))
        except (DomainError, IntegrityError) as error:
            refused[case] = error
    return issued, refused


def _high(rows: Sequence[Application]) -> set[UUID]:
    """The applications for which a fact of the higher rate holds; `is_high` of many."""
    names = {row.id: terms_of(row.programme.pack, row.programme.rule).high for row in rows}
    facts = ApplicationFact.objects.filter(application__in=names, value=1)
    found = facts.values_list("application_id", "name")
    return {application for application, name in found if name in names[application]}


def _left(case: Case, error: DomainError | IntegrityError) -> Left:
    if isinstance(error, DomainError):
        return Left(case=case.id, number=case.number, code=error.code, words=error.explain())
    words = "数据库不接受这一件，其余不受影响。请把案件号交给平台运营查看日志。"
    log.warning("voucher.issue_impossible", case=case.number, detail=str(error)[:300])
    return Left(case=case.id, number=case.number, code="impossible", words=words)
