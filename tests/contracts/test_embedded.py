"""The embedded engine keeps the contract, with real processes."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from jinsuan.agent.engines.embedded import EmbeddedEngine
from jinsuan.agent.engines.errors import EngineRefused, EngineUnreachable
from jinsuan.protocol.states import AttemptState, EndCause
from tests.contracts.bench import (
    CLUSTER,
    NODES,
    await_end,
    await_output,
    await_state,
    free,
    lease,
    output,
    seen,
)
from tests.contracts.engine import EngineContract


class EmbeddedBench:
    """An embedded engine in a folder of its own."""

    def __init__(self, folder: Path, job_user: str | None = None) -> None:
        self._folder, self._job_user = folder, job_user
        self.engine = self._open()

    def _open(self) -> EmbeddedEngine:
        return EmbeddedEngine(
            self._folder,
            NODES,
            now=lambda: datetime.now(UTC),
            cluster=CLUSTER,
            job_user=self._job_user,
        )

    def wait(self, seconds: float) -> None:
        time.sleep(seconds)

    def reopen(self) -> None:
        self.engine.close()
        self.engine = self._open()

    def close(self) -> None:
        """Stop whatever a test has left running."""
        left = [*self.engine._live, *self.engine._queue]
        for key in left:
            self.engine.cancel(key, grace_seconds=0)
        for key in left:
            await_end(self, key)
        self.engine.close()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[EmbeddedBench]:
    made = EmbeddedBench(tmp_path / "engine")
    yield made
    made.close()


class TestEmbedded(EngineContract):
    @pytest.fixture
    def bench(self, tmp_path: Path) -> Iterator[EmbeddedBench]:
        made = EmbeddedBench(tmp_path / "engine")
        yield made
        made.close()


def test_two_engines_cannot_have_one_folder(bench: EmbeddedBench) -> None:
    with pytest.raises(EngineUnreachable, match="已由另一个进程使用"):
        EmbeddedEngine(bench._folder, NODES, now=lambda: datetime.now(UTC))


def test_a_killed_process_without_an_exit_code_is_lost_not_succeeded(bench: EmbeddedBench) -> None:
    bench.engine.submit(lease("a", "echo begun\nkill -9 -$(ps -o pgid= $$ | tr -d ' ')\nsleep 9"))
    ended = await_end(bench, "a")
    assert (ended.cause, ended.exit_code) == (EndCause.ENGINE_LOST, None)
    assert "退出码" in ended.message


def test_what_work_leaves_behind_is_ended_with_it(bench: EmbeddedBench) -> None:
    bench.engine.submit(lease("a", "sleep 601 &\necho child $!\nexit 0"))
    assert await_end(bench, "a").exit_code == 0
    pid = int(output(bench, "a").split()[1])
    for _ in range(100):
        if not Path(f"/proc/{pid}").exists() or _is_zombie(pid):
            return
        time.sleep(0.05)
    raise AssertionError("the child outlived its job")


def _is_zombie(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"


def test_a_bad_variable_name_is_refused(bench: EmbeddedBench) -> None:
    with pytest.raises(EngineRefused, match="环境变量名"):
        bench.engine.submit(lease("a", envs={"A B": "1"}))


def test_the_agents_own_environment_does_not_leak_into_work(
    bench: EmbeddedBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JINSUAN_SECRET_OF_THE_AGENT", "x")
    bench.engine.submit(lease("a", "env"))
    await_end(bench, "a")
    assert "SECRET" not in output(bench, "a")


def test_a_forgotten_job_leaves_no_files_and_its_key_stays_used(bench: EmbeddedBench) -> None:
    bench.engine.submit(lease("a", "echo begun"))
    await_end(bench, "a")
    bench.engine.forget("a")
    assert not (bench._folder / "jobs" / "a").exists()
    bench.engine.submit(lease("a", "echo begun"))
    bench.wait(0.2)
    assert seen(bench, "a").state is AttemptState.ENDED
    assert output(bench, "a") == ""


def test_running_work_is_not_forgotten(bench: EmbeddedBench) -> None:
    bench.engine.submit(lease("a", "echo begun\nsleep 600"))
    await_output(bench, "a", "begun")
    bench.engine.forget("a")
    assert output(bench, "a") == "begun\n"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can run jobs as somebody else")
def test_as_root_jobs_run_as_nobody_without_rights(tmp_path: Path) -> None:
    bench = EmbeddedBench(tmp_path / "engine", job_user="nobody")
    run = "id -un\nid -G\ngrep NoNewPrivs /proc/self/status\ntouch here && echo wrote\nls .. >/dev/null"
    bench.engine.submit(lease("a", run))
    ended = await_end(bench, "a")
    user, groups, no_new, wrote, *_ = output(bench, "a").splitlines()
    assert (user, wrote) == ("nobody", "wrote")
    assert len(groups.split()) == 1
    assert no_new.split()[1] == "1"
    assert ended.exit_code != 0, "a job must not list the folder above its own"
    bench.close()


def test_a_folder_of_another_boot_has_no_living_jobs(bench: EmbeddedBench) -> None:
    bench.engine.submit(lease("a", "echo begun\nsleep 600", cards=1))
    await_state(bench, "a", AttemptState.RUNNING)
    await_output(bench, "a", "begun")
    bench.engine.cancel("a", grace_seconds=0)
    await_end(bench, "a")
    bench.engine._store._db.execute(
        "update job set machine = 'before', cause = null, ended_ns = null, stop_cause = null,"
        " stop_ns = null, exit_code = null"
    )
    for claim in (bench._folder / "jobs" / "a").glob("rc.*"):
        claim.unlink()
    bench.reopen()
    ended = await_end(bench, "a")
    assert (ended.cause, ended.exit_code) == (EndCause.ENGINE_LOST, None)
    # The shell may get as far as saying that its sleep was ended.
    assert output(bench, "a").count("begun\n") == 1, "begun once, and never again"
    assert sum(sum(n.cards_free_milli) for n in free(bench).values()) == 4000
