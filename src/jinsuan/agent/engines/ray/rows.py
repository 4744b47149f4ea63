"""What the adapter itself remembers of every key: Ray forgets all when its head dies.

One JSON file per key, replaced in one step and on the disk before Ray hears of the key. The file of
an ended key stays: it keeps the key used.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from jinsuan.protocol.codec import decode, encode
from jinsuan.protocol.messages import Lease, NodeShare, Observation


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One key.

    Args:
        lease: None once it has ended.
        number: the order in which keys came.
        session: Ray's session that it was handed to; None while it waits here.
        share: where it was put. accepted: Ray was seen to know it.
        stopping: its end was asked for. alive_at: when it was last seen running.
        ahead_seconds: of the agent's clock before Ray's, when it was handed over.
        fenced: it never starts.
    """

    key: str
    number: int
    lease: Lease | None = None
    session: str | None = None
    share: NodeShare | None = None
    accepted: bool = False
    ahead_seconds: int = 0
    started_at: datetime | None = None
    alive_at: datetime | None = None
    stopping: bool = False
    fenced: bool = False
    end: Observation | None = None

    @property
    def waits(self) -> bool:
        return self.session is None and self.end is None and not self.fenced

    @property
    def runs(self) -> bool:
        """Handed to Ray and not known to have ended."""
        return self.session is not None and self.end is None


class Rows:
    """All keys of one engine, in memory and on the disk. Raises OSError when the disk fails."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        read = [_read(path) for path in folder.glob("*.json")]
        self._rows = {row.key: row for row in sorted(read, key=lambda row: row.number)}

    def get(self, key: str) -> Row | None:
        return self._rows.get(key)

    def __iter__(self) -> Iterator[Row]:
        return iter(list(self._rows.values()))

    def __contains__(self, key: str) -> bool:
        return key in self._rows

    def add(self, key: str, lease: Lease | None, *, fenced: bool = False) -> Row:
        number = max((row.number for row in self._rows.values()), default=0) + 1
        row = Row(key=key, number=number, lease=lease, fenced=fenced)
        self.put(row)
        return row

    def put(self, row: Row) -> None:
        """Keep a row as it is now."""
        before = self._rows.get(row.key)
        if before is not None and replace(before, alive_at=row.alive_at) == row:
            self._rows[row.key] = row  # only seen once more: not worth a write
            return
        path = self._folder / f"{row.key}.json"
        half = path.with_suffix(".new")
        number = os.open(half, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600)
        with os.fdopen(number, "w", encoding="utf-8") as file:
            json.dump(encode(row), file, ensure_ascii=False)
            file.flush()
            os.fsync(number)
        half.replace(path)
        self._rows[row.key] = row


def _read(path: Path) -> Row:
    return decode(Row, json.loads(path.read_text("utf-8")))
