"""一分钱溯源: from one transfer back to its basis in seven steps."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from jinsuan.entrypoints.portal.acting import actor_of, signed_in
from jinsuan.entrypoints.portal.show import pieces
from jinsuan.kernel.errors import NotFound
from jinsuan.kernel.ref import Ref
from jinsuan.ledger import queries as ledger
from jinsuan.trace.queries import path


@require_safe
@signed_in()
def trace(request: HttpRequest, transfer_id: str) -> HttpResponse:
    """转账 back to 用量, 价目, 券, 人 and 条款."""
    try:
        ref = Ref.read(transfer_id)
    except ValueError:
        raise NotFound("转账", transfer_id[:60]) from None
    found = path(actor_of(request), ref)
    moved = ledger.transfer(found.ref)
    page = {
        "path": found,
        "moved": moved,
        "crumbs": [
            ("作业", reverse("portal:jobs")),
            (f"转账 {pieces(str(found.ref))}", ""),
        ],
    }
    return render(request, "portal/trace.html", page)
