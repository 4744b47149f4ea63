"""`/api/v1/applications` and `/redemptions`: what pages do with cases, for programs."""

from __future__ import annotations

from datetime import datetime
from hashlib import sha256
from typing import Any

from django.core.exceptions import RequestDataTooBig
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from ninja import Router
from ninja.params.functions import Query

from jinsuan.casework.actions.cases import move_case
from jinsuan.casework.actions.evidence import attach, receive_file
from jinsuan.casework.queries import access_case, cases_of
from jinsuan.entrypoints import clock
from jinsuan.entrypoints.api import case_body as bodies, cursors
from jinsuan.entrypoints.api.auth import caller
from jinsuan.entrypoints.api.body import MAX_REASON, read_json, read_reason
from jinsuan.entrypoints.api.case_shapes import CaseOut, CasePageOut, full, row_of
from jinsuan.entrypoints.api.errors import BodyUnreadable
from jinsuan.entrypoints.api.once import key_of, once
from jinsuan.entrypoints.api.openapi import CANCEL_BODY, KEYED, REFUSED
from jinsuan.entrypoints.case_moves import check_before_signing, take_move
from jinsuan.kernel.errors import BadInput, NotFound
from jinsuan.kernel.money import Money
from jinsuan.kernel.ref import Actor
from jinsuan.vouchers.actions.apply import (
    CONTRACT,
    PROMISE,
    amend_application,
    prove_fact,
    start_application,
    submit_application,
)
from jinsuan.vouchers.actions.redeem import start_redemption, submit_redemption
from jinsuan.vouchers.models import Application
from jinsuan.vouchers.queries_cases import case_file
from jinsuan.vouchers.terms import terms_of

applications, redemptions = Router(tags=["申领"]), Router(tags=["兑付"])
READ, WRITE = "cases:read", "cases:write"
ONE = {200: CaseOut, **REFUSED}
MADE = {201: CaseOut, **REFUSED}
FILE: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}


def _number(actor: Actor, text: str, kind: str, now: datetime) -> str:
    """The door: a case of this kind that this caller may see.

    Raises:
        NotFound.
    """
    found = access_case(actor, text, now=now) if text.isprintable() else None
    if found is None or found.kind != kind:
        raise NotFound("案件", text[:60])
    return found.number


def _list(request: HttpRequest, kind: str, cursor: str | None, limit: int) -> dict[str, Any]:
    actor, now = caller(request, READ), clock.now()
    rows = cases_of(actor, now=now).filter(kind=kind)
    after = cursors.as_id(cursor, "case")
    if after is not None:
        last = access_case(actor, after, now=now)
        older = Q(opened_at=last.opened_at, id__lt=last.id)
        rows = rows.filter(Q(opened_at__lt=last.opened_at) | older)
    found = list(rows[: limit + 1])
    return cursors.page_of(found, limit, show=row_of, at=lambda row: row_of(row)["id"])


def _do(
    request: HttpRequest,
    body: object,
    actor: Actor,
    now: datetime,
    act: Any,
    *,
    status: int = 200,
) -> HttpResponse:
    """Act once, and answer with the case as it stands then; `act` returns its number."""

    def answer() -> dict[str, Any]:
        return full(case_file(actor, act(), now=now), actor, now=now)

    return once(request, body, answer, shape=CaseOut, status=status, actor=actor, now=now)


@applications.get("", response={200: CasePageOut, **REFUSED})
def list_applications(
    request: HttpRequest,
    cursor: str | None = None,
    limit: int = Query(50, ge=1, le=cursors.MAX_PAGE),
) -> dict[str, Any]:
    """本令牌能看的算力券申领，新的在前。"""
    return _list(request, "voucher", cursor, limit)


@applications.post("", response=MADE, openapi_extra={**bodies.body_of(bodies.START), **KEYED})
def start_one(request: HttpRequest) -> HttpResponse:
    """暂存一件申领，得到案件编号。附件齐了再提交。"""
    actor, now = caller(request, WRITE), clock.now()
    key_of(request)
    body = read_json(request)
    given = bodies.read_object(body, bodies.START)

    def start() -> str:
        case = start_application(
            programme=bodies.read_text(given, "programme"),
            body=bodies.read_body_code(given).id,
            **bodies.read_form(given),
            actor=actor,
            now=now,
        )
        return access_case(actor, case.id, now=now).number

    return _do(request, body, actor, now, start, status=201)


@applications.get("/{application_number}", response=ONE)
def get_application(request: HttpRequest, application_number: str) -> dict[str, Any]:
    """一件申领：状态、判定、缺什么、疑点、办理经过，按本令牌的身份能看的。"""
    actor, now = caller(request, READ), clock.now()
    number = _number(actor, application_number, "voucher", now)
    return full(case_file(actor, number, now=now), actor, now=now)


@applications.post(
    "/{application_number}/amend",
    response=ONE,
    openapi_extra={**bodies.body_of(bodies.AMEND), **KEYED},
)
def amend_one(request: HttpRequest, application_number: str) -> HttpResponse:
    """重写一件还没有提交、或退回补正的申领。"""
    actor, now = caller(request, WRITE), clock.now()
    key_of(request)
    number = _number(actor, application_number, "voucher", now)
    body = read_json(request)
    form = bodies.read_form(bodies.read_object(body, bodies.AMEND))
    case = access_case(actor, number, now=now).id

    def amend() -> str:
        amend_application(case, **form, actor=actor, now=now)
        return number

    return _do(request, body, actor, now, amend)


@applications.post("/{application_number}/files", response=MADE, openapi_extra={**FILE, **KEYED})
def attach_one(
    request: HttpRequest,
    application_number: str,
    purpose: str = Query(
        CONTRACT, max_length=60, description="contract、promise，或要佐证的事实名"
    ),
    name: str = Query("附件", min_length=1, max_length=120, description="文件名"),
) -> HttpResponse:
    """附一个文件：正文是文件的原样字节，至多 8 MiB。佐证会关联到该事实。"""
    actor, now = caller(request, WRITE), clock.now()
    key_of(request)
    number = _number(actor, application_number, "voucher", now)
    row = Application.objects.select_related("programme").get(case__number=number)
    proofs = terms_of(row.programme.pack, row.programme.rule).high
    if purpose not in (CONTRACT, PROMISE, *proofs):
        raise BadInput("purpose", "不在清单里", f"请写 {'、'.join((CONTRACT, PROMISE, *proofs))}。")
    if not name.isprintable():
        raise BadInput("name", "含有控制字符", "请写文件名。")
    try:
        data = request.body
    except RequestDataTooBig:
        raise BodyUnreadable("超过 8 MiB") from None
    told = {"sha256": sha256(data).hexdigest(), "purpose": purpose, "name": name}
    # Judged and put away before the transaction, as a page does.
    stored = receive_file(data, name=name)

    def put() -> str:
        made = attach(row.case_id, stored, purpose=purpose, actor=actor, now=now)
        if purpose in proofs:
            prove_fact(row.case_id, purpose, made.id, actor=actor, now=now)
        return number

    return _do(request, told, actor, now, put, status=201)


@applications.post("/{application_number}/submit", response=ONE, openapi_extra=KEYED)
def submit_one(request: HttpRequest, application_number: str) -> HttpResponse:
    """提交，退回的则是补正；缺什么会逐项说明。没有正文。"""
    actor, now = caller(request, WRITE), clock.now()
    key_of(request)
    number = _number(actor, application_number, "voucher", now)
    case = access_case(actor, number, now=now).id

    def submit() -> str:
        submit_application(case, actor=actor, now=now)
        return number

    return _do(request, None, actor, now, submit)


@applications.post(
    "/{application_number}/moves",
    response=ONE,
    openapi_extra={**bodies.body_of(bodies.MOVE), **KEYED},
)
def move_application(request: HttpRequest, application_number: str) -> HttpResponse:
    """办理一步：推荐、退回补正、审定通过、不予通过等，须写理由；可以办的见 moves。"""
    return _move(request, application_number, "voucher")


@applications.post(
    "/{application_number}/withdraw", response=ONE, openapi_extra={**CANCEL_BODY, **KEYED}
)
def withdraw_application(request: HttpRequest, application_number: str) -> HttpResponse:
    """申报主体撤回。"""
    return _withdraw(request, application_number, "voucher")


@redemptions.get("", response={200: CasePageOut, **REFUSED})
def list_redemptions(
    request: HttpRequest,
    cursor: str | None = None,
    limit: int = Query(50, ge=1, le=cursors.MAX_PAGE),
) -> dict[str, Any]:
    """本令牌能看的算力券兑付，新的在前。"""
    return _list(request, "redemption", cursor, limit)


@redemptions.post("", response=MADE, openapi_extra={**bodies.body_of(bodies.REDEEM), **KEYED})
def start_redeeming(request: HttpRequest) -> HttpResponse:
    """收款单位对一张券提出兑付，算到哪一天（含）。金额由四个数算出，不用写。"""
    actor, now = caller(request, WRITE), clock.now()
    key_of(request)
    body = read_json(request)
    given = bodies.read_object(body, bodies.REDEEM)
    voucher, through = bodies.read_voucher(given), bodies.read_day(given, "through")

    def start() -> str:
        case = start_redemption(voucher.id, through=through, actor=actor, now=now)
        return access_case(actor, case.id, now=now).number

    return _do(request, body, actor, now, start, status=201)


@redemptions.get("/{redemption_number}", response=ONE)
def get_redemption(request: HttpRequest, redemption_number: str) -> dict[str, Any]:
    """一件兑付：状态、四个数、金额、办理经过。"""
    actor, now = caller(request, READ), clock.now()
    number = _number(actor, redemption_number, "redemption", now)
    return full(case_file(actor, number, now=now), actor, now=now)


@redemptions.post("/{redemption_number}/submit", response=ONE, openapi_extra=KEYED)
def submit_redeeming(request: HttpRequest, redemption_number: str) -> HttpResponse:
    """提交兑付，退回的则是补正。没有正文。"""
    actor, now = caller(request, WRITE), clock.now()
    key_of(request)
    number = _number(actor, redemption_number, "redemption", now)
    case = access_case(actor, number, now=now).id

    def submit() -> str:
        submit_redemption(case, actor=actor, now=now)
        return number

    return _do(request, None, actor, now, submit)


@redemptions.post(
    "/{redemption_number}/moves",
    response=ONE,
    openapi_extra={**bodies.body_of(bodies.MOVE), **KEYED},
)
def move_redemption(request: HttpRequest, redemption_number: str) -> HttpResponse:
    """办理一步：核定、退回补正、不予兑付、暂停拨付，须写理由。"""
    return _move(request, redemption_number, "redemption")


@redemptions.post(
    "/{redemption_number}/withdraw", response=ONE, openapi_extra={**CANCEL_BODY, **KEYED}
)
def withdraw_redemption(request: HttpRequest, redemption_number: str) -> HttpResponse:
    """收款单位撤回。"""
    return _withdraw(request, redemption_number, "redemption")


def _move(request: HttpRequest, text: str, kind: str) -> HttpResponse:
    actor, now = caller(request, WRITE), clock.now()
    key_of(request)
    number = _number(actor, text, kind, now)
    body = read_json(request)
    given = bodies.read_object(body, bodies.MOVE)
    name, reason = bodies.read_text(given, "move"), bodies.read_text(given, "reason")
    if len(reason) > MAX_REASON:
        raise BadInput("reason", f"超过 {MAX_REASON} 个字符", "请缩短。")
    seen = bodies.read_amount(given, "amount").plain if "amount" in given else ""

    def chosen() -> Money:
        return bodies.read_amount(given, "chosen")

    check_before_signing(case_file(actor, number, now=now), name, now=now)

    def act() -> str:
        file = case_file(actor, number, now=now)
        take_move(file, name, reason=reason, seen=seen, chosen=chosen, actor=actor, now=now)
        return number

    return _do(request, body, actor, now, act)


def _withdraw(request: HttpRequest, text: str, kind: str) -> HttpResponse:
    actor, now = caller(request, WRITE), clock.now()
    key_of(request)
    number = _number(actor, text, kind, now)
    body = read_json(request)
    reason, case = read_reason(body), access_case(actor, number, now=now).id

    def act() -> str:
        move_case(case, "撤回", reason=reason, actor=actor, now=now)
        return number

    return _do(request, body, actor, now, act)
