"""Read a job specification file: a small, safe part of YAML, or JSON.

The result holds mappings, lists, text, whole numbers, true, false and nothing else. What looks
like a fraction, a date, a time of day (`12:00:00`) or an octal number stays the text that was
written, so no value changes before the parser sees it. Anchors, aliases, tags, a key twice, a
second document, deep nesting and large files are refused with line and column.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, NoReturn

import yaml

from jinsuan.client.errors import SpecFileInvalid, SpecFileUnreadable

MAX_BYTES = 64 * 1024
MAX_DEPTH = 20

_WORDS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_NOTHING = frozenset({"", "~", "null", "Null", "NULL"})
_WHOLE = re.compile(r"-?(0|[1-9][0-9]{0,17})")
_CAUSES = (
    ("'\\t'", "用了制表符", "缩进换成空格"),
    ("mapping values are not allowed", "这里不能有冒号", "值里有冒号时给整个值加引号"),
    ("could not find expected ':'", "缺少冒号", "写成“键: 值”，冒号后空一格"),
    ("expected <block end>", "缩进或结构不一致", "同一层的行对齐到同一列"),
    ("expected ',' or", "括号里缺少逗号或没有收尾", "补上逗号或右括号"),
    ("unexpected end of stream", "引号没有配对", "补上收尾的引号"),
    ("unknown escape character", "反斜杠后面的字符不认识", "换成单引号，或写两个反斜杠"),
    ("another document", "有第二份文档（---）", "一个文件只写一份作业说明"),
    ("special characters are not allowed", "有控制字符", "删去这个字符"),
)


def load_spec_file(source: Path | str) -> object:
    """Read a file (a `Path`) or the text itself (a `str`) into plain values for `parse_spec`.

    Raises:
        SpecFileUnreadable: no such file, no right to read it, not UTF-8, empty or too large.
        SpecFileInvalid: not the part of YAML that we read; with line, column and mend.
    """
    name, text = _text(source)
    if text.lstrip().startswith("{"):
        found = _json(text)
        if found is not None:
            return found
    return _yaml(name, text)


def _text(source: Path | str) -> tuple[str, str]:
    if isinstance(source, str):
        name, raw = "作业说明", source.encode("utf-8", "surrogatepass")
    else:
        name = str(source)
        try:
            with source.open("rb") as file:
                raw = file.read(MAX_BYTES + 1)
        except OSError as error:
            raise SpecFileUnreadable(name, error.strerror or "打不开") from error
    if len(raw) > MAX_BYTES:
        raise SpecFileUnreadable(name, f"超过 {MAX_BYTES // 1024} KiB")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise SpecFileUnreadable(name, f"第 {error.start + 1} 个字节不是 UTF-8 编码") from error
    if not text.strip():
        raise SpecFileUnreadable(name, "里面什么也没有")
    return name, text


def _json(text: str) -> object:
    """JSON, if it is one we take; None leaves it to the YAML reader, which says where and why."""
    try:
        found = json.loads(
            text,
            parse_float=str,
            parse_int=_json_whole,
            parse_constant=_refuse,
            object_pairs_hook=_unique,
        )
    except (ValueError, RecursionError):
        return None
    return found if _depth(found) <= MAX_DEPTH else None


def _json_whole(digits: str) -> object:
    return int(digits) if _WHOLE.fullmatch(digits) else digits


def _refuse(_word: str) -> NoReturn:
    raise ValueError


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError
    return found


def _depth(value: object) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + max(map(_depth, inner), default=0)


def _yaml(name: str, text: str) -> object:
    try:
        loader = _Loader(text, name)
        node = loader.get_single_node()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        at = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        raise SpecFileInvalid(name, *at, *_cause(str(error.problem))) from error
    except yaml.reader.ReaderError as error:
        before = text[: error.position]
        at = (before.count("\n") + 1, len(before) - before.rfind("\n"))
        raise SpecFileInvalid(name, *at, *_cause(error.reason)) from error
    return _plain(loader, node)


def _cause(reported: str) -> tuple[str, str]:
    for words, problem, mend in _CAUSES:
        if words in reported:
            return problem, mend
    return "这里读不下去", "对照 docs/reference/job-spec.md 里的例子检查缩进、冒号和引号"


class _Loader(yaml.SafeLoader):
    """Composes nodes only: no constructor runs, and scalars are ours to read."""

    def __init__(self, text: str, name: str) -> None:
        self.source = name
        self.depth = 0
        super().__init__(text)

    def refuse(self, mark: yaml.Mark, problem: str, mend: str) -> NoReturn:
        raise SpecFileInvalid(self.source, mark.line + 1, mark.column + 1, problem, mend)

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        mark = event.start_mark
        if isinstance(event, yaml.AliasEvent):
            self.refuse(mark, "用了引用（*名）", "把内容直接写在这里；值以 * 开头时加引号")
        if event.anchor is not None:
            self.refuse(mark, "用了锚点（&名）", "删去锚点；值以 & 开头时加引号")
        if event.tag is not None:
            self.refuse(mark, "用了标签（!名）", "删去标签；值以 ! 开头时加引号")
        if self.depth >= MAX_DEPTH:
            self.refuse(mark, f"嵌套超过 {MAX_DEPTH} 层", "作业说明用不到这么多层")
        self.depth += 1
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


def _plain(loader: _Loader, node: yaml.Node | None) -> object:
    if isinstance(node, yaml.ScalarNode):
        return _scalar(node)
    if isinstance(node, yaml.SequenceNode):
        return [_plain(loader, item) for item in node.value]
    if isinstance(node, yaml.MappingNode):
        found: dict[str, object] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                loader.refuse(key.start_mark, "键不是一个词", "键写成文本，例如 name")
            if key.value in found:
                loader.refuse(key.start_mark, f"键 {key.value[:60]} 出现了两次", "只留一个")
            found[key.value] = _plain(loader, value)
        return found
    assert node is None, node
    return None


def _scalar(node: yaml.ScalarNode) -> object:
    """Quoted and block text is text; of plain words only these few are more."""
    text: str = node.value
    if node.style is not None:
        return text
    if text in _NOTHING:
        return None
    if _WHOLE.fullmatch(text):
        return int(text)
    return _WORDS.get(text, text)
