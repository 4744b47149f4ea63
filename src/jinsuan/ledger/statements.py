"""Read by a statement that PostgreSQL plans once per connection and not each time.

For the few reads that every request or every agent repeats: planning one of them costs more than
running it. Everything else goes through the ORM, or through a plain cursor. It lies in this room
because this is the lowest one with tables.

A pooler that gives each transaction another connection (PgBouncer before 1.21) cannot keep
prepared statements; JINSUAN_PREPARE=0 turns them off, and the same statements are then planned
each time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import psycopg
from django.db import connection


def read(sql: str, params: Sequence[Any] | Mapping[str, Any]) -> list[tuple[Any, ...]]:
    """All rows of one SELECT. Values are bound by the server, so each must have a plain type."""
    # Django's cursor opens the connection, looks whether it lives and takes part in `atomic`; its
    # own execute would write the values into the text, and a new text is planned anew.
    with (
        connection.cursor() as cursor,
        connection.wrap_database_errors,
        psycopg.Cursor(cursor.connection) as plain,
    ):
        return plain.execute(sql, params).fetchall()
