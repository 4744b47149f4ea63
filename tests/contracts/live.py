"""The WSGI application on a port of this machine, over a database that commits for real."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.core.servers.basehttp import ThreadedWSGIServer, WSGIRequestHandler

from jinsuan.entrypoints import clock
from tests.contracts.api_world import START


class Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Say nothing."""


@contextmanager
def served() -> Iterator[str]:
    """The address of a running platform whose business clock stands in 2025."""
    from jinsuan.entrypoints.site.wsgi import application

    server = ThreadedWSGIServer(("127.0.0.1", 0), Quiet)
    server.daemon_threads = True  # a connection kept alive must not keep us here
    server.set_app(application)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    before = os.environ.get(clock.VARIABLE)
    os.environ[clock.VARIABLE] = str(clock.offset_for(START))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        os.environ.pop(clock.VARIABLE)
        if before is not None:
            os.environ[clock.VARIABLE] = before
