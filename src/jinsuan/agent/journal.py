"""What the agent must still know after a crash: one SQLite file, every commit on the disk.

A commit that was lost with a power cut could mean a second start, or a report under a revision
that the platform has seen already and would ignore, so every commit waits for the disk; the agent
makes a handful of them per round, however many attempts a round touches.
"""

from __future__ import annotations

import fcntl
import json
import os
import sqlite3
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from jinsuan.agent.attempt import Attempt
from jinsuan.agent.errors import StateInUse
from jinsuan.protocol.codec import decode, encode
from jinsuan.protocol.messages import Lease, NodeShare
from jinsuan.protocol.states import AttemptState, EndCause

_SCHEMA = """
create table if not exists boot(number integer not null);
create table if not exists attempt(
    attempt text primary key,
    job text not null,
    fencing integer not null,
    engine_key text not null,
    lease text,
    state text not null,
    handed integer not null,
    fenced integer not null,
    stop_grace integer,
    revision integer not null,
    acked integer not null,
    log_bytes integer not null,
    allocation text not null,
    started_at text,
    ended_at text,
    exit_code integer,
    cause text,
    message text not null,
    used text not null,
    settled_at integer,
    forgotten integer not null default 0
) without rowid;
create index if not exists attempt_open on attempt(attempt) where settled_at is null;
create index if not exists attempt_kept on attempt(settled_at) where forgotten = 0;
create index if not exists attempt_job on attempt(job, fencing);
"""
_COLUMNS = (
    "attempt",
    "job",
    "fencing",
    "engine_key",
    "lease",
    "state",
    "handed",
    "fenced",
    "stop_grace",
    "revision",
    "acked",
    "log_bytes",
    "allocation",
    "started_at",
    "ended_at",
    "exit_code",
    "cause",
    "message",
    "used",
    "settled_at",
)
_SAVE = (
    f"insert into attempt({', '.join(_COLUMNS)}) values({', '.join('?' * len(_COLUMNS))}) "
    f"on conflict(attempt) do update set {', '.join(f'{c} = excluded.{c}' for c in _COLUMNS[1:])}"
)


class Journal:
    """The agent's memory on disk. One process per folder at a time.

    Raises:
        StateInUse: another agent has the folder.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._lock = _locked(folder)
        path = folder / "agent.db"
        path.touch(mode=0o600)
        self._db = sqlite3.connect(path, isolation_level=None, timeout=5, check_same_thread=False)
        self._db.row_factory = sqlite3.Row
        self._db.execute("pragma journal_mode = wal")
        self._db.execute("pragma synchronous = full")
        self._db.executescript(_SCHEMA)
        self.boot = self._next_boot()

    def close(self) -> None:
        self._db.close()
        os.close(self._lock)

    def _next_boot(self) -> int:
        self._db.execute("begin immediate")
        row = self._db.execute("select number from boot").fetchone()
        number = 1 if row is None else int(row["number"]) + 1
        self._db.execute("delete from boot")
        self._db.execute("insert into boot values(?)", (number,))
        self._db.execute("commit")
        return number

    def save(self, attempts: Iterable[Attempt], *, settled_at: datetime | None = None) -> None:
        """Write attempts, all or nothing, through to the disk.

        Args:
            settled_at: given when nothing is left to be told about them.
        """
        seconds = None if settled_at is None else int(settled_at.timestamp())
        values = [_values(attempt, seconds) for attempt in attempts]
        if not values:
            return
        self._db.execute("begin immediate")
        try:
            self._db.executemany(_SAVE, values)
            self._db.execute("commit")
        except BaseException:
            self._db.execute("rollback")
            raise

    def open_attempts(self) -> list[Attempt]:
        """All about which something is still to be told."""
        rows = self._db.execute("select * from attempt where settled_at is null")
        return [_attempt(row) for row in rows]

    def find(self, attempt: str) -> Attempt | None:
        """An attempt, settled or not; None when it never came here."""
        row = self._db.execute("select * from attempt where attempt = ?", (attempt,)).fetchone()
        return None if row is None else _attempt(row)

    def largest_fencing(self, job: str) -> int:
        """The largest fencing token that any attempt of this job has brought."""
        row = self._db.execute("select max(fencing) from attempt where job = ?", (job,)).fetchone()
        return int(row[0] or 0)

    def to_forget(self, settled_before: datetime, limit: int) -> list[tuple[str, str]]:
        """Attempts and engine keys whose logs have been kept long enough."""
        rows = self._db.execute(
            "select attempt, engine_key from attempt where forgotten = 0 and settled_at < ? limit ?",
            (int(settled_before.timestamp()), limit),
        )
        return [(row["attempt"], row["engine_key"]) for row in rows]

    def forget(self, attempts: Sequence[str]) -> None:
        """Drop what the attempts were, not that they were: they may still never start again."""
        self._db.executemany(
            "update attempt set forgotten = 1, lease = null where attempt = ?",
            [(attempt,) for attempt in attempts],
        )


def _locked(folder: Path) -> int:
    file = os.open(folder / "agent.lock", os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(file)
        raise StateInUse(str(folder)) from None
    return file


def _text(value: Any) -> str | None:
    return None if value is None else json.dumps(encode(value), ensure_ascii=False)


def _values(a: Attempt, settled_at: int | None) -> tuple[Any, ...]:
    return (
        a.attempt,
        a.job,
        a.fencing,
        a.engine_key,
        _text(a.lease),
        a.state,
        int(a.handed),
        int(a.fenced),
        a.stop_grace,
        a.revision,
        a.acked,
        a.log_bytes,
        _text(a.allocation),
        encode(a.started_at),
        encode(a.ended_at),
        a.exit_code,
        a.cause,
        a.message,
        json.dumps(a.used),
        settled_at,
    )


def _attempt(row: sqlite3.Row) -> Attempt:
    return Attempt(
        attempt=row["attempt"],
        job=row["job"],
        fencing=row["fencing"],
        engine_key=row["engine_key"],
        lease=None if row["lease"] is None else decode(Lease, json.loads(row["lease"])),
        state=AttemptState(row["state"]),
        handed=bool(row["handed"]),
        fenced=bool(row["fenced"]),
        stop_grace=row["stop_grace"],
        revision=row["revision"],
        acked=row["acked"],
        log_bytes=row["log_bytes"],
        allocation=decode(tuple[NodeShare, ...], json.loads(row["allocation"])),
        started_at=_instant(row["started_at"]),
        ended_at=_instant(row["ended_at"]),
        exit_code=row["exit_code"],
        cause=None if row["cause"] is None else EndCause(row["cause"]),
        message=row["message"],
        used=json.loads(row["used"]),
    )


def _instant(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
