"""Read a table of agent.toml into a frozen dataclass of plain words, with Chinese refusals."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

T = TypeVar("T")
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/:@-]{0,499}")


def read_table(kind: type[T], raw: Mapping[str, Any]) -> T:
    """The settings in `[engine]`, without its `kind`.

    Fields are texts (a word, or empty when that is the default), paths, truths, or tables of texts.

    Raises:
        ValueError: in Chinese, what cannot be used and how it should be.
    """
    hints = get_type_hints(kind)
    known = {field.name: field for field in fields(kind)}  # type: ignore[arg-type]
    if unknown := raw.keys() - known.keys():
        raise ValueError(f"[engine] 不认识 {min(unknown)}，可用的是 kind、{'、'.join(known)}")
    needed = {
        name
        for name, field in known.items()
        if field.default is MISSING and field.default_factory is MISSING
    }
    if missing := needed - raw.keys():
        raise ValueError(f"[engine] 缺少 {'、'.join(sorted(missing))}")
    return kind(**{name: _value(name, hints[name], value) for name, value in raw.items()})


def _value(name: str, hint: Any, value: Any) -> Any:
    if hint is bool:
        if type(value) is not bool:
            raise ValueError(f"[engine] 的 {name} 应为 true 或 false")
        return value
    if hint == Mapping[str, str]:
        pairs = value.items() if isinstance(value, dict) else [(None, None)]
        if not all(isinstance(text, str) and text for pair in pairs for text in pair):
            raise ValueError(f'[engine.{name}] 应为若干行 "甲" = "乙"')
        return dict(value)
    if not isinstance(value, str) or (value and not _WORD.fullmatch(value.lstrip("/"))):
        raise ValueError(f"[engine] 的 {name} 应为带引号的文本，不含空格和换行")
    if hint is str:
        return value
    if not value.startswith("/"):
        raise ValueError(f"[engine] 的 {name} 应为绝对路径")
    return Path(value)
