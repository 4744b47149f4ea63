"""What a bug looks like from outside: a problem document for programs, a page for people."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse

from jinsuan.entrypoints.api.edge import OURS, WORDS
from jinsuan.entrypoints.api.problem import plain_problem
from jinsuan.entrypoints.portal.refusals import broken as broken_page


def broken(request: HttpRequest) -> HttpResponse:
    """Django has logged the bug already; nothing of its inside goes out."""
    if request.path_info.startswith(OURS):
        return plain_problem(request, 500, "http_500", *WORDS[500])
    return broken_page(request)
