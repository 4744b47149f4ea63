"""资金与公示: what is left of each pool, and who is about to get a voucher. Open to everybody."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from jinsuan.vouchers.queries_pool import notices, pools


@require_safe
def show_pools(request: HttpRequest) -> HttpResponse:
    """The public page of pools and notices."""
    page = {"pools": pools(), "notices": notices(), "crumbs": [("资金与公示", "")]}
    return render(request, "portal/pools.html", page)
