"""Write the generated pages of docs/reference: `./run python -m jinsuan.entrypoints.reference`.

A house test compares each with what is committed, so a change of the API, of the specification or
of a command shows in a review.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from jinsuan.protocol.schema import job_spec_schema

FOLDER = Path(__file__).parents[3] / "docs" / "reference"
CLI_HEAD = """\
# 命令行的帮助 · Command line help

每个命令的 `--help` 原文。本页由 `./run python -m jinsuan.entrypoints.reference` 写成，请勿手改；说明见[命令行](cli.md)。
"""


def pages() -> dict[str, str]:
    """Name and text of each generated page. Django must be set up."""
    from jinsuan.entrypoints.api.v1 import api

    spec = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:jinsuan:job-spec:v1",
        **job_spec_schema(),
    }
    return {
        "openapi.json": _json(api.get_openapi_schema()),
        "job-spec.schema.json": _json(spec),
        "cli-help.md": "\n".join([CLI_HEAD, *_help()]),
    }


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2, sort_keys=False) + "\n"


def _help() -> Iterator[str]:
    from jinsuan.entrypoints.cli import app

    top = typer.main.get_command(app)
    for words, command in _commands(top, ("jinsuan",)):
        context = command.make_context(
            " ".join(words), [], resilient_parsing=True, terminal_width=100, max_content_width=100
        )
        yield f"## {' '.join(words)}\n\n```text\n{_plain_help(command, context)}\n```\n"


def _commands(command: Any, words: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    yield words, command
    for name, child in getattr(command, "commands", {}).items():
        yield from _commands(child, (*words, name))


def _plain_help(command: Any, context: Any) -> str:
    command.rich_markup_mode = None  # else rich draws boxes as wide as the terminal
    text = str(command.get_help(context))
    return "\n".join(line.rstrip() for line in text.strip().splitlines())


def main() -> None:
    """Write the pages."""
    import os

    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "jinsuan.entrypoints.site.settings")
    django.setup()
    for name, text in pages().items():
        path = FOLDER / name
        path.write_text(text, "utf-8")
        typer.echo(f"✓ {path}")


if __name__ == "__main__":
    main()
