"""Frozen dataclasses to JSON and back, strictly: unknown keys, wrong types and fractions fail.

Only the types that our messages use: int, str, bool, bytes (base64), datetime (RFC 3339, UTC),
StrEnum, tuples of one type, optional values and nested dataclasses. The reader for each class is
built once from its type hints.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable
from dataclasses import MISSING, fields, is_dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import cache
from types import NoneType, UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from jinsuan.protocol.errors import MessageInvalid

MAX_INT = 2**63 - 1
MAX_TEXT = 1_000_000

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
"""What JSON can carry in a text and neither UTF-8 nor PostgreSQL can keep."""

Reader = Callable[[Any, str], Any]
T = TypeVar("T")


def encode(value: Any) -> Any:
    """Turn a message into plain JSON values; fields that are None are left out."""
    if is_dataclass(value) and not isinstance(value, type):
        pairs = ((f.name, getattr(value, f.name)) for f in fields(value))
        return {name: encode(item) for name, item in pairs if item is not None}
    if isinstance(value, (tuple, list)):
        return [encode(item) for item in value]
    if isinstance(value, datetime):
        assert value.tzinfo is not None, value
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, StrEnum):
        return value.value
    assert value is None or isinstance(value, (int, str, bool)), value
    return value


def decode(kind: type[T], data: Any, path: str = "$") -> T:
    """Read a message of the given class from plain JSON values.

    Raises:
        MessageInvalid: the first place that does not have the agreed form.
    """
    plan: Any = kind
    value: T = _reader(plan)(data, path)
    return value


@cache
def _reader(kind: Any) -> Reader:
    origin = get_origin(kind)
    if origin in (Union, UnionType):
        (inner,) = (arg for arg in get_args(kind) if arg is not NoneType)
        read_inner = _reader(inner)
        return lambda data, path: None if data is None else read_inner(data, path)
    if origin is tuple:
        item, _ = get_args(kind)
        return _tuple_reader(_reader(item))
    if is_dataclass(kind):
        return _dataclass_reader(kind)
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return _enum_reader(kind)
    return {int: _int, str: _str, bool: _bool, bytes: _bytes, datetime: _instant}[kind]


def _dataclass_reader(kind: Any) -> Reader:
    hints = get_type_hints(kind)
    readers = {f.name: _reader(hints[f.name]) for f in fields(kind)}
    required = {
        f.name for f in fields(kind) if f.default is MISSING and f.default_factory is MISSING
    }

    def read(data: Any, path: str) -> Any:
        if not isinstance(data, dict):
            raise MessageInvalid(path, "应为对象")
        if unknown := data.keys() - readers.keys():
            raise MessageInvalid(path, f"不认识的字段 {min(map(repr, unknown))[:60]}")
        if missing := required - data.keys():
            raise MessageInvalid(path, f"缺少字段 {min(missing)}")
        values = {name: readers[name](item, f"{path}.{name}") for name, item in data.items()}
        return kind(**values)

    return read


def _tuple_reader(read_item: Reader) -> Reader:
    def read(data: Any, path: str) -> Any:
        if not isinstance(data, list):
            raise MessageInvalid(path, "应为数组")
        return tuple(read_item(item, f"{path}[{i}]") for i, item in enumerate(data))

    return read


def _enum_reader(kind: type[StrEnum]) -> Reader:
    values = {member.value: member for member in kind}

    def read(data: Any, path: str) -> Any:
        if not isinstance(data, str) or data not in values:
            raise MessageInvalid(path, f"应为 {' | '.join(values)} 之一")
        return values[data]

    return read


def _int(data: Any, path: str) -> int:
    if type(data) is not int or not -MAX_INT <= data <= MAX_INT:
        raise MessageInvalid(path, "应为 64 位整数")
    return data


def _str(data: Any, path: str) -> str:
    if not isinstance(data, str) or len(data) > MAX_TEXT or _UNSTORABLE.search(data):
        raise MessageInvalid(path, f"应为文本，至多 {MAX_TEXT} 个字符，且不含空字符和半个代理对")
    return data


def _bool(data: Any, path: str) -> bool:
    if type(data) is not bool:
        raise MessageInvalid(path, "应为 true 或 false")
    return data


def _bytes(data: Any, path: str) -> bytes:
    try:
        return base64.b64decode(_str(data, path), validate=True)
    except (binascii.Error, ValueError) as error:
        raise MessageInvalid(path, "应为 base64 文本") from error


def _instant(data: Any, path: str) -> datetime:
    try:
        instant = datetime.fromisoformat(_str(data, path))
    except ValueError as error:
        raise MessageInvalid(path, "应为 RFC 3339 时间") from error
    if instant.tzinfo is None:
        raise MessageInvalid(path, "时间必须带时区")
    try:
        return instant.astimezone(UTC)
    except OverflowError as error:
        raise MessageInvalid(path, "时间应在公元 1 年至 9999 年之间") from error
