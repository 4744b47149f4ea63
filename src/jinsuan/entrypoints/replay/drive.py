"""Order the pods through the API, then watch until every job is over."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from jinsuan.client.api import Client
from jinsuan.client.errors import ApiRefused
from jinsuan.dispatch.queries import counts, reasons_waiting
from jinsuan.protocol.states import JobState

AT_ONCE = 4
"""Orders on their way at the same moment."""
LOOK_SECONDS = 0.5
SETTLED = str(JobState.SETTLED)


@dataclass(slots=True)
class Watched:
    """What was seen on the way: most that waited at once, and why."""

    most_waiting: int = 0
    reasons: Counter[str] = field(default_factory=Counter)

    def look(self, waiting: int) -> None:
        """Remember the most of everything."""
        if not waiting:
            return
        self.most_waiting = max(self.most_waiting, waiting)
        for why, count in reasons_waiting(limit=20):
            self.reasons[why] = max(self.reasons[why], count)


def order_all(
    url: str, tokens: Sequence[str], orders: Sequence[dict[str, Any]]
) -> tuple[list[str], Counter[str]]:
    """Order everything, in turn for each user; the job ids, and refusals by reason."""
    clients = [Client(url, token) for token in tokens]

    def send(number: int) -> str | ApiRefused:
        try:
            client = clients[number % len(clients)]
            key = f"replay-{number:06d}"
            return str(client.submit(orders[number], idempotency_key=key)["id"])
        except ApiRefused as refusal:
            return refusal

    try:
        with ThreadPoolExecutor(AT_ONCE) as threads:
            answers = list(threads.map(send, range(len(orders))))
    finally:
        for client in clients:
            client.close()
    refused = Counter(f"{a.code}：{a.detail}" for a in answers if isinstance(a, ApiRefused))
    return [a for a in answers if isinstance(a, str)], refused


def watch(jobs: int, *, until: float, check: Callable[[], None]) -> Watched:
    """Look until so many jobs are settled, or until the time is up.

    Args:
        until: monotonic seconds.
        check: notices a process of ours that ended.
    """
    seen = Watched()
    while True:
        states = counts().by_state
        seen.look(states.get(str(JobState.QUEUED), 0))
        if states.get(SETTLED, 0) >= jobs or time.monotonic() > until:
            return seen
        check()
        time.sleep(LOOK_SECONDS)
