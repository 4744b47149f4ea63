"""下单用算: the form, the trial, the order, the draft."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_http_methods, require_POST

from jinsuan.dispatch import actions as dispatch, queries
from jinsuan.dispatch.errors import NowhereToRun, OrderKeyReused
from jinsuan.dispatch.placement import place
from jinsuan.entrypoints import clock
from jinsuan.entrypoints.api.board import recent_board
from jinsuan.entrypoints.portal.acting import actor_of, signed_in
from jinsuan.entrypoints.portal.ordering import (
    DEFAULTS,
    OrderForm,
    again,
    new_order_key,
    typed,
)
from jinsuan.entrypoints.portal.plan import Plan, make_plan, payable
from jinsuan.entrypoints.portal.province import centres, model_counts
from jinsuan.entrypoints.portal.refusals import NOTHING, Sum, Way, refuse
from jinsuan.entrypoints.portal.show import clock as clock_words, grouped, lasting, percent
from jinsuan.kernel.errors import BadInput
from jinsuan.kernel.money import Money
from jinsuan.kernel.period import beijing_date
from jinsuan.kernel.ref import Role
from jinsuan.registry.queries import free_capacity
from jinsuan.vouchers.errors import NotEnoughMoney
from jinsuan.vouchers.wallets import Wallet, wallets

DRAFT = "order_draft"
OVERRIDES = ("model", "hours", "budget", "centre", "cards", "city")
"""What a link may change in the draft: 最长运行改为 20 小时."""
KEPT = "您填的内容都在，可以直接改。"
CRUMBS = (("作业", "jobs"), ("下单用算", "order"))


@signed_in(Role.TENANT)
@require_http_methods(["GET", "HEAD", "POST"])
def order(request: HttpRequest) -> HttpResponse:
    """The form; sent, it tries, keeps or orders, by the button that was pressed."""
    if request.method != "POST":
        overrides = {k: request.GET[k][:200] for k in OVERRIDES if k in request.GET}
        return _page(request, {**DEFAULTS, **_kept(request), **overrides})
    values = typed(request.POST)
    request.session[DRAFT] = values
    if request.POST.get("act") == "save":
        messages.success(request, "草稿已存，下次打开这一页还在。")
        return HttpResponseRedirect(reverse("portal:order"))
    form = _form(values, bound=True)
    if not form.is_valid():
        return _page(request, values, form=form, status=422)
    if request.POST.get("act") == "try":
        return HttpResponseRedirect(f"{reverse('portal:order')}#plan")
    return _order(request, form)


@signed_in(Role.TENANT)
@require_POST
def draft(request: HttpRequest) -> HttpResponse:
    """Keep what is on the form; answers with the words for it."""
    request.session[DRAFT] = typed(request.POST)
    return HttpResponse(f"草稿已存 {clock_words(clock.now())[:5]}")


def _order(request: HttpRequest, form: OrderForm) -> HttpResponse:
    key = request.POST.get("order_key", "")
    if not 16 <= len(key) <= 60 or not key.isprintable():
        raise BadInput("下单表", "缺少防止重复下单的编号", "请重新打开下单页再下单。")
    now = clock.now()
    try:
        ref = dispatch.submit(
            form.spec,
            board=recent_board.get(now=now),
            order_key=key,
            actor=actor_of(request),
            now=now,
        )
    except NotEnoughMoney as error:
        return _no_money(request, form, error)
    except (NowhereToRun, OrderKeyReused) as error:
        back = Way(href=reverse("portal:order"), what="回到下单表", then=KEPT)
        return refuse(
            request, error, title="这次没有下单", ways=(back,), crumbs=_crumbs("没有下单")
        )
    request.session.pop(DRAFT, None)
    messages.success(request, "已下单。匹配到中心时冻结费用，跑完按实际用量扣，多的立即解冻。")
    return HttpResponseRedirect(reverse("portal:job", args=[ref]))


def _no_money(request: HttpRequest, form: OrderForm, error: NotEnoughMoney) -> HttpResponse:
    missing = error.cash_needed - error.cash_available
    sums = (
        Sum(what="这个作业最多要", amount=error.needed),
        Sum(what="其中算力券付", amount=-error.from_vouchers),
        Sum(what="需要现金", amount=error.cash_needed),
        Sum(what="账户可用现金", amount=-error.cash_available),
        Sum(what="还差", amount=missing, result=True),
    )
    return refuse(
        request,
        error,
        title="这次没有下单",
        heading=f"现金还差 {grouped(missing)} 元，所以没有下单",
        happened=f"{NOTHING}{KEPT}",
        sums=sums,
        ways=_ways(form, error),
        crumbs=_crumbs("没有下单"),
    )


def _ways(form: OrderForm, error: NotEnoughMoney) -> tuple[Way, ...]:
    """Two or three ways on, each a link that does it."""
    missing = error.cash_needed - error.cash_available
    top_up = Way(
        href=reverse("portal:wallet"),
        what=f"充值 {grouped(missing)} 元",
        then="按账户页上的说明对公转账，到账后回来下单，草稿会等您",
    )
    within = payable(error)
    if not within:
        return (top_up,)
    ways = [top_up]
    seconds = (form.spec.max_seconds or 0) * within.fen // error.needed.fen
    minutes = seconds // 60
    if minutes:
        ways.append(
            Way(
                href=_with(hours=_hours(minutes)),
                what=f"最长运行改为 {lasting(timedelta(minutes=minutes))}",
                then="其余不变，现在的钱就够；到时停止，按实际用量付",
            )
        )
    ways.append(
        Way(
            href=_with(budget=within.plain),
            what=f"预算上限改为 {grouped(within)} 元",
            then="其余不变，现在的钱就够；费用到这个数时停止",
        )
    )
    return tuple(ways)


def _hours(minutes: int) -> str:
    """Minutes as decimal hours that come out whole: cut to thousandths."""
    whole, rest = divmod(minutes, 60)
    thousandths = rest * 1000 // 60 // 5 * 5  # five thousandths of an hour are 18 whole seconds
    return f"{whole}.{thousandths:03d}".rstrip("0").rstrip(".")


def _with(**changes: str) -> str:
    return f"{reverse('portal:order')}?{urlencode(changes)}#plan"


def _kept(request: HttpRequest) -> dict[str, str]:
    """The draft, or the job that is to be ordered again."""
    if "again" in request.GET:
        job = queries.access_job(actor_of(request), queries.job_ref(request.GET["again"]))
        return again(job.spec)
    kept: dict[str, str] = request.session.get(DRAFT, {})
    return kept


def _form(values: dict[str, str], *, bound: bool, models: list[str] | None = None) -> OrderForm:
    found = _models(clock.now()) if models is None else models
    return OrderForm(values, models=found) if bound else OrderForm(initial=values, models=found)


def _models(now: datetime) -> list[str]:
    return [count.model for count in model_counts(centres(free_capacity(now=now), now=now))]


def _crumbs(last: str = "") -> tuple[tuple[str, str], ...]:
    crumbs = tuple((word, reverse(f"portal:{name}")) for word, name in CRUMBS)
    return (*crumbs, (last, "")) if last else crumbs


def _page(
    request: HttpRequest,
    values: dict[str, str],
    *,
    form: OrderForm | None = None,
    status: int = 200,
) -> HttpResponse:
    now = clock.now()
    models = _models(now)
    tenant = actor_of(request).organisation
    assert tenant is not None
    wallet = wallets([tenant], on=beijing_date(now))[tenant]
    trial = _form({"model": models[0] if models else "", **values}, bound=True, models=models)
    plan: Plan | None = None
    if form is None and trial.is_valid():
        placement = place(trial.anywhere, recent_board.get(now=now))
        pay, centre = trial.spec.budget.voucher, values.get("centre", "")
        plan = make_plan(placement, wallet, tenant=tenant, voucher=pay, centre=centre)
    page: dict[str, Any] = {
        "form": form or _form(values, bound=False, models=models),
        "values": {"pay": "auto", **values},
        "problems": [] if form is None else form.problems(),
        "pays": _pays(wallet),
        "order_key": new_order_key(),
        "plan": plan,
        "now": now,
        "crumbs": _crumbs(),
    }
    return render(request, "portal/order.html", page, status=status)


def _pays(wallet: Wallet) -> list[tuple[str, str, str]]:
    """The ways to pay: value, what it is, what it means."""
    cash = f"账户可用现金 {grouped(wallet.cash)} 元"
    if not wallet.purses:
        return [("auto", "用现金", f"{cash}；现在没有可用的算力券")]
    left = Money.total(p.left for p in wallet.purses)
    share = f"可用券 {grouped(left)} 元，每单最多付 {percent(wallet.rate)}，先到期的先用"
    return [("auto", "先用券，其余用现金", share), ("none", "全部用现金", cash)]
