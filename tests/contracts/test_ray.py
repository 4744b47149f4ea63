"""The Ray adapter keeps the contract on a real cluster, and through the death of its head."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from jinsuan.agent.engines.errors import EngineRefused, EngineUnreachable
from jinsuan.agent.engines.ray import RayEngine
from jinsuan.protocol.states import AttemptState, EndCause
from tests.contracts.bench import (
    CLUSTER,
    NODES,
    await_end,
    await_output,
    await_state,
    free,
    lease,
    output,
    seen,
)
from tests.contracts.engine import EngineContract
from tests.engines.ray_centre import RayCentre, find_ray

pytestmark = [
    pytest.mark.engines,
    pytest.mark.allow_hosts(["127.0.0.1", "127.0.0.2", "127.0.0.3"]),
]

BASE_PORT = 43000


class RayBench:
    """An engine with a folder and keys of its own on a cluster that remembers every key.

    Ray never frees a submission id, and the suite uses the same few: so each test's keys get a
    prefix on their way to Ray.
    """

    def __init__(self, centre: RayCentre, folder: Path) -> None:
        self.centre, self._folder = centre, folder
        self.engine = self._open()

    def _open(self) -> RayEngine:
        return RayEngine(
            self._folder, self.centre.access, now=lambda: datetime.now(UTC), cluster=CLUSTER
        )

    def wait(self, seconds: float) -> None:
        time.sleep(seconds)

    def reopen(self) -> None:
        self.engine.close()
        self.engine = self._open()

    def close(self) -> None:
        """Stop whatever a test has left, and let Ray forget its keys."""
        rows = list(self.engine._rows)
        until = time.monotonic() + 60
        for row in rows:
            self.engine.cancel(row.key, grace_seconds=0)
        while any(row.runs for row in self.engine._rows):
            self.engine.observe([])
            assert time.monotonic() < until
            time.sleep(0.1)
        for row in rows:
            self.engine._ray._send("DELETE", f"/api/jobs/{row.key}")
        self.engine.close()


@pytest.fixture(scope="module")
def centre(request: pytest.FixtureRequest) -> Iterator[RayCentre]:
    ray = find_ray()
    if isinstance(ray, str):
        if os.environ.get("CI"):
            pytest.fail(ray)
        pytest.skip(ray)
    folder = Path(tempfile.mkdtemp(prefix="js-ray-"))
    try:
        began = time.monotonic()
        with RayCentre(folder, BASE_PORT, NODES, ray) as made:
            capture = request.config.pluginmanager.getplugin("capturemanager")
            took = time.monotonic() - began
            with capture.global_and_fixture_disabled():
                print(f"\n[engine] {made.version()}, {len(NODES)} nodes, {took:.1f} s", flush=True)
            yield made
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def bench(centre: RayCentre, tmp_path: Path) -> Iterator[RayBench]:
    made = RayBench(centre, tmp_path / "engine")
    yield made
    made.close()


class TestRay(EngineContract):
    SHARES_CARDS = False
    SPANS_NODES = False

    @pytest.fixture
    def bench(self, centre: RayCentre, tmp_path: Path) -> Iterator[RayBench]:
        made = RayBench(centre, tmp_path / "engine")
        yield made
        made.close()
