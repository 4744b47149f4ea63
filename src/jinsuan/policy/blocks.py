"""Read one TOML block strictly: known keys, right types, and every problem with its line."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from jinsuan.policy.errors import Problem
from jinsuan.policy.markdown import Block

_NAME = re.compile(r"[a-z][a-z0-9_]{0,59}")
_AT = re.compile(r" ?\(at line (\d+), column \d+\)")


@dataclass(slots=True)
class Reader:
    """Collects the problems of one file."""

    file: str
    problems: list[Problem] = field(default_factory=list)

    def complain(self, line: int, what: str, mend: str) -> None:
        self.problems.append(Problem(f"{self.file}:{line}", what, mend))

    def toml(self, block: Block) -> dict[str, Any]:
        """The block as plain values; nothing when it is no TOML."""
        try:
            return tomllib.loads(block.text)
        except (ValueError, RecursionError) as error:  # a number of 5,000 digits is no TOML error
            found = _AT.search(str(error))
            line = block.line + (int(found[1]) - 1 if found else 0)
            what = _AT.sub("", str(error)) or type(error).__name__
            self.complain(line, f"不是 TOML（{what[:120]}）", "检查引号、逗号和括号")
            return {}

    def name(self, text: str, line: int) -> bool:
        """Whether this may be a name."""
        if _NAME.fullmatch(text):
            return True
        self.complain(
            line, f"名字 {text[:40]!r} 不合规", "小写英文开头，只用小写英文、数字、下划线"
        )
        return False

    def table(self, values: Any, line: int, where: str) -> Table:
        if not isinstance(values, dict):
            self.complain(line, f"{where} 应是一张表", '写成 {type = "money", …}')
            values = {}
        return Table(self, values, line, where)


@dataclass(slots=True)
class Table:
    """One TOML table being read; `done` complains of keys that nobody asked for."""

    reader: Reader
    values: Mapping[str, Any]
    line: int
    where: str
    asked: set[str] = field(default_factory=set)

    def _get(self, key: str, kinds: tuple[type, ...], words: str, *, needed: bool) -> Any:
        self.asked.add(key)
        if key not in self.values:
            if needed:
                self.complain(f"缺少 {key}", f"{key} 应是{words}")
            return None
        value = self.values[key]
        wrong_bool = isinstance(value, bool) and bool not in kinds
        wrong_time = isinstance(value, datetime)
        if not isinstance(value, kinds) or wrong_bool or wrong_time:
            self.complain(f"{key} 的写法不对", f"应是{words}")
            return None
        return value

    def complain(self, what: str, mend: str) -> None:
        self.reader.complain(self.line, f"{self.where}：{what}", mend)

    def text(self, key: str, *, needed: bool = False, among: Iterable[str] = ()) -> str:
        value = self._get(key, (str,), "文本", needed=needed)
        allowed = tuple(among)
        if value is not None and allowed and value not in allowed:
            self.complain(f"{key} = {value[:40]!r}", f"应是 {'、'.join(allowed)} 之一")
            return allowed[0]
        return value if value is not None else (allowed[0] if needed and allowed else "")

    def whole(self, key: str, *, needed: bool = False, default: int = 0) -> int:
        value = self._get(key, (int,), "整数", needed=needed)
        return default if value is None else value

    def truth(self, key: str, *, default: bool) -> bool:
        value = self._get(key, (bool,), "true 或 false", needed=False)
        return default if value is None else value

    def day(self, key: str, *, needed: bool = False) -> date | None:
        found: date | None = self._get(key, (date,), "日期，如 2025-03-01", needed=needed)
        return found

    def texts(self, key: str) -> tuple[str, ...]:
        value = self._get(key, (list,), "文本的列表", needed=False) or []
        if not all(isinstance(item, str) for item in value):
            self.complain(f"{key} 的写法不对", "应是文本的列表")
            return ()
        return tuple(value)

    def wholes(self, key: str) -> tuple[int, ...]:
        value = self._get(key, (list,), "整数的列表", needed=False) or []
        if not all(type(item) is int for item in value):
            self.complain(f"{key} 的写法不对", "应是整数的列表")
            return ()
        return tuple(value)

    def raw(self, key: str, *, needed: bool = False) -> Any:
        """Whatever stands there; the caller looks at it."""
        self.asked.add(key)
        if needed and key not in self.values:
            self.complain(f"缺少 {key}", "对照规则包的写法补上")
        return self.values.get(key)

    def sub(self, key: str) -> dict[str, Any]:
        value = self._get(key, (dict,), "一张表", needed=False)
        return dict(value or {})

    def done(self) -> None:
        for key in sorted(self.values.keys() - self.asked):
            self.complain(f"不认识 {key[:40]!r}", f"可用的是 {'、'.join(sorted(self.asked))}")


def line_of(block: Block, key: str) -> int:
    """The line on which a key of the block stands; the block's first when it cannot be told."""
    wanted = re.compile(r"^\s*[\"']?" + re.escape(key) + r"[\"']?\s*=")
    for number, line in enumerate(block.text.splitlines()):
        if wanted.match(line):
            return block.line + number
    return block.line
