"""Output of jobs, kept on the agent's disk: for engines whose own log cannot be read on from a byte,
belongs to several ranks, or goes away with the job.

One file of bytes per key, and beside it one line per piece: the rank it came from and its length.
A piece counts once its line is whole; bytes behind the last whole line are overwritten. So a crash
at any point neither loses nor repeats a byte.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import BinaryIO

Pull = Callable[[int, int], bytes]
"""Bytes of one rank's output: (from byte, at most so many) -> bytes."""


class Spool:
    """Files below one folder, made when missing. Keys must be fit for file names."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def read(self, key: str, offset: int, limit: int) -> bytes:
        """What is kept of a key's output, from a byte on.

        Raises:
            OSError: the disk failed.
        """
        size = sum(length for _, length in self._pieces(key))
        try:
            with self._path(key, "log").open("rb") as file:
                file.seek(offset)
                return file.read(max(0, min(limit, size - offset)))
        except FileNotFoundError:
            return b""

    def fill(self, key: str, ranks: Sequence[Pull], limit: int) -> None:
        """Take over what each rank has printed since, at most `limit` bytes of each.

        Raises:
            OSError: the disk failed. And what a pull raises; pieces before it are kept.
        """
        taken: defaultdict[int, int] = defaultdict(int)
        for rank, length in self._pieces(key):
            taken[rank] += length
        for rank, pull in enumerate(ranks):
            if data := pull(taken[rank], limit):
                self._add(key, rank, data)

    def drop(self, key: str) -> None:
        for kind in ("pieces", "log"):
            self._path(key, kind).unlink(missing_ok=True)

    def _path(self, key: str, kind: str) -> Path:
        return self._folder / f"{key}.{kind}"

    def _pieces(self, key: str) -> list[tuple[int, int]]:
        try:
            text = self._path(key, "pieces").read_text("ascii")
        except FileNotFoundError:
            return []
        whole = text[: text.rfind("\n") + 1]
        return [(int(rank), int(length)) for rank, length in map(str.split, whole.splitlines())]

    def _add(self, key: str, rank: int, data: bytes) -> None:
        pieces = self._pieces(key)
        end = sum(length for _, length in pieces)
        with _opened(self._path(key, "log")) as log:
            log.truncate(end)
            log.seek(end)
            log.write(data)
        with _opened(self._path(key, "pieces")) as index:
            whole = "".join(f"{r} {n}\n" for r, n in pieces)
            index.truncate(len(whole))
            index.seek(len(whole))
            index.write(f"{rank} {len(data)}\n".encode())


def _opened(path: Path) -> BinaryIO:
    return os.fdopen(os.open(path, os.O_CREAT | os.O_RDWR, 0o600), "r+b")
