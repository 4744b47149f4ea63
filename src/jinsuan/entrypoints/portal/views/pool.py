"""公示公告与资金池: for everybody, no log-in."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from jinsuan.entrypoints import clock
from jinsuan.vouchers.queries_pool import notices_now, pool_views


@require_safe
def notices(request: HttpRequest) -> HttpResponse:
    """公示公告: the notices that run, and each year's pool from the book."""
    now = clock.now()
    page = {
        "notices": notices_now(now=now),
        "pools": pool_views(),
        "now": now,
        "crumbs": [("公示公告", "")],
    }
    return render(request, "portal/notices.html", page)
