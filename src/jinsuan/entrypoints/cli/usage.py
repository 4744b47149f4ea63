"""What the command line says when a command was typed wrongly, and the titles of its help, in Chinese.

typer has its own copy of click and knows no languages; its complaints are told by their class and,
where the class does not say enough, by their text. A complaint that is not known here is shown as
typer wrote it, behind the place it is about.
"""

from __future__ import annotations

import re
import sys
from typing import Any, NoReturn

import typer
from typer import rich_utils

TITLES = {
    "ARGUMENTS_PANEL_TITLE": "参数",
    "OPTIONS_PANEL_TITLE": "选项",
    "COMMANDS_PANEL_TITLE": "命令",
    "ERRORS_PANEL_TITLE": "有误",
    "REQUIRED_LONG_STRING": "[必填]",
}
SAID = (
    (r"(?:file|path|directory) '(.*)' does not exist\.", "没有文件 {0}，请核对路径"),
    (r"(?:file|path|directory) '(.*)' is a directory\.", "{0} 是文件夹，要的是文件"),
    (r"(?:file|path|directory) '(.*)' is not (?:read|writ)able\.", "没有读写 {0} 的权限"),
    (r".*unable to parse string as an integer", "要写整数"),
    (r"Input should be greater than or equal to (\S+)", "不能小于 {0}"),
    (r"Input should be less than or equal to (\S+)", "不能大于 {0}"),
    (r"(.*) is not one of (.*)\.", "{0} 不在可以写的值里：{1}"),
    (r"No such command '(.*)'\.(?: Did you mean (.*)\?)?", "没有命令 {0}{1}"),
    (r"No such option: (\S+)", "没有选项 {0}"),
    (r"Got unexpected extra argument\(s\) \((.*)\)", "多写了 {0}"),
    (r"Option '(.*)' requires an argument\.", "选项 {0} 后面要写一个值"),
    (r"Option '(.*)' requires \d+ arguments\.", "选项 {0} 后面的值不够"),
    (r"Option '(.*)' does not take a value\.", "选项 {0} 后面不写值"),
    (r"Missing command\.", "还没有写命令"),
)


def run(app: typer.Typer) -> NoReturn:
    """Run the command line to its end; wrong usage is explained in Chinese and ends with status 2."""
    for name, title in TITLES.items():
        setattr(rich_utils, name, title)
    try:
        code = app(standalone_mode=False)
    except typer.Abort:
        typer.echo("✗ 已中断", err=True)
        sys.exit(1)
    except typer.TyperException as error:
        explain(error)
        sys.exit(error.exit_code)
    sys.exit(code if isinstance(code, int) else 0)


def explain(error: Any) -> None:
    """Write to standard error what is wrong, where, and where to read on."""
    context = getattr(error, "ctx", None)
    if type(error).__name__ == "NoArgsIsHelpError":
        typer.echo(error.format_message(), err=True)
        return
    typer.echo(f"✗ {complaint(error)}", err=True)
    if context is not None:
        typer.echo(f"  用法见 {context.command_path} --help", err=True)


def complaint(error: Any) -> str:
    """One line: the parameter, and what is wrong with it."""
    param = getattr(error, "param", None)
    kind = "参数" if getattr(param, "param_type_name", "") == "argument" else "选项"
    name = (getattr(error, "param_hint", None) or (param and param.get_error_hint())) or ""
    named = f"{kind} {' / '.join(name) if isinstance(name, list) else name}".replace("'", "")
    if type(error).__name__ == "MissingParameter":
        return f"缺少{named}"
    words = translated(error.message)
    possible = sorted(getattr(error, "possibilities", None) or ())
    if possible:
        words += f"，您要的可能是 {'、'.join(possible)}"
    return f"{named} 的值不对：{words}" if name else words


def translated(text: str) -> str:
    """A complaint of typer's in Chinese; one that is not known stays as it is."""
    for pattern, words in SAID:
        if found := re.fullmatch(pattern, text, re.DOTALL | re.IGNORECASE):
            parts = [part or "" for part in found.groups()]
            if "Did you mean" in text:
                parts[1] = f"，您要的可能是 {parts[1]}".replace("'", "")
            return words.format(*parts)
    return text
