"""Django loads a database backend from a module of this name.

Before each request Django asks a kept connection `SELECT 1`, a round trip for nothing on nearly
all of them. A server that went away has closed the socket, and a closed socket is readable; a
connection between two requests has nothing to read. So one look at the socket, which asks nobody,
tells the two apart; only a readable one is asked.
"""

from __future__ import annotations

import select

from django.db.backends.postgresql import base


class DatabaseWrapper(base.DatabaseWrapper):
    """As Django's; `CONN_HEALTH_CHECKS` must be on for any look at all."""

    def is_usable(self) -> bool:
        if self.connection is None or self.connection.closed:
            return False
        looker = select.poll()
        looker.register(self.connection.fileno(), select.POLLIN)
        if not looker.poll(0):
            return True
        return bool(super().is_usable())
