"""追缴: proposed by one officer, confirmed by another; the payee sees why, how much and how to pay."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_http_methods

from jinsuan.entrypoints import clock
from jinsuan.entrypoints.portal.acting import actor_of, signed_in
from jinsuan.entrypoints.portal.money_desk import (
    EVERYONE,
    OWNERS,
    clawback_chip,
    desk_tabs,
    fresh_key,
    person_words,
    read_amount,
    read_ref,
    refuse_here,
    words,
)
from jinsuan.kernel.errors import BadInput, DomainError, NotAllowed, NotFound
from jinsuan.kernel.ref import Actor, Role
from jinsuan.ledger import accounts
from jinsuan.ledger.queries import balance
from jinsuan.vouchers.actions.clawback import (
    book_repayment,
    confirm_clawback,
    propose_clawback,
    reject_clawback,
    repay_from_cash,
)
from jinsuan.vouchers.queries_clawbacks import (
    ClawbackView,
    access_clawback,
    claimable,
    clawbacks_page,
)
from jinsuan.vouchers.queries_redeem import paid_on

LISTED = 20
HARMLESS = "追缴和金额都没有变化。"


@signed_in(*EVERYONE)
@require_http_methods(["GET", "HEAD", "POST"])
def clawbacks(request: HttpRequest) -> HttpResponse:
    """追缴: what was proposed and decided; an officer proposes one."""
    actor, here, problem = actor_of(request), reverse("portal:clawbacks"), ""
    if request.method == "POST":
        try:
            return HttpResponseRedirect(_propose(request, actor))
        except DomainError as error:
            if isinstance(error, (NotFound, NotAllowed)):
                raise
            problem = error.explain()
    before = request.GET.get("before", "")[:60]
    start = read_ref(before, "clawback", "追缴").id if before else None
    found, following = clawbacks_page(actor, before=start, limit=LISTED)
    officer = actor.role is Role.PROVINCIAL_OFFICER
    page: dict[str, Any] = {
        "rows": [(one, clawback_chip(one.state_code, one.state)) for one in found],
        "owner": actor.role in OWNERS,
        "officer": officer,
        "vouchers": claimable(actor) if officer else (),
        "typed": {
            name: request.POST.get(name, "")[:400] for name in ("voucher", "amount", "reason")
        },
        "problem": problem,
        "newest": here if before else "",
        "older": f"{here}?{urlencode({'before': following})}" if following else "",
        "tabs": desk_tabs(actor, "clawbacks"),
        "crumbs": [("追缴", "")],
    }
    return render(request, "portal/clawbacks.html", page, status=422 if problem else 200)


def _propose(request: HttpRequest, actor: Actor) -> str:
    voucher = read_ref(request.POST.get("voucher", ""), "voucher", "算力券")
    amount = read_amount(request.POST.get("amount", ""))
    ref = propose_clawback(voucher.id, amount, reason=words(request), actor=actor, now=clock.now())
    messages.success(request, "已提出。另一位省级经办复核以后，收款单位才看得到。")
    return reverse("portal:clawback", args=[ref])


@signed_in(*EVERYONE)
@require_http_methods(["GET", "HEAD", "POST"])
def clawback(request: HttpRequest, clawback_id: str) -> HttpResponse:
    """One clawback: why, how much, what is still owed, and the next step."""
    actor, here = actor_of(request), reverse("portal:clawback", args=[clawback_id])
    view = access_clawback(actor, read_ref(clawback_id, "clawback", "追缴").id)
    crumbs = (("追缴", reverse("portal:clawbacks")), (view.payee_name, here))
    if request.method == "POST":
        try:
            messages.success(request, _act(request, actor, view))
        except NotFound:
            raise
        except DomainError as error:
            if not _done(request, actor, view):
                return refuse_here(
                    request, error, here=here, what="追缴", happened=HARMLESS, crumbs=crumbs
                )
            messages.success(request, "这一步已经办过，没有重复办理。")
        return HttpResponseRedirect(here)
    owner, open_ = actor.role in OWNERS, view.state_code == "proposed"
    officer, mine = actor.role is Role.PROVINCIAL_OFFICER, view.proposed_by.id == actor.person
    owes = view.state_code == "confirmed" and bool(view.owed)
    page: dict[str, Any] = {
        "view": view,
        "chip": clawback_chip(view.state_code, view.state),
        "owner": owner,
        "proposed_by": "" if owner else person_words(view.proposed_by),
        "confirmed_by": "" if owner else person_words(view.confirmed_by),
        "paid": None if owner else paid_on(view.voucher.id),
        "may_answer": officer and open_ and not mine,
        "own": officer and open_ and mine,
        "may_book": actor.role is Role.TREASURY and owes,
        "may_repay": owner and owes,
        "free": balance(accounts.cash(view.payee)).available if owner else None,
        "key": fresh_key(),
        "tabs": desk_tabs(actor, "clawbacks"),
        "crumbs": [crumbs[0], (view.payee_name, "")],
    }
    return render(request, "portal/clawback.html", page)


def _act(request: HttpRequest, actor: Actor, view: ClawbackView) -> str:
    now, asked = clock.now(), request.POST
    match asked.get("act", ""):
        case "confirm":
            confirm_clawback(view.ref.id, actor=actor, now=now)
            return "已复核。收款单位从现在起欠这笔款，退清之前不再向它兑付。"
        case "reject":
            reject_clawback(view.ref.id, reason=words(request), actor=actor, now=now)
            return "已记为不追缴。"
        case "book":
            book_repayment(
                view.payee.id,
                view.programme,
                read_amount(asked.get("amount", "")),
                bank_reference=asked.get("reference", "").strip()[:61],
                actor=actor,
                now=now,
            )
            return "已登记追缴收回。"
        case "repay":
            amount = read_amount(asked.get("amount", ""))
            key = asked.get("key", "")[:61]
            repay_from_cash(view.ref.id, amount, order_key=key, actor=actor, now=now)
            return "已用现金退缴。"
        case _:
            raise BadInput("操作", "没有这个操作", "请用页面上的按钮。")


def _done(request: HttpRequest, actor: Actor, view: ClawbackView) -> bool:
    """Whether the confirmation that was refused is this person's own, a moment ago."""
    now = access_clawback(actor, view.ref.id)
    mine = now.confirmed_by is not None and now.confirmed_by.id == actor.person
    return request.POST.get("act") == "confirm" and mine
