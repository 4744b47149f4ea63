"""How commands print: tables for people, JSON for programs, refusals on standard error."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from jinsuan.kernel.errors import DomainError

AsJson = Annotated[bool, typer.Option("--json", help="输出 JSON，供程序读取")]


def fail(error: DomainError) -> NoReturn:
    """Explain a refusal and end with status 2."""
    typer.echo(f"✗ {error.explain()}（{error.code}）", err=True)
    raise SystemExit(2)


def as_json(value: Any) -> None:
    """Print a value as one JSON document."""
    typer.echo(json.dumps(value, ensure_ascii=False, indent=2, default=str))


def table(title: str, heads: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a table; an empty one says so."""
    console = Console()
    if not rows:
        console.print(f"{title}：没有内容。")
        return
    shown = Table(title=title, title_justify="left")
    for head in heads:
        shown.add_column(head, overflow="fold")
    for row in rows:
        # As plain text: what users wrote may hold brackets that rich would read as its own.
        shown.add_row(*(Text("—" if cell is None else str(cell)) for cell in row))
    console.print(shown)
