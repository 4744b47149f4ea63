"""A real Slurm centre on this machine: munged, slurmctld, one slurmd per node, slurmrestd.

No systemd, no cgroups, no root needed beyond what the tests run as. The cards are links to
/dev/null, which Slurm counts as devices. Every process is a child of ours, dies with us, is ended
by its own pid, and lives in a folder and on ports of its own.
"""

from __future__ import annotations

import base64
import ctypes
import getpass
import hashlib
import hmac
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

from jinsuan.agent.engines.embedded import VirtualNode

PROGRAMS = ("munged", "slurmctld", "slurmd", "slurmrestd", "srun", "sinfo")
PACKAGES = "slurmctld slurmd slurm-client slurmrestd slurm-wlm-jwt-plugin munge"
PATIENCE_SECONDS = 40
PARTITION = "main"
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG


def missing_programs() -> list[str]:
    """Programs of a Slurm centre that this machine does not have."""
    return [name for name in PROGRAMS if shutil.which(name, path=_PATH) is None]


def make_token(key: bytes, user: str, *, seconds: int = 86_400) -> str:
    """A JWT as Slurm's auth/jwt reads it: HS256 over `iat`, `exp`, `sun`."""
    now = int(time.time())
    parts = [{"alg": "HS256", "typ": "JWT"}, {"iat": now, "exp": now + seconds, "sun": user}]
    signed = ".".join(_b64(json.dumps(part).encode()) for part in parts)
    return f"{signed}.{_b64(hmac.new(key, signed.encode(), hashlib.sha256).digest())}"


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class SlurmCentre:
    """One centre. A context: inside it the daemons run and every node is idle.

    Args:
        folder: of its own; short, because munge's socket lives in it.
        base_port: slurmctld; the next is slurmrestd's, and from ten on one per node.
        nodes: each becomes a slurmd with so many cores, so much memory and so many cards.
    """

    def __init__(self, folder: Path, base_port: int, nodes: Sequence[VirtualNode]) -> None:
        self.folder, self.base_port, self.nodes = folder, base_port, tuple(nodes)
        self.user = getpass.getuser()
        self.url = f"http://127.0.0.1:{base_port + 1}"
        self.token_file = folder / "token"
        self.conf = folder / "slurm.conf"
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Self:
        try:
            self._write_files()
            self.start("munged")
            _await(lambda: (self.folder / "munge.sock").exists(), "munge's socket")
            self.start("slurmctld")
            for node in self.nodes:
                self.start(f"slurmd.{node.name}")
            self.start("slurmrestd")
            self.await_idle()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # ── daemons ───────────────────────────────────────────────────────────────────────────────

    def start(self, name: str) -> None:
        """Start one daemon: `munged`, `slurmctld`, `slurmrestd` or `slurmd.<node>`."""
        log = (self.folder / f"{name}.out").open("ab")
        with log:
            self._running[name] = subprocess.Popen(
                self._command(name),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env=self.env | {"SLURM_JWT": "daemon"} if name == "slurmrestd" else self.env,
                preexec_fn=_die_with_parent,
            )
        port = {"slurmctld": self.base_port, "slurmrestd": self.base_port + 1}.get(name)
        if port is not None:
            _await(lambda: _listens(port), f"{name} on port {port}: see {self.folder}/{name}.out")

    def kill(self, name: str, number: int = signal.SIGKILL) -> None:
        """Send one daemon a signal; unless it only stops or goes on, wait until it is gone."""
        process = self._running[name]
        process.send_signal(number)
        if number not in (signal.SIGSTOP, signal.SIGCONT):
            process.wait(20)
            del self._running[name]

    def _command(self, name: str) -> list[str]:
        at, conf = self.folder, str(self.conf)
        kind, _, node = name.partition(".")
        return {
            "munged": [
                "munged",
                "--foreground",
                "--force",
                *(f"--{word}-file={at}/munge.{word}" for word in ("key", "pid", "seed", "log")),
                f"--socket={at}/munge.sock",
            ],
            "slurmctld": ["slurmctld", "-D", "-i", "-f", conf],
            "slurmd": ["slurmd", "-D", "-N", node, "-f", conf],
            "slurmrestd": [
                *("slurmrestd", "-f", conf, "-a", "rest_auth/jwt", "-s", "openapi/v0.0.38"),
                f"127.0.0.1:{self.base_port + 1}",
            ],
        }[kind]

    @property
    def env(self) -> Mapping[str, str]:
        """What a Slurm command needs to speak to this centre."""
        # The tests run as one user, perhaps root, which slurmrestd refuses for good reasons.
        return {
            "PATH": _PATH,
            "SLURM_CONF": str(self.conf),
            "SLURMRESTD_SECURITY": "disable_user_check",
        }

    def call(self, *command: str) -> str:
        """The output of a Slurm command."""
        done = subprocess.run(
            command, env=self.env, capture_output=True, text=True, timeout=20, check=False
        )
        return done.stdout

    def version(self) -> str:
        return self.call("slurmctld", "-V").strip()

    def await_idle(self) -> None:
        """Wait until no node has any work and all of them answer."""
        want = sorted(f"{node.name} idle" for node in self.nodes)

        def found() -> list[str]:
            return sorted(self.call("sinfo", "-h", "-N", "-o", "%N %T").split("\n"))[1:]

        _await(lambda: found() == want, "idle nodes", found)

    def cancel_all(self) -> None:
        """End whatever is queued or running."""
        self.call("scancel", "--user", self.user)
        self.call("scancel", "--signal=KILL", "--full", "--user", self.user)

    def close(self) -> None:
        """End every daemon, jobs first."""
        if "slurmctld" in self._running:
            self.cancel_all()
        for number, seconds in ((signal.SIGCONT, 0), (signal.SIGTERM, 1), (signal.SIGKILL, 5)):
            until = time.monotonic() + seconds
            for process in self._running.values():
                if process.poll() is None:
                    process.send_signal(number)
            while time.monotonic() < until and any(
                process.poll() is None for process in self._running.values()
            ):
                time.sleep(0.02)
        self._running.clear()
        self._end_steps()

    def _end_steps(self) -> None:
        """slurmstepd outlives slurmd on purpose; those of this folder end with it."""
        for line in Path("/proc").iterdir():
            if not line.name.isdigit():
                continue
            try:
                environ = (line / "environ").read_bytes().split(b"\0")
            except OSError:
                continue
            if f"SLURM_CONF={self.conf}".encode() in environ and int(line.name) != os.getpid():
                try:
                    os.kill(int(line.name), signal.SIGKILL)
                except ProcessLookupError:
                    continue

    # ── files ─────────────────────────────────────────────────────────────────────────────────

    def _write_files(self) -> None:
        at = self.folder
        for name in ("state", "dev"):
            (at / name).mkdir(parents=True, exist_ok=True)
        _secret(at / "munge.key", secrets.token_bytes(128))
        _secret(at / "jwt.key", secrets.token_bytes(32))
        self.write_token()
        most = max(node.cards for node in self.nodes)
        for card in range(most):
            (at / "dev" / f"gpu{card}").symlink_to("/dev/null")
        gres = [
            f"NodeName={n.name} Name=gpu Type={n.model} File={at}/dev/gpu[0-{n.cards - 1}]\n"
            for n in self.nodes
            if n.cards
        ]
        (at / "gres.conf").write_text("".join(gres), "utf-8")
        self.conf.write_text(self._slurm_conf(), "utf-8")

    def write_token(self, *, user: str | None = None, seconds: int = 86_400) -> None:
        """Write a fresh token where the agent reads it."""
        key = (self.folder / "jwt.key").read_bytes()
        _secret(self.token_file, make_token(key, user or self.user, seconds=seconds).encode())

    def _slurm_conf(self) -> str:
        at, host = self.folder, socket.gethostname().partition(".")[0]
        nodes = [
            f"NodeName={n.name} NodeHostname={host} NodeAddr=127.0.0.1"
            f" Port={self.base_port + 10 + number} CPUs={n.cpu_milli // 1000}"
            f" RealMemory={n.memory_mib} State=UNKNOWN"
            + (f" Gres=gpu:{n.model}:{n.cards}" if n.cards else "")
            for number, n in enumerate(self.nodes)
        ]
        lines = [
            f"ClusterName=t{self.base_port}",
            f"SlurmctldHost={host}(127.0.0.1)",
            f"SlurmctldPort={self.base_port}",
            *("AuthType=auth/munge", "CredType=cred/munge", f"AuthInfo=socket={at}/munge.sock"),
            *("AuthAltTypes=auth/jwt", f"AuthAltParameters=jwt_key={at}/jwt.key"),
            *(f"SlurmUser={self.user}", f"SlurmdUser={self.user}"),
            *(f"StateSaveLocation={at}/state", f"SlurmdSpoolDir={at}/spool.%n"),
            *(f"SlurmctldPidFile={at}/slurmctld.pid", f"SlurmdPidFile={at}/slurmd.%n.pid"),
            *(f"SlurmctldLogFile={at}/slurmctld.log", f"SlurmdLogFile={at}/slurmd.%n.log"),
            *("ProctrackType=proctrack/linuxproc", "TaskPlugin=task/none", "MpiDefault=none"),
            *("SelectType=select/cons_tres", "SelectTypeParameters=CR_Core_Memory"),
            "SchedulerParameters=batch_sched_delay=0,sched_interval=1,bf_interval=2",
            *("SlurmdParameters=config_overrides", "ReturnToService=2", "GresTypes=gpu"),
            # JobRequeue stays at Slurm's default, on: the adapter must say no for each job itself.
            *("JobCompType=jobcomp/none", "AccountingStorageType=accounting_storage/none"),
            *("JobAcctGatherType=jobacct_gather/none", "SwitchType=switch/none"),
            *("KillWait=2", "MinJobAge=10", "SlurmdTimeout=30", "MessageTimeout=10"),
            *("InactiveLimit=0", "DefMemPerCPU=16"),
            *nodes,
            f"PartitionName={PARTITION} Nodes=ALL Default=YES MaxTime=INFINITE State=UP",
        ]
        return "\n".join(lines) + "\n"


def _secret(path: Path, data: bytes) -> None:
    half = path.with_suffix(".new")
    half.unlink(missing_ok=True)
    half.touch(0o600)
    half.write_bytes(data)
    half.replace(path)


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)


def _listens(port: int) -> bool:
    with socket.socket() as there:
        there.settimeout(0.2)
        return there.connect_ex(("127.0.0.1", port)) == 0


def _await(ready: object, what: str, shown: object = None) -> None:
    assert callable(ready)
    until = time.monotonic() + PATIENCE_SECONDS
    while not ready():
        found = shown() if callable(shown) else ""
        assert time.monotonic() < until, f"no {what} after {PATIENCE_SECONDS} s: {found}"
        time.sleep(0.02)
