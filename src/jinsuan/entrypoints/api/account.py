"""`/api/v1/me`, `/account`, `/vouchers`, `/trace`: who asks, what there is to spend, and why."""

from __future__ import annotations

import json
from typing import Any

from django.http import HttpRequest, HttpResponse
from ninja import Router
from ninja.params.functions import Query

from jinsuan.entrypoints import clock, seal_keys
from jinsuan.entrypoints.api import cursors, present, shapes
from jinsuan.entrypoints.api.auth import bearer, caller, own_organisation
from jinsuan.entrypoints.api.openapi import REFUSED
from jinsuan.kernel.errors import NotFound
from jinsuan.kernel.money import Money
from jinsuan.kernel.ref import Ref
from jinsuan.ledger import accounts
from jinsuan.ledger.queries import balance, statement
from jinsuan.registry.queries import organisation_name
from jinsuan.trace.bundle import MAKES, make_bundle
from jinsuan.trace.queries import path
from jinsuan.vouchers import queries as vouchers

router = Router()


@router.get("/me", response={200: shapes.MeOut, **REFUSED}, tags=["账户"])
def me(request: HttpRequest) -> dict[str, Any]:
    """本令牌代表谁、能做什么。任何权限的令牌都可以问。"""
    found = bearer(request)
    actor = found.actor
    organisation = own_organisation(actor)
    return {
        "person": None if actor.person is None else str(Ref("person", actor.person)),
        "organisation": str(organisation),
        "organisation_name": organisation_name(organisation.id),
        "role": actor.role,
        "scopes": sorted(found.scopes),
    }


@router.get("/account", response={200: shapes.AccountOut, **REFUSED}, tags=["账户"])
def account(request: HttpRequest) -> dict[str, Any]:
    """本单位可用现金、冻结金额和算力券余额。"""
    tenant = own_organisation(caller(request, "account:read"))
    left = Money.total(v.left for v in vouchers.vouchers_of(tenant.id))
    return {
        "cash": balance(accounts.cash(tenant)).available.plain,
        "held": vouchers.held_of(tenant.id).plain,
        "vouchers": left.plain,
    }


@router.get("/account/statement", response={200: shapes.StatementPageOut, **REFUSED}, tags=["账户"])
def account_statement(
    request: HttpRequest,
    cursor: str | None = None,
    limit: int = Query(50, ge=1, le=cursors.MAX_PAGE),
) -> dict[str, Any]:
    """本单位现金账户的流水，新的在前；每行有转账编号和记账后的余额。"""
    tenant = own_organisation(caller(request, "account:read"))
    return _lines(accounts.cash(tenant), cursor, limit)


def _lines(code: str, cursor: str | None, limit: int) -> dict[str, Any]:
    found = statement(code, limit=limit + 1, before=cursors.as_number(cursor))
    return cursors.page_of(
        found, limit, show=present.statement_line, at=lambda line: str(line.number)
    )


@router.get("/vouchers", response={200: shapes.VoucherPageOut, **REFUSED}, tags=["算力券"])
def list_vouchers(
    request: HttpRequest,
    cursor: str | None = None,
    limit: int = Query(50, ge=1, le=cursors.MAX_PAGE),
) -> dict[str, Any]:
    """本单位的算力券，先到期的在前。"""
    tenant = own_organisation(caller(request, "account:read"))
    after = cursors.as_id(cursor, "voucher")
    found = vouchers.vouchers_of(tenant.id)
    if after is not None:
        ids = [voucher.ref.id for voucher in found]
        if after not in ids:
            raise NotFound("算力券", str(Ref("voucher", after)))
        found = found[ids.index(after) + 1 :]
    return cursors.page_of(found[: limit + 1], limit, show=present.voucher, at=lambda v: str(v.ref))


@router.get("/vouchers/{voucher_id}", response={200: shapes.VoucherOut, **REFUSED}, tags=["算力券"])
def get_voucher(request: HttpRequest, voucher_id: str) -> dict[str, Any]:
    """一张算力券。"""
    actor = caller(request, "account:read")
    return present.voucher(vouchers.access_voucher(actor, _ref(voucher_id, "算力券")))


@router.get(
    "/vouchers/{voucher_id}/statement",
    response={200: shapes.StatementPageOut, **REFUSED},
    tags=["算力券"],
)
def voucher_statement(
    request: HttpRequest,
    voucher_id: str,
    cursor: str | None = None,
    limit: int = Query(50, ge=1, le=cursors.MAX_PAGE),
) -> dict[str, Any]:
    """一张算力券的流水：发放、冻结、解冻，新的在前。"""
    actor = caller(request, "account:read")
    found = vouchers.access_voucher(actor, _ref(voucher_id, "算力券"))
    return _lines(accounts.voucher(found.ref), cursor, limit)


def _ref(text: str, kind: str) -> Ref:
    try:
        return Ref.read(text)
    except ValueError:
        raise NotFound(kind, text[:60]) from None


@router.get("/trace/{ref}", response={200: shapes.TraceOut, **REFUSED}, tags=["溯源"])
def trace(request: HttpRequest, ref: str) -> dict[str, Any]:
    """一分钱溯源：从一笔转账回到用量、合同、算力券、判定、人、条款和拨付。"""
    actor = caller(request, "trace:read")
    found = path(actor, _ref(ref, "转账"), now=clock.now())
    return {
        "ref": str(found.ref),
        "steps": [
            {
                "number": step.number,
                "title": step.title,
                "ref": None if step.ref is None else str(step.ref),
                "facts": [list(fact) for fact in step.facts],
            }
            for step in found.steps
        ],
    }


@router.get(
    "/trace/{ref}/bundle",
    response={200: None, **REFUSED},
    tags=["溯源"],
    openapi_extra={
        "responses": {
            200: {
                "description": "溯源包，jinsuan trace verify 可以离线核对",
                "content": {"application/json": {"schema": {"type": "object"}}},
            }
        }
    },
)
def trace_bundle(request: HttpRequest, ref: str) -> HttpResponse:
    """一笔转账的溯源包；只给审计和省级经办，里面有整个案件。"""
    actor = caller(request, "trace:read")
    if actor.role not in MAKES:
        raise NotFound("转账", ref[:60])
    signer = seal_keys.signer()
    keys = {} if signer is None else {signer.key_id: signer.public_pem.decode()}
    made = make_bundle(actor, _ref(ref, "转账"), keys=keys, now=clock.now())
    text = json.dumps(made, ensure_ascii=False)
    return HttpResponse(text, content_type="application/json; charset=utf-8")
