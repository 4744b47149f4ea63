"""The shared folder of one job: what its scripts wrote, what the agent wrote. No thinking here.

    <shared>/.jinsuan/here       says that the shared folder is really mounted
    <shared>/.jinsuan/<key>/     script.py tells of the job's own files; the agent's are
        run, start, rank, lease.json
        shift       microseconds that the agent's clock was ahead of the file server's
        sent        before the first submit: from then on Slurm may know the key
        stop        seconds of grace
        final.json  what was decided of it; nothing changes after that

Times are the file server's, so that no clock of a node has a say; `clock` asks it for its now.
"""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from jinsuan.agent.engines.embedded.folder import exports
from jinsuan.agent.engines.slurm import script
from jinsuan.protocol.codec import decode, encode
from jinsuan.protocol.errors import MessageInvalid
from jinsuan.protocol.messages import Lease, Observation, Work

T = TypeVar("T")
ROOT = ".jinsuan"
HERE = "here"
CLOSED = "closed"
"""Where the claim points when the agent made it, so that the work can never begin."""


@dataclass(frozen=True, slots=True)
class Code:
    """How one rank ended."""

    number: int
    why: str
    at_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the files of one key say.

    Args:
        claimed_ns: when it began; None while it has not.
        closed: it can never begin.
        places: node and cards of each rank that has begun.
        alive_ns: when it last said that it lives.
        ended_ns: when all ranks were over.
    """

    work: Work | None
    sent: bool = False
    closed: bool = False
    claimed_ns: int | None = None
    places: dict[int, tuple[str, tuple[int, ...]]] = field(default_factory=dict)
    codes: dict[int, Code] = field(default_factory=dict)
    alive_ns: int = 0
    ended_ns: int | None = None
    stop: int | None = None
    shift_us: int = 0
    final: Observation | None = None


class JobFolder:
    """The files of one key, which must be a key."""

    def __init__(self, root: Path, key: str) -> None:
        self.path = root / key

    def make(self, lease: Lease, *, heartbeat: int, shift_us: int) -> str:
        """Write everything that the job needs; repeating it changes nothing.

        Args:
            shift_us: added to the file server's times for reports; the first one is kept.

        Returns:
            The script for Slurm.

        Raises:
            OSError: the folder is gone, full, or not ours.
            ValueError: a name of the lease that cannot stand in a script.
        """
        work, place = lease.work, str(self.path)
        inside = self.path / "work"
        if not (self.path / "shift").exists():
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._write("shift", f"{shift_us}\n")
        inside.mkdir(mode=0o700, parents=True, exist_ok=True)
        command = "../run" if work.run.startswith("#!") else "/bin/sh ../run"
        if lines := exports(lease):
            self._write("start", f"{lines}exec {command}\n")
            command = "/bin/sh ../start"
        self._write("run", work.run + "\n")
        self._write(
            "rank",
            script.rank(
                folder=place,
                nodes=work.num_nodes,
                cards=work.cards,
                card_milli=work.card_milli if work.cards else 0,
                max_run=work.max_run_seconds,
                job=lease.job,
                attempt=lease.attempt,
                command=command,
            ),
        )
        self._write("lease.json", json.dumps(encode(lease.work), ensure_ascii=False))
        return script.batch(
            folder=place,
            nodes=work.num_nodes,
            cores=max(1, -(-work.cpu_milli // 1000)),
            heartbeat=heartbeat,
        )

    def _write(self, name: str, text: str) -> None:
        half = self.path / f"{name}.new"
        half.unlink(missing_ok=True)
        out = os.open(half, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o700)
        with os.fdopen(out, "wb") as file:
            file.write(text.encode())
            file.flush()
            os.fsync(out)
        half.replace(self.path / name)

    @property
    def exists(self) -> bool:
        return self.path.is_dir()

    @property
    def was_sent(self) -> bool:
        return (self.path / "sent").exists()

    def note_sent(self) -> None:
        """From now on Slurm may know the key."""
        self._write("sent", "")

    def ask_to_stop(self, grace_seconds: int) -> bool:
        """Leave word for the watchers; a longer grace than before is not listened to.

        Returns:
            Whether anything changed.
        """
        before = _number(self.path / "stop")
        if before is not None and before <= grace_seconds:
            return False
        self._write("stop", f"{grace_seconds}\n")
        return True

    def close(self) -> bool:
        """Claim the key for nobody, so that it never begins. False when it began before."""
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            (self.path / "claim").symlink_to(CLOSED)
        except FileExistsError:
            return self._claim() == CLOSED
        return True

    def _claim(self) -> str | None:
        try:
            return str((self.path / "claim").readlink())
        except FileNotFoundError:
            return None

    def decide(self, seen: Observation) -> None:
        """Write down how it ended; from now on nothing else is looked at."""
        self._write("final.json", json.dumps(encode(seen), ensure_ascii=False))

    def read(self) -> Facts:
        """All facts. The claim is read last but for the end: what began after it is seen later."""
        if final := _kept(self.path / "final.json", Observation):
            return Facts(work=None, sent=True, final=final)
        names = sorted(entry.name for entry in self.path.iterdir())
        places: dict[int, tuple[str, tuple[int, ...]]] = {}
        codes: dict[int, Code] = {}
        for name in names:
            kind, _, rank = name.partition(".")
            if not rank.isdigit() or kind not in ("place", "rc"):
                continue
            said = _text(self.path / name).split()
            if kind == "place" and said:
                cards = said[1] if len(said) > 1 else ""
                shown = tuple(int(card) for card in cards.split(",") if card.isdigit())
                places[int(rank)] = (said[0], shown)
            elif kind == "rc" and len(said) == 2 and said[0].isdigit():
                codes[int(rank)] = Code(int(said[0]), said[1], _at(self.path / name) or 0)
        claim = self._claim()
        began = claim is not None and claim != CLOSED
        return Facts(
            work=_kept(self.path / "lease.json", Work),
            sent="sent" in names,
            closed=claim == CLOSED,
            claimed_ns=_at(self.path / "claim") if began else None,
            places=places,
            codes=codes,
            alive_ns=_at(self.path / "alive") or 0,
            ended_ns=_at(self.path / "ended"),
            stop=_number(self.path / "stop"),
            shift_us=_number(self.path / "shift") or 0,
        )

    def read_log(self, offset: int, limit: int) -> bytes:
        try:
            log = os.open(self.path / "log", os.O_RDONLY | os.O_NOFOLLOW)
        except FileNotFoundError:
            return b""
        try:
            return os.pread(log, limit, offset)
        finally:
            os.close(log)

    def forget(self) -> None:
        """Drop everything but the decision and the claim: the key stays used."""
        if not (self.path / "final.json").exists():
            return
        for entry in self.path.iterdir():
            if entry.name in ("final.json", "claim"):
                continue
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry, ignore_errors=True)
            else:
                entry.unlink(missing_ok=True)


def clock(root: Path) -> int:
    """The file server's time, Unix nanoseconds, by a file that is touched there."""
    probe = root / "clock"
    probe.write_bytes(b"\n")
    return probe.stat().st_mtime_ns


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(4096).decode("utf-8", "replace")
    except FileNotFoundError:
        return ""


def _number(path: Path) -> int | None:
    text = _text(path).strip()
    return int(text) if text.removeprefix("-").isdigit() else None


def _at(path: Path) -> int | None:
    try:
        return os.lstat(path).st_mtime_ns
    except FileNotFoundError:
        return None


def _kept(path: Path, kind: type[T]) -> T | None:
    """What was written down; None when it is not there, or when a job has spoiled its folder."""
    try:
        return decode(kind, json.loads(path.read_bytes()))
    except (FileNotFoundError, ValueError, RecursionError, MessageInvalid):
        return None
