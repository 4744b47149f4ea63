"""A throw-away database with the product's own settings, in a temporary folder.

Each benchmark runs in a process of its own, because Django can be set up once only.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from jinsuan.entrypoints import clock
from jinsuan.entrypoints.database import EmbeddedServer
from jinsuan.entrypoints.replay.command import DAY, fresh_database


@contextmanager
def database() -> Iterator[EmbeddedServer]:
    """Started, empty, with Django set up and the tables made; durable as in production."""
    with tempfile.TemporaryDirectory(prefix="jinsuan-bench-") as name:
        home = Path(name)
        home.chmod(0o711)
        server = EmbeddedServer(home / "bench" / "database")
        os.environ[clock.VARIABLE] = str(clock.offset_for(DAY))
        os.environ["DATABASE_URL"] = fresh_database(home / "bench", server)
        try:
            from jinsuan.entrypoints.site.boot import boot, migrate

            boot()
            migrate()
            yield server
        finally:
            server.stop()
            del os.environ["DATABASE_URL"]
