"""`/api/v1/pools`: where each year's money stands, as the public page and the book have it."""

from __future__ import annotations

from datetime import date
from typing import Any

from django.http import HttpRequest
from ninja import Router, Schema
from ninja.params.functions import Query

from jinsuan.entrypoints.api import cursors
from jinsuan.entrypoints.api.auth import caller
from jinsuan.entrypoints.api.errors import CursorInvalid
from jinsuan.entrypoints.api.openapi import REFUSED
from jinsuan.kernel.errors import NotFound
from jinsuan.vouchers.queries_pool import PoolView, pool_views

router = Router(tags=["算力券"])
SCOPE = "account:read"


class PoolOut(Schema):
    """One year's pool in yuan: funding = remaining + in_notice + issued + returned_late."""

    id: str
    title: str
    document: str
    article: str
    opens_on: date
    closes_on: date
    funding: str
    remaining: str
    in_notice: str
    issued: str
    left: str
    used: str
    redeemed: str
    returned_late: str


class PoolPageOut(Schema):
    """Pools, the newest year first."""

    items: list[PoolOut]
    next_cursor: str | None


@router.get("", response={200: PoolPageOut, **REFUSED})
def list_pools(
    request: HttpRequest,
    cursor: str | None = None,
    limit: int = Query(50, ge=1, le=cursors.MAX_PAGE),
) -> dict[str, Any]:
    """各年度资金池，新的在前；与公示公告页和账本是同一组数。"""
    caller(request, SCOPE)
    after = cursors.as_code(cursor)
    found = list(pool_views())
    if after:
        codes = [one.code for one in found]
        if after not in codes:
            raise CursorInvalid
        found = found[codes.index(after) + 1 :]
    return cursors.page_of(found[: limit + 1], limit, show=_pool, at=lambda one: one.code)


@router.get("/{pool_id}", response={200: PoolOut, **REFUSED})
def get_pool(request: HttpRequest, pool_id: str) -> dict[str, Any]:
    """一个年度的资金池，如 2025:m09。"""
    caller(request, SCOPE)
    found = next((one for one in pool_views() if one.code == pool_id), None)
    if found is None:
        raise NotFound("算力券年度", pool_id[:60])
    return _pool(found)


def _pool(view: PoolView) -> dict[str, Any]:
    plain = ("title", "document", "article", "opens_on", "closes_on")
    money = ("funding", "remaining", "in_notice", "issued", "left", "used", "redeemed")
    return {
        "id": view.code,
        **{name: getattr(view, name) for name in plain},
        **{name: getattr(view, name).plain for name in (*money, "returned_late")},
    }
