"""收款账户: an organisation's receiving account, entered by one person and called back by another."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_http_methods

from jinsuan.casework.actions.payees import confirm_payee_account, enter_payee_account
from jinsuan.casework.queries_payees import (
    PayeeAccountView,
    payee_accounts,
    payees_answered,
    payees_waiting,
)
from jinsuan.entrypoints import clock
from jinsuan.entrypoints.data_keys import keyring
from jinsuan.entrypoints.portal.acting import acting_of, actor_of, signed_in
from jinsuan.entrypoints.portal.money_desk import (
    DESK,
    OWNERS,
    desk_tabs,
    payee_chip,
    person_words,
    read_ref,
    words,
)
from jinsuan.kernel.errors import BadInput, DomainError, NotAllowed, NotFound
from jinsuan.kernel.ref import Actor, Ref, Role
from jinsuan.registry.queries_people import organisation_called

LISTED = 20


@signed_in(*OWNERS, *DESK)
@require_http_methods(["GET", "HEAD", "POST"])
def payees(request: HttpRequest) -> HttpResponse:
    """收款账户: one's own with its history, or, for the treasury, all that wait for a call."""
    actor, here, problem = actor_of(request), reverse("portal:payees"), ""
    if request.method == "POST":
        try:
            messages.success(request, _act(request, actor))
            return HttpResponseRedirect(here)
        except DomainError as error:
            unknown = isinstance(error, NotFound) and request.POST.get("act") != "enter"
            if unknown or isinstance(error, NotAllowed):
                raise
            problem = error.explain()
    acting = acting_of(request)
    assert acting is not None
    owner = actor.role in OWNERS
    page: dict[str, Any] = {
        "owner": owner,
        "name": acting.organisation_name if owner else "",
        "may_enter": owner or actor.role is Role.TREASURY,
        "may_confirm": actor.role is Role.TREASURY,
        "typed": {key: request.POST.get(key, "")[:120] for key in ("uscc", "holder", "bank")},
        "problem": problem,
        "tabs": desk_tabs(actor, "payees"),
        "crumbs": [("收款账户", "")],
        **(_own(actor) if owner else _all(request, actor, here)),
    }
    return render(request, "portal/payees.html", page, status=422 if problem else 200)


def _own(actor: Actor) -> dict[str, Any]:
    assert actor.organisation is not None
    found = payee_accounts(actor, actor.organisation)
    return {
        "waiting": [_row(one, actor) for one in found if one.state_code == "pending"],
        "answered": [_row(one, actor) for one in found if one.state_code != "pending"],
    }


def _all(request: HttpRequest, actor: Actor, here: str) -> dict[str, Any]:
    before = request.GET.get("before", "")[:60]
    start = read_ref(before, "payeeaccount", "收款账户").id if before else None
    found = payees_answered(actor, before=start, limit=LISTED + 1)
    more = len(found) > LISTED
    return {
        "waiting": [_row(one, actor) for one in payees_waiting(actor)],
        "answered": [_row(one, actor) for one in found[:LISTED]],
        "newest": here if before else "",
        "older": f"{here}?{urlencode({'before': str(found[LISTED - 1].ref)})}" if more else "",
    }


def _row(view: PayeeAccountView, actor: Actor) -> dict[str, Any]:
    """One version in words; names of people only for the desk."""
    desk = actor.role in DESK
    confirmed = None if view.confirmed_by is None else Ref("person", view.confirmed_by)
    return {
        "view": view,
        "chip": payee_chip(view.state_code, view.state),
        "entered_by": person_words(Ref("person", view.entered_by)) if desk else "",
        "confirmed_by": person_words(confirmed) if desk else "",
        "mine": view.entered_by == actor.person,
    }


def _act(request: HttpRequest, actor: Actor) -> str:
    now, asked = clock.now(), request.POST
    match asked.get("act", ""):
        case "enter":
            assert actor.organisation is not None
            own = actor.role in OWNERS
            enter_payee_account(
                actor.organisation if own else organisation_called(asked.get("uscc", "")).id,
                holder=asked.get("holder", ""),
                bank=asked.get("bank", ""),
                number=asked.get("number", ""),
                keys=keyring(),
                actor=actor,
                now=now,
            )
            return "已登记。财政用原先留存的电话回拨核实之后生效，在那之前不向本单位付款。"
        case "confirm" | "refuse" as verdict:
            account = read_ref(asked.get("which", ""), "payeeaccount", "收款账户")
            right = verdict == "confirm"
            confirm_payee_account(
                account.id, call_back=words(request), right=right, actor=actor, now=now
            )
            return "已核实，从现在起付到这个账户。" if right else "已记为核实不符，原来的账户不变。"
        case _:
            raise BadInput("操作", "没有这个操作", "请用页面上的按钮。")
