"""Everything into one file and back. A bad file or a full disk changes nothing."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, LiteralString
from urllib.parse import unquote, urlsplit

from jinsuan.entrypoints.database.errors import DumpFailed, RestoreFailed
from jinsuan.entrypoints.database.runner import plain_environment

if TYPE_CHECKING:
    import psycopg

_FRESH = "jinsuan_restoring"
_OLD = "jinsuan_before_restore"
_SWAP_ATTEMPTS = 5


def dump(url: str, path: Path, pg_dump: Path) -> None:
    """Write the database to `path`; the file appears when it is complete."""
    if not pg_dump.is_file():
        raise DumpFailed(path, f"现有的 PostgreSQL 没有附带 {pg_dump.name}")
    try:
        with tempfile.TemporaryDirectory(dir=path.parent) as scratch:
            fresh = Path(scratch) / "dump"  # the folder is 0700 until the file has its own 0600
            failure = _run(url, [pg_dump, "-Fc", "--no-owner", "--no-privileges", "-f", fresh])
            if failure:
                raise DumpFailed(path, failure)
            fresh.chmod(0o600)
            fresh.replace(path)
    except OSError as error:
        raise DumpFailed(path, str(error)) from error


def restore(url: str, path: Path, pg_restore: Path) -> None:
    """Load into a new database beside the old one, then change their places in one step."""
    import psycopg

    if not pg_restore.is_file():
        raise RestoreFailed(path, f"现有的 PostgreSQL 没有附带 {pg_restore.name}")
    if not path.is_file():
        raise RestoreFailed(path, "没有这个文件")
    with psycopg.connect(_beside(url, "postgres"), autocommit=True) as admin:
        _drop(admin, _FRESH, _OLD)
        _execute(admin, "CREATE DATABASE {}", _FRESH)
        failure = _run(
            _beside(url, _FRESH),
            [
                pg_restore,
                "--no-owner",
                "--no-privileges",
                "--exit-on-error",
                "-1",
                "-d",
                _FRESH,
                path,
            ],
        )
        if failure or not _swap(admin, urlsplit(url).path.lstrip("/")):
            _drop(admin, _FRESH)
            raise RestoreFailed(path, failure or "别的程序一直连着数据库，请先停止 jinsuan 的服务")
        _drop(admin, _OLD)
    with psycopg.connect(url, autocommit=True) as connection:
        tables = connection.execute("SELECT schemaname, relname FROM pg_stat_user_tables")
        for schema, table in tables.fetchall():
            _execute(connection, "ANALYZE {}.{}", schema, table)


def _swap(admin: psycopg.Connection, name: str) -> bool:
    """Send everybody out and rename both databases; False when somebody keeps coming back."""
    from psycopg.errors import ObjectInUse

    for _ in range(_SWAP_ATTEMPTS):
        try:
            with admin.transaction():
                admin.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s",
                    [name],
                )
                _execute(admin, "ALTER DATABASE {} RENAME TO {}", name, _OLD)
                _execute(admin, "ALTER DATABASE {} RENAME TO {}", _FRESH, name)
        except ObjectInUse:
            continue
        return True
    return False


def _drop(admin: psycopg.Connection, *names: str) -> None:
    for name in names:
        _execute(admin, "DROP DATABASE IF EXISTS {} WITH (FORCE)", name)


def _execute(connection: psycopg.Connection, statement: LiteralString, *names: str) -> None:
    from psycopg.sql import SQL, Identifier

    connection.execute(SQL(statement).format(*(Identifier(name) for name in names)))


def _beside(url: str, database: str) -> str:
    return urlsplit(url)._replace(path=f"/{database}").geturl()


def _run(url: str, command: list[str | Path]) -> str:
    """Run one of PostgreSQL's tools on a database; return why it failed, or nothing."""
    done = subprocess.run(
        [str(part) for part in command],
        env=plain_environment() | connection_environment(url),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    if done.returncode == 0:
        return ""
    lines = [line for line in done.stderr.splitlines() if "error" in line] or [done.stderr.strip()]
    return lines[0] or f"{command[0]} 退出码 {done.returncode}"


def connection_environment(url: str) -> dict[str, str]:
    """The address as libpq's variables: command lines can be read by everybody, these cannot."""
    parts = urlsplit(url)
    return {
        "PGHOST": parts.hostname or "",
        "PGPORT": str(parts.port or ""),
        "PGUSER": unquote(parts.username or ""),
        "PGPASSWORD": unquote(parts.password or ""),
        "PGDATABASE": unquote(parts.path.lstrip("/")),
    }
