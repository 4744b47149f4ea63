"""A whole platform with 200 running jobs, and kill -9 for every part of it. Run as a program.

Server, worker, agents with their embedded engines, and PostgreSQL are real processes; each is
killed while orders come in, while jobs run and while they end. Prints one JSON document.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

from jinsuan.entrypoints.database import EmbeddedServer
from jinsuan.entrypoints.demo.processes import Processes, free_port

JOBS = 200
CENTRES = 4
NODES = 4
PATIENCE_SECONDS = 150
BUSINESS_DAY = datetime(2025, 9, 16, 1, tzinfo=UTC)


class Scenario:
    """One province in one folder."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder, self.chance = folder, Random(seed)
        self.kills: Counter[str] = Counter()
        self.marks = folder / "marks"
        self.marks.mkdir()
        self.marks.chmod(0o1777)  # the jobs run as nobody
        self.database = EmbeddedServer(folder / "database")
        shift = round((BUSINESS_DAY - datetime.now(UTC)) / timedelta(seconds=1))
        os.environ.update(
            {
                "DATABASE_URL": self.database.start(),
                "JINSUAN_CLOCK_OFFSET_SECONDS": str(shift),
                "JINSUAN_SECRET_KEY": "crash",
                "JINSUAN_SYNC_INTERVAL_MS": "300",
                "JINSUAN_USAGE_INTERVAL_MS": "2000",
            }
        )
        self.port = free_port(0)
        self.url = f"http://127.0.0.1:{self.port}"
        self.processes = Processes(folder / "logs", {})
        self.commands: dict[str, list[str]] = {
            "server": ["serve", "--port", str(self.port), "--workers", "1"],
            "worker": ["worker"],
        }

    # ── starting ──────────────────────────────────────────────────────────────────────────────

    def start(self) -> str:
        """Bring everything up; returns the tenant's token."""
        from jinsuan.entrypoints.site.boot import boot, migrate

        boot()
        migrate()
        from tests.flows import crash_world

        token = crash_world.register(CENTRES)
        self.processes.start("server", self.commands["server"])
        self.processes.await_ready(self.url)
        for number in range(CENTRES):
            folder = self.folder / "agents" / crash_world.code(number)
            crash_world.enrol_agent(folder, self.url, number, nodes=NODES)
            self.commands[f"agent{number}"] = ["agent", "run", str(folder)]
        for name, command in self.commands.items():
            if name != "server":
                self.processes.start(name, command)
        return token

    def stop(self) -> None:
        self.processes.stop()
        self.database.stop()

    # ── killing ───────────────────────────────────────────────────────────────────────────────

    def kill(self, name: str) -> None:
        """kill -9, a moment of silence, and start again."""
        if name == "postgres":
            self._kill_postgres()
        else:
            child = self.processes.children[name]
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()
            time.sleep(self.chance.uniform(0.1, 1.0))
            self.processes.start(name, self.commands[name])
        self.kills["agent" if name.startswith("agent") else name] += 1

    def _kill_postgres(self) -> None:
        pid = int((self.database.data / "postmaster.pid").read_text().split()[0])
        for each in [pid, *_children(pid)]:
            try:
                os.kill(each, signal.SIGKILL)
            except ProcessLookupError:
                continue
        time.sleep(self.chance.uniform(0.1, 1.0))
        url = self.database.start()
        assert url == os.environ["DATABASE_URL"], "the address must survive a crash"

    # ── the story ─────────────────────────────────────────────────────────────────────────────

    def run(self, token: str) -> dict[str, Any]:
        """Order, run and settle 200 jobs under fire."""
        from jinsuan.client.api import Client

        client = Client(self.url, token)
        began = time.monotonic()
        fire = {40: "worker", 80: "agent1", 120: "server", 160: "postgres"}
        ids = []
        for number in range(JOBS):
            if number in fire:
                self.kill(fire[number])
            ids.append(self._order(client, number))
        assert len(set(ids)) == JOBS, "an order was taken twice"
        running = self._until_running(JOBS * 3 // 4)
        for name in ("agent0", "postgres", "agent2", "server", "agent3", "worker"):
            self.kill(name)
            time.sleep(self.chance.uniform(0.2, 1.0))
        self._until_marks_end(JOBS // 3)
        for name in ("agent1", "worker", "postgres", "server", "agent0"):
            self.kill(name)
            time.sleep(self.chance.uniform(0.2, 1.0))
        self._until_settled()
        return {
            "seconds": round(time.monotonic() - began, 1),
            "kills": dict(self.kills),
            "running_at_once": running,
            **self._result(),
        }

    def _order(self, client: Any, number: int) -> str:
        """Ask until there is an answer, always with the same key, as a careful client does."""
        from jinsuan.kernel.errors import DomainError

        card = {"accelerators": {"T4-16GB": "0.5"}} if number % 2 else {}
        spec = {
            "name": f"crash-{number:03d}",
            "run": f'echo start >>"$MARK"; sleep {self.chance.uniform(8, 22):.2f}; '
            'echo end >>"$MARK"',
            "resources": {**card, "cpus": 1, "memory": "1GB"},
            "max_duration": "10m",
            "envs": {"MARK": str(self.marks / f"{number:03d}")},
        }
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                return str(client.submit(spec, idempotency_key=f"crash-{number}")["id"])
            except DomainError as error:
                if time.monotonic() > deadline or error.http_status in (400, 403, 422):
                    raise
            time.sleep(0.2)

    def _until_running(self, wanted: int) -> int:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while (started := len(self._marks())) < wanted:
            assert time.monotonic() < deadline, f"only {started} jobs began"
            time.sleep(0.1)
        return sum("end" not in text for text in self._marks().values())

    def _until_marks_end(self, wanted: int) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while sum("end" in text for text in self._marks().values()) < wanted:
            assert time.monotonic() < deadline, "jobs do not end"
            time.sleep(0.1)

    def _until_settled(self) -> None:
        from django.db import OperationalError, connection

        from jinsuan.dispatch.queries import counts

        deadline = time.monotonic() + PATIENCE_SECONDS
        states: dict[str, int] = {}
        while states != {"settled": JOBS}:
            assert time.monotonic() < deadline, f"jobs stand still: {states}"
            time.sleep(0.3)
            try:
                states = counts().by_state
            except OperationalError:
                connection.close()

    def _marks(self) -> dict[str, str]:
        return {path.name: path.read_text() for path in sorted(self.marks.iterdir())}

    def _result(self) -> dict[str, Any]:
        from tests.flows import crash_world

        marks = self._marks()
        starts = Counter(text.count("start") for text in marks.values())
        return {
            "marks": len(marks),
            "started_times": {str(k): v for k, v in starts.items()},
            "ended_once": sum(text.count("end") == 1 for text in marks.values()),
            **crash_world.books(),
        }


def _children(pid: int) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except (OSError, UnicodeDecodeError):
                continue
            if int(fields[1]) == pid:
                found.append(int(entry.name))
    return found


def main() -> None:
    scenario = Scenario(Path(sys.argv[1]), int(sys.argv[2]))
    try:
        result = scenario.run(scenario.start())
    finally:
        scenario.stop()
    sys.stdout.write(json.dumps(result, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
