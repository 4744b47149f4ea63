"""Where the next page begins. A cursor is opaque to callers; what is none of ours is refused."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, TypeVar
from uuid import UUID

from jinsuan.entrypoints.api.errors import CursorInvalid
from jinsuan.kernel.ref import Ref

MAX_PAGE = 200
CODE = re.compile(r"[!-~\u4e00-\u9fff]{1,40}")

T = TypeVar("T")


def as_number(cursor: str | None) -> int | None:
    """A position within a numbered list.

    Raises:
        CursorInvalid: it is none.
    """
    if cursor is None:
        return None
    if not re.fullmatch(r"[0-9]{1,18}", cursor):
        raise CursorInvalid
    return int(cursor)


def as_id(cursor: str | None, kind: str) -> UUID | None:
    """The last thing of the page before.

    Raises:
        CursorInvalid: it is none, or of another kind.
    """
    if cursor is None:
        return None
    try:
        ref = Ref.read(cursor)
    except ValueError:
        raise CursorInvalid from None
    if ref.kind != kind:
        raise CursorInvalid
    return ref.id


def as_code(cursor: str | None) -> str:
    """The last centre code of the page before.

    Raises:
        CursorInvalid: it cannot be one.
    """
    if cursor is None:
        return ""
    if not CODE.fullmatch(cursor):
        raise CursorInvalid
    return cursor


def page_of(
    found: Sequence[T], limit: int, *, show: Callable[[T], dict[str, Any]], at: Callable[[T], str]
) -> dict[str, Any]:
    """A page out of up to `limit + 1` things; the one too many says that there is more."""
    items = found[:limit]
    more = len(found) > limit
    return {"items": [show(x) for x in items], "next_cursor": at(items[-1]) if more else None}
