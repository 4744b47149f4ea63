"""What every test may rely on: a database of its own, quick properties, the shared data.

The database is a throw-away embedded PostgreSQL without fsync, one for all xdist workers. To run
on another server set JINSUAN_TEST_DATABASE_URL (or DATABASE_URL); to run another PostgreSQL in the
same throw-away manner set JINSUAN_POSTGRES_BIN, for example /usr/lib/postgresql/15/bin.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from jinsuan.entrypoints.database import EmbeddedServer

ROOT = Path(__file__).parents[1]
PREFIX = "jinsuan-test-"

hypothesis.settings.register_profile("quick", max_examples=30, deadline=None)
hypothesis.settings.register_profile("ci", max_examples=100, deadline=None, derandomize=True)
hypothesis.settings.register_profile("deep", max_examples=2_000, deadline=None)
hypothesis.settings.load_profile(
    os.environ.get("HYPOTHESIS_PROFILE") or ("ci" if os.environ.get("CI") else "quick")
)


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Give the database an address first, then let Django read its settings."""
    given = os.environ.get("JINSUAN_TEST_DATABASE_URL") or os.environ.get("DATABASE_URL")
    if given is None and not config.option.collectonly:
        given = _start_database(config)
    # Workers of xdist inherit the environment, and with it the one server.
    os.environ["JINSUAN_TEST_DATABASE_URL"] = os.environ["DATABASE_URL"] = given or ""
    os.environ["DJANGO_SETTINGS_MODULE"] = "jinsuan.entrypoints.site.settings"
    from django.conf import settings

    assert settings.DATABASES  # read now, so that pytest-django knows that Django is in use


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Kubernetes and Ray take minutes: only when asked for, and counted as skipped otherwise."""
    if "engines" in config.option.markexpr:
        return
    skip = pytest.mark.skip(reason="starts Kubernetes or Ray: ./run test -m engines")
    for item in items:
        if item.get_closest_marker("engines") is not None:
            item.add_marker(skip)


def _start_database(config: pytest.Config) -> str:
    _sweep()
    folder = _reachable_folder()
    server = EmbeddedServer(folder / "database", durable=False)

    def remove() -> None:
        server.stop()
        shutil.rmtree(folder)

    config.add_cleanup(remove)
    return server.start()


def _reachable_folder() -> Path:
    """Not pytest's own temporary folder: as root that is closed to the user PostgreSQL runs as."""
    folder = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-"))
    folder.chmod(0o711)
    return folder


def _sweep() -> None:
    """Stop and remove what test runs left behind that were killed."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        pid = folder.name.removeprefix(PREFIX).partition("-")[0]
        if not pid.isdigit() or folder.stat().st_uid != os.geteuid():
            continue
        try:
            os.kill(int(pid), 0)
        except ProcessLookupError:
            for data in folder.glob("*/data"):
                EmbeddedServer(data.parent, durable=False).stop()
            shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def django_db_setup(
    django_test_environment: None, django_db_blocker: Any, django_db_modify_db_settings: None
) -> Iterator[None]:
    """Make the test database for whoever asks; pytest-django's own looks for its marks only, and
    tests that commit for real carry none."""
    from django.test.utils import setup_databases, teardown_databases

    with django_db_blocker.unblock():
        made = setup_databases(verbosity=0, interactive=False, aliases={"default"})
    yield
    with django_db_blocker.unblock():
        teardown_databases(made, verbosity=0)


@pytest.fixture
def committed_db(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """An empty database without a transaction around it, for threads and processes of their own.

    Afterwards every table of ours is emptied, with the append-only triggers off for that moment.
    """
    from django.db import connection

    with django_db_blocker.unblock():
        try:
            yield
        finally:
            _empty(connection)
            connection.close()


@pytest.fixture(scope="module")
def committed_module(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """The same as `committed_db` for a whole module, where filling the database takes seconds."""
    from django.db import connection

    with django_db_blocker.unblock():
        try:
            yield
        finally:
            _empty(connection)
            connection.close()


def _empty(connection: Any) -> None:
    """Empty every table. Only the tables' owner may switch the append-only triggers off."""
    tables = connection.introspection.django_table_names(only_existing=True)
    kept = {"django_migrations", "django_content_type", "auth_permission"}
    emptied = sorted(set(tables) - kept)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT DISTINCT tgrelid::regclass::text FROM pg_trigger WHERE NOT tgisinternal"
        )
        guarded = sorted({name for (name,) in cursor.fetchall()} & set(emptied))
        steps = [f"ALTER TABLE {name} DISABLE TRIGGER USER" for name in guarded]
        steps.append(f"TRUNCATE {', '.join(emptied)} RESTART IDENTITY CASCADE")
        steps += [f"ALTER TABLE {name} ENABLE TRIGGER USER" for name in guarded]
        cursor.execute("BEGIN; " + "; ".join(steps) + "; COMMIT")


@pytest.fixture(scope="session")
def make_reachable_folder() -> Callable[[], Path]:
    """Makes temporary folders that every user can pass through; the caller removes them."""
    return _reachable_folder


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real traces, inventories and tables that are too large to commit."""
    configured = os.environ.get("JINSUAN_DATA")
    folder = Path(configured) if configured else ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"no shared data at {folder}; set JINSUAN_DATA to the folder that holds them")
    return folder
