"""kill -9 of PostgreSQL and of a posting client in the middle of postings, fifteen times."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from threading import Thread

import pytest

from jinsuan.entrypoints.database import EmbeddedServer

ROOT = Path(__file__).parents[2]
KILLS = 15
NAMES = ("a", "b")


class Client:
    """One posting process, started again where the last one was; what it has been told is kept."""

    def __init__(self, name: str, environment: dict[str, str]) -> None:
        self.name, self.environment = name, environment
        self.acknowledged = -1
        self.start()

    def start(self) -> None:
        first = max(0, self.acknowledged - 5)  # some once more: a retry does no harm
        self.process = run(self.environment, "post", self.name, str(first))
        self.reader = Thread(target=self.listen, args=(self.process,), daemon=True)
        self.reader.start()

    def listen(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout
        with process.stdout as said:
            for line in said:
                if line.endswith("\n"):
                    self.acknowledged = max(self.acknowledged, int(line))

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        self.reader.join()


def run(environment: dict[str, str], *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.flows.ledger_crash", *arguments]
    return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)


def answer(environment: dict[str, str], *arguments: str) -> str:
    with run(environment, *arguments) as process:
        said, _ = process.communicate(timeout=60)
    assert process.returncode == 0, said
    return said


def wait_for_progress(clients: list[Client]) -> None:
    """Until every client has been told of something new: nobody is killed while idle."""
    before = [client.acknowledged for client in clients]
    deadline = time.monotonic() + 30
    while any(c.acknowledged <= b for c, b in zip(clients, before, strict=True)):
        assert time.monotonic() < deadline, "a client got stuck"
        assert all(c.process.poll() is None for c in clients), "a client fell over"
        time.sleep(0.005)


@pytest.mark.durable
@pytest.mark.slow
def test_what_was_acknowledged_survives_every_kill_and_stands_there_once(
    make_reachable_folder: Callable[[], Path],
) -> None:
    folder = make_reachable_folder()
    server = EmbeddedServer(folder / "database")
    environment = dict(os.environ) | {"DATABASE_URL": server.start()}
    random = Random(int(os.environ.get("JINSUAN_CRASH_SEED", "1")))
    clients: list[Client] = []
    try:
        answer(environment, "migrate")
        clients += [Client(name, environment) for name in NAMES]
        for number in range(KILLS):
            wait_for_progress(clients)
            time.sleep(random.random() / 20)
            if number % 3:
                pid = int((server.data / "postmaster.pid").read_text().split()[0])
                os.kill(pid, signal.SIGKILL)
                server.start()
            else:
                victim = random.choice(clients)
                victim.kill()
                victim.start()
        wait_for_progress(clients)
        for client in clients:
            client.kill()
        found = json.loads(answer(environment, "check", *NAMES))
    finally:
        for client in clients:
            client.kill()
        server.stop()
    print(found)
    assert found["differences"] == found["strangers"] == []
    assert found["missing_fen"] == 0
    for client in clients:
        # At most the one under way when the client died is in the book unacknowledged.
        assert found["reached"][client.name] - 1 in {client.acknowledged, client.acknowledged + 1}
        assert client.acknowledged > 10
    shutil.rmtree(folder)
