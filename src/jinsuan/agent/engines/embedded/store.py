"""What the embedded engine must still know after a crash: one SQLite row per key, kept for ever.

The row of an ended job is its tombstone: the same key can never start again. An intent is written
through to the disk before anything is started; the rest may lag behind a power cut by a moment,
because after one nothing that lagged is running any more.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from jinsuan.agent.engines.embedded.run import Run, Stop
from jinsuan.protocol.codec import decode, encode
from jinsuan.protocol.messages import Lease, NodeShare
from jinsuan.protocol.states import EndCause

_SCHEMA = """
create table if not exists job(
    number integer primary key autoincrement,
    key text not null unique,
    lease text,
    placed integer not null default 0,
    machine text not null default '',
    allocation text not null default '[]',
    started_ns integer,
    shift_us integer not null default 0,
    ended_ns integer,
    exit_code integer,
    cause text,
    message text not null default '',
    stop_cause text,
    stop_ns integer,
    stop_grace integer
);
create index if not exists job_open on job(number) where cause is null;
"""
_COLUMNS = (
    "placed",
    "machine",
    "allocation",
    "started_ns",
    "shift_us",
    "ended_ns",
    "exit_code",
    "cause",
    "message",
    "stop_cause",
    "stop_ns",
    "stop_grace",
)
_SAVE = f"update job set {', '.join(f'{c} = ?' for c in _COLUMNS)} where key = ?"  # noqa: S608
_MANY = 500


class Store:
    """The table of jobs. Raises sqlite3.Error when the disk fails; the engine translates that."""

    def __init__(self, path: Path) -> None:
        # Leases hold the tenants' variables: nobody else on the machine may read them.
        path.touch(mode=0o600)
        self._db = sqlite3.connect(path, isolation_level=None, timeout=5, check_same_thread=False)
        self._db.row_factory = sqlite3.Row
        self._db.execute("pragma journal_mode = wal")
        self._db.execute("pragma synchronous = normal")
        self._db.executescript(_SCHEMA)

    def close(self) -> None:
        self._db.close()

    def add(self, lease: Lease) -> bool:
        """Queue a job. False when the key was used before, whatever became of it."""
        text = json.dumps(encode(lease), ensure_ascii=False)
        added = self._db.execute(
            "insert into job(key, lease) values(?, ?) on conflict do nothing",
            (lease.engine_key, text),
        )
        return added.rowcount == 1

    def save(self, runs: Iterable[Run], *, durably: bool = False) -> None:
        """Write what has changed, all or nothing; `durably` waits for the disk."""
        values = [_values(run) for run in runs]
        if not values:
            return
        if durably:
            self._db.execute("pragma synchronous = full")
        try:
            self._db.execute("begin immediate")
            try:
                self._db.executemany(_SAVE, values)
                self._db.execute("commit")
            except BaseException:
                self._db.execute("rollback")
                raise
        finally:
            if durably:
                self._db.execute("pragma synchronous = normal")

    def open_runs(self) -> list[Run]:
        """All jobs that have not ended, in the order in which they came."""
        rows = self._db.execute("select * from job where cause is null order by number")
        return [_run(row) for row in rows]

    def find(self, keys: Sequence[str]) -> dict[str, Run]:
        """Jobs by key, ended ones too."""
        found: dict[str, Run] = {}
        for start in range(0, len(keys), _MANY):
            part = keys[start : start + _MANY]
            marks = ", ".join("?" * len(part))
            rows = self._db.execute(f"select * from job where key in ({marks})", part)  # noqa: S608
            found.update((row["key"], _run(row)) for row in rows)
        return found

    def strip(self, key: str) -> None:
        """Drop what an ended job was; its key and its end stay."""
        self._db.execute("update job set lease = null where key = ? and cause is not null", (key,))


def _values(run: Run) -> tuple[Any, ...]:
    stop = run.stop
    return (
        int(run.placed),
        run.machine,
        json.dumps(encode(run.allocation)),
        run.started_ns,
        run.shift_us,
        run.ended_ns,
        run.exit_code,
        run.cause,
        run.message,
        None if stop is None else stop.cause,
        None if stop is None else stop.since_ns,
        None if stop is None else stop.grace_seconds,
        run.key,
    )


def _run(row: sqlite3.Row) -> Run:
    stop = None
    if row["stop_cause"] is not None:
        stop = Stop(EndCause(row["stop_cause"]), row["stop_ns"], row["stop_grace"])
    return Run(
        key=row["key"],
        lease=None if row["lease"] is None else decode(Lease, json.loads(row["lease"])),
        placed=bool(row["placed"]),
        machine=row["machine"],
        allocation=decode(tuple[NodeShare, ...], json.loads(row["allocation"])),
        started_ns=row["started_ns"],
        shift_us=row["shift_us"],
        ended_ns=row["ended_ns"],
        exit_code=row["exit_code"],
        cause=None if row["cause"] is None else EndCause(row["cause"]),
        message=row["message"],
        stop=stop,
    )
