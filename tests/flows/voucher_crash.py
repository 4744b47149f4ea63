"""Vouchers at work while server, worker and PostgreSQL are killed. Run as a program.

Clients order jobs over HTTP and send the same again, a treasury books top-ups, an officer approves
cases whose notice is over at once, and the worker issues, meters and captures by voucher and cash.
Prints one JSON document: what was acknowledged, and what the books say.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from threading import Event, Thread
from typing import Any
from uuid import UUID

from tests.flows.crash_scenario import PATIENCE_SECONDS, Scenario

EACH = 5
CASES = 16
VICTIMS = ("server", "worker", "postgres")
AFTER_NOTICE = datetime(2025, 9, 29, 1, tzinfo=UTC)


class VoucherScenario(Scenario):
    """One centre, one tenant, one voucher in use and many cases before their end."""

    def __init__(self, folder: Path, seed: int) -> None:
        super().__init__(folder, seed)
        shift = round((AFTER_NOTICE - datetime.now(UTC)) / timedelta(seconds=1))
        os.environ["JINSUAN_CLOCK_OFFSET_SECONDS"] = str(shift)
        os.environ["JINSUAN_USAGE_INTERVAL_MS"] = "400"
        self.stopping = Event()
        self.orders: dict[str, str] = {}
        self.keys: list[str] = []
        self.approved: list[UUID] = []
        self.failed: list[str] = []

    def prepare(self) -> str:
        """The province, its cases and one issued voucher; returns the tenant's token."""
        from jinsuan.entrypoints.site.boot import boot, migrate

        boot()
        migrate()
        from tests.flows import voucher_books

        token = voucher_books.register(self, CASES)
        self.processes.start("server", self.commands["server"])
        self.processes.await_ready(self.url)
        folder = self.folder / "agents" / "K00"
        voucher_books.enrol(folder, self.url)
        self.commands["agent0"] = ["agent", "run", str(folder)]
        for name in ("worker", "agent0"):
            self.processes.start(name, self.commands[name])
        return token

    def storm(self, token: str) -> dict[str, Any]:
        from tests.flows import voucher_books

        acts = [
            lambda: self.client(token, "a"),
            lambda: self.client(token, "b"),
            lambda: voucher_books.treasury(self),
            lambda: voucher_books.officer(self),
            lambda: voucher_books.impatient(self),
        ]
        threads = [Thread(target=self.careful, args=(act,), daemon=True) for act in acts]
        began = time.monotonic()
        for thread in threads:
            thread.start()
        victims = [name for name in VICTIMS for _ in range(EACH)]
        self.chance.shuffle(victims)
        for name in victims:
            voucher_books.wait_for_progress(self, name)
            time.sleep(self.chance.uniform(0, 0.4))
            self.kill(name)
            if name == "server":
                self.processes.await_ready(self.url)
        for name in VICTIMS:
            voucher_books.wait_for_progress(self, name)
        self.stopping.set()
        for thread in threads:
            thread.join(PATIENCE_SECONDS)
        stormed = time.monotonic() - began
        voucher_books.wait_for_rest(self)
        self.processes.stop()
        found = voucher_books.books(self)
        return {
            "seconds": round(time.monotonic() - began, 1),
            "stormed": round(stormed, 1),
            "kills": dict(Counter(self.kills)),
            "failed": self.failed,
            **found,
        }

    def careful(self, act: Callable[[], None]) -> None:
        try:
            act()
        except BaseException as error:  # noqa: BLE001
            self.failed.append(repr(error)[:300])

    def client(self, token: str, name: str) -> None:
        """Order jobs one after another; each order is sent twice, as an impatient client would."""
        from jinsuan.client.api import Client

        client, number = Client(self.url, token), 0
        chance = Random(name)
        while not self.stopping.is_set():
            key, spec = f"{name}-{number}", _spec(f"{name}-{number}", chance.uniform(1, 2.5))
            first = self.ask(client, spec, key)
            assert first == self.ask(client, spec, key)
            self.orders[key] = first
            number += 1
            time.sleep(chance.uniform(0.4, 1.2))

    def ask(self, client: Any, spec: dict[str, Any], key: str) -> str:
        from jinsuan.kernel.errors import DomainError

        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                return str(client.submit(spec, idempotency_key=key)["id"])
            except DomainError as error:
                if time.monotonic() > deadline or error.http_status in (400, 403, 422):
                    raise
            time.sleep(0.1)


def _spec(name: str, seconds: float) -> dict[str, Any]:
    return {
        "name": name,
        "run": f"sleep {seconds:.2f}",
        "resources": {"accelerators": {"T4-16GB": "1"}, "cpus": 1, "memory": "1GB"},
        "max_duration": "1m",
    }


def main() -> None:
    scenario = VoucherScenario(Path(sys.argv[1]), int(sys.argv[2]))
    try:
        result = scenario.storm(scenario.prepare())
    finally:
        scenario.stopping.set()
        scenario.stop()
    sys.stdout.write(json.dumps(result, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
