"""The one place where a refusal becomes a page (ui.md 6.8). The API and the agents have their own."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass

import structlog
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from jinsuan.entrypoints import clock
from jinsuan.kernel.errors import DomainError, NotAllowed, NotFound
from jinsuan.kernel.money import Money
from jinsuan.kernel.period import BEIJING

log = structlog.get_logger(__name__)

OTHERS = ("/api/", "/agent/")
NOTHING = "什么都没有发生：没有扣款，没有冻结，没有占用资源。"


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """A way on: a link that does it, and what it then costs or means."""

    href: str
    what: str
    then: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sum:
    """One line of the arithmetic; `result` is the one under the double rule."""

    what: str
    amount: Money
    result: bool = False


class RefusalMiddleware:
    """Turn a DomainError of a page into the refusal page. Bugs pass through and crash."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        if not isinstance(error, DomainError) or request.path_info.startswith(OTHERS):
            return None
        return refuse(request, error)


def refuse(
    request: HttpRequest,
    error: DomainError,
    *,
    title: str = "这次没有办成",
    heading: str = "",
    happened: str = NOTHING,
    sums: tuple[Sum, ...] = (),
    ways: tuple[Way, ...] = (),
    crumbs: tuple[tuple[str, str], ...] = (),
) -> HttpResponse:
    """The refusal page. What is missing and what is forbidden get one page and one status."""
    if isinstance(error, NotFound):
        return not_found(request)
    reference = new_reference()
    log.info("page.refused", code=error.code, reference=reference, path=request.path)
    if isinstance(error, NotAllowed) and not ways:
        ways = (Way(href="/身份", what="换一个角色", then="用有权限的角色再来一次，内容不会丢"),)
    page = {
        "title": title,
        "heading": heading or error.explain(),
        "explained": error.explain() if heading and not sums else "",
        "happened": happened,
        "sums": sums,
        "ways": ways,
        "reference": reference,
        "code": error.code,
        "at": clock.now(),
        "crumbs": crumbs,
    }
    return render(request, "portal/refusal.html", page, status=error.http_status)


def new_reference() -> str:
    """A number that a person can read out to the help desk: R-20260916-140541-7C2F."""
    local = clock.now().astimezone(BEIJING)
    return f"R-{local:%Y%m%d-%H%M%S}-{secrets.token_hex(2).upper()}"


def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """One page for missing and forbidden: it must not confirm that something exists."""
    del exception
    return render(request, "portal/missing.html", status=404)


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """A request that no page of ours sends."""
    del exception
    return render(request, "portal/missing.html", status=400)


def csrf_failed(request: HttpRequest, reason: str = "") -> HttpResponse:
    """A form that lay open too long, or came from elsewhere."""
    log.info("page.csrf", reason=reason, path=request.path)
    return render(request, "portal/stale.html", {"back": request.path}, status=403)


def broken(request: HttpRequest) -> HttpResponse:
    """Our fault. Needs neither database nor session, which may be what broke."""
    return render(request, "portal/broken.html", {"reference": new_reference()}, status=500)
