"""Several reads that must agree, from one snapshot of the book."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection, transaction


@contextmanager
def one_snapshot(*, read_only: bool = True) -> Iterator[None]:
    """Within it, no read sees what was posted after the first one.

    PostgreSQL fixes the level before a transaction's first statement; inside a caller's own
    transaction its level stays, and closed periods agree anyway, because the book only grows.
    """
    outermost = not connection.in_atomic_block
    with transaction.atomic():
        if outermost:
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
                if read_only:
                    cursor.execute("SET TRANSACTION READ ONLY")
        yield
