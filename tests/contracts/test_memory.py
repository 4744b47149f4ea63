"""The engine that tests of the agent use keeps the same contract as the real ones."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tests.contracts.bench import CLUSTER, NODES
from tests.contracts.engine import EngineContract
from tests.contracts.memory import MemoryEngine


class MemoryBench:
    def __init__(self) -> None:
        self._now = datetime(2025, 9, 16, 1, 0, tzinfo=UTC)
        self.engine = MemoryEngine(NODES, now=lambda: self._now, cluster=CLUSTER)

    def wait(self, seconds: float) -> None:
        self._now += timedelta(seconds=seconds)

    def reopen(self) -> None:
        """Nothing to do: it is not in the agent's process."""


class TestMemory(EngineContract):
    @pytest.fixture
    def bench(self) -> MemoryBench:
        return MemoryBench()
