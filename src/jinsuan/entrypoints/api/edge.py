"""The edge of the API: whatever leaves it with an error is a problem document, never a page.

Addresses that do not exist, methods that an address does not have and bugs are answered by Django
before or behind our views; here their answers get the form that programs expect.
"""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from jinsuan.entrypoints.api.problem import CONTENT_TYPE, plain_problem

OURS = ("/api/", "/agent/")
WORDS = {
    400: ("请求有误", "没有处理：请求不合 HTTP 的规矩，或主机名不在允许之列。请检查地址和请求头。"),
    404: ("没有这个地址", "接口没有这个地址。请对照 docs/reference/openapi.json 检查路径。"),
    405: ("方法不对", "这个地址不支持这种方法；支持的见 Allow 头。"),
    500: ("平台出错", "平台自身出错，已记录在案。请稍后带原来的幂等键重试；反复出现请联系平台。"),
}


def nowhere(request: HttpRequest) -> HttpResponse:
    """Below /api/ and /agent/ there is nothing else: no page of the portal answers a program."""
    return plain_problem(request, 404, "http_404", *WORDS[404])


class ProblemEdge:
    """Outermost middleware for the API's and the agents' addresses; pages pass untouched."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if not request.path_info.startswith(OURS):
            return response
        kind = response.headers.get("Content-Type", "").partition(";")[0]
        if response.status_code >= 400 and kind != CONTENT_TYPE:
            status = response.status_code
            title, detail = WORDS.get(status, ("没有处理", "没有处理。请对照接口文档检查后再试。"))
            answer = plain_problem(request, status, f"http_{status}", title, detail)
            if "Allow" in response:
                answer["Allow"] = response["Allow"]
            response = answer
        response.headers.setdefault("Cache-Control", "no-store")
        return response
