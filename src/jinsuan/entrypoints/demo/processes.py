"""Start the demo's own processes and end them again: server, worker, agents."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from jinsuan.entrypoints.demo.errors import ProcessFailed

STOP_SECONDS = 15
READY_SECONDS = 60


def free_port(wanted: int) -> int:
    """The wanted port when nobody has it, else any free one."""
    for port in (wanted, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise AssertionError("the system has no free port at all")


@dataclass(slots=True)
class Processes:
    """The children of one demo, each with a log file of its own."""

    logs: Path
    environment: dict[str, str]
    children: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def start(
        self, name: str, arguments: Sequence[str], *, module: str = "jinsuan.entrypoints.cli"
    ) -> None:
        """Start `jinsuan …` in a process group of its own, so Ctrl-C reaches only us."""
        self.logs.mkdir(parents=True, exist_ok=True)
        with (self.logs / f"{name}.log").open("ab") as log:
            self.children[name] = subprocess.Popen(
                [sys.executable, "-m", module, *arguments],
                env={**os.environ, **self.environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def check(self) -> None:
        """Notice a child that ended.

        Raises:
            ProcessFailed: with the last lines of its log.
        """
        for name, child in self.children.items():
            if child.poll() is not None:
                log = self.logs / f"{name}.log"
                tail = log.read_text("utf-8", "replace").splitlines()[-8:]
                raise ProcessFailed(name, child.returncode, str(log), tuple(tail))

    def await_ready(self, url: str) -> None:
        """Wait until the server answers that it is ready."""
        deadline = time.monotonic() + READY_SECONDS
        while True:
            self.check()
            try:
                if httpx.get(f"{url}/readyz", timeout=5).status_code == 200:
                    return
            except httpx.TransportError:
                pass
            if time.monotonic() > deadline:
                raise ProcessFailed("server", None, str(self.logs / "server.log"), ())
            time.sleep(0.1)

    def stop(self) -> None:
        """Ask every child to end, then end those that did not."""
        for child in self.children.values():
            if child.poll() is None:
                child.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS
        for child in self.children.values():
            try:
                child.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                os.killpg(child.pid, signal.SIGKILL)
                child.wait()
        self.children.clear()
