"""The site over a committed database, served by a thread, with people who are logged in."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from socketserver import ThreadingMixIn
from typing import TYPE_CHECKING, Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

if TYPE_CHECKING:  # models cannot be imported before Django has its settings
    from tests.flows.lively import Lively


@dataclass(frozen=True, slots=True)
class Site:
    """Where it is, who is logged in, and what things are called.

    All of it is made before Playwright starts: in the thread of its loop Django would open a second
    connection that nobody closes.
    """

    url: str
    sessions: dict[str, list[str]]
    places: dict[str, str]
    password: str

    def address(self, path: str) -> str:
        return self.url + path.format(**self.places)

    def cookies(self, username: str | None, *, theme: str = "light", elder: bool = False) -> Any:
        """What a browser of this person carries."""
        display = f"{theme}.elder" if elder else theme
        found = [{"name": "jinsuan_display", "value": display, "url": self.url}]
        if username is not None:
            found.append(
                {"name": "sessionid", "value": self.sessions[username].pop(), "url": self.url}
            )
        return found


def session_of(username: str) -> str:
    from django.test import Client

    from jinsuan.entrypoints.portal.views.order import DRAFT
    from jinsuan.registry.models import Person

    client = Client()
    client.force_login(Person.objects.get(username=username))
    session = client.session
    session[DRAFT] = DRAFTED
    session.save()
    return client.cookies["sessionid"].value


def _capture(job: str) -> str:
    """A transfer by voucher of this job."""
    from jinsuan.ledger.queries import transfers_with_key_prefix

    captures = transfers_with_key_prefix(f"capture:{job}:")
    return str(next(t.ref for t in captures if "voucher_" in t.debit))


def _sealed(world: Lively) -> str:
    """Seal what happened so far and tell people; the number of one sealed row."""
    from functools import partial

    from jinsuan.ledger.delivery import NOTIFY, deliver
    from jinsuan.ledger.models import AuditRow
    from jinsuan.ledger.seal import seal_all
    from jinsuan.vouchers.letters import letters

    seal_all(signer=None, now=world.now)
    deliver(NOTIFY, partial(letters, now=world.now), now=world.now)
    row = AuditRow.objects.filter(action="voucher.issue").order_by("id").first()
    assert row is not None
    return str(row.id)


OPENED = defaultdict(lambda: 4, researcher=48, operator=8, officer=8, treasury=8, auditor=16)
"""How often a module opens a page as somebody; each time is a session of its own."""
DRAFTED = {
    "name": "矿井安全大模型微调 第4轮",
    "run": "torchrun train.py --config mine-safety.yaml",
    "model": "Ascend 910B3",
    "cards": "8",
    "nodes": "1",
    "cpus": "64",
    "memory": "256",
    "hours": "12",
    "pay": "auto",
    "budget": "2,000.00",
}
"""What waits in everybody's order form."""


class _Threading(ThreadingMixIn, WSGIServer):
    daemon_threads = True

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        from django.db import connections

        try:
            super().process_request_thread(request, client_address)
        finally:
            connections.close_all()


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
        """Say nothing: pytest's output is for findings."""


@contextmanager
def served(world: Lively) -> Iterator[Site]:
    """The lively province, served."""
    places = {name: str(ref) for name, ref in world.jobs.items()}
    places["capture"] = _capture(places["settled"])
    places["audit"] = _sealed(world)
    sessions = {who: [session_of(who) for _ in range(OPENED[who])] for who in world.people}
    with running(sessions, places, world.password) as site:
        yield site


@contextmanager
def running(
    sessions: dict[str, list[str]], places: dict[str, str], password: str = ""
) -> Iterator[Site]:
    """Serve on a free port of the loopback while the block runs."""
    from django.core.wsgi import get_wsgi_application

    server = make_server(
        "127.0.0.1", 0, get_wsgi_application(), server_class=_Threading, handler_class=_Quiet
    )
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield Site(f"http://127.0.0.1:{server.server_port}", sessions, places, password)
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
