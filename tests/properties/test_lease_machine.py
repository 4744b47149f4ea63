"""The lease protocol under loss, repetition, reordering and a crash at every step of either side.

The real agent with its journal, the real platform actions and a real database talk over a network
made of faults. The engine outlives its agent, as real ones do, and counts how often each key was
started; it keeps the contract of every engine (tests/contracts/test_memory.py).

What must hold whatever happens: no job is ever started twice, no job runs twice at once. Once the
faults stop, every job is settled with the outcome that its work had, what it used is charged once
and to the fen, its whole log is kept, nothing stays reserved or in escrow, and the book balances.
"""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, Phase, settings, strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from jinsuan.agent.agent import Agent
from jinsuan.agent.engines.embedded import VirtualNode
from jinsuan.agent.errors import PlatformUnreachable
from jinsuan.dispatch import actions as dispatch
from jinsuan.dispatch.models import Attempt, Job, LogPart
from jinsuan.kernel.money import Money
from jinsuan.kernel.ref import Ref
from jinsuan.ledger.queries import balances_of_kind, check_book, transfers_with_key_prefix
from jinsuan.metering.rating import Shape, charge_so_far
from jinsuan.protocol.states import EndCause, JobState, Outcome
from jinsuan.registry.models import Card, Node
from tests.contracts.memory import MemoryEngine
from tests.flows.faults import (
    PLACES,
    START,
    Clock,
    Death,
    Fate,
    FaultyNetwork,
    Killed,
    MortalEngine,
    MortalJournal,
)
from tests.flows.world import PRICES, World, make_world

NODES, CARDS = 2, 4
MOST_JOBS = 5
LATE_SECONDS = 20
"""Less than the 30 seconds for which the agent does not believe that a key is unknown."""


FAULTS = st.sampled_from(
    ["none", "none", "none", "request lost", "platform killed", "answer lost", "old answer"]
)
MOODS = st.sampled_from(["fine", "fine", "fine", "away", "swallows", "late"])
"""The engine does not answer, takes work without saying so, or takes it only after a while."""
DEATHS = st.none() | st.tuples(
    st.sampled_from(PLACES), st.integers(1, 3), st.sampled_from([0, 1, 61, 200])
)


class LeaseProtocol(RuleBasedStateMachine):
    """A tenant orders, the platform places, one agent syncs, and everything goes wrong."""

    world: World
    """Made once for all stories; what a story does to it is rolled back."""

    def __init__(self) -> None:
        super().__init__()
        self.transaction = transaction.atomic()
        self.transaction.__enter__()
        self.folder = Path(tempfile.mkdtemp(prefix="jinsuan-lease-"))
        self.clock, self.fate = Clock(), Fate()
        self.jobs = 0
        self.folder_lost = False
        self.fenced: set[str] = set()

    @initialize()
    def a_small_world(self) -> None:
        self.network = FaultyNetwork(self.clock, self.world, self.fate)
        nodes = [
            VirtualNode(name=f"n{i}", model="T4", cards=CARDS, cpu_milli=64_000, memory_mib=2**18)
            for i in range(NODES)
        ]
        self.engine = MemoryEngine(nodes, now=self.clock.now, cluster="main")
        self.start_agent()
        self.order(cards=1, nodes=1, seconds=40, code=0, stubborn=False)
        self.run_platform(dispatch.place_queued, dies=False)

    def start_agent(self) -> None:
        self.fate.death = None
        self.network.deadlines.clear()
        self.journal = MortalJournal(self.folder, self.fate)
        self.agent = Agent(
            self.folder,
            MortalEngine(self.engine, self.fate, self.clock, self.network.deadlines),
            self.network,
            self.clock.now,
            self.clock.monotonic,
            journal=self.journal,
        )

    def run_agent(self, death: Death, what: Any) -> None:
        """Let the agent do something; if it dies of it, the next one starts on its folder."""
        self.fate.death = death
        try:
            what()
        except PlatformUnreachable:
            pass
        except Killed:
            assert death is not None
            self.journal.close()
            self.time_passes(death[2])
            self.start_agent()
        self.fate.death = None
        # What is fenced before the engine knew it may never begin, whatever arrives later.
        coming = {lease.engine_key for _, lease in self.engine._late}
        self.fenced |= {
            kept.engine_key
            for kept in self.agent._book
            if kept.fenced and kept.engine_key not in {*self.engine.keys, *coming}
        }

    def run_platform(self, what: Any, *, dies: bool) -> None:
        """An action of the platform, or one that was killed before it committed."""
        with transaction.atomic():
            what(now=self.clock.now())
            if dies:
                transaction.set_rollback(True)

    # ── what people and time do ───────────────────────────────────────────────────────────────

    @precondition(lambda self: self.jobs < MOST_JOBS)
    @rule(
        cards=st.integers(0, CARDS),
        nodes=st.integers(1, NODES),
        seconds=st.sampled_from([0, 3, 40, 100]),
        code=st.sampled_from([0, 0, 7]),
        stubborn=st.booleans(),
    )
    def order(self, cards: int, nodes: int, seconds: int, code: int, stubborn: bool) -> None:
        self.jobs += 1
        trap = "trap '' TERM\n" if stubborn else ""
        run = f"{trap}echo begun $NODE_RANK\nsleep {seconds}\necho done\nexit {code}"
        self.world.submit(
            cards=cards, nodes=nodes, key=f"k{self.jobs}", now=self.clock.now(), run=run
        )

    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        over = [JobState.ENDED, JobState.SETTLED]
        live = list(Job.objects.exclude(state__in=over).order_by("id").values_list("id", flat=True))
        if live:
            which = data.draw(st.integers(0, len(live) - 1))
            self.world.cancel(live[which], now=self.clock.now())

    def cancel_first(self) -> None:
        first = Job.objects.earliest("submitted_at", "id")
        if first.state not in (JobState.ENDED, JobState.SETTLED):
            self.world.cancel(first.id, now=self.clock.now())

    @rule(seconds=st.sampled_from([1, 5, 31, 61, 200]))
    def time_passes(self, seconds: int) -> None:
        self.clock.seconds += seconds
        self.engine.tick()

    # ── what the platform does ────────────────────────────────────────────────────────────────

    @rule(
        what=st.sampled_from(["place_queued", "mark_silent", "settle"]),
        dies=st.sampled_from([False, False, True]),
    )
    def the_platform_works(self, what: str, dies: bool) -> None:
        self.run_platform(getattr(dispatch, what), dies=dies)

    @rule(mood=MOODS, death=DEATHS)
    def a_round_of_both(self, mood: str, death: Death) -> None:
        self.run_platform(dispatch.place_queued, dies=False)
        self.sync("none", mood, death)

    @precondition(lambda self: self.network.questions)
    @rule(data=st.data())
    def an_old_message_arrives_again(self, data: st.DataObject) -> None:
        self.network.deliver(data.draw(st.integers(0, len(self.network.questions) - 1)))

    # ── what the agent and its engine do ──────────────────────────────────────────────────────

    @rule(fault=FAULTS, mood=MOODS, death=DEATHS)
    def sync(self, fault: str, mood: str, death: Death) -> None:
        self.network.fault = fault
        self.with_engine(mood, death, self.agent.step)
        self.network.fault = "none"

    @rule(mood=MOODS, death=DEATHS)
    def look(self, mood: str, death: Death) -> None:
        self.with_engine(mood, death, self.agent.look)

    def with_engine(self, mood: str, death: Death, what: Any) -> None:
        self.engine.away, self.engine.swallow = mood == "away", mood == "swallows"
        self.engine.late_seconds = LATE_SECONDS if mood == "late" else 0
        self.run_agent(death, what)
        self.engine.away = self.engine.swallow = False
        self.engine.late_seconds = 0

    @precondition(lambda self: self.engine.running())
    @rule(data=st.data())
    def the_engine_loses_a_job(self, data: st.DataObject) -> None:
        running = self.engine.running()
        self.engine.lose(running[data.draw(st.integers(0, len(running) - 1))])

    @precondition(lambda self: self.engine.keys and not self.folder_lost)
    @rule()
    def the_agents_folder_is_lost(self) -> None:
        self.folder_lost = True
        self.journal.close()
        shutil.rmtree(self.folder)
        self.fenced.clear()
        # What was answered to the earlier agent does not reach the new one: it has its own key.
        self.network.answers.clear()
        self.start_agent()

    # ── what must hold ────────────────────────────────────────────────────────────────────────

    @invariant()
    def nothing_starts_twice(self) -> None:
        if not hasattr(self, "engine"):
            return
        assert all(n == 1 for n in self.engine.starts.values()), self.engine.starts
        per_job = Counter(self.engine.keys[key].lease.job for key in self.engine.starts)
        assert all(n == 1 for n in per_job.values()), per_job
        assert not self.fenced & set(self.engine.starts), "a fenced attempt was started"

    def teardown(self) -> None:
        """The faults stop: everything comes to its end."""
        try:
            if hasattr(self, "agent"):
                self.come_to_rest()
                self.check_money_and_room()
                self.check_truth()
        finally:
            if hasattr(self, "journal"):
                self.journal.close()
            shutil.rmtree(self.folder, ignore_errors=True)
            transaction.set_rollback(True)
            self.transaction.__exit__(None, None, None)

    def come_to_rest(self) -> None:
        for _ in range(30):
            self.time_passes(31)
            self.agent.step()
            states = set(Job.objects.values_list("state", flat=True).distinct())
            if states <= {JobState.SETTLED} and not len(self.agent._book):
                return
            self.run_platform(dispatch.mark_silent, dies=False)
            if JobState.QUEUED in states:
                self.run_platform(dispatch.place_queued, dies=False)
            if JobState.ENDED in states:
                self.run_platform(dispatch.settle, dies=False)
        jobs = list(Job.objects.exclude(state=JobState.SETTLED).values_list("state", "why"))
        live = list(Attempt.objects.exclude(state="ended").values_list("state", "reported_at"))
        raise AssertionError((jobs, live, list(self.agent._book)))

    def check_money_and_room(self) -> None:
        assert not check_book().differences
        assert all(b.available == Money(0) for b in balances_of_kind("hold").values())
        assert not Card.objects.filter(reserved_milli__gt=0).exists()
        assert not Node.objects.filter(cpu_reserved_milli__gt=0).exists()
        for attempt in Attempt.objects.all():
            held = self.engine.keys.get(attempt.engine_key)
            used = 0
            if held is not None and held.started_at is not None:
                assert held.ended_at is not None
                used = int((held.ended_at - held.started_at).total_seconds())
            prefix = f"capture:{Ref('job', attempt.job_id)}:{attempt.number}."
            captured = sum(t.amount.fen for t in transfers_with_key_prefix(prefix))
            assert captured == cost(attempt, used).fen, (attempt.cause, used)

    def check_truth(self) -> None:
        """What the platform believes of each attempt is what the engine did."""
        ran = {key for key, held in self.engine.keys.items() if held.started_at is not None}
        assert ran == set(self.engine.starts)
        for attempt in Attempt.objects.select_related("job"):
            if attempt.engine_key not in ran:
                assert attempt.cause in (EndCause.NEVER_STARTED, EndCause.CANCELLED), attempt.cause
                continue
            held = self.engine.keys[attempt.engine_key]
            assert (attempt.cause, attempt.started_at, attempt.ended_at) == (
                held.cause,
                held.started_at,
                held.ended_at,
            )
            if held.cause is EndCause.EXITED:
                good = held.exit_code == 0
                assert attempt.job.outcome == (Outcome.SUCCEEDED if good else Outcome.FAILED)
            parts = LogPart.objects.filter(attempt=attempt).order_by("offset")
            assert b"".join(bytes(part.data) for part in parts) == held.log(self.clock.now())


def cost(attempt: Attempt, seconds: int) -> Money:
    """What an attempt costs by the price list, counted from nothing but its time."""
    work = attempt.work
    nodes = work["num_nodes"]
    shape = Shape(
        model=work.get("model"),
        milli_cards=work["cards"] * work["card_milli"] * nodes,
        cpu_milli=work["cpu_milli"] * nodes,
        memory_mib=work["memory_mib"] * nodes,
    )
    used = {resource: milli * seconds for resource, milli in shape.milli_units().items()}
    return charge_so_far(used, PRICES, limit=Money.yuan("1000000"))


@pytest.mark.django_db
def test_the_lease_protocol_starts_once_and_loses_nothing() -> None:
    LeaseProtocol.world = make_world(now=START, nodes=NODES, cards=CARDS)
    run_state_machine_as_test(
        LeaseProtocol,
        settings=settings(
            # Every step is a transaction of the real database: fewer stories than elsewhere.
            max_examples=settings.default.max_examples * 2 // 5,
            stateful_step_count=25,
            # Shrinking a failure takes minutes here and a story of 25 steps can be read as it is.
            phases=(Phase.explicit, Phase.reuse, Phase.generate),
            suppress_health_check=list(HealthCheck),
        ),
    )


Steps = Sequence[tuple[str, dict[str, Any]]]
ROUND: tuple[str, dict[str, Any]] = (
    "a_round_of_both",
    {"mood": "fine", "death": None},
)


def tell(steps: Steps) -> None:
    """Tell one story from the beginning to its end."""
    story = LeaseProtocol()
    story.a_small_world()
    try:
        for name, values in steps:
            getattr(story, name)(**values)
            story.nothing_starts_twice()
    finally:
        story.teardown()


@pytest.mark.django_db
@pytest.mark.parametrize("place", PLACES)
def test_a_crash_at_each_step_of_each_round(place: str) -> None:
    """Dead for a moment, and dead for longer than a lease, in the round that brings the lease, in
    the one that tells of the run, and in the one that stops it."""
    LeaseProtocol.world = make_world(now=START, nodes=NODES, cards=CARDS)

    def death(times: int, seconds: int) -> tuple[str, dict[str, Any]]:
        return ("a_round_of_both", {"mood": "fine", "death": (place, times, seconds)})

    tell([death(1, 61), ROUND, ROUND])
    tell([death(2, 0), ROUND])
    tell([ROUND, ("time_passes", {"seconds": 5}), death(1, 61), ROUND])
    tell([ROUND, ROUND, ("cancel_first", {}), death(1, 0), ROUND])


@pytest.mark.django_db
@pytest.mark.parametrize("mood", ["away", "swallows", "late"])
@pytest.mark.parametrize("fault", ["answer lost", "platform killed", "old answer"])
def test_what_was_asked_about_is_fenced_whatever_the_engine_and_the_network_do(
    mood: str, fault: str
) -> None:
    """The tenant stops a job whose lease has not been answered: the platform asks, and the attempt
    must not begin although its lease still runs."""
    LeaseProtocol.world = make_world(now=START, nodes=NODES, cards=CARDS)
    for again in ("none", fault):
        tell(
            [
                ("sync", {"fault": "none", "mood": mood, "death": None}),
                ("cancel_first", {}),
                ("sync", {"fault": "none", "mood": "away", "death": None}),
                ("sync", {"fault": again, "mood": "fine", "death": None}),
                ("time_passes", {"seconds": 5}),
                ("sync", {"fault": fault, "mood": "fine", "death": None}),
            ]
        )
