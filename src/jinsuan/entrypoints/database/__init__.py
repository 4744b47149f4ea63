"""The database that Jinsuan brings along, so that the first start needs no installation."""

from __future__ import annotations

import os
from pathlib import Path

from jinsuan.entrypoints.database.server import EmbeddedServer

__all__ = ["EmbeddedServer", "database_url", "default_folder", "default_server"]


def default_folder() -> Path:
    """Where Jinsuan keeps its files: JINSUAN_HOME, else the usual place of this user."""
    if configured := os.environ.get("JINSUAN_HOME"):
        return Path(configured).expanduser().absolute()
    if os.geteuid() == 0:  # PostgreSQL steps down from root and could not enter /root
        return Path("/var/lib/jinsuan")
    return Path.home() / ".local" / "share" / "jinsuan"


def default_server() -> EmbeddedServer:
    """Return the embedded server of this user (not started)."""
    return EmbeddedServer(default_folder() / "database")


def database_url() -> str:
    """Return DATABASE_URL when it is set, else the embedded server's URL, starting it if needed."""
    return os.environ.get("DATABASE_URL") or default_server().start()
