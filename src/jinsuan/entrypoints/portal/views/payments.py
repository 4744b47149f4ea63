"""拨付: approved redemptions go into a batch, a second person confirms, the bank pays and answers."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_http_methods, require_POST

from jinsuan.casework.actions.payments import cancel_batch, confirm_batch
from jinsuan.casework.actions.sheets import batch_file, take_answers
from jinsuan.casework.files import download_headers
from jinsuan.entrypoints import clock
from jinsuan.entrypoints.data_keys import keyring
from jinsuan.entrypoints.portal.acting import actor_of, signed_in
from jinsuan.entrypoints.portal.casewords import batch_chip, line_chip
from jinsuan.entrypoints.portal.money_desk import desk_tabs
from jinsuan.entrypoints.portal.refusals import Way, refuse
from jinsuan.kernel.errors import BadInput, DomainError, NotAllowed, NotFound
from jinsuan.kernel.ref import Actor, Ref, Role
from jinsuan.registry.queries import person_name
from jinsuan.vouchers.actions.pay import book_paid_lines, make_redemption_batch, retry_payment
from jinsuan.vouchers.queries_payments import SheetView, batches, ordered_by, payable, sheet

VIEWERS = (Role.TREASURY, Role.PROVINCIAL_OFFICER, Role.AUDITOR)
"""Who may look; only the treasury acts."""
LISTED = 20
MOST_BYTES = 8 * 1024 * 1024
HARMLESS = "批次和付款都没有变化。"


@signed_in(*VIEWERS)
@require_http_methods(["GET", "HEAD", "POST"])
def payments(request: HttpRequest) -> HttpResponse:
    """拨付: what may be paid, and the batches; POST makes one of the ticked redemptions."""
    actor, here = actor_of(request), reverse("portal:payments")
    if request.method == "POST":
        return _make(request, actor, here)
    before = request.GET.get("before", "")[:60]
    found, following = batches(actor, before=before, limit=LISTED)
    page: dict[str, Any] = {
        "payable": payable(actor),
        "batches": [(row, batch_chip(row.state_code, row.state)) for row in found],
        "may_act": actor.role is Role.TREASURY,
        "newest": here if before else "",
        "older": f"{here}?{urlencode({'before': following})}" if following else "",
        "now": clock.now(),
        "tabs": desk_tabs(actor, "payments"),
        "crumbs": [("拨付", "")],
    }
    return render(request, "portal/payments.html", page)


def _make(request: HttpRequest, actor: Actor, here: str) -> HttpResponse:
    """The amounts are the approved ones; the form names cases and nothing else."""
    try:
        known = {row.number: row.case for row in payable(actor)}
        wanted = list(dict.fromkeys(request.POST.getlist("case")))
        ready = [known[number] for number in wanted if number in known]
        if len(ready) < len(wanted):
            made = ordered_by(actor, wanted)
            if made:
                messages.success(request, "这些兑付已经编入这个批次，没有重复编制。")
                return HttpResponseRedirect(reverse("portal:payment", args=[made]))
            raise BadInput("选中的兑付", "有的已不在待拨付之列", "请回到拨付页重新选。")
        ref = make_redemption_batch(ready, actor=actor, now=clock.now())
    except DomainError as error:
        return _refuse(request, error, here, "拨付")
    number = next(row.number for row in batches(actor, limit=LISTED)[0] if row.ref == ref)
    messages.success(request, "批次已编制。请另一位财政人员复核。")
    return HttpResponseRedirect(reverse("portal:payment", args=[number]))


@signed_in(*VIEWERS)
@require_http_methods(["GET", "HEAD", "POST"])
def payment(request: HttpRequest, number: str) -> HttpResponse:
    """One batch: its lines, its total, and the next step."""
    actor, here = actor_of(request), reverse("portal:payment", args=[number])
    view = sheet(actor, number)
    if request.method == "POST":
        try:
            where = _act(request, actor, view) or here
        except DomainError as error:
            if not _done(request, actor, number):
                return _refuse(request, error, here, f"批次 {number}")
            messages.success(request, "这一步已经办过，没有重复办理。")
            where = here
        return HttpResponseRedirect(where)
    treasury, state = actor.role is Role.TREASURY, view.row.state_code
    mine = view.made_by == actor.person
    page: dict[str, Any] = {
        "sheet": view,
        "chip": batch_chip(state, view.row.state),
        "lines": [(line, line_chip(line.state_code, line.state)) for line in view.lines],
        "made_by": _name(view.made_by),
        "confirmed_by": "" if view.confirmed_by is None else _name(view.confirmed_by),
        "may_act": treasury,
        "may_confirm": treasury and state == "draft" and not mine,
        "own": treasury and state == "draft" and mine,
        "may_cancel": treasury and state in ("draft", "confirmed"),
        "may_file": treasury and state in ("confirmed", "sent"),
        "may_answer": treasury and state == "sent",
        "crumbs": [("拨付", reverse("portal:payments")), (number, "")],
    }
    return render(request, "portal/payment.html", page)


def _act(request: HttpRequest, actor: Actor, view: SheetView) -> str:
    """One POST of the batch page; returns where to go, "" for the same page."""
    now, batch = clock.now(), view.row.ref.id
    match request.POST.get("act"):
        case "confirm":
            confirm_batch(batch, actor=actor, now=now)
            messages.success(request, "已复核。现在可以下载银行文件并送银行。")
        case "cancel":
            reason = request.POST.get("reason", "").strip()[:400]
            if not reason:
                raise BadInput("原因", "没有写", "请写明为什么取消这个批次。")
            cancel_batch(batch, reason=reason, actor=actor, now=now)
            messages.success(request, "批次已取消，其中的兑付可以重新编制。")
        case "answers":
            said = take_answers(batch, _upload(request), actor=actor, now=now)
            ended = book_paid_lines(batch, actor=actor, now=now)
            words = (
                f"银行已付 {said.accepted} 笔，退回 {said.rejected} 笔，处理中 {said.waiting} 笔"
            )
            messages.success(request, f"回单已登记：{words}。办结 {ended} 件。")
        case "book":
            ended = book_paid_lines(batch, actor=actor, now=now)
            messages.success(request, f"已登记拨付完成 {ended} 件。")
        case "retry":
            ref = retry_payment(_line(request, view), actor=actor, now=now)
            number = next(r.number for r in batches(actor, limit=LISTED)[0] if r.ref == ref)
            messages.success(
                request, "已为退回的一笔编制新批次。请先核对收款账户，再由另一人复核。"
            )
            return reverse("portal:payment", args=[number])
        case _:
            raise BadInput("操作", "读不懂", "请回到批次页再办。")
    return ""


def _done(request: HttpRequest, actor: Actor, number: str) -> bool:
    """Whether the confirmation that was refused is this person's own, a moment ago."""
    view = sheet(actor, number)
    confirmed = view.confirmed_by is not None and view.confirmed_by == actor.person
    return request.POST.get("act") == "confirm" and confirmed and view.row.state_code != "cancelled"


@signed_in(Role.TREASURY)
@require_POST
def payment_file(request: HttpRequest, number: str) -> HttpResponse:
    """The bank's file. Taking it the first time sends the batch; later the very same bytes come."""
    actor = actor_of(request)
    view = sheet(actor, number)
    try:
        made = batch_file(view.row.ref.id, keys=keyring(), actor=actor, now=clock.now())
    except DomainError as error:
        here = reverse("portal:payment", args=[number])
        return _refuse(request, error, here, f"批次 {number}")
    return HttpResponse(made.data, headers=download_headers(made.name, "text/csv; charset=gb18030"))


def _upload(request: HttpRequest) -> bytes:
    file = request.FILES.get("file")
    if file is None:
        raise BadInput("回单文件", "没有选", "请选银行给的回单文件。")
    if (file.size or 0) > MOST_BYTES:
        raise BadInput("回单文件", f"有 {file.size:,} 字节", f"至多 {MOST_BYTES:,} 字节。")
    data: bytes = file.read()
    return data


def _line(request: HttpRequest, view: SheetView) -> UUID:
    text = request.POST.get("line", "")
    found = next((line.ref.id for line in view.lines if str(line.ref) == text), None)
    if found is None:
        raise NotFound("拨付明细", text[:60])
    return found


def _name(person: UUID) -> str:
    return person_name(Ref("person", person))


def _refuse(request: HttpRequest, error: DomainError, here: str, what: str) -> HttpResponse:
    if isinstance(error, NotAllowed):
        return refuse(request, error, happened=HARMLESS)
    back = Way(href=here, what=f"回到{what}", then="看清现在的情形再办")
    crumbs = (("拨付", reverse("portal:payments")), ("没有办成", ""))
    return refuse(request, error, happened=HARMLESS, ways=(back,), crumbs=crumbs)
