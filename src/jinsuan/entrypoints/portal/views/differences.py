"""差异: what does not agree and stops payments, and clearing it by name once it is gone."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from jinsuan.entrypoints import clock
from jinsuan.entrypoints.portal.acting import actor_of, signed_in
from jinsuan.entrypoints.portal.money_desk import (
    CLEARERS,
    desk_tabs,
    person_words,
    read_ref,
    words,
)
from jinsuan.kernel.errors import DomainError, NotAllowed, NotFound
from jinsuan.kernel.ref import Actor
from jinsuan.vouchers.actions.differences import CLEARS, clear_difference
from jinsuan.vouchers.differences import cleared_differences, open_differences
from jinsuan.vouchers.queries_bank import bank_totals

LISTED = 50


@signed_in(*CLEARERS)
@require_http_methods(["GET", "HEAD", "POST"])
def differences(request: HttpRequest) -> HttpResponse:
    """差异: open ones with what they stop; POST clears one."""
    actor, problem = actor_of(request), ""
    if request.method == "POST":
        try:
            messages.success(request, _clear(request, actor))
            return HttpResponseRedirect(reverse("portal:differences"))
        except DomainError as error:
            if isinstance(error, (NotFound, NotAllowed)):
                raise
            problem = error.explain()
    found = open_differences(actor)
    page: dict[str, Any] = {
        "open": found[:LISTED],
        "count": len(found),
        "cleared": [
            (one, person_words(one.cleared_by)) for one in cleared_differences(actor, limit=LISTED)
        ],
        "may_clear": actor.role in CLEARS,
        "typed": {"which": request.POST.get("which", ""), "reason": words(request)},
        "problem": problem,
        "tabs": desk_tabs(actor, "differences"),
        "crumbs": [("差异", "")],
    }
    return render(request, "portal/differences.html", page, status=422 if problem else 200)


def _clear(request: HttpRequest, actor: Actor) -> str:
    """A second click finds it cleared by the same person, and says so."""
    ref = read_ref(request.POST.get("which", ""), "difference", "差异")
    try:
        clear_difference(
            ref.id,
            reason=words(request),
            actor=actor,
            now=clock.now(),
            bank_totals=bank_totals(),
        )
    except NotFound:
        mine = {
            one.ref
            for one in cleared_differences(actor, limit=LISTED)
            if one.cleared_by is not None and one.cleared_by.id == actor.person
        }
        if ref not in mine:
            raise
        return "这一处已经销差，没有重复办理。"
    return "已销差，这个账户恢复付款。"
