"""What Slurm does wrong, done to it on purpose: kill -9, a stopped REST daemon, bad tokens.

The real agent with its journal speaks to a platform of a few lines; jobs say on the disk how often
they ran.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from jinsuan.agent.agent import Agent
from jinsuan.agent.engines.errors import EngineRefused, EngineUnreachable
from jinsuan.agent.engines.slurm import SlurmEngine
from jinsuan.protocol.messages import (
    Ack,
    AttemptReport,
    Lease,
    SyncRequest,
    SyncResponse,
)
from jinsuan.protocol.states import AttemptState, EndCause
from tests.contracts.bench import (
    CLUSTER,
    await_end,
    await_state,
    lease,
    seen,
)
from tests.contracts.test_slurm import SlurmBench, running_centre, settings_for
from tests.engines.slurm_centre import SlurmCentre

SETTLE_SECONDS = 3


@pytest.fixture
def centre(request: pytest.FixtureRequest) -> Iterator[SlurmCentre]:
    """A fresh one for every test: daemons die here."""
    yield from running_centre(request, 22_000)


@pytest.fixture
def bench(centre: SlurmCentre, tmp_path: Path) -> Iterator[SlurmBench]:
    made = SlurmBench(centre, tmp_path / "share")
    yield made
    made.engine.close()


@pytest.fixture(autouse=True)
def share(tmp_path: Path) -> Path:
    shared = tmp_path / "share"
    shared.mkdir()
    return shared


@dataclass
class SmallPlatform:
    """Sends one lease until something is reported of it, and keeps the reports."""

    lease: Lease
    reports: list[AttemptReport] = field(default_factory=list)

    def sync(self, request: SyncRequest) -> SyncResponse:
        self.reports += request.reports
        return SyncResponse(
            now=datetime.now(UTC),
            interval_ms=100,
            usage_interval_ms=1000,
            leases=() if self.reports else (self.lease,),
            cancels=(),
            asks=(),
            acks=tuple(
                Ack(attempt=r.attempt, revision=r.revision, log_bytes=0) for r in request.reports
            ),
        )

    @property
    def last(self) -> AttemptReport | None:
        return self.reports[-1] if self.reports else None


def open_agent(folder: Path, engine: SlurmEngine, platform: SmallPlatform) -> Agent:
    return Agent(
        folder,
        engine,
        platform,
        lambda: datetime.now(UTC),
        time.monotonic,
        settle_seconds=SETTLE_SECONDS,
    )


def decided(agent: Agent, platform: SmallPlatform, *, patience: float = 60) -> AttemptReport:
    """Rounds until the end is reported."""
    until = time.monotonic() + patience
    while platform.last is None or platform.last.state is not AttemptState.ENDED:
        assert time.monotonic() < until, platform.last
        agent.step()
        time.sleep(0.1)
    return platform.last


def runs(path: Path) -> int:
    return path.read_text().count("ran") if path.exists() else 0


@pytest.mark.parametrize("begun", [False, True])
def test_slurmctld_killed_within_five_seconds_of_the_accept(
    bench: SlurmBench, tmp_path: Path, begun: bool
) -> None:
    """It may forget a job that it accepted, or that runs already: once at most, and decided."""
    marks = tmp_path / "marks"
    work = lease("a", f"echo ran >>{marks}\nsleep 3\nexit 7", cards=1)
    platform = SmallPlatform(replace(work, start_within_seconds=8))
    agent = open_agent(tmp_path / "agent", bench.engine, platform)
    agent.step()
    while begun and not runs(marks):
        time.sleep(0.02)
    bench.centre.kill("slurmctld")
    agent.step()
    bench.centre.start("slurmctld")
    end = decided(agent, platform)
    assert end.cause in (EndCause.EXITED, EndCause.NEVER_STARTED, EndCause.ENGINE_LOST)
    if end.cause is EndCause.EXITED:
        assert (end.exit_code, runs(marks)) == (7, 1)
    elif end.cause is EndCause.NEVER_STARTED:
        time.sleep(6)
        assert runs(marks) == 0, "it was called never started"
    assert runs(marks) <= 1
    assert runs(marks) or not begun
    agent.close()


def test_a_queued_job_that_slurm_forgot_is_fenced_and_may_be_placed_again(
    bench: SlurmBench, tmp_path: Path
) -> None:
    for n in range(2):
        bench.engine.submit(lease(f"full{n}", "sleep 600", cards=2))
        await_state(bench, f"full{n}", AttemptState.RUNNING)
    marks = tmp_path / "marks"
    platform = SmallPlatform(lease("a", f"echo ran >>{marks}", cards=1))
    agent = open_agent(tmp_path / "agent", bench.engine, platform)
    agent.step()
    assert seen(bench, "a").state is AttemptState.SUBMITTED
    lose_memory(bench.centre)
    end = decided(agent, platform)
    assert (end.cause, end.started_at, runs(marks)) == (EndCause.NEVER_STARTED, None, 0)
    with pytest.raises(EngineRefused, match="作废"):
        bench.engine.submit(platform.lease)
    agent.close()


def lose_memory(centre: SlurmCentre) -> None:
    """slurmctld dies and all it ever wrote down of jobs is gone."""
    centre.kill("slurmctld")
    for saved in (centre.folder / "state").glob("job_state*"):
        saved.unlink()
    centre.start("slurmctld")


def test_work_that_ended_is_known_when_slurm_knows_nothing(bench: SlurmBench) -> None:
    bench.engine.submit(lease("a", "sleep 1\nexit 5"))
    await_state(bench, "a", AttemptState.RUNNING)
    time.sleep(2)
    lose_memory(bench.centre)
    bench.reopen()
    ended = await_end(bench, "a")
    assert (ended.cause, ended.exit_code) == (EndCause.EXITED, 5)


def test_slurmctld_and_slurmd_killed_while_the_work_goes_on_and_ends(
    bench: SlurmBench, tmp_path: Path
) -> None:
    """Slurm would start it again; it says by itself that it has run, and how."""
    marks = tmp_path / "marks"
    bench.engine.submit(lease("a", f"echo ran >>{marks}\nsleep 2\nexit 6", cards=1))
    (share,) = await_state(bench, "a", AttemptState.RUNNING).allocation
    time.sleep(6)  # now slurmctld has it on its disk
    bench.engine.submit(lease("b", f"echo ran >>{marks}.b\nsleep 4\nexit 6", cards=1))
    (share,) = await_state(bench, "b", AttemptState.RUNNING).allocation
    bench.centre.kill("slurmctld")
    bench.centre.kill(f"slurmd.{share.node}")
    with pytest.raises(EngineUnreachable):
        bench.engine.observe(["b"])
    time.sleep(5)
    bench.centre.start(f"slurmd.{share.node}")
    bench.centre.start("slurmctld")
    for key, path in (("a", marks), ("b", tmp_path / "marks.b")):
        ended = await_end(bench, key)
        assert (ended.cause, ended.exit_code, runs(path)) == (EndCause.EXITED, 6, 1)


def test_slurmd_killed_alone_changes_nothing(bench: SlurmBench, tmp_path: Path) -> None:
    marks = tmp_path / "marks"
    bench.engine.submit(lease("a", f"echo ran >>{marks}\nsleep 3\nexit 4", cards=1))
    (share,) = await_state(bench, "a", AttemptState.RUNNING).allocation
    bench.centre.kill(f"slurmd.{share.node}")
    time.sleep(1)
    assert seen(bench, "a").state is AttemptState.RUNNING
    bench.centre.start(f"slurmd.{share.node}")
    assert (await_end(bench, "a").exit_code, runs(marks)) == (4, 1)


def test_a_submit_that_timed_out_and_arrives_late_runs_once(
    centre: SlurmCentre, share: Path, tmp_path: Path
) -> None:
    """slurmrestd stands still with the request in its hands, and goes on with it afterwards."""
    engine = SlurmEngine(
        replace(settings_for(centre, share), timeout_seconds=1),
        now=lambda: datetime.now(UTC),
        cluster=CLUSTER,
    )
    engine.offers()
    marks = tmp_path / "marks"
    job = lease("a", f"echo ran >>{marks}\nsleep 1")
    centre.kill("slurmrestd", signal.SIGSTOP)
    for _ in range(2):
        with pytest.raises(EngineUnreachable, match="Timeout"):
            engine.submit(job)
    centre.kill("slurmrestd", signal.SIGCONT)
    engine.submit(job)
    bench = SlurmBench(centre, share)
    ended = await_end(bench, "a")
    centre.await_idle()
    assert (ended.cause, ended.exit_code, runs(marks)) == (EndCause.EXITED, 0, 1)
    bench.engine.close()
    engine.close()


def test_two_jobs_of_one_key_run_once(bench: SlurmBench, tmp_path: Path) -> None:
    """The bug planted for good: an agent that resubmits without looking. The claim holds."""
    marks = tmp_path / "marks"
    job = lease("a", f"echo ran >>{marks}\nsleep 2", cards=1)
    bench.engine.submit(job)
    for _ in range(2):
        folder = bench.engine._root / "a"
        bench.engine._client.submit(
            job.work,
            name="a",
            comment=bench.engine.comment("a"),
            folder=str(folder),
            script=_script_of(bench, job),
        )
    ended = await_end(bench, "a")
    bench.centre.await_idle()
    assert (ended.exit_code, runs(marks)) == (0, 1)
    assert len(bench.engine._look_up(["a"])["a"]) == 3


def _script_of(bench: SlurmBench, job: Lease) -> str:
    from jinsuan.agent.engines.slurm.folder import JobFolder

    return JobFolder(bench.engine._root, job.engine_key).make(job, heartbeat=1, shift_us=0)
