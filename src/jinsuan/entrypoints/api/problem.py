"""Refusals as `application/problem+json` (RFC 9457). Bugs become a 500 without their inside."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, JsonResponse

from jinsuan.entrypoints.api.errors import ScopeMissing
from jinsuan.kernel.errors import DomainError
from jinsuan.protocol.errors import SpecInvalid

CONTENT_TYPE = "application/problem+json"
BEARER = 'Bearer realm="jinsuan"'
SIGNED = 'Jinsuan-Ed25519 realm="jinsuan-agent"'


def problem(request: HttpRequest, error: DomainError) -> JsonResponse:
    """The one place where a refusal becomes a response."""
    more: dict[str, Any] = {}
    if isinstance(error, SpecInvalid):
        more["problems"] = [
            {"path": p.path, "problem": p.problem, "mend": p.mend} for p in error.problems
        ]
    if isinstance(error, ScopeMissing):
        more["needed"] = error.needed
    title = (type(error).__doc__ or error.code).split("\n")[0].split(":")[0].rstrip(".")
    response = plain_problem(request, error.http_status, error.code, title, error.explain(), **more)
    if isinstance(error, ScopeMissing):
        response["WWW-Authenticate"] = (
            f'{BEARER}, error="insufficient_scope", scope="{error.needed}"'
        )
    return response


def plain_problem(
    request: HttpRequest, status: int, code: str, title: str, detail: str, **more: Any
) -> JsonResponse:
    """A problem document as a response."""
    body = {
        "type": f"urn:jinsuan:problem:{code}",
        "title": title,
        "status": status,
        "code": code,
        "detail": detail,
        "instance": request.path[:200],
        **more,
    }
    response = JsonResponse(
        body,
        status=status,
        content_type=CONTENT_TYPE,
        json_dumps_params={"ensure_ascii": False},
    )
    if status == 401:
        response["WWW-Authenticate"] = SIGNED if request.path.startswith("/agent/") else BEARER
    return response
