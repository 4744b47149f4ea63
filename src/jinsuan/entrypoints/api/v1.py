"""`/api/v1`: what people's programs may do. Each view calls one action or query."""

from __future__ import annotations

import structlog
from django.db import OperationalError
from django.http import HttpRequest, HttpResponse
from ninja.errors import AuthenticationError, HttpError, ValidationError

from jinsuan.entrypoints.api import (
    account,
    cases,
    centres,
    exports,
    jobs,
    notifications,
    policy,
    pools,
    statements,
)
from jinsuan.entrypoints.api.auth import TokenAuth
from jinsuan.entrypoints.api.openapi import DocumentedApi
from jinsuan.entrypoints.api.problem import plain_problem, problem
from jinsuan.entrypoints.api.throttle import TokenRate
from jinsuan.kernel.errors import DomainError

log = structlog.get_logger(__name__)
token_rate = TokenRate()
api = DocumentedApi(
    title="晋算 Jinsuan API",
    version="1",
    auth=TokenAuth(),
    throttle=[token_rate],
    urls_namespace="api-v1",
    docs_url=None,  # ninja's page loads scripts from elsewhere, which our policy forbids
)
api.add_router("/jobs", jobs.router)
api.add_router("/centres", centres.router)
api.add_router("/policy", policy.router)
api.add_router("/statements", statements.router)
api.add_router("/exports", exports.router)
api.add_router("/notifications", notifications.router)
api.add_router("/pools", pools.router)
api.add_router("/applications", cases.applications)
api.add_router("/redemptions", cases.redemptions)
api.add_router("", account.router)


@api.exception_handler(DomainError)
def _refused(request: HttpRequest, error: DomainError) -> HttpResponse:
    return problem(request, error)


@api.exception_handler(OperationalError)
def _database_away(request: HttpRequest, error: OperationalError) -> HttpResponse:
    """A restart or a deadlock: nothing was committed, and the same request may come again."""
    log.warning("api.database_away", detail=str(error)[:200])
    detail = "数据库暂时没有回应，什么都没有办。请稍后用原来的幂等键重试。"
    response = plain_problem(request, 503, "http_503", "暂时不能处理", detail)
    response["Retry-After"] = "2"
    return response


@api.exception_handler(AuthenticationError)
def _unknown_caller(request: HttpRequest, _error: AuthenticationError) -> HttpResponse:
    detail = "请带上 Authorization: Bearer 令牌。"
    return plain_problem(request, 401, "unauthenticated", "没有令牌", detail)


@api.exception_handler(ValidationError)
def _bad_parameters(request: HttpRequest, error: ValidationError) -> HttpResponse:
    places = "；".join(".".join(map(str, e["loc"])) for e in error.errors[:10])
    detail = f"参数有误：{places}。请对照接口文档改正后再发。"
    return plain_problem(request, 422, "bad_parameters", "参数有误", detail)


@api.exception_handler(HttpError)
def _http(request: HttpRequest, error: HttpError) -> HttpResponse:
    detail = {
        429: "请求太频繁，没有处理。请等 Retry-After 头所说的秒数再发，或降低轮询频率。",
    }.get(error.status_code, "没有处理。请对照接口文档检查地址和方法。")
    code = f"http_{error.status_code}"
    return plain_problem(request, error.status_code, code, "没有处理", detail)
