"""退款与结算: cash goes back to a tenant or on to a provider: asked, made, confirmed, paid by a bank."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_http_methods, require_POST

from jinsuan.casework.files import download_headers
from jinsuan.entrypoints import clock
from jinsuan.entrypoints.data_keys import keyring
from jinsuan.entrypoints.portal.acting import actor_of, signed_in
from jinsuan.entrypoints.portal.money_desk import (
    DESK,
    OWNERS,
    desk_tabs,
    fresh_key,
    order_chip,
    person_words,
    read_amount,
    read_ref,
    refuse_here,
    words,
)
from jinsuan.kernel.errors import BadInput, DomainError, NotAllowed, NotFound
from jinsuan.kernel.ref import Actor, Role
from jinsuan.vouchers.actions.cash_orders import (
    ask_payout,
    ask_refund,
    cancel_order,
    confirm_order,
    order_asked,
    order_payout,
    reject_order,
)
from jinsuan.vouchers.actions.order_sheet import order_sheet
from jinsuan.vouchers.models import CashOrder
from jinsuan.vouchers.queries_bank import access_cash_order
from jinsuan.vouchers.queries_orders import (
    OrderFile,
    askable,
    bank_account_names,
    order_called,
    orders_page,
    owed_providers,
)

LISTED = 20
WAITING = 200
HARMLESS = "付款单和金额都没有变化。"
_State = CashOrder.State
DONE = {
    "make": frozenset({_State.ORDERED, _State.CONFIRMED, _State.PAID}),
    "confirm": frozenset({_State.CONFIRMED, _State.PAID}),
}
"""Where an order stands after an act: a second click finds it there."""


@signed_in(*OWNERS, *DESK)
@require_http_methods(["GET", "HEAD", "POST"])
def cash_orders(request: HttpRequest) -> HttpResponse:
    """退款与结算: one's own orders and a form to ask, or the treasury's desk."""
    actor, here, problem = actor_of(request), reverse("portal:cash_orders"), ""
    if request.method == "POST":
        try:
            return HttpResponseRedirect(_ask(request, actor))
        except DomainError as error:
            if isinstance(error, (NotFound, NotAllowed)):
                raise
            problem = error.explain()
    state = request.GET.get("state", "")
    if state not in _State.values:
        state = ""
    before = request.GET.get("before", "")[:40]
    found, following = orders_page(actor, state=state, before=before, limit=LISTED)
    asked = {"state": state} if state else {}
    fresh = f"{here}?{urlencode(asked)}" if asked else here
    owner = actor.role in OWNERS
    page: dict[str, Any] = {
        "orders": [(row, order_chip(row.state_code, row.state)) for row in found],
        "states": [(s.value, s.label, s.value == state) for s in _State],
        "owner": owner,
        "kind": "结算" if actor.role is Role.CENTRE_OPERATOR else "退款",
        "free": askable(actor) if owner else None,
        "treasury": actor.role is Role.TREASURY,
        "key": request.POST.get("key", "")[:60] or fresh_key(),
        "typed": {name: request.POST.get(name, "")[:200] for name in ("amount", "reason")},
        "problem": problem,
        "newest": fresh if before else "",
        "older": f"{here}?{urlencode({**asked, 'before': following})}" if following else "",
        "tabs": desk_tabs(actor, "cash_orders"),
        "crumbs": [("退款与结算", "")],
        **({} if owner else _desk(actor)),
    }
    return render(request, "portal/orders.html", page, status=422 if problem else 200)


def _desk(actor: Actor) -> dict[str, Any]:
    waiting, _ = orders_page(actor, state=_State.CONFIRMED, limit=WAITING)
    return {
        "owed": owed_providers(actor),
        "accounts": bank_account_names(actor),
        "waiting": waiting,
    }


def _ask(request: HttpRequest, actor: Actor) -> str:
    """One POST of the list: ask for money, or order a payout; returns where to go."""
    now, asked = clock.now(), request.POST
    amount = read_amount(asked.get("amount", ""))
    key, reason = asked.get("key", ""), words(request)
    if actor.role is Role.TENANT:
        ref = ask_refund(amount, order_key=key, reason=reason, actor=actor, now=now)
        messages.success(request, "已申请退款。财政一人开具、另一人复核之后付到本单位收款账户。")
    elif actor.role is Role.CENTRE_OPERATOR:
        ref = ask_payout(amount, order_key=key, reason=reason, actor=actor, now=now)
        messages.success(request, "已申请结算。财政一人开具、另一人复核之后付到本单位收款账户。")
    else:
        ref = order_payout(
            read_ref(asked.get("provider", ""), "organisation", "算力企业").id,
            amount,
            account=asked.get("account", "")[:40],
            order_key=key,
            reason=reason,
            actor=actor,
            now=now,
        )
        messages.success(request, "结算单已开具，这笔钱已划出。请另一位财政人员复核。")
    return reverse("portal:cash_order", args=[access_cash_order(actor, ref.id).number])


@signed_in(*OWNERS, *DESK)
@require_http_methods(["GET", "HEAD", "POST"])
def cash_order(request: HttpRequest, number: str) -> HttpResponse:
    """One order: whose, how far, and the next step."""
    actor, here = actor_of(request), reverse("portal:cash_order", args=[number])
    file = order_called(actor, number)
    crumbs = (("退款与结算", reverse("portal:cash_orders")), (number, here))
    if request.method == "POST":
        try:
            messages.success(request, _act(request, actor, file))
        except NotFound:
            raise
        except DomainError as error:
            if not _done(request, actor, number):
                return refuse_here(
                    request,
                    error,
                    here=here,
                    what=f"付款单 {number}",
                    happened=HARMLESS,
                    crumbs=crumbs,
                )
            messages.success(request, "这一步已经办过，没有重复办理。")
        return HttpResponseRedirect(here)
    treasury, state = actor.role is Role.TREASURY, file.row.state_code
    desk = actor.role in DESK
    mine = file.made_by is not None and file.made_by.id == actor.person
    mine |= file.asked_by is not None and file.asked_by.id == actor.person
    page: dict[str, Any] = {
        "file": file,
        "chip": order_chip(state, file.row.state),
        "desk": desk,
        "asked_by": person_words(file.asked_by),
        "made_by": person_words(file.made_by) if desk else "",
        "confirmed_by": person_words(file.confirmed_by) if desk else "",
        "accounts": bank_account_names(actor) if treasury else [],
        "may_make": treasury and state == _State.ASKED,
        "may_confirm": treasury and state == _State.ORDERED and not mine,
        "own": treasury and state == _State.ORDERED and mine,
        "may_reject": treasury and state == _State.CONFIRMED,
        "may_cancel": (state == _State.ASKED and actor.role is not Role.AUDITOR)
        or (treasury and state == _State.ORDERED),
        "tabs": desk_tabs(actor, "cash_orders"),
        "crumbs": [crumbs[0], (number, "")],
    }
    return render(request, "portal/order_sheet.html", page)


def _act(request: HttpRequest, actor: Actor, file: OrderFile) -> str:
    now, order = clock.now(), file.row.ref.id
    match request.POST.get("act", ""):
        case "make":
            account = request.POST.get("account", "")[:40]
            order_asked(order, account=account, actor=actor, now=now)
            return "已开具，这笔钱已划出，不能再用。请另一位财政人员复核。"
        case "confirm":
            confirm_order(order, actor=actor, now=now)
            return "已复核。送银行时附言写单号，银行流水里有了这一笔才算付出。"
        case "cancel":
            cancel_order(order, reason=words(request), actor=actor, now=now)
            return "已取消；划出的钱已回到原处。"
        case "reject":
            reject_order(order, reason=words(request), actor=actor, now=now)
            return "已登记银行退回，钱已回到原处，可以另开一张。"
        case _:
            raise BadInput("操作", "没有这个操作", "请用页面上的按钮。")


def _done(request: HttpRequest, actor: Actor, number: str) -> bool:
    """Whether this person did the very step a moment ago."""
    act = request.POST.get("act", "")
    file = order_called(actor, number)
    by = {"make": file.made_by, "confirm": file.confirmed_by}.get(act)
    return by is not None and by.id == actor.person and file.row.state_code in DONE[act]


@signed_in(Role.TREASURY)
@require_POST
def cash_order_file(request: HttpRequest) -> HttpResponse:
    """The bank's file of the ticked orders, with full account numbers."""
    actor, here = actor_of(request), reverse("portal:cash_orders")
    try:
        made = order_sheet(
            request.POST.getlist("order"), keys=keyring(), actor=actor, now=clock.now()
        )
    except DomainError as error:
        return refuse_here(
            request,
            error,
            here=here,
            what="退款与结算",
            happened=HARMLESS,
            crumbs=(("退款与结算", here),),
        )
    return HttpResponse(made.data, headers=download_headers(made.name, "text/csv; charset=gb18030"))
