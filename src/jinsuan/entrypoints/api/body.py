"""Read a JSON body without ever making a binary fraction of a number."""

from __future__ import annotations

import json
from typing import Any, NoReturn

from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest
from django.http.request import UnreadablePostError

from jinsuan.entrypoints.api.errors import BodyUnreadable


def _constant(name: str) -> NoReturn:
    raise ValueError(f"不允许 {name}")


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"键 {key[:60]} 出现了两次")
        found[key] = value
    return found


MAX_BODY = 256 * 1024


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
            parse_constant=_constant,
            object_pairs_hook=_pairs,
        )
    except RequestDataTooBig:
        raise BodyUnreadable("超过大小限制") from None
    except UnreadablePostError:
        raise BodyUnreadable("没有收完") from None
    except UnicodeDecodeError:
        raise BodyUnreadable("不是 UTF-8 编码") from None
    except RecursionError:
        raise BodyUnreadable("嵌套太深") from None
    except ValueError as error:
        raise BodyUnreadable(str(error)[:200]) from None
