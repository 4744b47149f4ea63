"""kill -9 of the process that holds the embedded engine: nothing is lost, nothing starts twice.

The supervisor is a process of its own, as in a centre. It hands over every job at every start,
which is more than an agent would dare, and is killed in the middle of whatever it is doing.
"""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Self

SUPERVISOR = """
import json, sys, time
from datetime import UTC, datetime
from pathlib import Path
from jinsuan.agent.engines.embedded import EmbeddedEngine
from tests.contracts.bench import CLUSTER, NODES, lease

folder, jobs = Path(sys.argv[1]), json.loads(sys.argv[2])
engine = EmbeddedEngine(
    folder, NODES, now=lambda: datetime.now(UTC), cluster=CLUSTER, job_user=None
)
print("open", flush=True)
for key, (run, more) in jobs.items():
    engine.submit(lease(key, run, **more))
print("submitted", flush=True)
while True:
    seen = {o.engine_key: o for o in engine.observe(list(jobs))}
    if all(o.state == "ended" for o in seen.values()):
        break
    time.sleep(0.01)
assert len(seen) == len(jobs)
print(json.dumps({k: [str(o.cause), o.exit_code] for k, o in seen.items()}), flush=True)
"""


Jobs = dict[str, tuple[str, dict[str, int]]]


class Supervisor:
    """Start it, kill it, start it again."""

    def __init__(self, folder: Path, jobs: Jobs) -> None:
        self._command = [sys.executable, "-c", SUPERVISOR, str(folder), json.dumps(jobs)]
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def start(self) -> None:
        self._process = subprocess.Popen(self._command, stdout=subprocess.PIPE, text=True)

    def await_line(self) -> str:
        assert self._process is not None
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def kill(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            assert self._process.stdout is not None
            self._process.stdout.close()
            self._process = None

    def finish(self) -> dict[str, tuple[str, int | None]]:
        """Start it once more and let it see all jobs to their end."""
        self.start()
        assert [self.await_line(), self.await_line()] == ["open", "submitted"]
        found = json.loads(self.await_line())
        self.kill()
        return {key: (cause, code) for key, (cause, code) in found.items()}


def await_lines(path: Path, count: int) -> None:
    until = time.monotonic() + 20
    while not path.exists() or path.read_text().count("\n") < count:
        assert time.monotonic() < until, "the jobs did not begin"
        time.sleep(0.02)


def test_running_jobs_are_adopted_with_their_exit_codes(tmp_path: Path) -> None:
    starts = tmp_path / "starts"
    jobs: Jobs = {
        # One ends before the next supervisor comes, one after it, one is a gang with cards.
        "early": (f"echo early >>{starts}\nsleep 0.4\nexit 3", {}),
        "late": (f"echo late >>{starts}\nsleep 2\nexit 4", {}),
        "gang": (f"echo gang >>{starts}\nsleep 2\nexit 0", {"nodes": 2, "cards": 2}),
    }
    with Supervisor(tmp_path / "engine", jobs) as supervisor:
        supervisor.start()
        await_lines(starts, 4)
        supervisor.kill()
        time.sleep(0.6)
        ended = supervisor.finish()
    assert ended == {"early": ("exited", 3), "late": ("exited", 4), "gang": ("exited", 0)}
    assert Counter(starts.read_text().split()) == {"early": 1, "late": 1, "gang": 2}


def test_a_hundred_jobs_and_seven_kills_in_the_middle_start_each_job_once(tmp_path: Path) -> None:
    starts = tmp_path / "starts"
    jobs: Jobs = {
        f"job-{n}": (
            f"echo job-{n} >>{starts}\nsleep 0.{n % 3}\nexit {n % 5}",
            {"cpu_milli": 600},
        )
        for n in range(100)
    }
    chance = random.Random(20250916)
    with Supervisor(tmp_path / "engine", jobs) as supervisor:
        for lines in (0, 1, 2, 2, 0, 1, 2):
            supervisor.start()
            # Some die while they open the table, some while they submit, some while they start.
            for _ in range(lines):
                supervisor.await_line()
            time.sleep(chance.uniform(0, 0.2) if lines else chance.uniform(0.2, 0.5))
            supervisor.kill()
        ended = supervisor.finish()
    assert ended == {f"job-{n}": ("exited", n % 5) for n in range(100)}
    assert Counter(starts.read_text().split()) == {f"job-{n}": 1 for n in range(100)}
