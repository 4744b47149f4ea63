"""The lease protocol under loss, repetition, reordering and crashes at every step.

The real agent, the real platform actions and a real database talk over a network made of faults.
The engine outlives its agent, as real ones do, and counts how often each key was started.

What must hold whatever happens: no job is ever started twice, no job has two live attempts; and
once the faults stop, every job is settled, nothing stays in escrow, and the book balances.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import django.test
from hypothesis import settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from jinsuan.agent.core import Agent
from jinsuan.agent.engines.errors import EngineUnreachable
from jinsuan.agent.errors import PlatformUnreachable
from jinsuan.dispatch import actions as dispatch
from jinsuan.dispatch.models import Attempt, Job
from jinsuan.dispatch.pace import SyncPace
from jinsuan.kernel.money import Money
from jinsuan.ledger.queries import balances_of_kind, check_book
from jinsuan.protocol.codec import decode, encode
from jinsuan.protocol.messages import (
    Lease,
    NodeOffer,
    Observation,
    Offer,
    SyncRequest,
    SyncResponse,
)
from jinsuan.protocol.states import AttemptState, EndCause, JobState
from tests.flows.world import World, make_world

CENTRE = "T01"
START = datetime(2025, 9, 16, 1, 0, tzinfo=UTC)
NODES = 2
CARDS = 4


class Clock:
    """Business time that moves only when a rule says so."""

    def __init__(self) -> None:
        self.seconds = 0

    def now(self) -> datetime:
        return START + timedelta(seconds=self.seconds)

    def monotonic(self) -> int:
        return self.seconds


class CountingEngine:
    """An engine in memory that outlives its agent. It may start a key again, and counts that."""

    name = "embedded"

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.starts: Counter[str] = Counter()
        self.seen: dict[str, Observation] = {}
        self.leases: dict[str, Lease] = {}
        self.away = False
        self.swallow = False

    def offers(self) -> Sequence[Offer]:
        self._reach()
        nodes = tuple(
            NodeOffer(
                name=f"n{i}",
                model="T4",
                cards_free_milli=(1000,) * CARDS,
                cpu_milli=64_000,
                cpu_free_milli=64_000,
                memory_mib=2**18,
                memory_free_mib=2**18,
            )
            for i in range(NODES)
        )
        return [Offer(cluster="main", engine="embedded", nodes=nodes, card_share=True)]

    def submit(self, lease: Lease) -> None:
        self._reach()
        if lease.engine_key not in self.seen:
            self.starts[lease.engine_key] += 1
            self.leases[lease.engine_key] = lease
            self.seen[lease.engine_key] = Observation(
                engine_key=lease.engine_key,
                state=AttemptState.RUNNING,
                allocation=lease.nodes,
                started_at=self.clock.now(),
            )
        if self.swallow:
            raise EngineUnreachable("the answer was lost")

    def observe(self, keys: Sequence[str]) -> Sequence[Observation]:
        self._reach()
        return [self.seen[key] for key in keys if key in self.seen]

    def cancel(self, key: str, *, grace_seconds: int) -> None:
        self._reach()
        if key in self.seen:
            self.end(key, EndCause.CANCELLED)

    def read_log(self, key: str, *, offset: int, limit: int) -> bytes:
        return f"log of {key}".encode()[offset : offset + limit]

    def end(self, key: str, cause: EndCause) -> None:
        if self.seen[key].state is AttemptState.RUNNING:
            self.seen[key] = replace(
                self.seen[key],
                state=AttemptState.ENDED,
                cause=cause,
                exit_code=0 if cause is EndCause.EXITED else None,
                ended_at=self.clock.now(),
            )

    def _reach(self) -> None:
        if self.away:
            raise EngineUnreachable("the engine is away")


class FaultyNetwork:
    """Carries a sync to the platform, or loses it, or its answer, or brings an old one again."""

    def __init__(self, clock: Clock, centre: World) -> None:
        self.clock = clock
        self.world = centre
        self.lose_request = self.lose_response = False
        self.old: list[object] = []

    def sync(self, request: SyncRequest) -> SyncResponse:
        if self.lose_request:
            raise PlatformUnreachable("the request was lost")
        self.old.append(encode(request))
        response = self.deliver(len(self.old) - 1)
        if self.lose_response:
            raise PlatformUnreachable("the response was lost")
        return response

    def deliver(self, index: int) -> SyncResponse:
        """Let the platform hear a message, for the first time or again."""
        message = decode(SyncRequest, self.old[index])
        answer = dispatch.sync(
            self.world.centre_id,
            CENTRE,
            message,
            pace=SyncPace(interval_ms=1000, usage_interval_ms=1000),
            now=self.clock.now(),
        )
        return decode(SyncResponse, encode(answer))


class LeaseProtocol(RuleBasedStateMachine):
    """A tenant orders, the platform places, one agent syncs, and everything goes wrong."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.clock = Clock()
        self.engine = CountingEngine(self.clock)
        self.jobs = 0

    @initialize()
    def a_small_world(self) -> None:
        self.world = make_world(now=self.clock.now(), centre=CENTRE, nodes=NODES, cards=CARDS)
        self.network = FaultyNetwork(self.clock, self.world)
        self.start_agent()

    def start_agent(self) -> None:
        self.agent = Agent(
            state_folder=Path(self.folder.name),
            engine=self.engine,
            transport=self.network,
            now=self.clock.now,
            monotonic=self.clock.monotonic,
        )

    @precondition(lambda self: self.jobs < 6)
    @rule(cards=st.integers(1, CARDS), nodes=st.integers(1, NODES))
    def order(self, cards: int, nodes: int) -> None:
        self.jobs += 1
        self.world.submit(cards=cards, nodes=nodes, key=f"k{self.jobs}", now=self.clock.now())

    @rule()
    def place(self) -> None:
        dispatch.place_queued(now=self.clock.now())

    @rule(lose=st.sampled_from(["nothing", "request", "response"]))
    def sync(self, lose: str) -> None:
        self.network.lose_request = lose == "request"
        self.network.lose_response = lose == "response"
        self.agent.step()
        self.network.lose_request = self.network.lose_response = False

    @precondition(lambda self: self.network.old)
    @rule(data=st.data())
    def an_old_message_arrives_again(self, data: st.DataObject) -> None:
        self.network.deliver(data.draw(st.integers(0, len(self.network.old) - 1)))

    @rule()
    def the_agent_is_killed_and_started(self) -> None:
        self.start_agent()

    @rule(away=st.booleans(), swallow=st.booleans())
    def the_engine_comes_and_goes(self, away: bool, swallow: bool) -> None:
        self.engine.away, self.engine.swallow = away, swallow

    @rule(seconds=st.sampled_from([1, 5, 59, 61, 200]))
    def time_passes(self, seconds: int) -> None:
        self.clock.seconds += seconds

    @rule()
    def watch(self) -> None:
        dispatch.mark_silent(now=self.clock.now())

    @precondition(lambda self: self.engine.seen)
    @rule(data=st.data(), cause=st.sampled_from([EndCause.EXITED, EndCause.ENGINE_LOST]))
    def a_job_ends(self, data: st.DataObject, cause: EndCause) -> None:
        self.engine.end(data.draw(st.sampled_from(sorted(self.engine.seen))), cause)

    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        live = [job.id for job in Job.objects.exclude(state__in=[JobState.ENDED, JobState.SETTLED])]
        if live:
            self.world.cancel(data.draw(st.sampled_from(live)), now=self.clock.now())

    @rule()
    def settle(self) -> None:
        dispatch.settle(now=self.clock.now())

    @invariant()
    def nothing_starts_twice(self) -> None:
        twice = {key: n for key, n in self.engine.starts.items() if n > 1}
        assert not twice, twice
        per_job = Counter(self.engine.leases[key].job for key in self.engine.starts)
        assert all(n == 1 for n in per_job.values()), per_job

    @invariant()
    def the_book_balances(self) -> None:
        if self.jobs:
            assert not check_book().differences

    def teardown(self) -> None:
        """The faults stop: everything comes to its end."""
        if hasattr(self, "world"):
            self.come_to_rest()
        self.folder.cleanup()

    def come_to_rest(self) -> None:
        self.engine.away = self.engine.swallow = False
        for _ in range(40):
            for key in list(self.engine.seen):
                self.engine.end(key, EndCause.EXITED)
            self.clock.seconds += 10
            self.agent.step()
            dispatch.mark_silent(now=self.clock.now())
            dispatch.place_queued(now=self.clock.now())
            dispatch.settle(now=self.clock.now())
            if not Job.objects.exclude(state=JobState.SETTLED).exists():
                break
        left = list(Job.objects.exclude(state=JobState.SETTLED).values_list("state", "why"))
        live = list(Attempt.objects.exclude(state="ended").values_list("state", flat=True))
        assert not left, (left, live)
        assert not check_book().differences
        holds = balances_of_kind("hold").values()
        assert all(balance.available == Money(0) for balance in holds)
        ran = set(self.engine.starts)
        for attempt in Attempt.objects.filter(engine_key__in=ran):
            assert attempt.cause != EndCause.NEVER_STARTED, attempt


class TestLeaseProtocol(LeaseProtocol.TestCase, django.test.TestCase):  # type: ignore[misc, name-defined]
    """Hooks the machine to pytest; every example runs in a transaction of its own."""


TestLeaseProtocol.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
