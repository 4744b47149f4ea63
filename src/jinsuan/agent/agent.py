"""The centre's agent (算力中心代理): look into the engine, tell the platform, do what it answers.

No network and no clock of its own. Whatever is lost, repeated or late, and wherever it is killed:
work starts at most once, and nothing that runs is stopped because somebody lost sight of it.
docs/reference/agent-protocol.md has the rules; this module follows their order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

import structlog

from jinsuan.agent.attempt import UNSURE, Attempt
from jinsuan.agent.book import Book
from jinsuan.agent.engines.base import Engine, Forgets
from jinsuan.agent.engines.errors import EngineRefused, EngineUnreachable
from jinsuan.agent.journal import Journal
from jinsuan.agent.logs import LogReader
from jinsuan.agent.warden import Warden
from jinsuan.protocol.messages import (
    PROTOCOL_VERSION,
    Ack,
    Ask,
    AttemptReport,
    Cancel,
    Lease,
    Offer,
    SyncRequest,
    SyncResponse,
)
from jinsuan.protocol.states import AttemptState

log = structlog.get_logger(__name__)

MAX_REPORTS = 300
"""Per round; the rest follows in the next."""
LONGEST_INTERVAL_MS = 300_000
"""Whatever the platform says: an agent that sleeps for days by a slip could not be told otherwise."""
OFFERS_AGAIN_SECONDS = 900
FORGET_SECONDS = 600
FORGET_AT_ONCE = 500


class Transport(Protocol):
    """The way to the platform."""

    def sync(self, request: SyncRequest) -> SyncResponse:
        """One round.

        Raises:
            PlatformUnreachable: no answer; the request may have arrived all the same.
            PlatformRefused: an answer that is a refusal.
        """


class Agent:
    """One agent on one state folder.

    Args:
        now: the agent's clock, aware; only for what is reported.
        monotonic: seconds that never jump; for everything that is awaited.
        settle_seconds: how long a reachable engine must not know a key before it is believed.
        keep_seconds: how long the logs of settled attempts are kept.
        journal: opened by the caller when it needs the boot number before the agent is made.
    """

    def __init__(
        self,
        state_folder: Path,
        engine: Engine,
        transport: Transport,
        now: Callable[[], datetime],
        monotonic: Callable[[], float],
        *,
        agent_version: str = "0",
        settle_seconds: int = 30,
        keep_seconds: int = 7 * 86_400,
        journal: Journal | None = None,
    ) -> None:
        self._engine, self._transport = engine, transport
        self._now, self._monotonic = now, monotonic
        self._version, self._keep = agent_version, timedelta(seconds=keep_seconds)
        self._journal = journal or Journal(state_folder)
        self._book = Book(self._journal)
        self._logs = LogReader(engine)
        self._warden = Warden(
            engine, self._book, monotonic=monotonic, settle_seconds=settle_seconds
        )
        self._told: tuple[Offer, ...] | None = None
        self._models: dict[str, str | None] = {}
        self._told_at = self._forgot_at = monotonic()
        self.interval_ms, self.usage_interval_ms = 2_000, 60_000

    @property
    def boot(self) -> int:
        """Grows with every start on this folder."""
        return self._journal.boot

    @property
    def busy(self) -> bool:
        """Whether any attempt has not ended."""
        return any(not attempt.ended for attempt in self._book)

    def close(self) -> None:
        """Let go of the folder. The work goes on."""
        self._journal.close()

    # ── one round ─────────────────────────────────────────────────────────────────────────────

    def step(self) -> None:
        """One round: look, tell, do.

        Raises:
            PlatformUnreachable, PlatformRefused: from the transport. Everything else is done and
                will be told in the next round.
        """
        self.look()
        request = self._request()
        sent = self._monotonic()
        response = self._transport.sync(request)
        if request.offers is not None:
            self._told, self._told_at = request.offers, sent
        self._take_acks(response.acks, {c.attempt: c.offset for c in request.logs})
        self._apply(response, sent)
        self._settle()

    def look(self) -> None:
        """Take over what the engine knows, and let it start and stop what it should."""
        seen_at, at = self._now(), self._monotonic()
        if self._warden.look(seen_at):
            # The embedded engine works when it is asked: ask again for what was just handed over.
            self._warden.look(seen_at)
        for attempt in self._book:
            if attempt.state is not AttemptState.RUNNING:
                continue
            if attempt.usage_due is None:
                attempt.usage_due = at + self.usage_interval_ms / 1000
            elif at >= attempt.usage_due:
                attempt.usage_due = at + self.usage_interval_ms / 1000
                attempt.touch()
                self._book.note(attempt)
        self._book.flush()

    def _request(self) -> SyncRequest:
        offers = self._offers()
        return SyncRequest(
            protocol=PROTOCOL_VERSION,
            agent_version=self._version,
            reports=self._reports(),
            logs=self._logs.chunks(self._book),
            offers=offers,
        )

    def _model(self, attempt: Attempt) -> str | None:
        """The card model it uses; its node tells when the lease is lost with an earlier folder."""
        if attempt.lease is not None:
            return attempt.lease.work.model
        nodes = (share.node for share in attempt.allocation if share.cards)
        return next((self._models.get(node) for node in nodes), None)

    def _reports(self) -> tuple[AttemptReport, ...]:
        seen_at = self._warden.seen_at
        reports: list[AttemptReport] = []
        for attempt in self._book:
            if attempt.acked == attempt.revision or len(reports) == MAX_REPORTS:
                continue
            if attempt.state in UNSURE and not self._warden.heard:
                continue  # said now, it would keep the platform from sending the lease again
            if attempt.report is None:
                if seen_at is None and not attempt.ended:
                    continue  # after a start the engine is asked before anything is said
                attempt.tell(seen_at=seen_at or self._now(), model=self._model(attempt))
                self._book.note(attempt)
            assert attempt.report is not None
            reports.append(attempt.report)
        self._book.flush()
        return tuple(reports)

    def _offers(self) -> tuple[Offer, ...] | None:
        try:
            offers = tuple(self._engine.offers())
        except (EngineUnreachable, EngineRefused) as error:
            log.warning("engine.no_offers", problem=error.explain())
            return None
        self._models = {node.name: node.model for offer in offers for node in offer.nodes}
        again = self._monotonic() - self._told_at > OFFERS_AGAIN_SECONDS
        return offers if again or offers != self._told else None

    # ── what the platform answers ─────────────────────────────────────────────────────────────

    def _apply(self, response: SyncResponse, sent: float) -> None:
        self.interval_ms = min(max(100, response.interval_ms), LONGEST_INTERVAL_MS)
        self.usage_interval_ms = max(1_000, response.usage_interval_ms)
        for ask in response.asks:
            self._take_ask(ask)
        for cancel in response.cancels:
            self._take_cancel(cancel)
        self._book.flush()
        for lease in response.leases:
            self._take_lease(lease, sent)
        # Fences, stops and leases are on the disk before the engine hears of any of them.
        self._book.flush()
        self._warden.heard = True
        self.look()

    def _take_acks(self, acks: Iterable[Ack], sent_logs: Mapping[str, int]) -> None:
        for ack in acks:
            attempt = self._book.open(ack.attempt)
            if attempt is None:
                continue
            attempt.acked = max(attempt.acked, min(ack.revision, attempt.revision))
            if ack.attempt in sent_logs:
                stuck = ack.log_bytes <= sent_logs[ack.attempt]
                attempt.log_stuck = attempt.log_stuck + 1 if stuck else 0
            attempt.log_bytes = ack.log_bytes
            self._book.note(attempt)

    def _take_ask(self, ask: Ask) -> None:
        """Fence it, then find out; the answer follows in the next report."""
        attempt = self._book.find(ask.attempt)
        if attempt is None:
            # An earlier agent, whose folder is lost, may have handed it over a moment ago.
            attempt = Attempt(
                attempt=ask.attempt,
                job="",
                fencing=ask.fencing,
                engine_key=ask.engine_key,
                handed=True,
            )
            self._book.add(attempt)
        if ask.fencing < attempt.fencing:
            log.warning("ask.stale", attempt=ask.attempt, fencing=ask.fencing)
            return
        if attempt.ended:
            self._say_again(attempt)
            return
        attempt.fenced = attempt.asked = True
        self._book.note(attempt)

    def _take_cancel(self, cancel: Cancel) -> None:
        attempt = self._book.find(cancel.attempt)
        if attempt is None or cancel.fencing < attempt.fencing:
            log.warning("cancel.ignored", attempt=cancel.attempt, known=attempt is not None)
            return
        if attempt.ended:
            self._say_again(attempt)
        elif attempt.stop_grace is None or cancel.grace_seconds < attempt.stop_grace:
            attempt.stop_grace, attempt.stop_sent = cancel.grace_seconds, False
            attempt.message = cancel.reason[:2000]
            self._book.note(attempt)

    def _take_lease(self, lease: Lease, sent: float) -> None:
        attempt = self._book.find(lease.attempt)
        if lease.fencing < self._book.largest_fencing(lease.job):
            log.warning("lease.stale", attempt=lease.attempt, fencing=lease.fencing)
            return
        if attempt is None:
            attempt = Attempt(
                attempt=lease.attempt,
                job=lease.job,
                fencing=lease.fencing,
                engine_key=lease.engine_key,
                lease=lease,
            )
            self._book.add(attempt)
            log.info("lease.received", attempt=lease.attempt, job=lease.job, fencing=lease.fencing)
        elif attempt.fencing < lease.fencing:
            attempt.fencing = lease.fencing
            attempt.touch()
            self._book.note(attempt)
        if attempt.ended:
            self._say_again(attempt)
            return
        # The remaining time is counted from before the question, so a slow answer never adds to it.
        attempt.deadline = sent + lease.start_within_seconds
        for older in self._book.siblings(attempt):
            if older.fencing < attempt.fencing and not older.fenced:
                older.fenced = True
                self._book.note(older)

    def _say_again(self, attempt: Attempt) -> None:
        """The platform speaks of it as if it had not heard the end."""
        if attempt.acked == attempt.revision:
            attempt.touch()
            self._book.note(attempt)

    # ── what is over ──────────────────────────────────────────────────────────────────────────

    def _settle(self) -> None:
        over = [
            a for a in self._book if a.ended and a.acked == a.revision and self._logs.is_done(a)
        ]
        self._book.settle(over, now=self._now())
        if self._monotonic() - self._forgot_at > FORGET_SECONDS:
            self._forgot_at = self._monotonic()
            self.forget_old()

    def forget_old(self) -> None:
        """Drop logs and folders of attempts that were settled long enough ago."""
        old = self._journal.to_forget(self._now() - self._keep, FORGET_AT_ONCE)
        if isinstance(self._engine, Forgets):
            for _, key in old:
                self._engine.forget(key)
        self._journal.forget([attempt for attempt, _ in old])
