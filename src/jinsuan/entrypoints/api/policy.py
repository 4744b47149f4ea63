"""`/api/v1/policy`: the packs to read and to try. Nothing is kept."""

from __future__ import annotations

from datetime import date
from typing import Any

from django.http import HttpRequest
from ninja import Router, Schema
from ninja.params.functions import Query

from jinsuan.entrypoints import clock
from jinsuan.entrypoints.api import cursors
from jinsuan.entrypoints.api.auth import caller
from jinsuan.entrypoints.api.openapi import FACTS_BODY, REFUSED
from jinsuan.entrypoints.policy_words import decision_value, fact_rows, param_rows
from jinsuan.kernel.errors import NotFound
from jinsuan.kernel.period import beijing_date
from jinsuan.policy.decide import decide
from jinsuan.policy.errors import PackNotFound
from jinsuan.policy.facts import read_facts
from jinsuan.policy.library import known, law_on, load_pack
from jinsuan.policy.pack import Pack

router = Router(tags=["政策"])
SCOPE = "policy:read"


class PackOut(Schema):
    """One document as rules."""

    id: str
    number: str
    title: str
    version: str
    digest: str
    first_day: date
    last_day: date
    rules: int


class PackPageOut(Schema):
    """Documents by id."""

    items: list[PackOut]
    next_cursor: str | None


class TermsOut(PackOut):
    """A document with every fact it asks and every number it has."""

    facts: list[dict[str, str]]
    params: list[dict[str, str]]


class RuleOut(Schema):
    """What one rule says. `amount` is yuan; under a ceiling it is the most that may be given."""

    rule: str
    article: str
    title: str
    mode: str
    outcome: str
    amount: str | None
    note: str
    reasons: list[dict[str, Any]]
    missing: list[dict[str, str]]
    weak: list[str]


class DecidedOut(Schema):
    """What the whole document says; the same digest, facts and day give the same again."""

    pack: str
    digest: str
    engine: str
    on: date
    decisions: list[RuleOut]


def _open(name: str) -> Pack:
    try:
        return load_pack(name if name in known() else "")
    except PackNotFound:
        raise NotFound("规则包", name[:60]) from None


def _pack(pack: Pack) -> dict[str, Any]:
    names = ("id", "number", "title", "version", "digest", "first_day", "last_day")
    return {name: getattr(pack, name) for name in names} | {"rules": len(pack.rules)}


@router.get("/packs", response={200: PackPageOut, **REFUSED})
def list_packs(
    request: HttpRequest,
    cursor: str | None = None,
    limit: int = Query(50, ge=1, le=cursors.MAX_PAGE),
) -> dict[str, Any]:
    """平台能逐条计算的政策文件。"""
    caller(request, SCOPE)
    after = cursors.as_code(cursor)
    names = [name for name in known() if name > after][: limit + 1]
    return cursors.page_of(names, limit, show=lambda name: _pack(load_pack(name)), at=str)


@router.get("/packs/{pack_id}", response={200: TermsOut, **REFUSED})
def get_pack(request: HttpRequest, pack_id: str) -> dict[str, Any]:
    """一份文件要哪些事实、有哪些参数。"""
    caller(request, SCOPE)
    pack = _open(pack_id)
    return _pack(pack) | {"facts": fact_rows(pack), "params": param_rows(pack)}


@router.post(
    "/packs/{pack_id}/decide", response={200: DecidedOut, **REFUSED}, openapi_extra=FACTS_BODY
)
def decide_facts(request: HttpRequest, pack_id: str, on: date | None = None) -> dict[str, Any]:
    """试算：正文是一个申报主体的事实。逐条给出结果、理由、缺什么；不保存，也不需要幂等键。"""
    caller(request, SCOPE)
    law = law_on(_open(pack_id).id, on or beijing_date(clock.now()))
    facts = read_facts(request.body, law.pack, source="请求正文")
    return decision_value(law, decide(law, facts))
