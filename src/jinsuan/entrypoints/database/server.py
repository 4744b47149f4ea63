"""A PostgreSQL of our own in a folder: no installation, no configuration, no open door.

folder/password     0600, invented once; scram for everybody
folder/port         the TCP port on 127.0.0.1, kept as long as it is free
folder/data/        PostgreSQL's files, owned by the user it runs as
folder/server.log   what it had to say
folder/lock         held while starting or stopping: one server per folder
"""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from jinsuan.entrypoints.database import transfer
from jinsuan.entrypoints.database.binaries import Binaries, find_binaries
from jinsuan.entrypoints.database.cluster import (
    SUPERUSER,
    make_cluster,
    make_folder,
    make_password,
    write_settings,
)
from jinsuan.entrypoints.database.errors import (
    FolderClosed,
    FolderIncomplete,
    NotCreated,
    StartFailed,
)
from jinsuan.entrypoints.database.runner import Runner, runner_for

OWNER = DATABASE = "jinsuan"
"""The role that the product uses. It is no superuser: it cannot read files or start programs."""

_START_SECONDS = 600  # recovery after a crash may read a lot of log
_ORPHAN_SECONDS = 60  # backends of a killed postmaster notice within moments
_STOP_SECONDS = 60
_LOG_BYTES = 5_000_000


class EmbeddedServer:
    """The server of one folder. Every process that names the folder means the same server."""

    def __init__(self, folder: Path, *, durable: bool = True, binaries: Path | None = None) -> None:
        self.folder = folder.expanduser().resolve()  # one name for one folder
        self.data = self.folder / "data"
        self.log = self.folder / "server.log"
        self.durable = durable
        self._given = binaries

    def start(self) -> str:
        """Start unless it runs already, and return its URL. Safe to call from many processes."""
        runner = runner_for(self.data)
        make_folder(self.folder, runner)
        with self._locked():
            if self._await_ready():
                return self.url()
            binaries = self.binaries().reachable_by(runner)
            self._prepare(binaries, runner)
            self._launch(binaries, runner)
            self._make_database()
            return self.url()

    def stop(self) -> None:
        """Stop it if it runs: transactions are rolled back, connections closed, files in order."""
        if not self.folder.is_dir():
            return
        with self._locked():
            pid = self._postmaster()
            if pid is None:
                return
            os.kill(pid, signal.SIGINT)
            deadline = time.monotonic() + _STOP_SECONDS
            while self._postmaster() == pid:
                if time.monotonic() > deadline:
                    os.kill(pid, signal.SIGQUIT)  # what was committed is safe in the log
                    deadline += _STOP_SECONDS
                time.sleep(0.02)

    def running(self) -> bool:
        """Whether the server of this folder is up, whoever started it."""
        return self._postmaster() is not None

    def url(self, *, user: str = OWNER, database: str = DATABASE) -> str:
        """Return the address, with the password in it: do not log it."""
        try:
            password = (self.folder / "password").read_text("ascii").strip()
            port = int((self.folder / "port").read_text("ascii"))
        except FileNotFoundError:
            raise NotCreated(self.folder) from None
        except PermissionError:
            raise FolderClosed(self.folder, runner_for(self.data).name) from None
        return f"postgresql://{user}:{password}@127.0.0.1:{port}/{database}"

    def dump(self, path: Path) -> None:
        """Write everything to one file that only its owner reads (pg_dump, custom format)."""
        with self._up() as url:
            transfer.dump(url, path.absolute(), self.binaries()["pg_dump"])

    def restore(self, path: Path) -> None:
        """Replace everything by what a dump holds; if the dump is bad, nothing changes."""
        with self._up() as url:
            transfer.restore(url, path.absolute(), self.binaries()["pg_restore"])

    def binaries(self) -> Binaries:
        """The PostgreSQL that serves this folder."""
        return find_binaries(given=self._given, data=self.data)

    @contextmanager
    def _up(self) -> Iterator[str]:
        was_running = self.running()
        url = self.start()
        try:
            yield url
        finally:
            if not was_running:
                self.stop()

    @contextmanager
    def _locked(self) -> Iterator[None]:
        try:
            handle = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        except PermissionError:
            raise FolderClosed(self.folder, runner_for(self.data).name) from None
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    def _prepare(self, binaries: Binaries, runner: Runner) -> None:
        if self.data.exists() and not (self.folder / "password").exists():
            raise FolderIncomplete(self.folder, "password")
        password = make_password(self.folder / "password")
        if not self.data.exists():
            make_cluster(self.data, binaries, runner, password=password, durable=self.durable)
        if (pid := self._noted_pid()) and _exists(pid):
            # It is not our postmaster, see _postmaster: after a reboot the number belongs to a
            # stranger, or a killed one was never reaped. PostgreSQL would refuse to start; its
            # own guard against two servers, the shared memory of the data folder, stays.
            (self.data / "postmaster.pid").unlink()
        if self.log.exists() and self.log.stat().st_size > _LOG_BYTES:
            self.log.replace(self.log.with_name("server.log.1"))
        self.log.touch(mode=0o600)
        runner.own(self.log)

    def _launch(self, binaries: Binaries, runner: Runner) -> None:
        wait = ("--silent", "--wait", f"--timeout={_START_SECONDS}")
        command = (binaries["pg_ctl"], "start", *wait, "-D", self.data, "-l", self.log)
        deadline = time.monotonic() + _ORPHAN_SECONDS
        port = self._port()
        while True:
            write_settings(self.folder, runner, port=port, durable=self.durable)
            (self.folder / "port").write_text(f"{port}\n", "ascii")
            already = self.log.stat().st_size
            if runner.run(command).returncode == 0:
                return
            said = self.log.read_bytes()[already:].decode("utf-8", "replace")
            if time.monotonic() > deadline:
                raise StartFailed(self.folder, _essence(said))
            if "could not bind" in said:
                port = _free_port()
            elif "shared memory block" in said or "still in use" in said:
                time.sleep(0.2)  # children of a killed postmaster are still leaving
            else:
                raise StartFailed(self.folder, _essence(said))

    def _make_database(self) -> None:
        """Make our role and database, unless an earlier start came that far."""
        import psycopg
        from psycopg.sql import SQL, Identifier, Literal

        password = (self.folder / "password").read_text("ascii").strip()
        names = {"role": Identifier(OWNER), "name": Identifier(DATABASE)}
        with psycopg.connect(
            self.url(user=SUPERUSER, database="postgres"), autocommit=True
        ) as connection:
            if not connection.execute(
                "SELECT 1 FROM pg_roles WHERE rolname = %s", [OWNER]
            ).fetchone():
                connection.execute(
                    SQL("CREATE ROLE {role} LOGIN CREATEDB PASSWORD {word}").format(
                        word=Literal(password), **names
                    )
                )
            if not connection.execute(
                "SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]
            ).fetchone():
                connection.execute(SQL("CREATE DATABASE {name} OWNER {role}").format(**names))

    def _port(self) -> int:
        try:
            port = int((self.folder / "port").read_text("ascii"))
        except (FileNotFoundError, ValueError):
            return _free_port()
        return port if _is_free(port) else _free_port()

    def _await_ready(self) -> bool:
        """True when a server runs and answers; waits for one that is starting or stopping."""
        deadline = time.monotonic() + _START_SECONDS
        while self._postmaster() is not None:
            if self._pid_file()[7:8] == ["ready"]:
                return True
            if time.monotonic() > deadline:
                raise StartFailed(self.folder, f"{_START_SECONDS} 秒内没有就绪")
            time.sleep(0.02)
        return False

    def _postmaster(self) -> int | None:
        """The process id of the live postmaster of this folder."""
        pid = self._noted_pid()
        return pid if pid and f"-D {self.data}" in _command_line(pid) else None

    def _noted_pid(self) -> int:
        """The number in the pid file; 0 without one."""
        lines = self._pid_file()
        return int(lines[0]) if lines and lines[0].isdigit() else 0

    def _pid_file(self) -> list[str]:
        try:
            text = (self.data / "postmaster.pid").read_text("utf-8")
        except (FileNotFoundError, NotADirectoryError):
            return []
        except PermissionError:
            raise FolderClosed(self.folder, runner_for(self.data).name) from None
        return [line.strip() for line in text.splitlines()]


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def _command_line(pid: int) -> str:
    """What a process was started as; empty for a dead one and for a zombie."""
    if Path("/proc/self/cmdline").exists():
        try:
            return Path(f"/proc/{pid}/cmdline").read_text("utf-8", "replace").replace("\0", " ")
        except OSError:
            return ""
    shown = subprocess.run(
        ["ps", "-ww", "-o", "command=", "-p", str(pid)],
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    return shown.stdout


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def _essence(said: str) -> str:
    """The lines of a log that say what went wrong, at most three."""
    lines = [line for line in said.splitlines() if "FATAL" in line or "HINT" in line]
    return " / ".join(line.partition("] ")[2] or line for line in (lines or said.splitlines())[:3])
