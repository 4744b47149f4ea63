"""兑付: the payee asks for what is due on a voucher, with its invoices and payments."""

from __future__ import annotations

from datetime import date
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from jinsuan.casework.actions.cases import move_case
from jinsuan.casework.queries import access_case, case_view
from jinsuan.entrypoints import clock
from jinsuan.entrypoints.portal.acting import actor_of, signed_in
from jinsuan.entrypoints.portal.show import percent
from jinsuan.kernel.errors import BadInput, DomainError, NotFound
from jinsuan.kernel.money import Money
from jinsuan.kernel.ref import Ref, Role
from jinsuan.metering.actions.invoices import register_invoice, register_payment
from jinsuan.metering.queries_invoices import invoices_of, payments_of
from jinsuan.vouchers.actions.redeem import latest_through, start_redemption, submit_redemption
from jinsuan.vouchers.models import Redemption
from jinsuan.vouchers.queries_redeem import redeemable, redemption_view

PAYEES = (Role.TENANT, Role.CENTRE_OPERATOR)


@signed_in(*PAYEES)
@require_http_methods(["GET", "HEAD", "POST"])
def redemptions(request: HttpRequest) -> HttpResponse:
    """The vouchers that this organisation is paid for, and its redemptions."""
    now, actor, problem = clock.now(), actor_of(request), ""
    if request.method == "POST":
        try:
            voucher = _voucher(request.POST.get("voucher", ""))
            through = _day(request.POST.get("through", ""), "截止日")
            case = start_redemption(voucher.id, through=through, actor=actor, now=now)
            return _to(access_case(actor, case.id, now=now).number)
        except DomainError as error:
            problem = error.explain()
    mine = Redemption.objects.filter(case__applicant=actor.organisation).order_by("-id")[:50]
    page: dict[str, Any] = {
        "vouchers": redeemable(actor),
        "mine": [case_view(actor, one.case_id, now=now) for one in mine],
        "latest": latest_through(now),
        "problem": problem,
        "crumbs": [("算力券兑付", "")],
    }
    return render(request, "portal/redemptions.html", page, status=422 if problem else 200)


@signed_in(*PAYEES)
@require_http_methods(["GET", "HEAD", "POST"])
def redemption(request: HttpRequest, number: str) -> HttpResponse:
    """One redemption of one's own: its numbers, the papers behind them, handing it in."""
    now, actor, problem = clock.now(), actor_of(request), ""
    row = _own(request, number)
    if request.method == "POST":
        try:
            _act(request, row)
            return _to(number)
        except DomainError as error:
            if isinstance(error, NotFound):
                raise
            problem = error.explain()
    contract = row.voucher.contract_id
    assert contract is not None
    view = case_view(actor, row.case_id, now=now)
    found = redemption_view(access_case(actor, number, now=now))
    assert found is not None
    page: dict[str, Any] = {
        "view": view,
        "redemption": found,
        "rate": percent(found.rate),
        "invoices": invoices_of(contract),
        "payments": payments_of(contract),
        "may_edit": bool({"提交", "补正"} & set(view.buttons)),
        "problem": problem,
        "crumbs": [("算力券兑付", reverse("portal:redemptions")), (number, "")],
    }
    return render(request, "portal/redemption.html", page, status=422 if problem else 200)


def _act(request: HttpRequest, row: Redemption) -> None:
    now, actor = clock.now(), actor_of(request)
    contract, asked = row.voucher.contract_id, request.POST
    assert contract is not None and row.voucher.provider_id is not None
    match asked.get("act", ""):
        case "invoice":
            register_invoice(
                asked.get("number", "").strip(),
                seller=row.voucher.provider_id,
                buyer=row.voucher.tenant_id,
                amount=_money(asked.get("amount", "")),
                issued_on=_day(asked.get("day", ""), "开票日期"),
                contract=contract,
                actor=actor,
                now=now,
            )
            messages.success(request, "发票已登记。")
        case "payment":
            register_payment(
                contract,
                bank_reference=asked.get("number", "").strip(),
                amount=_money(asked.get("amount", "")),
                paid_on=_day(asked.get("day", ""), "付款日期"),
                actor=actor,
                now=now,
            )
            messages.success(request, "付款已登记。")
        case "submit":
            submit_redemption(row.case_id, actor=actor, now=now)
            messages.success(request, "已提交，平台先核对，再由省级核定。")
        case "withdraw":
            reason = asked.get("reason", "")[:400]
            move_case(row.case_id, "撤回", reason=reason, actor=actor, now=now)
            messages.success(request, "已撤回。")
        case _:
            raise BadInput("操作", "没有这个操作", "请用页面上的按钮。")


def _own(request: HttpRequest, number: str) -> Redemption:
    case = access_case(actor_of(request), number, now=clock.now())
    row = Redemption.objects.select_related("voucher").filter(case=case).first()
    if row is None:
        raise NotFound("算力券兑付", number[:60])
    return row


def _to(number: str) -> HttpResponse:
    return HttpResponseRedirect(reverse("portal:redemption", args=[number]))


def _voucher(text: str) -> Ref:
    try:
        ref = Ref.read(text)
    except ValueError:
        ref = None
    if ref is None or ref.kind != "voucher":
        raise BadInput("算力券", "没有选", "请从清单中选一张。")
    return ref


def _day(text: str, field: str) -> date:
    try:
        return date.fromisoformat(text.strip())
    except ValueError:
        raise BadInput(field, f"“{text[:20]}”不是日期", "请写成 2025-09-16 这样。") from None


def _money(text: str) -> Money:
    try:
        return Money.yuan(text.strip().replace(",", ""))
    except (ValueError, AssertionError):
        raise BadInput("金额", f"“{text[:20]}”不是金额", "请写到分，例如 1000.00。") from None
