"""A real Ray cluster on this machine: one head and a raylet per further node, on 127.0.0.2 and up.

Ray is taken from JINSUAN_RAY_VENV, or from a virtual environment in the cache, which is made with
pip when it is missing: it is far too heavy for this project's own. `ray stop` would end every Ray on
the machine, so everything is ended by the session that our own processes lead.
"""

from __future__ import annotations

import ctypes
import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Self

from jinsuan.agent.engines.embedded import VirtualNode
from jinsuan.agent.engines.ray import RayAccess

PATIENCE_SECONDS = 120
VERSION = "2.60.0"
_DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG


def find_ray(*, install: bool) -> Path | str:
    """The bin folder of an environment with Ray, or why there is none.

    Args:
        install: make one in the cache when it is missing: 80 MB to fetch, 380 MB on the disk.
    """
    if given := os.environ.get("JINSUAN_RAY_VENV"):
        folder = Path(given) / "bin"
        return folder if (folder / "ray").is_file() else f"JINSUAN_RAY_VENV has no {folder}/ray"
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "jinsuan/ray"
    if (cache / "bin" / "ray").is_file():
        return cache / "bin"
    if not install:
        return "no Ray: set JINSUAN_RAY_VENV, or run pytest -m engines, which installs it"
    cache.parent.mkdir(parents=True, exist_ok=True)
    try:
        subprocess.run([sys.executable, "-m", "venv", str(cache)], check=True, capture_output=True)
        subprocess.run(
            [cache / "bin" / "pip", "install", "-q", f"ray[default]=={VERSION}"],
            check=True,
            capture_output=True,
            timeout=600,
        )
    except (OSError, subprocess.SubprocessError) as error:
        return f"Ray {VERSION} could not be installed into {cache}: {error}"
    return cache / "bin"


class RayCentre:
    """One cluster. A context: inside it every node is alive.

    Args:
        folder: short, because Ray puts sockets into it.
        base_port: GCS; the next is the dashboard's, then 200 for the workers of each node.
        token: for a head that wants one; None for one that lets everybody in.
    """

    def __init__(
        self,
        folder: Path,
        base_port: int,
        nodes: Sequence[VirtualNode],
        ray: Path,
        token: str | None = None,
    ) -> None:
        self.folder, self.base_port, self.nodes, self.ray = folder, base_port, tuple(nodes), ray
        self._token = token
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Self:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            if self._token is not None:
                (self.folder / "token").write_text(self._token)
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def access(self) -> RayAccess:
        token = None if self._token is None else self.folder / "token"
        return RayAccess(url=f"http://127.0.0.2:{self.base_port + 1}", token_file=token)

    def start(self) -> None:
        """Start the head and then the other nodes, one by one: together they time out on two cores."""
        for number in range(len(self.nodes)):
            self._start_node(number)
            self._await(lambda there=number + 1: self._alive() == there, "nodes")

    def kill(self) -> None:
        """Kill the head's daemons at once, and the other nodes; drivers of jobs are left alone."""
        for process in self._running.values():
            _signal_group(process.pid)
            process.wait()
        self._running.clear()

    def close(self) -> None:
        """End all of it, orphans too."""
        for process in self._running.values():
            _signal_group(process.pid)
            process.wait()
        self._running.clear()
        mark = f"JINSUAN_RAY_CENTRE={self.folder}".encode()
        for path in Path("/proc").glob("[0-9]*/environ"):
            try:
                if mark in path.read_bytes().split(b"\0"):
                    os.kill(int(path.parent.name), signal.SIGKILL)
            except OSError:
                continue

    def version(self) -> str:
        done = subprocess.run(
            [self.ray / "ray", "--version"], capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    def _start_node(self, number: int) -> None:
        node, port = self.nodes[number], self.base_port
        workers = port + 10 + 200 * number
        resources = {str(node.model): node.cards} if node.cards else {}
        where = [f"--address=127.0.0.2:{port}"]
        if number == 0:
            where = ["--head", f"--port={port}", "--dashboard-host=127.0.0.2"]
            where += [f"--dashboard-port={port + 1}", f"--temp-dir={self.folder}/t"]
            where += [f"--ray-client-server-port={port + 2}"]
        with (self.folder / f"{node.name}.log").open("ab") as log:
            self._running[node.name] = subprocess.Popen(
                [
                    *(str(self.ray / "ray"), "start", "--block", *where),
                    *(f"--node-ip-address=127.0.0.{number + 2}", f"--node-name={node.name}"),
                    *(f"--num-cpus={node.cpu_milli // 1000}", f"--num-gpus={node.cards}"),
                    *(f"--memory={node.memory_mib * 2**20}", "--object-store-memory=80000000"),
                    f"--resources={json.dumps(resources)}",
                    *(f"--min-worker-port={workers}", f"--max-worker-port={workers + 190}"),
                    f"--dashboard-agent-listen-port={port + 3 + number}",
                    "--disable-usage-stats",
                ],
                env=self._env(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=_die_with_parent,
            )

    def _env(self) -> dict[str, str]:
        auth = (
            {} if self._token is None else {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": self._token}
        )
        return {
            "PATH": f"{self.ray}:{os.defpath}",
            "HOME": str(self.folder),
            "JINSUAN_RAY_CENTRE": str(self.folder),
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_ADDRESS": "",
            "RAY_DISABLE_DOCKER_CPU_WARNING": "1",
            "RAY_raylet_start_wait_time_s": "120",
            "RAY_enable_worker_prestart": "0",
            "RAY_prestart_worker_first_driver": "0",
            **auth,
        }

    def _alive(self) -> int:
        found: Any = self._ask("/api/v0/nodes?detail=1")
        if found is None:
            return 0
        return sum(row["state"] == "ALIVE" for row in found["data"]["result"]["result"])

    def _ask(self, path: str) -> object | None:
        call = http.client.HTTPConnection("127.0.0.2", self.base_port + 1, timeout=5)
        headers = {} if self._token is None else {"Authorization": f"Bearer {self._token}"}
        try:
            call.request("GET", path, headers=headers)
            answer = call.getresponse()
            body = answer.read()
            return json.loads(body) if answer.status == 200 else None
        except (OSError, ValueError, http.client.HTTPException):
            return None
        finally:
            call.close()

    def _await(self, done: Callable[[], bool], what: str) -> None:
        until = time.monotonic() + PATIENCE_SECONDS
        while not done():
            for name, process in self._running.items():
                if process.poll() is not None:
                    raise AssertionError((self.folder / f"{name}.log").read_text()[-2000:])
            if time.monotonic() > until:
                raise AssertionError(f"no {what} after {PATIENCE_SECONDS} s: see {self.folder}")
            time.sleep(0.2)


def _signal_group(leader: int) -> None:
    try:
        os.killpg(leader, signal.SIGKILL)
    except ProcessLookupError:
        return


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)
