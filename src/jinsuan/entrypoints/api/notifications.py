"""`/api/v1/notifications`: what the token's person was told in the token's role."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from ninja import Router
from ninja.params.functions import Query

from jinsuan.entrypoints.api import cursors, shapes
from jinsuan.entrypoints.api.auth import caller
from jinsuan.entrypoints.api.openapi import REFUSED
from jinsuan.ledger.delivery import NotificationView, notifications_of

router = Router()


@router.get("", response={200: shapes.NotificationPageOut, **REFUSED}, tags=["通知"])
def list_notifications(
    request: HttpRequest,
    unread: bool = False,
    cursor: str | None = None,
    limit: int = Query(50, ge=1, le=cursors.MAX_PAGE),
) -> dict[str, Any]:
    """本人以本令牌的身份收到的通知，新的在前。查看不会标为已读。"""
    actor = caller(request, "account:read")
    before = cursors.as_number(cursor)
    found = notifications_of(actor, before=before, unread=unread, limit=limit + 1)
    return cursors.page_of(found, limit, show=_shown, at=lambda one: str(one.position))


def _shown(view: NotificationView) -> dict[str, Any]:
    return {
        "id": str(view.ref),
        "kind": view.kind,
        "subject": str(view.subject),
        "number": view.number,
        "title": view.title,
        "words": view.words,
        "occurred_at": view.occurred_at,
        "read_at": view.read_at,
    }
