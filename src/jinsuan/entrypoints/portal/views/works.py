"""长任务: what takes longer than a page: how far it is, its file, stopping it, and asking for it."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from jinsuan.entrypoints import clock
from jinsuan.entrypoints.exports.asked import asked_period
from jinsuan.entrypoints.longwork.actions import stop
from jinsuan.entrypoints.longwork.answer import file_answer
from jinsuan.entrypoints.longwork.errors import WorkOver
from jinsuan.entrypoints.longwork.kinds import ask_export, ask_mass_issue
from jinsuan.entrypoints.longwork.queries import WorkView, access_file, access_work, works_of
from jinsuan.entrypoints.portal.acting import actor_of, signed_in
from jinsuan.entrypoints.portal.refusals import Way, refuse
from jinsuan.entrypoints.portal.show import Chip
from jinsuan.kernel.errors import BadInput, DomainError
from jinsuan.kernel.ref import Actor, Ref, Role
from jinsuan.registry.queries import person_name
from jinsuan.vouchers.subjects import access_subject

ASKERS = (
    Role.TENANT,
    Role.CENTRE_OPERATOR,
    Role.PROVINCIAL_OFFICER,
    Role.TREASURY,
    Role.AUDITOR,
)
LISTED = 30
_CHIPS = {
    "waiting": ("wait", "clock"),
    "running": ("run", "gauge"),
    "done": ("ok", "check"),
    "failed": ("bad", "x"),
    "stopped": ("", "x"),
}


@signed_in(*ASKERS)
@require_http_methods(["GET", "HEAD", "POST"])
def works(request: HttpRequest) -> HttpResponse:
    """长任务: the list; POST asks for a file or for a mass issue."""
    actor, here = actor_of(request), reverse("portal:works")
    if request.method == "POST":
        try:
            _ask(request, actor)
        except DomainError as error:
            back = Way(href=here, what="回到长任务", then="什么都没有开始")
            return refuse(request, error, ways=(back,), crumbs=(("长任务", here), ("没有开始", "")))
        messages.success(request, "已经开始。可以离开这一页，做好以后在这里下载或查看。")
        return HttpResponseRedirect(here)
    page = {
        **_live(actor),
        "may_issue": actor.role is Role.PROVINCIAL_OFFICER,
        "crumbs": [("长任务", "")],
    }
    return render(request, "portal/works.html", page)


def _ask(request: HttpRequest, actor: Actor) -> Ref:
    """The form names what a GET of the statement names, so it passes the same doors."""
    asked, now = request.POST, clock.now()
    if asked.get("what") == "issue":
        return ask_mass_issue(actor=actor, now=now)
    if asked.get("what") != "export":
        raise BadInput("要做的事", "认不出", "请从对账单页重新点“生成”。")
    kind, _, name = asked.get("of", "").partition(":")
    subject = access_subject(actor, kind, name)
    period = asked_period(
        asked.get("month", ""), asked.get("from", ""), asked.get("to", ""), now=now
    )
    return ask_export(subject, period, asked.get("format", ""), actor=actor, now=now)


@require_safe
@signed_in(*ASKERS)
def works_live(request: HttpRequest) -> HttpResponse:
    """What the list asks again every two seconds while something goes on."""
    return render(request, "portal/parts/works.html", _live(actor_of(request)))


def _live(actor: Actor) -> dict[str, Any]:
    found = works_of(actor, limit=LISTED)
    return {
        "rows": [(one, _chip(one), person_name(one.person)) for one in found],
        "live": any(one.live for one in found),
        "now": clock.now(),
    }


def _chip(work: WorkView) -> Chip:
    return Chip(work.state_zh, *_CHIPS[work.state])


@require_safe
@signed_in(*ASKERS)
def work_file(request: HttpRequest, work: str) -> HttpResponseBase:
    """The file, saved and never shown."""
    return file_answer(access_file(actor_of(request), work, now=clock.now()))


@signed_in(*ASKERS)
@require_POST
def work_stop(request: HttpRequest, work: str) -> HttpResponse:
    """停止; what was done stays done."""
    actor = actor_of(request)
    title = access_work(actor, work).title
    try:
        stop(work, actor=actor, now=clock.now())
        messages.success(request, f"已停止：{title}。做过的部分不撤回。")
    except WorkOver as error:
        messages.info(request, error.explain())
    return HttpResponseRedirect(reverse("portal:works"))
