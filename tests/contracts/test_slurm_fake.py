"""The Slurm that the submit machine uses keeps the contract of the engines, as the real one does."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from jinsuan.agent.engines.slurm import SlurmEngine, SlurmSettings
from jinsuan.agent.engines.slurm.client import SlurmClient
from tests.contracts.bench import CLUSTER, NODES
from tests.contracts.engine import EngineContract
from tests.contracts.slurm_fake import FakeSlurm, nanoseconds


class FakeBench:
    """The real adapter and the real client, on a Slurm in memory and a clock that tests move."""

    def __init__(self, folder: Path) -> None:
        self._seconds = 0.0
        self.slurm = FakeSlurm(NODES, now=self.now)
        token = folder / "token"
        token.write_text("t", "ascii")
        self._settings = SlurmSettings(
            url="http://fake:1", user="u", token_file=token, shared=folder, silence_seconds=5
        )
        self.engine = self._open()

    def now(self) -> datetime:
        return datetime(2025, 9, 16, 1, 0, tzinfo=UTC) + timedelta(seconds=self._seconds)

    def _open(self) -> SlurmEngine:
        return SlurmEngine(
            self._settings,
            now=self.now,
            cluster=CLUSTER,
            client=SlurmClient(self._settings, transport=self.slurm),
            monotonic=lambda: self._seconds,
            disk_clock=lambda: nanoseconds(self.now()),
        )

    def wait(self, seconds: float) -> None:
        self._seconds += seconds
        self.slurm.tick()

    def reopen(self) -> None:
        self.engine.close()
        self.engine = self._open()


class TestFakeSlurm(EngineContract):
    SHARES_CARDS = False
    CORE_STEP_MILLI = 1000

    @pytest.fixture
    def bench(self, tmp_path: Path) -> Iterator[FakeBench]:
        made = FakeBench(tmp_path)
        yield made
        made.engine.close()
