"""银行流水: the bank's files, what became of each line, and whose the unknown money is."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_http_methods, require_safe

from jinsuan.entrypoints import clock
from jinsuan.entrypoints.data_keys import keyring
from jinsuan.entrypoints.portal.acting import actor_of, signed_in
from jinsuan.entrypoints.portal.money_desk import (
    DESK,
    desk_tabs,
    entry_chip,
    person_words,
    read_ref,
    upload,
    words,
)
from jinsuan.kernel.errors import BadInput, DomainError, NotAllowed
from jinsuan.kernel.ref import Actor, Ref, Role
from jinsuan.registry.queries_people import organisation_called
from jinsuan.vouchers.actions.bank import Taken, take_bank_file
from jinsuan.vouchers.actions.matches import assign_suspense, match_debit
from jinsuan.vouchers.queries_bank import bank_positions, suspense, unexplained
from jinsuan.vouchers.queries_bank_files import (
    EntryFile,
    bank_file,
    bank_files,
    entry_file,
    file_entries,
)
from jinsuan.vouchers.queries_clawbacks import ClawbackView, open_claims
from jinsuan.vouchers.queries_orders import bank_account_names

LISTED = 20
LINES = 100


@signed_in(*DESK)
@require_http_methods(["GET", "HEAD", "POST"])
def bank(request: HttpRequest) -> HttpResponse:
    """银行流水: what waits for a person, the accounts, the files; POST takes a file in."""
    actor, here, problem = actor_of(request), reverse("portal:bank"), ""
    if request.method == "POST":
        try:
            taken = _take(request, actor)
            messages.success(request, _taken_words(taken))
            return HttpResponseRedirect(reverse("portal:bank_file", args=[taken.file]))
        except NotAllowed:
            raise
        except DomainError as error:
            problem = error.explain()
    before = request.GET.get("before", "")[:60]
    start = read_ref(before, "bankfile", "银行流水文件").id if before else None
    files, following = bank_files(actor, before=start, limit=LISTED)
    page: dict[str, Any] = {
        "waiting": [*suspense(actor), *unexplained(actor)][:LINES],
        "positions": bank_positions(),
        "files": [(one, person_words(one.taken_by)) for one in files],
        "accounts": bank_account_names(actor),
        "account": request.POST.get("account", "")[:40],
        "may_act": actor.role is Role.TREASURY,
        "problem": problem,
        "newest": here if before else "",
        "older": f"{here}?{urlencode({'before': following})}" if following else "",
        "tabs": desk_tabs(actor, "bank"),
        "crumbs": [("银行流水", "")],
    }
    return render(request, "portal/bank.html", page, status=422 if problem else 200)


def _take(request: HttpRequest, actor: Actor) -> Taken:
    data, name = upload(request, "银行流水文件")
    return take_bank_file(
        data,
        account=request.POST.get("account", "")[:40],
        name=name,
        keys=keyring(),
        actor=actor,
        now=clock.now(),
    )


def _taken_words(taken: Taken) -> str:
    if taken.known == taken.rows:
        return f"这份流水的 {taken.rows} 笔以前都登记过，没有重复记账。"
    return (
        f"流水 {taken.rows} 笔，其中以前登记过 {taken.known} 笔。充值 {taken.topped_up}，"
        f"对上付款单 {taken.paid}，待查款项 {taken.suspense}，付出未查明 {taken.unexplained}。"
    )


@require_safe
@signed_in(*DESK)
def bank_file_page(request: HttpRequest, file_id: str) -> HttpResponse:
    """One file: what became of each of its lines."""
    actor = actor_of(request)
    pk = read_ref(file_id, "bankfile", "银行流水文件").id
    file = bank_file(actor, pk)
    text = request.GET.get("after", "")
    after = int(text) if text.isascii() and text.isdigit() and len(text) < 9 else 0
    rows, following = file_entries(actor, pk, after=after, limit=LINES)
    here = reverse("portal:bank_file", args=[file_id])
    page: dict[str, Any] = {
        "file": file,
        "taken_by": person_words(file.taken_by),
        "rows": [(row, entry_chip(row.outcome_code, row.view.outcome)) for row in rows],
        "more": f"{here}?after={following}" if following else "",
        "tabs": desk_tabs(actor, "bank"),
        "crumbs": [("银行流水", reverse("portal:bank")), (file.name or "流水文件", "")],
    }
    return render(request, "portal/bank_file.html", page)


@signed_in(*DESK)
@require_http_methods(["GET", "HEAD", "POST"])
def bank_entry(request: HttpRequest, entry_id: str) -> HttpResponse:
    """One movement; POST says whose it is, by somebody other than who took the file."""
    actor, problem = actor_of(request), ""
    pk = read_ref(entry_id, "bankentry", "银行流水").id
    file = entry_file(actor, pk)
    if request.method == "POST":
        try:
            messages.success(request, _match(request, actor, file))
            return HttpResponseRedirect(reverse("portal:bank_entry", args=[entry_id]))
        except NotAllowed:
            raise
        except DomainError as error:
            problem = error.explain()
    open_ = file.row.outcome_code in ("suspense", "unexplained")
    treasury, mine = actor.role is Role.TREASURY, file.taken_by.id == actor.person
    page: dict[str, Any] = {
        "entry": file,
        "view": file.row.view,
        "chip": entry_chip(file.row.outcome_code, file.row.view.outcome),
        "taken_by": person_words(file.taken_by),
        "matched_by": person_words(file.matched_by),
        "claims": _claims(actor, file) if treasury and open_ else [],
        "may_match": treasury and open_ and not mine,
        "own": treasury and open_ and mine,
        "typed": {name: request.POST.get(name, "")[:200] for name in ("uscc", "reason", "to")},
        "problem": problem,
        "tabs": desk_tabs(actor, "bank"),
        "crumbs": [("银行流水", reverse("portal:bank")), (file.row.view.reference, "")],
    }
    return render(request, "portal/bank_entry.html", page, status=422 if problem else 200)


def _claims(actor: Actor, file: EntryFile) -> list[ClawbackView]:
    """Clawbacks that money which came in may be given back for."""
    view = file.row.view
    if not view.incoming:
        return []
    return [one for one in open_claims(actor) if view.amount <= one.owed][:LISTED]


def _match(request: HttpRequest, actor: Actor, file: EntryFile) -> str:
    asked, now, reason = request.POST, clock.now(), words(request)
    entry, to = file.row.view.ref.id, asked.get("to", "")
    if to == "organisation" and file.row.view.incoming:
        uscc = asked.get("uscc", "").strip()
        if not uscc.isalnum():
            raise BadInput("统一社会信用代码", "没有写，或有别的字符", "请写 18 位代码。")
        target = organisation_called(uscc)
        assign_suspense(entry, to=target, reason=reason, actor=actor, now=now)
        return "已认领，钱已记到该单位的现金。"
    order = _target(to)
    if order.kind == "clawback":
        assign_suspense(entry, to=order, reason=reason, actor=actor, now=now)
        return "已认领为追缴收回。"
    if file.row.view.incoming:
        assign_suspense(entry, to=order, reason=reason, actor=actor, now=now)
        return "已认领为退汇，钱回到付款单原来的地方。"
    match_debit(entry, order=order.id, reason=reason, actor=actor, now=now)
    return "已对上付款单，该单记为已付。"


def _target(text: str) -> Ref:
    try:
        ref = Ref.read(text)
    except ValueError:
        ref = None
    if ref is None or ref.kind not in ("cashorder", "clawback"):
        raise BadInput("去向", "没有选", "请选一个去向。")
    return ref
