"""Read a JSON body without ever making a binary fraction of a number."""

from __future__ import annotations

import json
from typing import Any, NoReturn

from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest
from django.http.request import UnreadablePostError

from jinsuan.entrypoints.api.errors import BodyUnreadable
from jinsuan.kernel.errors import BadInput
from jinsuan.protocol.values import is_odd, shown

MAX_BODY = 256 * 1024
MAX_DIGITS = 100
MAX_REASON = 200


class _Refused(Exception):
    """A value that JSON allows, or Python's reader, and we do not."""


def _constant(name: str) -> NoReturn:
    raise _Refused(f"不允许 {name}")


def _whole(digits: str) -> int:
    if len(digits) > MAX_DIGITS:
        raise _Refused(f"有一个 {len(digits)} 位的整数")
    return int(digits)


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise _Refused(f"键 {shown(key)} 出现了两次")
        found[key] = value
    return found


def read_json(request: HttpRequest, *, limit: int = MAX_BODY) -> Any:
    """The body as plain values; numbers with a point become text, as they were written.

    Raises:
        BodyUnreadable: too large, not UTF-8, not JSON, a key twice, NaN, or nested too deeply.
    """
    try:
        if len(request.body) > limit:
            raise BodyUnreadable(f"有 {len(request.body)} 字节，上限 {limit} 字节")
        return json.loads(
            request.body.decode("utf-8"),
            parse_float=str,
            parse_int=_whole,
            parse_constant=_constant,
            object_pairs_hook=_pairs,
        )
    except RequestDataTooBig:
        raise BodyUnreadable("超过大小限制") from None
    except UnreadablePostError:
        raise BodyUnreadable("没有收完") from None
    except UnicodeDecodeError as error:
        raise BodyUnreadable(f"第 {error.start + 1} 个字节不是 UTF-8 编码") from None
    except RecursionError:
        raise BodyUnreadable("嵌套太深") from None
    except json.JSONDecodeError as error:
        place = f"第 {error.lineno} 行第 {error.colno} 列"
        raise BodyUnreadable(f"{place}不是合规的 JSON") from None
    except _Refused as error:
        raise BodyUnreadable(str(error)) from None


def read_reason(raw: object) -> str:
    """The body `{"reason": "…"}`: one line of text.

    Raises:
        BadInput: another form, another key, empty, too long, or with control characters.
    """
    mend = '请发 {"reason": "事由"}。'
    if not isinstance(raw, dict):
        raise BadInput("正文", "应为一个对象", mend)
    for key in raw:
        if key != "reason":
            raise BadInput(shown(key), "不认识的键", mend)
    reason = raw.get("reason")
    if not isinstance(reason, str) or not reason.strip():
        raise BadInput("reason", "没有写，或不是文本", mend)
    if len(reason) > MAX_REASON or any(map(is_odd, reason)):
        raise BadInput("reason", f"超过 {MAX_REASON} 个字符，或含有控制字符", mend)
    return reason.strip()
