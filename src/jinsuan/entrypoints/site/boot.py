"""Bring a process up: find the database, load Django, check that the code is allowed to run."""

from __future__ import annotations

import os
import sys

import django


def boot() -> None:
    """Make models and settings usable. Called once by each command, worker and server."""
    if sys.flags.optimize:
        # Assertions are part of the program: bugs must crash, not go on with wrong money.
        raise SystemExit("请不要用 python -O 运行：断言是账务安全的一部分。")
    if "DATABASE_URL" not in os.environ:
        from jinsuan.entrypoints.database import database_url

        os.environ["DATABASE_URL"] = database_url()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "jinsuan.entrypoints.site.settings")
    django.setup()


def migrate() -> None:
    """Bring the tables up to this version of the program."""
    from django.core.management import call_command

    call_command("migrate", interactive=False, verbosity=0)
