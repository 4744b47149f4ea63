"""`/api/v1`: what people's programs may do. Each view calls one action or query."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from ninja import NinjaAPI, Query
from ninja.errors import AuthenticationError, HttpError, ValidationError
from ninja.throttling import AuthRateThrottle

from jinsuan.dispatch import actions as dispatch, queries as jobs
from jinsuan.dispatch.placement import place
from jinsuan.entrypoints import clock
from jinsuan.entrypoints.api import present, shapes
from jinsuan.entrypoints.api.auth import TokenAuth, caller
from jinsuan.entrypoints.api.board import recent_board
from jinsuan.entrypoints.api.body import read_json
from jinsuan.entrypoints.api.errors import OrderKeyMissing
from jinsuan.entrypoints.api.problem import plain_problem, problem
from jinsuan.kernel.errors import DomainError, NotFound
from jinsuan.kernel.money import Money
from jinsuan.kernel.period import beijing_date
from jinsuan.kernel.ref import Actor, Ref
from jinsuan.ledger import accounts
from jinsuan.ledger.queries import balance
from jinsuan.protocol.parse import parse_spec
from jinsuan.protocol.states import JobState
from jinsuan.registry.capacity import ClusterFree
from jinsuan.registry.queries import free_capacity, organisation_name
from jinsuan.trace.queries import path
from jinsuan.vouchers import queries as vouchers
from jinsuan.vouchers.actions import Want

REFUSALS = {400, 401, 403, 404, 409, 422, 429}
MAX_PAGE = 200
LOG_CHUNK = 256 * 1024

api = NinjaAPI(
    title="晋算 Jinsuan API",
    version="1",
    description='一体化算力调度和监测平台。金额为人民币元的文本，如 "12.34"。',
    auth=TokenAuth(),
    throttle=[AuthRateThrottle("600/m")],
    urls_namespace="api-v1",
)
REFUSED = {frozenset(REFUSALS): shapes.ProblemOut}

JOB_SPEC_BODY = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": {"type": "object"}}},
        "description": "作业说明，见 docs/reference/job-spec.md",
    }
}


@api.exception_handler(DomainError)
def _refused(request: HttpRequest, error: DomainError) -> HttpResponse:
    return problem(request, error)


@api.exception_handler(AuthenticationError)
def _unknown_caller(request: HttpRequest, _error: AuthenticationError) -> HttpResponse:
    return _plain(
        request, 401, "unauthenticated", "没有令牌", "请带上 Authorization: Bearer 令牌。"
    )


@api.exception_handler(ValidationError)
def _bad_parameters(request: HttpRequest, error: ValidationError) -> HttpResponse:
    places = "；".join(".".join(map(str, e["loc"])) for e in error.errors[:10])
    detail = f"参数有误：{places}。请对照接口文档改正后再发。"
    return _plain(request, 422, "bad_parameters", "参数有误", detail)


@api.exception_handler(HttpError)
def _http(request: HttpRequest, error: HttpError) -> HttpResponse:
    detail = {
        429: "请求太频繁，没有处理。请稍等片刻再发，或降低轮询频率。",
        400: "请求正文读不懂。请发 UTF-8 编码的 JSON。",
    }.get(error.status_code, "没有处理。请对照接口文档检查地址和方法。")
    return _plain(request, error.status_code, f"http_{error.status_code}", "没有处理", detail)


def _plain(request: HttpRequest, status: int, code: str, title: str, detail: str) -> JsonResponse:
    return plain_problem(
        {
            "type": f"urn:jinsuan:problem:{code}",
            "title": title,
            "status": status,
            "code": code,
            "detail": detail,
            "instance": request.path,
        }
    )


@api.get("/me", response={200: shapes.MeOut, **REFUSED}, tags=["账户"])
def me(request: HttpRequest) -> dict[str, Any]:
    """本令牌代表谁、能做什么。"""
    found = request.auth  # type: ignore[attr-defined]
    actor: Actor = found.actor
    return {
        "person": None if actor.person is None else str(Ref("person", actor.person)),
        "organisation": None
        if actor.organisation is None
        else str(Ref("organisation", actor.organisation)),
        "organisation_name": organisation_name(actor.organisation),
        "role": actor.role,
        "scopes": sorted(found.scopes),
    }


def _tenant(actor: Actor) -> Ref:
    if actor.organisation is None:
        raise NotFound("单位", "-")
    return Ref("organisation", actor.organisation)


@api.post(
    "/jobs/plan",
    response={200: shapes.PlanOut, **REFUSED},
    openapi_extra=JOB_SPEC_BODY,
    tags=["作业"],
)
def plan_job(request: HttpRequest) -> dict[str, Any]:
    """试排：列出每个能运行的中心和价格，以及每个不能运行的中心和原因。不下单。"""
    actor = caller(request, "jobs:read")
    spec = parse_spec(read_json(request))
    now = clock.now()
    tenant = _tenant(actor)
    wallet = vouchers.wallets([tenant.id], on=beijing_date(now))[tenant.id]
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


@api.post(
    "/jobs",
    response={201: shapes.JobOut, **REFUSED},
    openapi_extra=JOB_SPEC_BODY,
    tags=["作业"],
)
def create_job(request: HttpRequest) -> tuple[int, dict[str, Any]]:
    """下单。须带 Idempotency-Key；同一键、同一内容只下一单。"""
    actor = caller(request, "jobs:write")
    key = request.headers.get("Idempotency-Key", "")
    if not 0 < len(key) <= 120 or not key.isprintable():
        raise OrderKeyMissing
    spec = parse_spec(read_json(request))
    now = clock.now()
    ref = dispatch.submit(
        spec, board=recent_board.get(now=now), order_key=key, actor=actor, now=now
    )
    return 201, present.job(jobs.access_job(actor, ref), fundings=[])


@api.get("/jobs", response={200: shapes.JobPageOut, **REFUSED}, tags=["作业"])
def list_jobs(
    request: HttpRequest,
    state: JobState | None = None,
    cursor: str | None = None,
    limit: int = Query(20, ge=1, le=MAX_PAGE),
) -> dict[str, Any]:
    """作业列表，新的在前。"""
    actor = caller(request, "jobs:read")
    page = jobs.jobs_for(actor, state=state, after=cursor, limit=limit)
    return {"items": [present.job(view) for view in page.jobs], "next_cursor": page.next}


@api.get("/jobs/{job_id}", response={200: shapes.JobOut, **REFUSED}, tags=["作业"])
def get_job(request: HttpRequest, job_id: str) -> dict[str, Any]:
    """一个作业：状态、尝试、花费。"""
    actor = caller(request, "jobs:read")
    view = jobs.access_job(actor, jobs.job_ref(job_id))
    return present.job(view, fundings=vouchers.fundings_of(view.ref.id))


@api.post("/jobs/{job_id}/cancel", response={200: shapes.JobOut, **REFUSED}, tags=["作业"])
def cancel_job(request: HttpRequest, job_id: str, body: shapes.CancelIn) -> dict[str, Any]:
    """停止作业。重复请求无害；已用部分照常计费，其余解冻。"""
    actor = caller(request, "jobs:write")
    view = jobs.access_job(actor, jobs.job_ref(job_id))
    dispatch.cancel(view.ref.id, reason=body.reason, actor=actor, now=clock.now())
    view = jobs.access_job(actor, view.ref)
    return present.job(view, fundings=vouchers.fundings_of(view.ref.id))


@api.get(
    "/jobs/{job_id}/log",
    response={200: None, **REFUSED},
    openapi_extra={
        "responses": {200: {"content": {"application/octet-stream": {}}, "description": "日志"}}
    },
    tags=["作业"],
)
def job_log(
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
    response["X-Content-Type-Options"] = "nosniff"
    return response


def _centres(found: list[ClusterFree]) -> dict[str, list[ClusterFree]]:
    grouped: dict[str, list[ClusterFree]] = defaultdict(list)
    for cluster in found:
        grouped[cluster.centre_code].append(cluster)
    return grouped


@api.get("/centres", response={200: shapes.CentrePageOut, **REFUSED}, tags=["算力资源"])
def list_centres(
    request: HttpRequest, cursor: str = "", limit: int = Query(50, ge=1, le=MAX_PAGE)
) -> dict[str, Any]:
    """算力中心与空闲资源，按中心代码排序。"""
    caller(request, "centres:read")
    grouped = _centres(free_capacity(now=clock.now()))
    codes = [code for code in sorted(grouped) if code > cursor]
    items = [present.centre(grouped[code]) for code in codes[:limit]]
    return {"items": items, "next_cursor": codes[limit - 1] if len(codes) > limit else None}


@api.get("/centres/{code}", response={200: shapes.CentreOut, **REFUSED}, tags=["算力资源"])
def get_centre(request: HttpRequest, code: str) -> dict[str, Any]:
    """一个算力中心。"""
    caller(request, "centres:read")
    grouped = _centres(free_capacity(now=clock.now()))
    if code not in grouped:
        raise NotFound("算力中心", code[:60])
    return present.centre(grouped[code])


@api.get("/vouchers", response={200: shapes.VoucherPageOut, **REFUSED}, tags=["算力券"])
def list_vouchers(
    request: HttpRequest, cursor: int = Query(0, ge=0), limit: int = Query(50, ge=1, le=MAX_PAGE)
) -> dict[str, Any]:
    """本单位的算力券，先到期的在前。"""
    actor = caller(request, "account:read")
    found = vouchers.vouchers_of(_tenant(actor).id)
    more = len(found) > cursor + limit
    return {
        "items": [
            {
                "id": str(v.ref),
                "title": v.title,
                "article": v.article,
                "face": v.face.plain,
                "left": v.left.plain,
                "rate": str(v.rate),
                "valid_from": v.valid_from,
                "expires_on": v.expires_on,
            }
            for v in found[cursor : cursor + limit]
        ],
        "next_cursor": str(cursor + limit) if more else None,
    }


@api.get("/account", response={200: shapes.AccountOut, **REFUSED}, tags=["账户"])
def account(request: HttpRequest) -> dict[str, Any]:
    """本单位可用现金、冻结金额和算力券余额。"""
    actor = caller(request, "account:read")
    tenant = _tenant(actor)
    held = vouchers.held_of(tenant.id)
    left = Money.total(v.left for v in vouchers.vouchers_of(tenant.id))
    return {
        "cash": balance(accounts.cash(tenant)).available.plain,
        "held": held.plain,
        "vouchers": left.plain,
    }


@api.get("/trace/{ref}", response={200: shapes.TraceOut, **REFUSED}, tags=["溯源"])
def trace(request: HttpRequest, ref: str) -> dict[str, Any]:
    """一分钱溯源：从一笔核销转账回到用量、合同、算力券、人和条款。"""
    actor = caller(request, "trace:read")
    try:
        wanted = Ref.read(ref)
    except ValueError:
        raise NotFound("转账", ref[:60]) from None
    found = path(actor, wanted)
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
