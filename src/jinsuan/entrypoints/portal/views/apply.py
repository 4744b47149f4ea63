"""申领: the applicant's form, its papers, and what is still missing."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from jinsuan.casework.actions.cases import move_case
from jinsuan.casework.actions.evidence import attach, receive_file
from jinsuan.casework.queries import access_case, case_view
from jinsuan.entrypoints import clock
from jinsuan.entrypoints.portal import applying
from jinsuan.entrypoints.portal.acting import actor_of, signed_in
from jinsuan.kernel.errors import BadInput, DomainError, NotFound
from jinsuan.kernel.period import beijing_date
from jinsuan.kernel.ref import Role
from jinsuan.metering.models import ContractLine
from jinsuan.registry.models import Body, Centre, Organisation
from jinsuan.vouchers.actions.apply import (
    CONTRACT,
    PROMISE,
    amend_application,
    missing_papers,
    prove_fact,
    start_application,
    submit_application,
)
from jinsuan.vouchers.judging import judge
from jinsuan.vouchers.models import Application, Programme
from jinsuan.vouchers.terms import terms_of

DRAFT = "application_draft"
CRUMBS = (("算力券申领", "apply"),)


@signed_in(Role.TENANT)
@require_http_methods(["GET", "HEAD", "POST"])
def apply(request: HttpRequest) -> HttpResponse:
    """A new application. Until all can be read it is kept with the session; then it has a case."""
    now, actor = clock.now(), actor_of(request)
    today = beijing_date(now)
    open_now = Programme.objects.exclude(rule="").filter(opens_on__lte=today, closes_on__gte=today)
    years = list(open_now.order_by("code"))
    wanted = request.POST.get("programme") or request.GET.get("programme") or ""
    year = next((one for one in years if one.code == wanted), _own_year(years, actor.organisation))
    mine = Application.objects.filter(case__applicant=actor.organisation).select_related("case")
    page: dict[str, Any] = {
        "years": years,
        "year": year,
        "mine": [case_view(actor, one.case_id, now=now) for one in mine.order_by("-id")[:50]],
        "crumbs": [("算力券申领", "")],
    }
    if year is None:
        return render(request, "portal/apply.html", page)
    asked = applying.asked_of(year.pack, year.rule, today)
    if request.method != "POST":
        values = request.session.get(DRAFT, {})
        return render(
            request, "portal/apply.html", {**page, **_form(values, applying.Read(), asked)}
        )
    values = applying.typed(request.POST, asked)
    if request.POST.get("act") == "more":
        found = applying.Read()
        request.session[DRAFT] = values = applying.with_more(values, found)
        status = 422 if found.problems else 200
        return render(
            request, "portal/apply.html", {**page, **_form(values, found, asked)}, status=status
        )
    request.session[DRAFT] = values
    found = applying.read(values, asked)
    if found.terms is not None and found.body is not None:
        try:
            case = start_application(
                programme=year.code,
                body=found.body,
                terms=found.terms,
                purpose=values["purpose"],
                related=values["related"] == "yes",
                answers=found.answers,
                actor=actor,
                now=now,
            )
        except BadInput as error:
            found.wrong("", "", error.explain())
        else:
            request.session.pop(DRAFT, None)
            messages.success(request, "已暂存。请上传附件，齐了就可以提交。")
            return _to(access_case(actor, case.id, now=now).number)
    messages.info(request, "您填的都已暂存在这里；改好下面几处，才有案件编号。")
    return render(request, "portal/apply.html", {**page, **_form(values, found, asked)}, status=422)


def _own_year(years: Sequence[Programme], applicant: UUID | None) -> Programme | None:
    """With which year to begin: that of the applicant's own region, of several or none the newest."""
    own = ""
    if applicant is not None:
        own = Organisation.objects.values_list("adcode", flat=True).get(id=applicant)

    def rank(one: Programme) -> tuple[bool, date, str]:
        return own.startswith(terms_of(one.pack, one.rule).region), one.opens_on, one.code

    return max(years, key=rank, default=None)


@signed_in(Role.TENANT)
@require_http_methods(["GET", "HEAD", "POST"])
def application(request: HttpRequest, number: str) -> HttpResponse:
    """One application of one's own."""
    now, actor = clock.now(), actor_of(request)
    row = _own(request, number)
    asked = applying.asked_of(row.programme.pack, row.programme.rule, beijing_date(now))
    values, found, problem = applying.kept(row, asked), applying.Read(), ""
    if request.method == "POST":
        act = request.POST.get("act", "")
        try:
            if act in ("save", "more"):
                values = applying.typed({"body": values["body"], **request.POST.dict()}, asked)
            if act == "more":
                values = applying.with_more(values, found)
            elif act == "save":
                found = applying.read(values, asked)
            if act != "more" and (act != "save" or found.terms is not None):
                _act(request, row, act, values, found)
                return _to(number)
        except DomainError as error:
            if isinstance(error, NotFound):
                raise
            problem = error.explain()
    row = _own(request, number)
    view = case_view(actor, row.case_id, now=now)
    terms = terms_of(row.programme.pack, row.programme.rule)
    page: dict[str, Any] = {
        "view": view,
        "row": row,
        "year": row.programme,
        "missing": missing_papers(row, now),
        "judged": judge(row, now=now).decision,
        "papers": row.case.attachments.order_by("id"),
        "purposes": [
            (CONTRACT, "合同扫描件"),
            (PROMISE, "承诺书"),
            *((name, f"佐证：{asked[name].label}") for name in terms.high if name in asked),
        ],
        "may_edit": bool({"提交", "补正"} & set(view.buttons)),
        "problem": problem,
        "crumbs": [("算力券申领", reverse("portal:apply")), (number, "")],
        **_form(values, found, asked),
    }
    bad = bool(problem or found.problems)
    return render(request, "portal/application.html", page, status=422 if bad else 200)


def _act(
    request: HttpRequest,
    row: Application,
    act: str,
    values: dict[str, str],
    found: applying.Read,
) -> None:
    now, actor = clock.now(), actor_of(request)
    match act:
        case "save":
            assert found.terms is not None
            amend_application(
                row.case_id,
                terms=found.terms,
                purpose=values["purpose"],
                related=values["related"] == "yes",
                answers=found.answers,
                actor=actor,
                now=now,
            )
            messages.success(request, "已暂存。")
        case "upload":
            _upload(request, row)
        case "submit":
            submit_application(row.case_id, actor=actor, now=now)
            messages.success(request, "已提交，平台先核对，再由推荐单位办理。")
        case "withdraw":
            reason = request.POST.get("reason", "")[:400]
            move_case(row.case_id, "撤回", reason=reason, actor=actor, now=now)
            messages.success(request, "已撤回。")
        case _:
            raise BadInput("操作", "没有这个操作", "请用页面上的按钮。")


def _upload(request: HttpRequest, row: Application) -> None:
    """The file is judged and put away before anything is written about it."""
    now, actor = clock.now(), actor_of(request)
    sent, purpose = request.FILES.get("file"), request.POST.get("purpose", "")
    terms = terms_of(row.programme.pack, row.programme.rule)
    if purpose not in (CONTRACT, PROMISE, *terms.high):
        raise BadInput("附件用途", "不在清单里", "请从清单中选一项。")
    if sent is None:
        raise BadInput("附件", "没有选文件", "请选一个文件再上传。")
    stored = receive_file(sent.read(), name=sent.name or "附件")
    made = attach(row.case_id, stored, purpose=purpose, actor=actor, now=now)
    if purpose in terms.high:
        prove_fact(row.case_id, purpose, made.id, actor=actor, now=now)
    messages.success(request, "附件已上传。")


def _own(request: HttpRequest, number: str) -> Application:
    case = access_case(actor_of(request), number, now=clock.now())
    row = Application.objects.select_related("case", "programme").filter(case=case).first()
    if row is None:
        raise NotFound("算力券申领", number[:60])
    return row


def _to(number: str) -> HttpResponse:
    return HttpResponseRedirect(reverse("portal:application", args=[number]))


def _form(values: dict[str, str], found: applying.Read, asked: dict[str, Any]) -> dict[str, Any]:
    owners = Centre.objects.values("owner")
    return {
        "values": values,
        "wrong": {name: words for name, (_, words) in found.problems.items()},
        "problems": [
            (name and f"id_{name}", label, words) for name, (label, words) in found.problems.items()
        ],
        "questions": applying.questions(asked, values, found),
        "rows": applying.rows(values, found),
        "categories": ContractLine.Category.choices,
        "bodies": Body.objects.order_by("code"),
        "providers": Organisation.objects.filter(id__in=owners).order_by("name"),
    }
