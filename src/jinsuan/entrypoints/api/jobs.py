"""`/api/v1/jobs`: plan, order, look, stop."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from ninja import Router
from ninja.params.functions import Query

from jinsuan.dispatch import actions as dispatch, queries as jobs
from jinsuan.dispatch.placement import place
from jinsuan.entrypoints import clock
from jinsuan.entrypoints.api import cursors, present, shapes
from jinsuan.entrypoints.api.auth import caller, own_organisation
from jinsuan.entrypoints.api.board import recent_board
from jinsuan.entrypoints.api.body import read_json, read_reason
from jinsuan.entrypoints.api.once import key_of, once
from jinsuan.entrypoints.api.openapi import BYTES, CANCEL_BODY, KEYED, REFUSED, SPEC_BODY
from jinsuan.kernel.money import Money
from jinsuan.kernel.period import beijing_date
from jinsuan.ledger.queries import transfers_caused_by_each
from jinsuan.metering.queries import charge_steps
from jinsuan.protocol.parse import parse_spec
from jinsuan.protocol.states import JobState
from jinsuan.vouchers import queries as vouchers
from jinsuan.vouchers.actions import Want
from jinsuan.vouchers.wallets import wallets

LOG_CHUNK = 256 * 1024
PLAN = {200: shapes.PlanOut, **REFUSED}
JOB = {200: shapes.JobOut, **REFUSED}

router = Router(tags=["作业"])


@router.post("/plan", response=PLAN, openapi_extra=SPEC_BODY)
def plan_job(request: HttpRequest) -> dict[str, Any]:
    """试排：列出每个能运行的中心和价格，以及每个不能运行的中心和原因。不下单，也不需要幂等键。"""
    actor = caller(request, "jobs:read")
    spec = parse_spec(read_json(request))
    now = clock.now()
    tenant = own_organisation(actor)
    wallet = wallets([tenant.id], on=beijing_date(now))[tenant.id]
    want = Want(
        attempt=tenant.id,
        job=tenant.id,
        number=0,
        tenant=tenant.id,
        provider=tenant.id,
        authorised=Money(0),
        cover=Money(0),
        voucher=spec.budget.voucher,
    )
    return present.plan(place(spec, recent_board.get(now=now)), wallet, want=want)


@router.post("", response={201: shapes.JobOut, **REFUSED}, openapi_extra={**SPEC_BODY, **KEYED})
def create_job(request: HttpRequest) -> HttpResponse:
    """下单。须带 Idempotency-Key；同一键、同一内容只下一单。"""
    actor = caller(request, "jobs:write")
    key, body = key_of(request), read_json(request)
    spec = parse_spec(body)
    now = clock.now()
    board = recent_board.get(now=now)

    def order() -> dict[str, Any]:
        ref = dispatch.submit(spec, board=board, order_key=key, actor=actor, now=now)
        return present.job(jobs.access_job(actor, ref), fundings=[])

    return once(request, body, order, shape=shapes.JobOut, status=201, actor=actor, now=now)


@router.get("", response={200: shapes.JobPageOut, **REFUSED})
def list_jobs(
    request: HttpRequest,
    state: JobState | None = None,
    cursor: str | None = None,
    limit: int = Query(20, ge=1, le=cursors.MAX_PAGE),
) -> dict[str, Any]:
    """作业列表，新的在前。"""
    actor = caller(request, "jobs:read")
    cursors.as_id(cursor, "job")
    page = jobs.jobs_for(actor, state=state, after=cursor, limit=limit)
    return {"items": [present.job(view) for view in page.jobs], "next_cursor": page.next}


@router.get("/{job_id}", response=JOB)
def get_job(request: HttpRequest, job_id: str) -> dict[str, Any]:
    """一个作业：状态、尝试、花费。"""
    actor = caller(request, "jobs:read")
    view = jobs.access_job(actor, jobs.job_ref(job_id))
    return present.job(view, fundings=vouchers.fundings_of(view.ref.id))


@router.get("/{job_id}/attempts", response={200: shapes.AttemptPageOut, **REFUSED})
def list_attempts(
    request: HttpRequest,
    job_id: str,
    cursor: str | None = None,
    limit: int = Query(50, ge=1, le=cursors.MAX_PAGE),
) -> dict[str, Any]:
    """一个作业的尝试，先发生的在前。"""
    actor = caller(request, "jobs:read")
    after = cursors.as_number(cursor) or 0
    view = jobs.access_job(actor, jobs.job_ref(job_id))
    found = [attempt for attempt in view.attempts if attempt.number > after]
    return cursors.page_of(
        found[: limit + 1], limit, show=present.attempt, at=lambda a: str(a.number)
    )


@router.get("/{job_id}/charges", response={200: shapes.ChargePageOut, **REFUSED})
def list_charges(
    request: HttpRequest,
    job_id: str,
    cursor: str | None = None,
    limit: int = Query(50, ge=1, le=cursors.MAX_PAGE),
) -> dict[str, Any]:
    """一个作业的费用和每笔费用引起的转账，先发生的在前；转账编号可以溯源。"""
    actor = caller(request, "jobs:read")
    after = cursors.as_id(cursor, "charge")
    view = jobs.access_job(actor, jobs.job_ref(job_id))
    steps = charge_steps(view.ref.id, after=after, limit=limit + 1)
    moved = transfers_caused_by_each(step.ref for step in steps[:limit])
    return cursors.page_of(
        steps,
        limit,
        show=lambda step: present.charge(step, moved[step.ref]),
        at=lambda step: str(step.ref),
    )


@router.post("/{job_id}/cancel", response=JOB, openapi_extra={**CANCEL_BODY, **KEYED})
def cancel_job(request: HttpRequest, job_id: str) -> HttpResponse:
    """停止作业。须带 Idempotency-Key；已用部分照常计费，其余解冻。"""
    actor = caller(request, "jobs:write")
    key_of(request)
    ref = jobs.access_job(actor, jobs.job_ref(job_id)).ref
    body = read_json(request)
    reason, now = read_reason(body), clock.now()

    def stop() -> dict[str, Any]:
        dispatch.cancel(ref.id, reason=reason, actor=actor, now=now)
        view = jobs.access_job(actor, ref)
        return present.job(view, fundings=vouchers.fundings_of(ref.id))

    return once(request, body, stop, shape=shapes.JobOut, status=200, actor=actor, now=now)


@router.get("/{job_id}/log", response={200: None, **REFUSED}, openapi_extra=BYTES)
def get_log(
    request: HttpRequest, job_id: str, offset: int = Query(0, ge=0, le=2**40)
) -> HttpResponse:
    """作业最近一次尝试的输出，从 offset 字节起；Next-Offset 头给出下次的起点。"""
    actor = caller(request, "jobs:read")
    view = jobs.access_job(actor, jobs.job_ref(job_id))
    text, following = b"", offset
    if view.attempts:
        text, following = jobs.read_log(view.attempts[-1].ref.id, offset=offset, limit=LOG_CHUNK)
    response = HttpResponse(text, content_type="application/octet-stream")
    response["Next-Offset"] = str(following)
    return response
