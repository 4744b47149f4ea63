"""kill -9 of server, worker, agents, embedded engines and PostgreSQL among 200 running jobs."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NOT_OURS = {"DATABASE_URL", "JINSUAN_TEST_DATABASE_URL", "PYTEST_CURRENT_TEST"}


@pytest.mark.durable
@pytest.mark.slow
def test_two_hundred_jobs_survive_the_death_of_every_part(
    make_reachable_folder: Callable[[], Path],
) -> None:
    folder = make_reachable_folder()
    seed = os.environ.get("JINSUAN_CRASH_SEED", "1")
    environment = {k: v for k, v in os.environ.items() if k not in NOT_OURS}
    done = subprocess.run(
        [sys.executable, "-m", "tests.flows.crash_scenario", str(folder), seed],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    found = json.loads(done.stdout.splitlines()[-1])
    print(json.dumps(found, ensure_ascii=False))

    assert found["kills"] == {"worker": 3, "agent": 6, "server": 3, "postgres": 3}
    assert found["running_at_once"] >= 100
    # Nothing lost: every order is there, ran to its end, and was paid for.
    assert (found["jobs"], found["outcomes"], found["why"]) == (200, ["succeeded"], [])
    assert found["ended_once"] == 200
    # Nothing run twice.
    assert found["started_times"] == {"1": 200}
    assert found["live_attempts"] == 0
    # The book balances, and money, meters and capacity agree.
    assert found["differences"] == []
    assert found["held_fen"] == 0
    assert found["captured_fen"] == found["charged_fen"] == found["metered_fen"] > 0
    assert (found["reservations"], found["reserved"]) == (0, [0, 0])
    shutil.rmtree(folder)
