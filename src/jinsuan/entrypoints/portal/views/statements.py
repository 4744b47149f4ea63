"""对账单: one's statement of a month or of any days, and its files."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_safe

from jinsuan.entrypoints import clock
from jinsuan.entrypoints.exports.answer import file_response
from jinsuan.entrypoints.exports.asked import asked_period
from jinsuan.entrypoints.exports.columns import Hours
from jinsuan.entrypoints.exports.make import AT_ONCE_LINES, formats_for
from jinsuan.entrypoints.portal.acting import actor_of, signed_in
from jinsuan.kernel.errors import BadInput
from jinsuan.kernel.money import Money
from jinsuan.kernel.period import Period, month
from jinsuan.kernel.ref import Actor, Ref, Role
from jinsuan.metering.rating import spoken
from jinsuan.vouchers import statements
from jinsuan.vouchers.differences import open_differences
from jinsuan.vouchers.subjects import Choice, Subject, SubjectKind, access_subject, choices

READERS = (
    Role.TENANT,
    Role.CENTRE_OPERATOR,
    Role.PROVINCIAL_OFFICER,
    Role.TREASURY,
    Role.AUDITOR,
)
SHOWN = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line with its balance, and where its job and its transfers may be seen."""

    line: statements.Line
    word: str
    party: str
    used: tuple[str, ...]
    job: Ref | None
    transfer: Ref | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """One statement in the list to choose from."""

    value: str
    name: str
    chosen: bool


@require_safe
@signed_in(*READERS)
def statement(request: HttpRequest) -> HttpResponseBase:
    """对账单."""
    actor, now = actor_of(request), clock.now()
    subject = _subject(request, actor)
    problem, period = _period(request)
    head = statements.statement(subject, period, now=now)
    after = _number(request.GET.get("after", ""))
    found = statements.page(subject, period, after=after, limit=SHOWN + 1)
    first, last = subject.days(period)
    whole = _whole_month(period, first)
    asked = {"of": _value(subject.kind, subject.key)}
    asked |= {"month": whole} if whole else {"from": str(first), "to": str(last)}
    here = reverse("portal:statement")
    page: dict[str, Any] = {
        "head": head,
        "first": first,
        "last": last,
        "month": whole,
        "problem": problem,
        "offers": _offers(choices(actor), subject),
        "rows": [_row(line, subject, actor) for line in found[:SHOWN]],
        "used": [(*spoken(u.resource), Hours(u.milli_unit_seconds)) for u in head.used],
        "files": [
            (
                f.label,
                f"{reverse('portal:statement_file')}?{urlencode({**asked, 'format': f.name})}",
            )
            for f in formats_for(subject)
        ],
        "long": head.totals.lines > AT_ONCE_LINES,
        "asked": list(asked.items()),
        "formats": [(f.name, f.label) for f in formats_for(subject)],
        "start": f"{here}?{urlencode(asked)}#lines" if after else "",
        "more": _more(here, asked, found),
        "stopped": open_differences(actor)[:SHOWN],
        "now": now,
        "crumbs": [("对账单", "")],
    }
    return render(request, "portal/statement.html", page, status=422 if problem else 200)


@require_safe
@signed_in(*READERS)
def statement_file(request: HttpRequest) -> HttpResponseBase:
    """The same as a file."""
    subject = _subject(request, actor_of(request))
    asked = request.GET
    now = clock.now()
    period = asked_period(
        asked.get("month", ""), asked.get("from", ""), asked.get("to", ""), now=now
    )
    return file_response(subject, period, asked.get("format", "csv"), now=now)


def _subject(request: HttpRequest, actor: Actor) -> Subject:
    kind, _, name = request.GET.get("of", "").partition(":")
    return access_subject(actor, kind, name)


def _period(request: HttpRequest) -> tuple[str, Period]:
    """What was asked for; when it cannot be read, this month, and what is wrong with it."""
    asked, now = request.GET, clock.now()
    of_month = "" if asked.get("from") or asked.get("to") else asked.get("month", "")
    try:
        return "", asked_period(of_month, asked.get("from", ""), asked.get("to", ""), now=now)
    except BadInput as error:
        return error.explain(), asked_period("", "", "", now=now)


def _whole_month(period: Period, first: date) -> str:
    text = f"{first:%Y-%m}"
    return text if month(text) == period else ""


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else 0


def _more(here: str, asked: dict[str, str], found: list[statements.Line]) -> str:
    if len(found) <= SHOWN:
        return ""
    return f"{here}?{urlencode({**asked, 'after': str(found[SHOWN - 1].number)})}#lines"


def _value(kind: SubjectKind, key: str) -> str:
    return f"{kind}:{key}"


def _offers(found: list[Choice], subject: Subject) -> list[Offer]:
    """The list, with what is shown now in it in any case."""
    chosen = _value(subject.kind, subject.key)
    offers = [
        Offer(
            value=_value(one.kind, one.key),
            name=f"{one.kind.label} · {one.name}",
            chosen=_value(one.kind, one.key) == chosen,
        )
        for one in found
    ]
    if not any(offer.chosen for offer in offers):
        name = f"{subject.kind.label} · {subject.name}"
        offers.insert(0, Offer(value=chosen, name=name, chosen=True))
    return offers


def _row(line: statements.Line, subject: Subject, actor: Actor) -> Row:
    # The pages of a job and of a transfer have doors of their own, which the treasury has no key to.
    sees = line.basis is not None and actor.role is not Role.TREASURY
    return Row(
        line=line,
        word="费用" if line.charge else line.reason.label,
        party=statements.counterparty(line, subject),
        used=tuple(
            " ".join((name, str(Hours(one.milli_unit_seconds)), unit))
            for one in line.used
            for name, unit in [spoken(one.resource)]
        ),
        job=line.basis.job if line.basis is not None and sees else None,
        transfer=line.transfers[0] if sees and line.charge != Money(0) else None,
    )
