"""Making a new data folder and writing the settings that a server starts with."""

from __future__ import annotations

import os
import secrets
import shutil
from pathlib import Path

from jinsuan.entrypoints.database.binaries import Binaries
from jinsuan.entrypoints.database.errors import FolderClosed, StartFailed
from jinsuan.entrypoints.database.runner import Runner

SUPERUSER = "postgres"
SETTINGS = "jinsuan.conf"
_BUILTIN_LOCALES = 17  # the first major version with them

_STEADY = """\
# Written at every start; put your own settings into postgresql.conf, below the include.
listen_addresses = '127.0.0.1'
port = {port}
unix_socket_directories = ''  # a socket's path may not exceed 107 bytes; TCP has no such limit
max_connections = 200
shared_buffers = 128MB
work_mem = 8MB
maintenance_work_mem = 64MB
max_wal_size = 512MB
jit = off
timezone = 'UTC'
log_timezone = 'UTC'
log_checkpoints = off
log_line_prefix = '%m [%p] '
default_text_search_config = 'pg_catalog.simple'
"""
_FORGETFUL = """\
# A test database: quick, and worthless after a power cut.
fsync = off
synchronous_commit = off
full_page_writes = off
wal_level = minimal
max_wal_senders = 0
autovacuum_naptime = 10min
"""


def make_folder(folder: Path, runner: Runner) -> None:
    """Make the folder with its parents, such that the runner can reach what will lie in it."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        for path in reversed(missing):
            path.mkdir(exist_ok=True)
            path.chmod(0o711 if runner.dropped else 0o700)
        reachable = os.access(folder, os.W_OK | os.X_OK) and runner.can_enter(folder)
    except PermissionError:
        reachable = False
    if not reachable:
        raise FolderClosed(folder, runner.name)


def make_password(path: Path) -> str:
    """Return the password in this file, which only its owner reads; invent one the first time."""
    if path.exists():
        return path.read_text("ascii").strip()
    password = secrets.token_urlsafe(24)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.write(password + "\n")
    return password


def make_cluster(
    data: Path, binaries: Binaries, runner: Runner, *, password: str, durable: bool
) -> None:
    """Run initdb beside the final place and move it there, so a killed start leaves no half."""
    fresh = data.with_name("data.new")
    word = data.with_name("password.new")
    shutil.rmtree(fresh, ignore_errors=True)
    word.unlink(missing_ok=True)
    fresh.mkdir(mode=0o700)
    make_word = os.open(word, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(make_word, "w", encoding="ascii") as file:
        file.write(password)
    runner.own(fresh)
    runner.own(word)
    command: list[str | Path] = [
        binaries["initdb"],
        *("-D", fresh, "-U", SUPERUSER, "--pwfile", word),
        *("--auth=scram-sha-256", "--encoding=UTF8", "--data-checksums", "--no-instructions"),
        *([] if durable else ["--no-sync", "--wal-segsize=1"]),  # small is quick to make and copy
    ]
    attempts = (runner.run([*command, *locale]) for locale in _locales(binaries.major))
    failures = []
    for done in attempts:
        if done.returncode == 0:
            break
        failures.append(done.stderr.strip())
    word.unlink()
    if len(failures) == len(_locales(binaries.major)):
        raise StartFailed(data.parent, failures[0])
    with (fresh / "postgresql.conf").open("a", encoding="utf-8") as file:
        file.write(f"\ninclude_if_exists '../{SETTINGS}'\n")
    fresh.rename(data)


def write_settings(folder: Path, runner: Runner, *, port: int, durable: bool) -> None:
    """Write the settings of this start; they replace those of the start before.

    They lie beside the data, where root may write without following somebody else's links.
    """
    fresh = folder / f"{SETTINGS}.new"
    fresh.unlink(missing_ok=True)
    fresh.write_text(_STEADY.format(port=port) + ("" if durable else _FORGETFUL), "utf-8")
    fresh.chmod(0o600)
    runner.own(fresh)
    fresh.replace(folder / SETTINGS)


def _locales(major: int) -> list[list[str]]:
    """Orders text by code point everywhere, and knows what a Chinese character is.

    The builtin provider needs nothing of the system. Before version 17 the C library's C.UTF-8
    does the same where it exists; plain C is the last resort.
    """
    if major >= _BUILTIN_LOCALES:
        return [["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]]
    return [["--locale=C.UTF-8"], ["--locale=C"]]
