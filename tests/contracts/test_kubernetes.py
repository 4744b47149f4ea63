"""The Kubernetes adapter keeps the contract on a real control plane; see tests/engines."""

from __future__ import annotations

import itertools
import os
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from jinsuan.agent.engines.kubernetes import KubernetesEngine, Rules
from tests.contracts.bench import CLUSTER, NODES
from tests.contracts.engine import EngineContract
from tests.engines.kube_centre import KubeCentre, programs

pytestmark = pytest.mark.engines

BASE_PORT = 41000
_numbers = itertools.count(1)


class KubeBench:
    """An engine in a namespace of its own."""

    def __init__(self, centre: KubeCentre, folder: Path) -> None:
        self.centre, self._folder = centre, folder
        self.space = f"t{os.getpid()}-{next(_numbers)}"
        centre.make_namespace(self.space)
        self.api = centre.client()
        self.engine = self._open()

    def _open(self) -> KubernetesEngine:
        return KubernetesEngine(
            self._folder,
            self.centre.access,
            Rules(namespace=self.space, image="none"),
            now=lambda: datetime.now(UTC),
            cluster=CLUSTER,
        )

    def wait(self, seconds: float) -> None:
        time.sleep(seconds)

    def reopen(self) -> None:
        self.engine.close()
        self.engine = self._open()

    def close(self) -> None:
        """Stop whatever a test has left, so that the next finds the nodes empty."""
        jobs = f"/apis/batch/v1/namespaces/{self.space}/jobs"
        until = time.monotonic() + 30
        for job in self.api.list(jobs):
            self.engine.cancel(job["metadata"]["name"], grace_seconds=0)
        while True:
            self.engine.observe([])
            pods = self.api.list(f"/api/v1/namespaces/{self.space}/pods")
            if all(p["status"]["phase"] in ("Succeeded", "Failed") for p in pods):
                break
            assert time.monotonic() < until, pods
            time.sleep(0.05)
        self.engine.close()
        self.api.close()


@pytest.fixture(scope="module")
def centre(request: pytest.FixtureRequest) -> Iterator[KubeCentre]:
    """One real centre; its version is printed. Tests side by side get ports of their own."""
    servers = programs()
    if isinstance(servers, str):
        if os.environ.get("JINSUAN_ENGINES") == "required":
            pytest.fail(servers)
        pytest.skip(servers)
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    with tempfile.TemporaryDirectory(prefix="js-kube-", ignore_cleanup_errors=True) as folder:
        began = time.monotonic()
        with KubeCentre(Path(folder), BASE_PORT + 10 * worker, NODES, servers) as made:
            capture = request.config.pluginmanager.getplugin("capturemanager")
            took = time.monotonic() - began
            with capture.global_and_fixture_disabled():
                print(f"\n[engine] {made.version()}, {len(NODES)} nodes, {took:.1f} s", flush=True)
            yield made


@pytest.fixture
def bench(centre: KubeCentre, tmp_path: Path) -> Iterator[KubeBench]:
    made = KubeBench(centre, tmp_path / "engine")
    yield made
    made.close()


class TestKubernetes(EngineContract):
    SHARES_CARDS = False

    @pytest.fixture
    def bench(self, centre: KubeCentre, tmp_path: Path) -> Iterator[KubeBench]:
        made = KubeBench(centre, tmp_path / "engine")
        yield made
        made.close()
