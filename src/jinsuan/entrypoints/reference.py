"""Write the generated pages of docs/reference: `./run python -m jinsuan.entrypoints.reference`.

A house test compares each with what is committed, so a change of the API, of the specification or
of a command shows in a review.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import django

from jinsuan.entrypoints.cli import reference as commands
from jinsuan.protocol.schema import job_spec_schema

FOLDER = Path(__file__).parents[3] / "docs" / "reference"


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
        "commands.md": commands.pages(),
    }


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2) + "\n"


def main() -> None:
    """Write the pages."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "jinsuan.entrypoints.site.settings")
    django.setup()
    for name, text in pages().items():
        (FOLDER / name).write_text(text, "utf-8")


if __name__ == "__main__":
    main()
