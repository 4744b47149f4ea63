"""The OpenAPI document: what ninja knows of the views, and what it cannot know.

Refusals are `application/problem+json`, bodies have real schemas, and every header that a program
needs is named. The document is committed as docs/reference/openapi.json and compared by a test.
"""

from __future__ import annotations

from typing import Any

from ninja import NinjaAPI
from ninja.openapi.schema import OpenAPISchema
from ninja.operation import Operation

from jinsuan.entrypoints.api import shapes
from jinsuan.entrypoints.api.body import MAX_REASON
from jinsuan.entrypoints.api.once import HEADER, MAX_KEY, REPLAYED
from jinsuan.entrypoints.api.problem import CONTENT_TYPE
from jinsuan.protocol.schema import job_spec_schema
from jinsuan.registry.scopes import SCOPES

REFUSED: dict[Any, Any] = {frozenset({400, 401, 403, 404, 409, 422, 429, 503}): shapes.ProblemOut}
"""What any address may answer; the document keeps those that this address can."""

EXPLAINED = {
    200: "照办",
    201: "已办成",
    400: "请求读不懂，或缺少幂等键",
    401: "没有令牌，或令牌无效",
    403: "令牌没有所需的权限，或角色不能做这件事",
    404: "没有，或不能查看",
    409: "与现状冲突：原因和下一步见 detail",
    422: "参数或正文不合规",
    429: "太频繁；Retry-After 是要等的秒数",
    503: "暂时不能处理，什么都没有办；稍后用原来的幂等键重试",
}
PREAMBLE = f"""\
一体化算力调度和监测平台。金额为人民币元的文本，如 "12.34"；时间为 RFC 3339，UTC。
拒绝用 application/problem+json 说明：code 的含义见 docs/reference/errors.md。
约定（幂等键、翻页、限流、版本与弃用）见 docs/reference/api.md。

令牌权限：{"；".join(f"{name} {words}" for name, words in SCOPES.items())}。"""


def _header(description: str, kind: str = "string") -> dict[str, Any]:
    return {"description": description, "schema": {"type": kind}}


def _body(schema: str) -> dict[str, Any]:
    content = {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}
    return {"requestBody": {"required": True, "content": content}}


SPEC_BODY = _body("JobSpec")
CANCEL_BODY = _body("CancelIn")
FACTS_BODY = _body("Facts")
EXPORT_BODY = _body("ExportIn")
FACTS: dict[str, Any] = {
    "type": "object",
    "description": "事实名到值，见 /policy/packs/{pack_id}：金额、比例、日期写文本，数写整数，是非写 true 或 "
    "false，未知写 null；或写成 {value, attest, evidence}",
    "additionalProperties": True,
    "examples": [{"m02_racks": 100, "g_dishonest": False}],
}
KEYED: dict[str, Any] = {
    "parameters": [
        {
            "in": "header",
            "name": HEADER,
            "required": True,
            "description": "同一键、同一内容只办一次；重试时原样带上。本单位内不重复",
            "schema": {
                "type": "string",
                "minLength": 1,
                "maxLength": MAX_KEY,
                "pattern": "^[ -~]*[!-~][ -~]*$",
            },
            "example": "train-2025-0042",
        }
    ]
}
BYTES: dict[str, Any] = {
    "responses": {
        200: {
            "description": "作业的输出，原样的字节，一次至多 256 KiB",
            "headers": {"Next-Offset": _header("下一次的 offset", "integer")},
            "content": {
                "application/octet-stream": {"schema": {"type": "string", "format": "binary"}}
            },
        }
    }
}
CANCEL_IN = {
    "title": "CancelIn",
    "description": "为什么停止",
    "type": "object",
    "additionalProperties": False,
    "required": ["reason"],
    "properties": {
        "reason": {"type": "string", "pattern": r"\S", "minLength": 1, "maxLength": MAX_REASON}
    },
    "examples": [{"reason": "参数写错，重新提交"}],
}
_TEXT = {"type": "string", "maxLength": 120}
EXPORT_IN = {
    "title": "ExportIn",
    "description": "要哪一份对账单：字段与 /statements/file 相同，都可以不写",
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "kind": {**_TEXT, "description": "tenant、provider、voucher 或 pool；不写按本令牌的身份"},
        "id": {**_TEXT, "description": "单位编号、券编号或年度代码；不写是本单位"},
        "month": {**_TEXT, "description": "北京时间的月份"},
        "from": {**_TEXT, "description": "第一天（含）；与 to 合用"},
        "to": {**_TEXT, "description": "最后一天（含）"},
        "format": {**_TEXT, "description": "csv、xlsx、pdf 或 focus；不写是 csv"},
    },
    "examples": [{"month": "2025-03", "format": "csv"}],
}
MAY_BE_TOO_EARLY = frozenset({"export_file"})
PROBLEM_EXAMPLE = {
    "type": "urn:jinsuan:problem:not_found",
    "title": "不存在或无权查看",
    "status": 404,
    "code": "not_found",
    "detail": "没有找到作业“job_…”，或者您不能查看。请核对编号，或联系本单位管理员。",
    "instance": "/api/v1/jobs/job_…",
}
ALWAYS = frozenset({401, 403, 429, 503})


class DocumentedApi(NinjaAPI):
    """ninja's API with a document that tells the whole truth."""

    def get_openapi_operation_id(self, operation: Operation) -> str:
        """The view's own name: short, and free of where the file happens to lie."""
        return str(operation.view_func.__name__)

    def get_openapi_schema(self, **options: Any) -> OpenAPISchema:
        """What is served at openapi.json and committed to the docs."""
        options.setdefault("path_prefix", "/api/v1/")
        found = super().get_openapi_schema(**options)
        found["info"]["description"] = PREAMBLE
        schemas = found["components"]["schemas"]
        schemas["JobSpec"] = job_spec_schema()
        schemas["CancelIn"] = CANCEL_IN
        schemas["ExportIn"] = EXPORT_IN
        schemas["Facts"] = FACTS
        schemas["ProblemOut"]["examples"] = [PROBLEM_EXAMPLE]
        for methods in found["paths"].values():
            for operation in methods.values():
                _complete(operation)
        return found


def _complete(operation: dict[str, Any]) -> None:
    keyed = any(p["name"] == HEADER for p in operation["parameters"])
    responses = operation["responses"]
    for status in sorted(responses):
        if status >= 400 and status not in _possible(operation, keyed=keyed):
            del responses[status]
    for status, response in responses.items():
        response["description"] = EXPLAINED.get(status, response["description"])
        if status >= 400:
            schema = {"$ref": "#/components/schemas/ProblemOut"}
            response["content"] = {CONTENT_TYPE: {"schema": schema}}
    responses[401]["headers"] = {"WWW-Authenticate": _header("Bearer")}
    responses[503]["headers"] = responses[429]["headers"] = {
        "Retry-After": _header("要等的秒数", "integer")
    }
    if keyed:
        done = next(response for status, response in responses.items() if status < 300)
        done["headers"] = {REPLAYED: _header("true：这是先前那次的答复，没有再办一次")}
    operation["responses"] = {str(s): responses[s] for s in sorted(responses)}


def _possible(operation: dict[str, Any], *, keyed: bool) -> frozenset[int]:
    """The refusals that an address can answer with, from what it takes."""
    found = set(ALWAYS)
    places = {p["in"] for p in operation["parameters"]}
    if "requestBody" in operation:
        found |= {400, 422}
    if keyed:
        # What changes something may find a thing of its body missing, or things not ready for it.
        found |= {400, 404, 409, 422}
    if operation["operationId"] in MAY_BE_TOO_EARLY:
        found |= {409}
    if "query" in places:
        found |= {422}
    if "path" in places or "query" in places:
        found |= {404}
    return frozenset(found)
