"""The embedded database: starts by itself, stays one, survives violence, explains refusals."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import stat
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from jinsuan.entrypoints.database import EmbeddedServer, database_url, default_folder
from jinsuan.entrypoints.database.binaries import find_binaries
from jinsuan.entrypoints.database.errors import (
    DumpFailed,
    FolderClosed,
    FolderIncomplete,
    NotCreated,
    OtherMajorVersion,
    PostgresMissing,
    RestoreFailed,
)

IS_ROOT = os.geteuid() == 0
root_only = pytest.mark.skipif(not IS_ROOT, reason="only root has privileges to drop")


@pytest.fixture
def folder(make_reachable_folder: Callable[[], Path]) -> Iterator[Path]:
    """A folder that the user who runs PostgreSQL can reach, unlike pytest's own as root."""
    path = make_reachable_folder()
    yield path
    shutil.rmtree(path)


@pytest.fixture(scope="module")
def template(make_reachable_folder: Callable[[], Path]) -> Iterator[Path]:
    """A database that was made once and is copied for each test, which is quicker than initdb."""
    path = make_reachable_folder()
    server = EmbeddedServer(path / "database", durable=False)
    server.start()
    server.stop()
    (path / "database" / "port").unlink()
    yield path / "database"
    shutil.rmtree(path)


@pytest.fixture
def server(
    request: pytest.FixtureRequest, folder: Path, template: Path
) -> Iterator[EmbeddedServer]:
    subprocess.run(["cp", "-a", template, folder / "database"], check=True)
    durable = request.node.get_closest_marker("durable") is not None
    server = EmbeddedServer(folder / "database", durable=durable)
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def calm(template: Path) -> Iterator[EmbeddedServer]:
    """One server for the tests that only look at it."""
    folder = template.with_name("calm")
    subprocess.run(["cp", "-a", template, folder], check=True)
    server = EmbeddedServer(folder, durable=False)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def rows(server: EmbeddedServer) -> int:
    """A table with 2,000 committed rows."""
    with psycopg.connect(server.url()) as connection:
        connection.execute("CREATE TABLE kept AS SELECT g AS n FROM generate_series(1, 2000) g")
    return 2_000


def count(server: EmbeddedServer) -> int:
    with psycopg.connect(server.url()) as connection:
        row = connection.execute("SELECT count(*) FROM kept").fetchone()
    assert row is not None
    return int(row[0])


def postmaster(server: EmbeddedServer) -> int:
    return int((server.data / "postmaster.pid").read_text().split()[0])


def children(pid: int) -> list[int]:
    shown = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=False
    )
    return [int(word) for word in shown.stdout.split()]


def test_a_second_start_is_the_same_server(calm: EmbeddedServer) -> None:
    before = postmaster(calm)

    assert EmbeddedServer(calm.folder, durable=False).start() == calm.url()
    assert postmaster(calm) == before


def test_many_starts_at_once_make_one_server(folder: Path) -> None:
    servers = [EmbeddedServer(folder / "database", durable=False) for _ in range(4)]
    try:
        with ThreadPoolExecutor(len(servers)) as pool:
            urls = set(pool.map(lambda s: s.start(), servers))
        assert len(urls) == 1
        with psycopg.connect(urls.pop()) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
    finally:
        servers[0].stop()


def test_it_stops_and_comes_back_at_the_same_address(server: EmbeddedServer, rows: int) -> None:
    url = server.url()

    server.stop()
    assert not server.running()
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(url)

    assert server.start() == url
    assert server.running()
    assert count(server) == rows


def test_it_moves_when_somebody_took_its_port(server: EmbeddedServer, rows: int) -> None:
    port = psycopg.conninfo.conninfo_to_dict(server.url())["port"]
    server.stop()
    with socket.create_server(("127.0.0.1", int(port))):
        assert f":{port}/" not in server.start()
        assert count(server) == rows


@pytest.mark.durable
def test_rows_survive_the_killing_of_every_process(server: EmbeddedServer, rows: int) -> None:
    pid = postmaster(server)
    for victim in (pid, *children(pid)):
        os.kill(victim, signal.SIGKILL)
    wait_until(lambda: not server.running())

    server.start()

    assert postmaster(server) != pid
    assert count(server) == rows


@pytest.mark.durable
def test_rows_survive_the_killing_of_the_postmaster_alone(
    server: EmbeddedServer, rows: int
) -> None:
    with psycopg.connect(server.url()):  # a backend that outlives its postmaster for a moment
        os.kill(postmaster(server), signal.SIGKILL)
        server.start()

    assert count(server) == rows


def test_a_pid_file_that_names_a_stranger_is_no_obstacle(server: EmbeddedServer, rows: int) -> None:
    """After a reboot, above all in a container, the old number belongs to somebody else."""
    pid_file = server.data / "postmaster.pid"
    text, owner = pid_file.read_text(), pid_file.stat()
    server.stop()
    identity = {"user": owner.st_uid, "group": owner.st_gid} if IS_ROOT else {}
    stranger = subprocess.Popen(["sleep", "60"], **identity)  # type: ignore[call-overload]
    with stranger:
        pid_file.write_text(f"{stranger.pid}\n{text.split(maxsplit=1)[1]}")
        os.chown(pid_file, owner.st_uid, owner.st_gid)
        assert not server.running()

        server.start()

        assert count(server) == rows
        assert stranger.poll() is None, "the stranger was killed"
        stranger.kill()


def test_the_password_is_secret_and_needed(calm: EmbeddedServer) -> None:
    mode = stat.S_IMODE((calm.folder / "password").stat().st_mode)
    password = (calm.folder / "password").read_text().strip()
    assert mode == 0o600
    assert len(password) >= 24
    for user in ("jinsuan", "postgres"):
        address = calm.url(user=user).replace(password, "wrong")
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(address)


def test_the_product_is_no_superuser(calm: EmbeddedServer) -> None:
    with psycopg.connect(calm.url(), autocommit=True) as connection:
        row = connection.execute("SELECT current_user, current_setting('is_superuser')").fetchone()
        assert row == ("jinsuan", "off")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("SELECT pg_read_file('/etc/passwd')")
        connection.execute("CREATE DATABASE for_tests")


def test_chinese_text_and_order_are_the_same_everywhere(calm: EmbeddedServer) -> None:
    with psycopg.connect(calm.url()) as connection:
        row = connection.execute(
            "SELECT 'É' < '算', lower('ÉA'), '算力' ~ '^[[:alpha:]]+$', current_setting('TimeZone'),"
            " pg_encoding_to_char(encoding) FROM pg_database WHERE datname = current_database()"
        ).fetchone()
    assert row == (True, "éa", True, "UTC", "UTF8")


def test_two_hundred_connections_are_allowed(calm: EmbeddedServer) -> None:
    with psycopg.connect(calm.url()) as connection:
        assert connection.execute("SHOW max_connections").fetchone() == ("200",)


@root_only
def test_root_steps_down(calm: EmbeddedServer) -> None:
    name = pwd.getpwuid(Path(f"/proc/{postmaster(calm)}").stat().st_uid).pw_name

    assert name in ("postgres", "nobody")
    assert calm.data.stat().st_uid == pwd.getpwnam(name).pw_uid
    assert (calm.folder / "password").stat().st_uid == 0


@root_only
def test_a_folder_that_only_root_can_enter_is_refused(folder: Path) -> None:
    closed = folder / "closed"
    closed.mkdir(mode=0o700)

    with pytest.raises(FolderClosed) as refusal:
        EmbeddedServer(closed / "database").start()

    assert "JINSUAN_HOME" in refusal.value.explain()


@root_only
def test_programs_that_only_root_can_reach_are_copied(folder: Path) -> None:
    """A virtual environment below /root is closed to the user PostgreSQL runs as."""
    closed = folder / "closed"
    closed.mkdir(mode=0o700)
    real = find_binaries(data=folder / "none").folder
    package = real.parents[1]
    if not package.with_name(f"{package.name}.libs").is_dir():
        pytest.skip("the PostgreSQL in use is not from a wheel")
    shutil.copytree(package / "pginstall", closed / package.name / "pginstall")
    libs = f"{package.name}.libs"
    shutil.copytree(package.with_name(libs), closed / libs)
    server = EmbeddedServer(
        folder / "database",
        durable=False,
        binaries=closed / package.name / "pginstall" / "bin",
    )
    try:
        server.start()
        assert server.running()
    finally:
        server.stop()


def test_data_of_another_major_version_are_left_alone(server: EmbeddedServer) -> None:
    server.stop()
    version = server.data / "PG_VERSION"
    program = int(version.read_text())
    version.write_text("14\n")

    with pytest.raises(OtherMajorVersion) as refusal:
        EmbeddedServer(server.folder, durable=False).start()

    assert (refusal.value.data, refusal.value.program) == (14, program)
    for expected in ("14", str(program), str(server.folder), "jinsuan db dump"):
        assert expected in refusal.value.explain()
    version.write_text(f"{program}\n")
    server.start()


def test_a_lost_password_is_explained(server: EmbeddedServer) -> None:
    server.stop()
    kept = (server.folder / "password").read_text()
    (server.folder / "password").unlink()

    with pytest.raises(FolderIncomplete, match="password"):
        server.start()

    (server.folder / "password").write_text(kept)
    server.start()


def test_no_programs_and_no_database_are_explained(folder: Path) -> None:
    with pytest.raises(PostgresMissing, match="DATABASE_URL"):
        EmbeddedServer(folder / "database", binaries=folder).start()
    with pytest.raises(NotCreated, match="jinsuan db start"):
        EmbeddedServer(folder / "nothing").url()
    EmbeddedServer(folder / "nothing").stop()


def test_a_dump_comes_back_whole(server: EmbeddedServer, rows: int, folder: Path) -> None:
    dump = folder / "books.dump"
    server.dump(dump)
    assert stat.S_IMODE(dump.stat().st_mode) == 0o600
    with psycopg.connect(server.url()) as connection:
        connection.execute("DELETE FROM kept WHERE n > 10")
        connection.execute("CREATE TABLE later (n int)")

    with psycopg.connect(server.url()):  # somebody is still connected
        server.restore(dump)

    assert count(server) == rows
    with psycopg.connect(server.url()) as connection:
        tables = connection.execute("SELECT relname FROM pg_stat_user_tables").fetchall()
        names = connection.execute("SELECT datname FROM pg_database").fetchall()
    assert tables == [("kept",)]
    assert {name for (name,) in names} == {"jinsuan", "postgres", "template0", "template1"}


def test_a_dump_of_a_stopped_server_leaves_it_stopped(
    server: EmbeddedServer, rows: int, folder: Path
) -> None:
    server.stop()

    server.dump(folder / "books.dump")

    assert not server.running()
    other = EmbeddedServer(folder / "other", durable=False)
    try:
        other.restore(folder / "books.dump")
        other.start()
        assert count(other) == rows
    finally:
        other.stop()


def test_a_bad_dump_changes_nothing(server: EmbeddedServer, rows: int, folder: Path) -> None:
    whole = folder / "whole.dump"
    server.dump(whole)
    torn = folder / "torn.dump"
    torn.write_bytes(whole.read_bytes()[:-400])

    for bad in (torn, folder / "absent.dump"):
        with pytest.raises(RestoreFailed, match="原有数据没有改动"):
            server.restore(bad)

    assert count(server) == rows


def test_a_dump_that_cannot_be_written_leaves_nothing(calm: EmbeddedServer, folder: Path) -> None:
    with pytest.raises(DumpFailed):
        calm.dump(folder / "no" / "such" / "folder.dump")

    assert not (folder / "no").exists()


def test_database_url_prefers_the_configured_one(
    monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    monkeypatch.setenv("JINSUAN_HOME", str(folder))
    assert default_folder() == folder
    monkeypatch.setenv("DATABASE_URL", "postgresql://elsewhere/books")
    assert database_url() == "postgresql://elsewhere/books"
    assert not any(folder.iterdir())


def test_database_url_starts_our_own_otherwise(
    monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    monkeypatch.setenv("JINSUAN_HOME", str(folder))
    monkeypatch.delenv("DATABASE_URL")
    try:
        with psycopg.connect(database_url()) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
    finally:
        EmbeddedServer(folder / "database").stop()


def wait_until(reached: object, *, seconds: int = 10) -> None:
    assert callable(reached)
    deadline = time.monotonic() + seconds
    while not reached():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)
