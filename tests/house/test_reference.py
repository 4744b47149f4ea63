"""The generated pages of docs/reference are what the program would write now."""

from __future__ import annotations

from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "docs" / "reference"


@pytest.mark.parametrize("name", ["openapi.json", "job-spec.schema.json", "commands.md"])
def test_a_generated_page_is_up_to_date(name: str) -> None:
    from jinsuan.entrypoints.reference import pages

    committed = (FOLDER / name).read_text("utf-8")

    assert committed == pages()[name], (
        "look at the difference, then write the pages again: "
        "./run python -m jinsuan.entrypoints.reference"
    )


def test_every_operation_of_the_api_says_what_it_does_and_what_may_come() -> None:
    from jinsuan.entrypoints.api.v1 import api

    schemas = api.get_openapi_schema()["components"]["schemas"]
    for path, methods in api.get_openapi_schema()["paths"].items():
        for method, operation in methods.items():
            at = f"{method} {path}"
            assert operation["description"].endswith("。"), at
            assert {"401", "403", "429", "503"} <= operation["responses"].keys(), at
            assert [s for s in operation["responses"] if s < "300"], at
            for status, response in operation["responses"].items():
                kinds = list(response["content"])
                assert (kinds == ["application/problem+json"]) == (status >= "400"), at
    assert schemas["JobSpec"]["properties"].keys() > {"name", "run", "budget"}
