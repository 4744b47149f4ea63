"""Write docs/reference/commands.md from the commands themselves; a house test compares the two."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import typer

HEAD = """\
# 命令一览 · Every command

由命令行自己的帮助生成，不要手改：`./run python -m jinsuan.entrypoints.cli.reference > docs/reference/commands.md`。
怎样用、退出码的约定见[命令行](cli.md)。
"""


def pages() -> str:
    """The whole page as Markdown."""
    from jinsuan.entrypoints.cli import app

    root = typer.main.get_command(app)
    parts = [HEAD, *_describe(root, "jinsuan")]
    return "\n".join(parts).rstrip() + "\n"


def _describe(command: Any, name: str) -> Iterator[str]:
    """typer brings its own copy of click, so commands are told apart by what they have."""
    children = getattr(command, "commands", None)
    if children is not None:
        if name != "jinsuan":
            yield f"## {name}\n\n{command.help or ''}\n"
        # Plain commands first, then groups.
        for child, found in sorted(children.items(), key=lambda i: hasattr(i[1], "commands")):
            yield from _describe(found, f"{name} {child}")
        return
    yield f"### {name}\n\n{(command.help or '').strip()}\n"
    rows = [row for row in map(_row, command.params) if row]
    if rows:
        yield "| 参数 | 默认 | 说明 |\n|---|---|---|\n" + "\n".join(rows) + "\n"


def _row(param: Any) -> str:
    if "--help" in param.opts:
        return ""
    names = [*param.opts, *param.secondary_opts]
    if param.param_type_name == "argument":
        names = [(param.name or "").upper()]
    default = param.default
    if param.required:
        shown = "必填"
    elif default is None or default == "" or default is False or callable(default):
        shown = ""
    else:
        shown = f"`{default}`"
    words = " ".join((getattr(param, "help", None) or "").split())
    return f"| {' '.join(f'`{name}`' for name in names)} | {shown} | {words} |"


if __name__ == "__main__":
    sys.stdout.write(pages())
