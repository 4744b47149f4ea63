"""Handing work over to a scheduler that forgets: the agent, its journal, the Slurm adapter.

All of it is real but Slurm and the platform. Slurm forgets what it accepted less than five seconds
before a crash and may have started it, hands numbers out again, loses answers, takes requests long
after they were given up, answers with errors under 200 and with no JSON at all, and requeues. The
agent is killed at any step, in the middle of a write, a submit or a fence.

What must hold: the work of a key begins at most once and a job has at most one attempt that ever
began; what was called never started never begins; once the faults stop everything is decided, and
as it was. The planted bugs at the end show that the machine can tell.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings, strategies as st
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
from jinsuan.agent.engines.slurm import SlurmEngine, SlurmSettings
from jinsuan.agent.engines.slurm.client import SlurmClient
from jinsuan.agent.engines.slurm.shapes import SlurmJob
from jinsuan.agent.errors import PlatformUnreachable
from jinsuan.protocol.states import AttemptState, EndCause
from tests.contracts.bench import lease
from tests.contracts.slurm_fake import FakeSlurm, nanoseconds
from tests.flows.faults import PLACES, Clock, Death, Fate, Killed, MortalEngine, MortalJournal
from tests.flows.submit_world import AGAIN, MortalSlurm, Platform

NODES = (VirtualNode(name="n0", model="T4", cards=2, cpu_milli=8000, memory_mib=8192),)
MOST_JOBS, SILENCE_SECONDS = 3, 30
MOODS = st.sampled_from(
    ["fine", "fine", "fine", "away", "swallows", "late", "garbage", "error with 200", "no number"]
)
DEATHS = st.none() | st.tuples(
    st.sampled_from([*PLACES, "fence", "fenced"]),
    st.integers(1, 3),
    st.sampled_from([0, 1, 4, 61, 200]),
)


class SubmitProtocol(RuleBasedStateMachine):
    """One agent on one cluster, and everything goes wrong."""

    make_slurm: Callable[..., FakeSlurm] = FakeSlurm
    engine_class: type[SlurmEngine] = SlurmEngine
    mortal_class: type[MortalEngine] = MortalSlurm

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="jinsuan-submit-"))
        self.clock, self.fate = Clock(), Fate()
        self.platform = Platform(self.clock)
        self.jobs = 0
        self.never: set[str] = set()

    @initialize(obeys=st.booleans())
    def a_small_cluster(self, obeys: bool = True) -> None:
        (self.folder / "share").mkdir()
        (self.folder / "token").write_text("t", "ascii")
        self.slurm = type(self).make_slurm(NODES, now=self.clock.now, obeys_no_requeue=obeys)
        self.settings = SlurmSettings(
            url="http://fake:1",
            user="u",
            token_file=self.folder / "token",
            shared=self.folder / "share",
            silence_seconds=SILENCE_SECONDS,
        )
        self.start_agent()
        self.order(seconds=40, cards=1, code=7)

    def start_agent(self) -> None:
        self.fate.death = None
        self.platform.deadlines.clear()
        self.journal = MortalJournal(self.folder / "agent", self.fate)
        engine = self.engine_class(
            self.settings,
            now=self.clock.now,
            cluster="c",
            client=SlurmClient(self.settings, transport=self.slurm),
            monotonic=self.clock.monotonic,
            disk_clock=lambda: nanoseconds(self.clock.now()),
        )
        self.agent = Agent(
            self.folder / "agent",
            self.mortal_class(engine, self.fate, self.clock, self.platform.deadlines),  # type: ignore[arg-type]
            self.platform,
            self.clock.now,
            self.clock.monotonic,
            journal=self.journal,
        )

    # ── what people, time and the agent do ────────────────────────────────────────────────────

    @precondition(lambda self: self.jobs < MOST_JOBS)
    @rule(
        seconds=st.sampled_from([0, 3, 40, 150]),
        cards=st.integers(0, 2),
        code=st.sampled_from([0, 7]),
    )
    def order(self, seconds: int, cards: int, code: int) -> None:
        self.jobs += 1
        work = lease("x", f"sleep {seconds}\nexit {code}", cards=cards, max_run_seconds=100)
        self.platform.place(f"job{self.jobs}", work)

    @rule(mood=MOODS, death=DEATHS, lost=st.sampled_from(["", "", "question", "answer"]))
    def round(self, mood: str = "fine", death: Death = None, lost: str = "") -> None:
        self.platform.lost = lost
        self.run_agent(mood, death, self.agent.step)
        self.platform.lost = ""

    @rule(mood=MOODS, death=DEATHS)
    def look(self, mood: str, death: Death) -> None:
        self.run_agent(mood, death, self.agent.look)

    def run_agent(self, mood: str, death: Death, what: Callable[[], None]) -> None:
        """Let the agent do something; if it dies of it, the next one starts on its folder."""
        self.slurm.mood, self.fate.death = mood, death
        try:
            what()
        except PlatformUnreachable:
            pass
        except Killed:
            assert death is not None
            self.journal.close()
            self.time_passes(death[2])
            self.start_agent()
        self.slurm.mood, self.fate.death = "fine", None

    @rule(seconds=st.sampled_from([1, 3, 6, 31, 61, 200]))
    def time_passes(self, seconds: int) -> None:
        # In small steps: work goes on, hearts beat and state is saved without anybody asking.
        for passed in range(0, seconds, 5):
            self.clock.seconds += min(5, seconds - passed)
            self.slurm.tick()

    @rule(which=st.integers(0, 5), grace=st.sampled_from([0, 5, 100]))
    def cancel(self, which: int = 0, grace: int = 5) -> None:
        told = list(self.platform.attempts.values())
        told[which % len(told)].stop = grace

    @rule(which=st.integers(0, 5))
    def the_platform_asks(self, which: int = 0) -> None:
        told = list(self.platform.attempts.values())
        told[which % len(told)].ask = True

    # ── what Slurm does ───────────────────────────────────────────────────────────────────────

    @rule(orphans_live=st.booleans())
    def slurmctld_crashes(self, orphans_live: bool) -> None:
        self.slurm.crash(orphans_live=orphans_live)

    @precondition(lambda self: self.slurm._late)
    @rule()
    def late_requests_arrive(self) -> None:
        self.slurm.let_late_requests_arrive()

    @precondition(lambda self: any(run.alive for run in self.slurm.runs))
    @rule(which=st.integers(0, 3))
    def a_node_dies(self, which: int) -> None:
        self.slurm.lose_node(which)

    # ── what must hold ────────────────────────────────────────────────────────────────────────

    @invariant()
    def nothing_begins_twice(self) -> None:
        if not hasattr(self, "slurm"):
            return
        starts = self.slurm.starts
        assert all(n == 1 for n in starts.values()), f"begun twice: {starts}"
        jobs = [key.partition("-")[0] for key in starts]
        assert len(jobs) == len(set(jobs)), f"a job has two attempts that began: {starts}"
        told = self.platform.attempts
        self.never |= {key for key, t in told.items() if t.cause in AGAIN}
        assert not self.never & set(starts), f"called never started: {self.never & set(starts)}"

    def teardown(self) -> None:
        """The faults stop: everything is decided, and as it was."""
        try:
            if hasattr(self, "agent"):
                self.nothing_begins_twice()
                self.come_to_rest()
                self.slurm.let_late_requests_arrive()
                self.nothing_begins_twice()
                self.check_truth()
        finally:
            if hasattr(self, "journal"):
                self.journal.close()
            shutil.rmtree(self.folder, ignore_errors=True)

    def come_to_rest(self) -> None:
        for _ in range(60):
            self.time_passes(11)
            self.round()
            over = all(t.state is AttemptState.ENDED for t in self.platform.attempts.values())
            if over and not len(self.agent._book):
                return
        raise AssertionError([t for t in self.platform.attempts.values() if t.cause is None])

    def check_truth(self) -> None:
        for key, told in self.platform.attempts.items():
            held = self.slurm.truth.get(key)
            if held is None:
                assert told.cause in (*AGAIN, EndCause.CANCELLED), (key, told.cause)
                continue
            want = held.cause
            if want is EndCause.ENGINE_LOST and told.lease.attempt in self.stopped():
                want = told.cause if told.cause is EndCause.CANCELLED else want
            assert told.cause is want, (key, told.cause, held.cause)
            if want is EndCause.EXITED:
                assert told.exit_code == held.exit_code

    def stopped(self) -> set[str]:
        return {key for key, told in self.platform.attempts.items() if told.stop is not None}


def run_machine(machine: type[SubmitProtocol], *, examples: int, **more: Any) -> None:
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=25,
            suppress_health_check=list(HealthCheck),
            deadline=None,
            **more,
        ),
    )


def test_what_is_submitted_begins_at_most_once_and_is_decided() -> None:
    most = settings.default.max_examples
    run_machine(SubmitProtocol, examples=most if most >= 1_000 else 30)


class Blind(SlurmEngine):
    """A planted bug: it submits again without looking whether Slurm has the key."""

    def _look_up(self, keys: Iterable[str]) -> dict[str, list[SlurmJob]]:
        return {key: [] for key in keys}


def unclaimed(*args: Any, **more: Any) -> FakeSlurm:
    """A planted bug: scripts run whoever has claimed the key."""
    return FakeSlurm(*args, claims=False, **more)


class BlindWithoutClaim(SubmitProtocol):
    make_slurm = staticmethod(unclaimed)
    engine_class = Blind


class WithoutClaim(SubmitProtocol):
    make_slurm = staticmethod(unclaimed)


class WithoutFence(SubmitProtocol):
    """A planted bug: silence is believed, and nothing keeps the work from beginning later."""

    mortal_class = MortalEngine


Story = list[tuple[str, dict[str, Any]]]
LATE: Story = [("round", {"mood": "late"}), ("round", {"mood": "late"})]
ROUND: Story = [("round", {})]
HALF_A_LEASE: Story = [("time_passes", {"seconds": 31})]
QUEUED: Story = [*ROUND, ("order", {"seconds": 150, "cards": 2, "code": 0})]
BLIND: Story = [*QUEUED, ("round", {"mood": "swallows"}), *ROUND, *HALF_A_LEASE, *HALF_A_LEASE]
"""The answer to a submit is lost; the job waits, so nothing but a question to Slurm shows it."""
STARTED_UNSAVED: Story = [
    *QUEUED,
    *ROUND,
    *HALF_A_LEASE,
    *[("time_passes", {"seconds": n}) for n in (6, 3)],
    ("slurmctld_crashes", {"orphans_live": True}),
]
"""Saved as waiting, then started, then the crash: Slurm starts it beside itself."""
TOO_LATE: Story = [
    *[*LATE, *HALF_A_LEASE] * 2,
    *[*ROUND, *HALF_A_LEASE] * 3,
    ("late_requests_arrive", {}),
]
"""A submit arrives after its attempt was given up and the job given to somebody else."""


def tell(machine: type[SubmitProtocol], steps: Story) -> SubmitProtocol:
    """One story from the beginning to its end, with what must hold after each step."""
    story = machine()
    story.a_small_cluster()
    try:
        for name, values in steps:
            getattr(story, name)(**values)
            story.nothing_begins_twice()
    finally:
        story.teardown()
    return story


@pytest.mark.parametrize(
    ("machine", "steps", "words"),
    [
        (BlindWithoutClaim, BLIND, "begun twice"),
        (WithoutClaim, STARTED_UNSAVED, "begun twice"),
        (WithoutClaim, [*LATE, ("late_requests_arrive", {}), *ROUND], "begun twice"),
        (WithoutFence, TOO_LATE, "called never started|two attempts that began"),
    ],
)
def test_the_machine_sees_a_planted_bug(
    machine: type[SubmitProtocol], steps: Story, words: str
) -> None:
    """Without the bug nothing is wrong with the same story."""
    with pytest.raises(AssertionError, match=words):
        tell(machine, steps)
    tell(SubmitProtocol, steps)


def test_the_claim_alone_keeps_a_blind_adapter_from_harm() -> None:
    """Two locks on one door: without looking, Slurm gets two jobs of a key, and one of them works."""

    class BlindOnly(SubmitProtocol):
        engine_class = Blind

    told = tell(BlindOnly, BLIND)
    runs = [run for run in told.slurm.runs if run.folder.name == "job2-1"]
    assert (len(runs) > 1, told.slurm.starts["job2-1"]) == (True, 1)


@pytest.mark.parametrize("place", [*PLACES, "fence", "fenced"])
@pytest.mark.parametrize("away", [0, 61])
def test_a_death_at_each_step_around_a_crash_of_slurm(place: str, away: int) -> None:
    for mood, orphans_live in (("fine", True), ("swallows", False), ("late", True)):
        dies: Story = [("round", {"mood": mood, "death": (place, 1, away)})]
        crash: Story = [("slurmctld_crashes", {"orphans_live": orphans_live})]
        later: Story = [("time_passes", {"seconds": 61})]
        tell(SubmitProtocol, [*dies, *crash, *dies, *later, *dies, *ROUND, *dies])
