"""审计·留痕: who did what to which thing, and where it stands in the seal."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_safe

from jinsuan.entrypoints import clock
from jinsuan.entrypoints.portal.acting import signed_in
from jinsuan.entrypoints.portal.auditwords import ACTS, act_words
from jinsuan.entrypoints.portal.views.audit_book import AUDITORS, asked, before_of, tabs
from jinsuan.entrypoints.portal.words import ROLES
from jinsuan.kernel.errors import NotFound
from jinsuan.kernel.period import Period, days
from jinsuan.kernel.ref import Ref
from jinsuan.ledger import queries_audit as book
from jinsuan.registry.queries_people import (
    names_of_organisations,
    names_of_people,
    person_called,
)

LISTED = 50
FIRST, LAST = date(2000, 1, 1), date(9998, 12, 31)
FIELDS = ("person", "action", "subject", "from", "to")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One audit row in words."""

    line: book.AuditLine
    act: str
    who: str
    role: str
    place: str


@require_safe
@signed_in(*AUDITORS)
def audit_rows(request: HttpRequest) -> HttpResponse:
    """留痕: filtered, newest first."""
    given = {name: asked(request, name) for name in FIELDS}
    kept = {name: value for name, value in given.items() if value}
    number = before_of(request)
    problem, wanted = _wanted(given)
    found = [] if problem else book.audit_page(**wanted, before=number, limit=LISTED + 1)
    here = reverse("portal:audit_rows")
    more = {**kept, "before": str(found[LISTED - 1].number)} if len(found) > LISTED else {}
    page: dict[str, Any] = {
        "rows": _rows(found[:LISTED]),
        "problem": problem,
        "asked": given,
        "since": given["from"],
        "until": given["to"],
        "filtered": bool(kept),
        "acts": sorted(ACTS.items()),
        "newest": f"{here}?{urlencode(kept)}" if number is not None else "",
        "older": f"{here}?{urlencode(more)}" if more else "",
        "tabs": tabs("audit_rows"),
        "now": clock.now(),
        "crumbs": [("审计", reverse("portal:audit")), ("留痕", "")],
    }
    return render(request, "portal/audit_rows.html", page, status=422 if problem else 200)


def _wanted(given: dict[str, str]) -> tuple[str, dict[str, Any]]:
    """What to look for; or what is wrong with what was given."""
    try:
        person = _person(given["person"])
    except NotFound:
        return "没有这个登录名或人员编号。", {}
    try:
        subject = Ref.read(given["subject"]) if given["subject"] else None
    except ValueError:
        return "对象要写编号，如 case_…、voucher_…、job_…、transfer_…。", {}
    try:
        period = _period(given["from"], given["to"])
    except ValueError:
        return "日期读不懂，或止日在起日之前。", {}
    return "", {
        "person": person,
        "action": given["action"],
        "subject": subject,
        "period": period,
    }


def _person(text: str) -> UUID | None:
    if not text:
        return None
    try:
        ref = Ref.read(text)
    except ValueError:
        return person_called(text).id
    return ref.id


def _period(first: str, last: str) -> Period | None:
    if not first and not last:
        return None
    begins = date.fromisoformat(first) if first else FIRST
    ends = date.fromisoformat(last) if last else LAST
    if not FIRST <= begins <= ends <= LAST:
        raise ValueError(first)
    return days(begins, ends)


def _rows(lines: list[book.AuditLine]) -> list[Row]:
    people = names_of_people(one.row.person for one in lines if one.row.person)
    places = names_of_organisations(one.row.organisation for one in lines if one.row.organisation)
    return [
        Row(
            line=one,
            act=act_words(one.row.action),
            who=people.get(one.row.person, str(one.row.person)) if one.row.person else "平台",
            role=ROLES[one.row.role],
            place=places.get(one.row.organisation, "") if one.row.organisation else "",
        )
        for one in lines
    ]


@require_safe
@signed_in(*AUDITORS)
def audit_row(request: HttpRequest, number: int) -> HttpResponse:
    """One audit row: before, after, digests and place."""
    line = book.audit_line(number)
    (row,) = _rows([line])
    page: dict[str, Any] = {
        "one": row,
        "before": _text(line.row.before),
        "after": _text(line.row.after),
        "crumbs": [
            ("审计", reverse("portal:audit")),
            ("留痕", reverse("portal:audit_rows")),
            (f"第 {number} 号", ""),
        ],
    }
    return render(request, "portal/audit_row.html", page)


def _text(side: Any) -> str:
    return "" if side is None else json.dumps(side, ensure_ascii=False, indent=1, sort_keys=True)


@require_safe
@signed_in(*AUDITORS)
def audit_proof(request: HttpRequest, number: int) -> HttpResponse:
    """封存证明: the row, the hashes to its block's root, and the block, as a file."""
    del request
    text = json.dumps(book.proof_of(number), ensure_ascii=False)
    answer = HttpResponse(text, content_type="application/json")
    answer["Content-Disposition"] = f'attachment; filename="audit-{number}.json"'
    answer["Cache-Control"] = "no-store"
    return answer
