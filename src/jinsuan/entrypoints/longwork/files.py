"""Files of long work: below JINSUAN_FILES, outside every web root, readable by the platform alone.

A name is made of the work and the claim, never of anything somebody wrote. So a worker that fell
silent and wakes up again writes into a file of its own, which nobody reads any more.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from uuid import UUID

from django.conf import settings

FOLDER = "longwork"


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """A finished file: what it is called, where it lies and what it is."""

    name: str
    media: str
    place: str
    sha256: bytes
    size: int


def place_of(work: UUID, fence: int) -> str:
    """Where the file of one claim lies, below JINSUAN_FILES."""
    return f"{FOLDER}/{work.hex}.{fence}"


def path_of(place: str) -> Path:
    """The path of a place that `place_of` made."""
    folder, _, name = place.partition("/")
    assert folder == FOLDER and name.replace(".", "").isalnum(), place
    return Path(settings.FILES_FOLDER) / folder / name


@contextmanager
def writing(place: str, *, goes_on: str = "", at: int = 0) -> Iterator[IO[bytes]]:
    """The file of a claim, at its end: empty, or with the first `at` bytes of the one before.

    Raises:
        FileNotFoundError: the one before is gone or too short; begin again.
    """
    target = path_of(place)
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    flags = os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
    with os.fdopen(os.open(target, flags, 0o600), "r+b") as file:
        if at:
            _copy(path_of(goes_on), file, at)
        yield file


def _copy(source: Path, target: IO[bytes], size: int) -> None:
    with source.open("rb") as before:
        if os.fstat(before.fileno()).st_size < size:
            raise FileNotFoundError(source)
        shutil.copyfileobj(before, target)
    target.truncate(size)
    target.seek(size)


def settle(file: IO[bytes]) -> int:
    """Put on disk what was written; returns the size."""
    file.flush()
    os.fsync(file.fileno())
    return file.tell()


def result(place: str, *, name: str, media: str) -> Result:
    """The finished file with its digest."""
    path = path_of(place)
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").digest()
        size = file.tell()
    return Result(name=name, media=media, place=place, sha256=sha256, size=size)


def tidy(work: UUID, *, but: str = "") -> None:
    """Delete all files of a work, but one."""
    keep = path_of(but).name if but else ""
    for path in (Path(settings.FILES_FOLDER) / FOLDER).glob(f"{work.hex}.*"):
        if path.name != keep:
            with suppress(FileNotFoundError):
                path.unlink()
