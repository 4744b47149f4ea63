"""`/api/v1/centres`: where there is room, and at what price."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from django.http import HttpRequest
from ninja import Router
from ninja.params.functions import Query

from jinsuan.entrypoints import clock
from jinsuan.entrypoints.api import cursors, present, shapes
from jinsuan.entrypoints.api.auth import caller
from jinsuan.entrypoints.api.openapi import REFUSED
from jinsuan.kernel.errors import NotFound
from jinsuan.kernel.period import beijing_date
from jinsuan.metering.queries import prices_on
from jinsuan.registry.capacity import ClusterFree
from jinsuan.registry.queries import free_capacity

router = Router(tags=["算力资源"])


def _by_code(found: list[ClusterFree]) -> dict[str, list[ClusterFree]]:
    grouped: dict[str, list[ClusterFree]] = defaultdict(list)
    for cluster in found:
        grouped[cluster.centre_code].append(cluster)
    return grouped


@router.get("", response={200: shapes.CentrePageOut, **REFUSED})
def list_centres(
    request: HttpRequest,
    cursor: str | None = None,
    limit: int = Query(50, ge=1, le=cursors.MAX_PAGE),
) -> dict[str, Any]:
    """算力中心与空闲资源，按中心代码排序。"""
    caller(request, "centres:read")
    after = cursors.as_code(cursor)
    grouped = _by_code(free_capacity(now=clock.now()))
    codes = [code for code in sorted(grouped) if code > after]
    return cursors.page_of(
        codes[: limit + 1], limit, show=lambda code: present.centre(grouped[code]), at=str
    )


@router.get("/{code}", response={200: shapes.CentreOut, **REFUSED})
def get_centre(request: HttpRequest, code: str) -> dict[str, Any]:
    """一个算力中心：空闲资源和今天的价目。"""
    caller(request, "centres:read")
    now = clock.now()
    grouped = _by_code(free_capacity(now=now))
    if code not in grouped:
        raise NotFound("算力中心", code[:60])
    clusters = grouped[code]
    pk = clusters[0].centre_id
    prices = prices_on([pk], on=beijing_date(now)).get(pk, {})
    return present.centre(clusters, prices=prices)
