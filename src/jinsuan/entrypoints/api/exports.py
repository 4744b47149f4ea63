"""`/api/v1/exports`: statements too long to wait for, as files: ask, look, fetch, stop."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from ninja import Router, Schema

from jinsuan.entrypoints import clock
from jinsuan.entrypoints.api.auth import caller
from jinsuan.entrypoints.api.body import read_json
from jinsuan.entrypoints.api.once import key_of, once
from jinsuan.entrypoints.api.openapi import EXPORT_BODY, KEYED, REFUSED
from jinsuan.entrypoints.exports.asked import asked_period
from jinsuan.entrypoints.longwork.answer import file_answer
from jinsuan.entrypoints.longwork.kinds import EXPORT, ask_export
from jinsuan.entrypoints.longwork.queries import WorkView, access_file, access_work
from jinsuan.kernel.errors import BadInput, NotFound
from jinsuan.kernel.ref import Actor
from jinsuan.vouchers.subjects import access_subject

router = Router(tags=["账户"])
FIELDS = ("kind", "id", "month", "from", "to", "format")
FILE: dict[str, Any] = {
    "responses": {
        200: {
            "description": "做好的文件",
            "content": {
                "application/octet-stream": {"schema": {"type": "string", "format": "binary"}}
            },
        }
    }
}


class ExportOut(Schema):
    """One export. `total` is null until the lines are counted; `sha256` is that of the file."""

    id: str
    title: str
    state: str
    state_zh: str
    done: int
    total: int | None
    error: str
    asked_at: datetime
    finished_at: datetime | None
    expires_at: datetime | None
    file_name: str | None
    bytes: int | None
    sha256: str | None


@router.post("", response={201: ExportOut, **REFUSED}, openapi_extra={**EXPORT_BODY, **KEYED})
def create_export(request: HttpRequest) -> HttpResponse:
    """生成整份对账单的文件，在后台做。须带 Idempotency-Key；同样的还没做完时，得到的是同一个。"""
    actor = caller(request, "account:read")
    key_of(request)
    body = read_json(request)
    said, now = _said(body), clock.now()

    def make() -> dict[str, Any]:
        subject = access_subject(actor, said["kind"], said["id"])
        period = asked_period(said["month"], said["from"], said["to"], now=now)
        ref = ask_export(subject, period, said["format"] or "csv", actor=actor, now=now)
        return _shown(access_work(actor, str(ref)))

    return once(request, body, make, shape=ExportOut, status=201, actor=actor, now=now)


@router.get("/{export_id}", response={200: ExportOut, **REFUSED})
def get_export(request: HttpRequest, export_id: str) -> dict[str, Any]:
    """做到哪里了。只有本单位用同一角色的令牌能看。"""
    return _shown(_mine(caller(request, "account:read"), export_id))


@router.get("/{export_id}/file", response={200: None, **REFUSED}, openapi_extra=FILE)
def export_file(request: HttpRequest, export_id: str) -> HttpResponseBase:
    """做好的文件，保留 7 天。"""
    actor = caller(request, "account:read")
    _mine(actor, export_id)
    return file_answer(access_file(actor, export_id, now=clock.now()))


def _mine(actor: Actor, export: str) -> WorkView:
    view = access_work(actor, export)
    if view.kind != EXPORT:
        raise NotFound("长任务", export[:60])
    return view


def _said(body: object) -> dict[str, str]:
    """The fields, each a text.

    Raises:
        BadInput: no object, an unknown field, or no text.
    """
    if not isinstance(body, dict):
        raise BadInput("正文", "不是一个对象", f"可以写的字段：{'、'.join(FIELDS)}。")
    for name, value in body.items():
        if name not in FIELDS:
            raise BadInput(str(name)[:40], "没有这个字段", f"可以写的字段：{'、'.join(FIELDS)}。")
        if not isinstance(value, str) or len(value) > 120:
            raise BadInput(name, "不是 120 个字符以内的文本", '请写成文本，例如 "2025-03"。')
    return {name: body.get(name, "") for name in FIELDS}


def _shown(view: WorkView) -> dict[str, Any]:
    return {
        "id": str(view.ref),
        "title": view.title,
        "state": view.state,
        "state_zh": view.state_zh,
        "done": view.done,
        "total": view.total,
        "error": view.error,
        "asked_at": view.asked_at,
        "finished_at": view.finished_at,
        "expires_at": view.expires_at,
        "file_name": view.file_name or None,
        "bytes": view.bytes,
        "sha256": view.sha256 or None,
    }
