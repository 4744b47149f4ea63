"""Refusals as `application/problem+json` (RFC 9457). Bugs pass through as a plain 500."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, JsonResponse

from jinsuan.kernel.errors import DomainError
from jinsuan.protocol.errors import SpecInvalid

CONTENT_TYPE = "application/problem+json"


def problem(request: HttpRequest, error: DomainError) -> JsonResponse:
    """The one place where a refusal becomes a response."""
    body: dict[str, Any] = {
        "type": f"urn:jinsuan:problem:{error.code}",
        "title": (type(error).__doc__ or error.code).split("\n")[0].split(":")[0].rstrip("."),
        "status": error.http_status,
        "code": error.code,
        "detail": error.explain(),
        "instance": request.path,
    }
    if isinstance(error, SpecInvalid):
        body["problems"] = [
            {"path": p.path, "problem": p.problem, "mend": p.mend} for p in error.problems
        ]
    return plain_problem(body)


def plain_problem(body: dict[str, Any]) -> JsonResponse:
    """A problem document as a response."""
    return JsonResponse(
        body,
        status=body["status"],
        content_type=CONTENT_TYPE,
        json_dumps_params={"ensure_ascii": False},
    )
