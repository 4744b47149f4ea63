"""What a real Slurm does with cards, nodes, tokens and errors, and what its administrators do to it."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from jinsuan.agent.engines.errors import EngineRefused, EngineUnreachable
from jinsuan.agent.engines.slurm import SlurmEngine
from jinsuan.agent.engines.slurm.check import look_at_slurm
from jinsuan.agent.engines.slurm.shapes import SlurmNode
from jinsuan.protocol.messages import NodeOffer
from jinsuan.protocol.states import AttemptState, EndCause
from tests.contracts.bench import (
    CLUSTER,
    PATIENCE_SECONDS,
    await_end,
    await_output,
    await_state,
    lease,
    output,
    seen,
)
from tests.contracts.test_slurm import SlurmBench, running_centre, settings_for
from tests.engines.slurm_centre import PARTITION, SlurmCentre

ANY_NODE = NodeOffer(
    name="x", cpu_milli=1000, cpu_free_milli=1000, memory_mib=1000, memory_free_mib=1000
)


@pytest.fixture(scope="module")
def centre(request: pytest.FixtureRequest) -> Iterator[SlurmCentre]:
    yield from running_centre(request, 22_500)


@pytest.fixture
def share(tmp_path: Path) -> Path:
    return tmp_path


@pytest.fixture
def bench(centre: SlurmCentre, share: Path) -> Iterator[SlurmBench]:
    made = SlurmBench(centre, share)
    yield made
    made.close()


def test_a_bad_token_is_no_answer_and_a_new_file_mends_it(bench: SlurmBench) -> None:
    job = lease("a", "echo begun")
    bench.engine.offers()
    good = bench.centre.token_file.read_bytes()
    bench.centre.token_file.write_text("eyJhbGciOiJIUzI1NiJ9.e30.bad")
    bench.reopen()
    with pytest.raises(EngineUnreachable):
        bench.engine.submit(job)
    told = list(look_at_slurm(bench.settings, now=lambda: datetime.now(UTC)))
    assert [name for name, ok, _ in told if not ok] == ["Slurm 令牌"]
    bench.centre.token_file.write_bytes(good)
    bench.engine.submit(job)
    assert await_end(bench, "a").exit_code == 0
    bench.centre.write_token(seconds=-60)
    told = list(look_at_slurm(bench.settings, now=lambda: datetime.now(UTC)))
    assert [words.partition("。")[2] for name, ok, words in told if not ok and "过期" in words]
    bench.centre.write_token()


def test_preflight_of_a_good_cluster_names_its_version_and_partition(bench: SlurmBench) -> None:
    told = list(look_at_slurm(bench.settings, now=lambda: datetime.now(UTC)))
    assert all(ok for _, ok, _ in told), told
    said = " ".join(words for _, _, words in told)
    assert "22.05" in said or "23." in said or "24." in said
    assert f"{PARTITION}：3 / 3 个节点可用" in said
    other = replace(bench.settings, partition="night")
    ((_, ok, words),) = [t for t in look_at_slurm(other, now=lambda: datetime.now(UTC)) if not t[1]]
    assert (ok, "可用的是 main" in words) == (False, True)


def test_an_error_in_the_body_is_a_refusal(centre: SlurmCentre, share: Path) -> None:
    engine = SlurmEngine(
        replace(settings_for(centre, share), partition="night"),
        now=lambda: datetime.now(UTC),
        cluster=CLUSTER,
    )
    # Past our own look at the nodes, which would find the partition empty.
    node = SlurmNode(offer=ANY_NODE, partitions=frozenset(), ready=True)
    engine._nodes = (time.monotonic(), [node])
    with pytest.raises(EngineRefused, match="partition"):
        engine.submit(lease("a", "true"))
    engine.close()


def test_a_job_is_never_requeued_by_slurm(bench: SlurmBench) -> None:
    bench.engine.submit(lease("a", "sleep 600"))
    await_state(bench, "a", AttemptState.RUNNING)
    shown = bench.centre.call("scontrol", "show", "job", str(bench.engine._numbers["a"]))
    assert "Requeue=0" in shown


def test_a_gang_over_three_nodes_knows_its_nodes(bench: SlurmBench) -> None:
    run = 'echo "$NODE_RANK $SLURMD_NODENAME $NUM_NODES $NODE_NAMES"\nsleep 1'
    bench.engine.submit(lease("a", run, nodes=3))
    ended = await_end(bench, "a")
    names = [share.node for share in ended.allocation]
    assert sorted(names) == ["c0", "n0", "n1"]
    lines = sorted(output(bench, "a").splitlines())
    assert lines == [f"{n} {name} 3 {','.join(names)}" for n, name in enumerate(names)]


def test_the_cards_that_work_sees_are_the_cards_it_was_given(bench: SlurmBench) -> None:
    for key in ("a", "b", "c", "d"):
        bench.engine.submit(lease(key, 'echo "[$CUDA_VISIBLE_DEVICES]"\nsleep 600', cards=1))
    held = set()
    for key in ("a", "b", "c", "d"):
        (share,) = await_state(bench, key, AttemptState.RUNNING).allocation
        (card,) = share.cards
        held.add((share.node, card))
        await_output(bench, key, f"[{card}]\n")
    assert held == {(node, card) for node in ("n0", "n1") for card in (0, 1)}


def test_a_fenced_job_goes_home_when_its_turn_comes(bench: SlurmBench) -> None:
    for n in range(2):
        bench.engine.submit(lease(f"full{n}", "sleep 600", cards=2))
        await_state(bench, f"full{n}", AttemptState.RUNNING)
    bench.engine.submit(lease("a", "echo begun", cards=1))
    assert bench.engine.fence("a")
    assert not bench.engine.fence("full0")
    assert list(bench.engine.observe(["a"])) == []
    for n in range(2):
        bench.engine.cancel(f"full{n}", grace_seconds=0)
    bench.centre.await_idle()
    assert (output(bench, "a"), list(bench.engine.observe(["a"]))) == ("", [])


def test_work_that_an_administrator_kills_is_lost_not_succeeded(bench: SlurmBench) -> None:
    bench.engine.submit(lease("a", "echo begun\nsleep 600"))
    await_output(bench, "a", "begun")
    bench.centre.call("scancel", str(bench.engine._numbers["a"]))
    ended = await_end(bench, "a")
    assert (ended.cause, ended.exit_code) == (EndCause.ENGINE_LOST, None)
    assert ended.message


def test_a_node_that_dies_with_its_work_is_decided_by_silence(bench: SlurmBench) -> None:
    """Every process of the job is gone at once and nothing was written."""
    bench.engine.submit(lease("a", "echo begun\nsleep 600"))
    await_output(bench, "a", "begun")
    bench.centre.call("scancel", "--signal=KILL", "--full", str(bench.engine._numbers["a"]))
    began = time.monotonic()
    ended = await_end(bench, "a")
    assert time.monotonic() - began < PATIENCE_SECONDS
    assert (ended.cause, ended.exit_code) == (EndCause.ENGINE_LOST, None)
    assert ended.ended_at is not None


def test_an_unmounted_folder_is_no_answer(bench: SlurmBench, share: Path) -> None:
    bench.engine.submit(lease("a", "sleep 600"))
    shutil.move(share / ".jinsuan", share / "elsewhere")
    for ask in (
        lambda: bench.engine.observe(["a"]),
        lambda: bench.engine.submit(lease("b")),
        lambda: bench.engine.cancel("a", grace_seconds=0),
    ):
        with pytest.raises(EngineUnreachable, match="没有挂载"):
            ask()
    shutil.move(share / "elsewhere", share / ".jinsuan")
    assert seen(bench, "a").state is not AttemptState.ENDED


def test_what_is_forgotten_stays_used(bench: SlurmBench) -> None:
    bench.engine.submit(lease("a", "echo begun"))
    first = await_end(bench, "a")
    bench.engine.forget("a")
    assert output(bench, "a") == ""
    assert not (bench.engine._root / "a" / "work").exists()
    bench.engine.submit(lease("a", "echo begun"))
    assert seen(bench, "a") == first


def test_work_that_spoils_its_own_record_is_stopped_and_harms_nobody(bench: SlurmBench) -> None:
    """It runs as the user who owns the folder: it gets no free time, and others are still seen."""
    bench.engine.submit(lease("other", "sleep 600"))
    bench.engine.submit(lease("a", "echo x >../lease.json\necho begun\nsleep 600"))
    await_output_without_a_look(bench, "a", "begun")
    ended = await_end(bench, "a")
    assert (ended.cause, "被改动" in ended.message) == (EndCause.ENGINE_LOST, True)
    assert seen(bench, "other").state is not AttemptState.ENDED
    bench.engine.cancel("other", grace_seconds=0)
    bench.centre.await_idle()


def test_work_that_says_it_has_ended_is_charged_while_slurm_sees_it_run(bench: SlurmBench) -> None:
    run = "sleep 1\necho 0 exit >../rc.0\necho 0 >../ended\ntouch -d 2001-01-01 ../ended\nsleep 2"
    bench.engine.submit(lease("a", run))
    await_state(bench, "a", AttemptState.RUNNING)
    while not (bench.engine._root / "a" / "ended").exists():
        time.sleep(0.05)
    assert seen(bench, "a").state is AttemptState.RUNNING
    ended = await_end(bench, "a")
    assert ended.started_at is not None
    assert ended.ended_at is not None
    assert (ended.ended_at - ended.started_at).total_seconds() >= 2.9


def await_output_without_a_look(bench: SlurmBench, key: str, text: str) -> None:
    until = time.monotonic() + PATIENCE_SECONDS
    while text not in output(bench, key):
        assert time.monotonic() < until
        time.sleep(0.05)
