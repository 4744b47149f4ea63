"""The folder of one job: its script, its log, and the small files that say what has happened.

    jobs/<key>/run        the work, as the tenant wrote it
               start      sets the job's own variables, then runs `run`; only when it has some
               log        what all ranks print
               work/      where they run; the only place that is the job's own
               claim.<n>  made by whichever shim of rank n came first; holds its process id
               rc.<n>     the exit code of rank n

A file counts as written when it ends in a line break: one `write` of a few bytes, no rename needed.
The time of a claim or of an rc is the file's own time of change, so it outlives every crash.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
from dataclasses import dataclass
from pathlib import Path

from jinsuan.agent.engines.embedded.process import TAG
from jinsuan.protocol.messages import Lease

_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,199}")
OURS = ("JINSUAN_", "NODE_RANK", "NUM_NODES", "NODE_NAMES", "CARDS_PER_NODE")
CARDS = ("CUDA_VISIBLE_DEVICES", "ASCEND_RT_VISIBLE_DEVICES")


def is_key(key: str) -> bool:
    """Whether a key may name a folder. Nothing else may: no slash, no leading dot, no space."""
    return _KEY.fullmatch(key) is not None


@dataclass(frozen=True, slots=True)
class Mark:
    """One complete small file: the number in it and when it was written (Unix nanoseconds)."""

    number: int
    at_ns: int


class JobFolder:
    """The files of one key. Every path is made here, from a key that `is_key`."""

    def __init__(self, root: str, key: str) -> None:
        self.path = f"{root}/{key}"

    def make(self, lease: Lease, *, shell: str, owner: tuple[int, int] | None) -> tuple[str, ...]:
        """Write the script and make the log and the work folder. Repeating it changes nothing.

        Returns:
            The command that runs the work, for a process in the work folder.

        Raises:
            OSError: the disk is full or not ours.
        """
        work = Path(self.path, "work")
        work.mkdir(mode=0o700, parents=True, exist_ok=True)
        work.parent.chmod(0o711)
        self._write("run", lease.work.run + "\n", owner)
        log = os.open(self.log, os.O_CREAT | os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW, 0o600)
        os.close(log)
        if owner is not None:
            # The log too: programs open /dev/stdout anew, and that asks for rights on the file.
            os.chown(self.log, *owner)
            os.chown(work, *owner)
        script = ("../run",) if lease.work.run.startswith("#!") else (shell, "../run")
        if start := exports(lease):
            # Set by the job's own shell: given to the shim, which may run as root, an LD_PRELOAD
            # among them would be the tenant's code with the agent's rights.
            self._write("start", f"{start}exec {shlex.join(script)}\n", owner)
            return ("/bin/sh", "../start")
        return script

    def _write(self, name: str, text: str, owner: tuple[int, int] | None) -> None:
        """Replaced in one step: after a crash an earlier shim may be reading the old one already."""
        half = Path(self.path, f"{name}.new")
        half.unlink(missing_ok=True)
        out = os.open(half, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o700)
        try:
            data = text.encode()
            while data:
                data = data[os.write(out, data) :]
            if owner is not None:
                os.fchown(out, *owner)
        finally:
            os.close(out)
        half.replace(Path(self.path, name))

    @property
    def log(self) -> str:
        return f"{self.path}/log"

    def tag(self, rank: int) -> str:
        """The environment entry that tells a process of this rank from any other on the machine."""
        return f"{TAG}={self.path}#{rank}"

    def claim(self, rank: int) -> Mark | None:
        """The claim of a rank: None while there is none, number 0 while its shim writes it."""
        return _mark(f"{self.path}/claim.{rank}")

    def code(self, rank: int) -> Mark | None:
        """The exit code of a rank, None until it is written whole."""
        mark = _mark(f"{self.path}/rc.{rank}", empty=-1)
        return None if mark is None or mark.number < 0 else mark

    def close_claim(self, rank: int) -> bool:
        """Claim a rank for nobody, so that no shim can start it. False when a shim was first."""
        try:
            made = os.open(f"{self.path}/claim.{rank}", os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        except OSError:  # there already; or a full disk, on which no shim can claim either
            return False
        os.close(made)
        return True

    def read_log(self, offset: int, limit: int) -> bytes:
        try:
            log = os.open(self.log, os.O_RDONLY | os.O_NOFOLLOW)
        except FileNotFoundError:
            return b""
        try:
            return os.pread(log, limit, offset)
        finally:
            os.close(log)

    def remove(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)


def bad_variables(lease: Lease) -> list[str]:
    """Names of variables that no shell can set."""
    return [name for name in lease.work.env_names if not _VARIABLE.fullmatch(name)]


def exports(lease: Lease) -> str:
    """Shell lines that set the tenant's variables; ours are not the tenant's to set."""
    return "".join(
        f"export {name}={shlex.quote(value)}\n"
        for name, value in zip(lease.work.env_names, lease.work.env_values, strict=True)
        if not name.startswith(OURS) and name not in CARDS
    )


def _mark(path: str, *, empty: int = 0) -> Mark | None:
    try:
        file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except FileNotFoundError:
        return None
    try:
        text = os.read(file, 32)
        at_ns = os.fstat(file).st_mtime_ns
    finally:
        os.close(file)
    whole = text.endswith(b"\n") and text[:-1].isdigit()
    return Mark(int(text) if whole else empty, at_ns)
