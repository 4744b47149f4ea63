"""The Slurm adapter keeps the contract on a real Slurm, and through what Slurm does wrong.

Skipped, saying what is missing, where Slurm is not installed; in CI that is a failure.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from jinsuan.agent.engines.slurm import SlurmEngine, SlurmSettings
from tests.contracts.bench import CLUSTER, NODES
from tests.contracts.engine import EngineContract
from tests.engines import slurm_centre
from tests.engines.slurm_centre import PACKAGES, SlurmCentre, missing_programs

HEARTBEAT_SECONDS, SILENCE_SECONDS = 1, 5


@pytest.fixture(scope="module")
def centre(request: pytest.FixtureRequest) -> Iterator[SlurmCentre]:
    yield from running_centre(request, 21_000)


def running_centre(request: pytest.FixtureRequest, port: int) -> Iterator[SlurmCentre]:
    """One real centre; its version is printed. Tests that run side by side get ports of their own."""
    port += 100 * int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    if missing := missing_programs():
        words = f"no real Slurm here ({', '.join(missing)} missing): install {PACKAGES}"
        if os.environ.get("CI"):
            pytest.fail(words)
        pytest.skip(words)
    folder = Path(tempfile.mkdtemp(prefix="js-slurm-", dir="/tmp"))
    try:
        with SlurmCentre(folder, port, NODES) as made:
            capture = request.config.pluginmanager.getplugin("capturemanager")
            with capture.global_and_fixture_disabled():
                print(f"\n[engine] {made.version()}, {len(NODES)} nodes", flush=True)
            yield made
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def settings_for(centre: SlurmCentre, shared: Path) -> SlurmSettings:
    return SlurmSettings(
        url=centre.url,
        user=centre.user,
        token_file=centre.token_file,
        shared=shared,
        timeout_seconds=5,
        heartbeat_seconds=HEARTBEAT_SECONDS,
        silence_seconds=SILENCE_SECONDS,
    )


class SlurmBench:
    """An adapter with a shared folder of its own, on a centre that others use after it."""

    def __init__(self, centre: SlurmCentre, shared: Path) -> None:
        self.centre, self.settings = centre, settings_for(centre, shared)
        self.engine = self._open()

    def _open(self) -> SlurmEngine:
        return SlurmEngine(self.settings, now=lambda: datetime.now(UTC), cluster=CLUSTER)

    def wait(self, seconds: float) -> None:
        time.sleep(seconds)

    def reopen(self) -> None:
        self.engine.close()
        self.engine = self._open()

    def close(self) -> None:
        self.centre.cancel_all()
        self.centre.await_idle()
        self.engine.close()


@pytest.fixture
def bench(centre: SlurmCentre, tmp_path: Path) -> Iterator[SlurmBench]:
    made = SlurmBench(centre, tmp_path)
    yield made
    made.close()


class TestSlurm(EngineContract):
    SHARES_CARDS = False
    CORE_STEP_MILLI = 1000

    @pytest.fixture
    def bench(self, centre: SlurmCentre, tmp_path: Path) -> Iterator[SlurmBench]:
        made = SlurmBench(centre, tmp_path)
        yield made
        made.close()


@pytest.mark.parametrize(("ci", "end"), [("", pytest.skip.Exception), ("1", pytest.fail.Exception)])
def test_without_slurm_the_suite_says_what_is_missing_and_fails_in_ci(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, ci: str, end: type[Exception]
) -> None:
    monkeypatch.setenv("CI", ci)
    monkeypatch.setattr(slurm_centre, "_PATH", "/nowhere")
    with pytest.raises(end, match=r"slurmctld.*missing.*slurm-wlm-jwt-plugin"):
        next(running_centre(request, 1))
