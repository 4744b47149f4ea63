"""schemathesis against the whole application: what the document promises is what comes.

No server error, no status, content type or answer that the document does not know.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import schemathesis
from django.core.signals import request_finished, request_started
from django.db import close_old_connections
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from jinsuan.entrypoints.api.v1 import api
from jinsuan.entrypoints.longwork.run import run_next
from tests.contracts.api_world import Province

EXAMPLES = 12
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    unsupported_method,
]
SCHEMA = schemathesis.openapi.from_dict(api.get_openapi_schema())
OPERATIONS = [result.ok() for result in SCHEMA.get_all_operations()]


@contextmanager
def one_connection() -> Iterator[Any]:
    """What granian serves, but the test's own connection outlives each request."""
    from jinsuan.entrypoints.site.wsgi import application

    moments = (request_started, request_finished)
    for moment in moments:
        moment.disconnect(close_old_connections)
    yield application
    for moment in moments:
        moment.connect(close_old_connections)


def _export(province: Province) -> str:
    """A statement's file, made."""
    asked = {"kind": "tenant", "month": f"{province.clock.now:%Y-%m}", "format": "csv"}
    answer = province.mine.post("/exports", asked, "export")
    assert answer.status_code == 201, answer.content.decode()
    run_next(lambda: province.clock.now)
    return str(answer.json()["id"])


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda o: f"{o.method} {o.path}")
def test_what_is_documented_is_what_comes(province: Province, operation: Any) -> None:
    """Half of the calls name real things of ours, so that views are reached, not only doors."""
    job = province.run()
    voucher = province.mine.get("/vouchers").json()["items"][0]["id"]
    charge = province.mine.get(f"/jobs/{job}/charges").json()["items"][0]
    real = {
        "job_id": job,
        "voucher_id": voucher,
        "code": province.world.centre,
        "ref": charge["transfers"][0]["ref"],
        "pack_id": "shanxi-2024-35",
        **province.cases(),
        "export_id": _export(province),
    }
    # Bundles are for officials.
    officer = operation.path.endswith("/bundle")
    token = province.caller(province.world.officer).token if officer else province.mine.token
    turn = iter(range(10**6))
    seen: set[int] = set()

    @given(case=operation.as_strategy())
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    def asks(case: Any) -> None:
        case.headers = {**(case.headers or {}), "Authorization": f"Bearer {token}"}
        if next(turn) % 2:
            names = case.path_parameters or {}
            case.path_parameters = {name: real[name] for name in names}
        answer = case.call_and_validate(checks=CHECKS, app=application)
        seen.add(answer.status_code)

    with one_connection() as application:
        asks()
    assert operation.method == "post" or 200 in seen, "no real thing was ever asked for"
