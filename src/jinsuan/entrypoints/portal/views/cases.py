"""办理: the queue of cases, and one case with everything on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_http_methods, require_safe

from jinsuan.casework.moves import TABLES
from jinsuan.casework.queries import access_case, download
from jinsuan.entrypoints import clock
from jinsuan.entrypoints.policy_words import reason_words
from jinsuan.entrypoints.portal.acting import actor_of, signed_in
from jinsuan.entrypoints.portal.casewords import STRONG, case_chip
from jinsuan.entrypoints.portal.show import Chip, percent
from jinsuan.entrypoints.portal.views.calculator import CHIPS
from jinsuan.entrypoints.portal.views.case_acts import act
from jinsuan.entrypoints.portal.views.policy import anchor
from jinsuan.entrypoints.portal.words import ROLES
from jinsuan.kernel.errors import NotFound
from jinsuan.kernel.ref import Ref, Role
from jinsuan.registry.queries import person_name
from jinsuan.vouchers.judging import Judgement
from jinsuan.vouchers.queries_cases import CaseFile, FindingView, amount_shown, case_file
from jinsuan.vouchers.queries_queue import MINE, queue, state_labels

DESK = (Role.RECOMMENDER, Role.PROVINCIAL_OFFICER, Role.TREASURY, Role.AUDITOR)
"""Who works through a queue of other people's cases, or looks on."""
APPLICANTS = (Role.TENANT, Role.CENTRE_OPERATOR)
LISTED = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the law says now, for whoever signs."""

    chip: Chip
    anchor: str
    article: str
    pack: str
    promise: str
    judgement: Judgement
    lines: tuple[tuple[str, str], ...]
    missing: tuple[str, ...]
    weak: tuple[str, ...]


@require_safe
@signed_in(*DESK)
def desk(request: HttpRequest) -> HttpResponse:
    """办理: what waits for this role, and all else that it may see."""
    now, actor = clock.now(), actor_of(request)
    kind = request.GET.get("kind", "")
    kind = kind if kind in TABLES else ""
    labels = state_labels(kind)
    state = request.GET.get("state", "")
    state = state if state in (MINE, *labels) else ""
    after = request.GET.get("after", "")[:60]
    found = queue(actor, kind=kind, state=state, after=after, limit=LISTED, now=now)
    here = reverse("portal:cases")
    kept = {name: value for name, value in (("kind", kind), ("state", state)) if value}
    page: dict[str, Any] = {
        "rows": [(row, case_chip(row.state_code, row.state)) for row in found.rows],
        "mine": found.mine,
        "may_act": actor.role is not Role.AUDITOR,
        "kinds": [(table.kind, table.title) for table in TABLES.values()],
        "kind": kind,
        "states": [MINE, *labels],
        "state": state,
        "newest": f"{here}?{urlencode(kept)}" if after else "",
        "older": f"{here}?{urlencode({**kept, 'after': found.next})}" if found.next else "",
        "now": now,
        "crumbs": [("办理", "")],
    }
    return render(request, "portal/cases.html", page)


@signed_in(*DESK, *APPLICANTS)
@require_http_methods(["GET", "HEAD", "POST"])
def case(request: HttpRequest, number: str) -> HttpResponse:
    """案件: all of it; POST takes one of this role's acts."""
    actor = actor_of(request)
    if request.method == "POST":
        return act(request, actor, number)
    now = clock.now()
    file = case_file(actor, number, now=now)
    official = actor.role in DESK
    page: dict[str, Any] = {
        "file": file,
        "case": file.view,
        "official": official,
        "chip": case_chip(file.view.state_code, file.view.state),
        "acts": [(name, name in STRONG) for name in file.buttons],
        "seen": amount_shown(file),
        "verdict": None if file.judgement is None else _verdict(file.judgement),
        "facts": _facts(file),
        "rate": "" if file.redemption is None else percent(file.redemption.rate),
        "signed_by": _name(file.signed.person) if file.signed and official else "",
        "signed_chip": CHIPS[file.signed.outcome] if file.signed else None,
        "history": [(m, _name(m.person) if official else "") for m in file.view.history],
        "findings": [_finding(one, file) for one in file.findings],
        "objections": []
        if file.notice is None
        else [(one, _name(one.closed_by) if official else "") for one in file.notice.objections],
        "recused": [_name(one) for one in file.recused] if official else [],
        "today": now,
        "crumbs": [("办理", reverse("portal:cases")), (number, "")] if official else [(number, "")],
    }
    return render(request, "portal/case.html", page)


@require_safe
@signed_in(*DESK, *APPLICANTS)
def paper(request: HttpRequest, number: str, attachment: str) -> HttpResponse:
    """An attachment of a case, under the headers that casework gives it."""
    now, actor = clock.now(), actor_of(request)
    try:
        ref = Ref.read(attachment)
    except ValueError:
        raise NotFound("附件", attachment[:60]) from None
    row = access_case(actor, number, now=now)
    if ref.kind != "attachment" or not row.attachments.filter(id=ref.id).exists():
        raise NotFound("附件", attachment[:60])
    found = download(actor, ref.id, now=now)
    return HttpResponse(found.data, headers=found.headers)


def _name(person: UUID | None) -> str:
    return "平台" if person is None else person_name(Ref("person", person))


def _verdict(judgement: Judgement) -> Verdict:
    found, law = (
        judgement.decision,
        judgement.terms.law(judgement.dates.decision or judgement.dates.application),
    )
    marks = {True: "y", False: "x", None: "q"}
    rule = found.bound.rule
    return Verdict(
        chip=CHIPS[found.outcome],
        anchor=anchor(rule.article),
        article=f"{rule.article}{rule.title}",
        pack=judgement.terms.pack,
        promise="应给" if rule.mode.value == "fixed" else "最多",
        judgement=judgement,
        lines=tuple((marks[r.truth], reason_words(law, r)) for r in found.reasons),
        missing=tuple(law.pack.facts[name].label for name in found.missing),
        weak=tuple(law.pack.facts[name].label for name in found.weak),
    )


def _facts(file: CaseFile) -> list[tuple[Any, Ref | None, str]]:
    """Each fact with the paper that may be opened here, or in words what it rests on."""
    papers = {one.ref for one in file.papers}
    names = {one.ref: one.name for one in file.papers}
    rows = []
    for view in file.facts:
        inside = view.paper if view.paper in papers else None
        rows.append((view, inside, names[inside] if inside else view.evidence))
    return rows


def _finding(one: FindingView, file: CaseFile) -> dict[str, Any]:
    """A finding in words. Papers of this case can be opened; others are named by their number."""
    names = {str(paper.ref): paper.name for paper in file.papers}
    return {
        "view": one,
        "owner": ROLES[one.owner],
        "by": _name(one.closed_by) if one.closed_at else "",
        "evidence": [(ref, names.get(ref, "")) for ref in one.evidence],
    }
