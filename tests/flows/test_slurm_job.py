"""One job through everything: API, placement, the agent in a process of its own, a real Slurm, money.

The same journey as in test_job_to_ledger.py, with nobody speaking for the agent: what the ledger
charges is what a scheduler says it gave.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tests.contracts.bench import NODES
from tests.contracts.test_slurm import running_centre
from tests.engines.slurm_centre import SlurmCentre

SPEC: dict[str, Any] = {
    "name": "双机训练",
    "run": 'echo "rank $NODE_RANK of $NUM_NODES on [$CUDA_VISIBLE_DEVICES]"\nsleep 3\n',
    "num_nodes": 2,
    "resources": {"accelerators": "T4:2", "cpus": 2, "memory": "1GB"},
    "max_duration": "1h",
}
PATIENCE_SECONDS = 60


@pytest.fixture
def centre(request: pytest.FixtureRequest) -> Iterator[SlurmCentre]:
    yield from running_centre(request, 23_000)


@pytest.fixture
def platform(committed_db: None) -> Iterator[str]:
    from tests.contracts.api_world import fresh_caches
    from tests.contracts.live import served

    with fresh_caches(), served() as url:
        yield url


@pytest.fixture
def agent(platform: str, centre: SlurmCentre, tmp_path: Path) -> Iterator[Path]:
    """Enrolled, checked and running as an operator would do it; its folder."""
    from jinsuan.entrypoints import clock
    from jinsuan.registry.actions.agents import issue_enrolment_code
    from tests.flows.world import SYSTEM, make_world

    world = make_world(now=clock.now())
    code = issue_enrolment_code(world.centre_id, actor=SYSTEM, now=clock.now())
    folder, shared = tmp_path / "agent", tmp_path / "share"
    folder.mkdir()
    shared.mkdir()
    (folder / "agent.toml").write_text(
        f'server = "{platform}"\ncentre = "{world.centre}"\ncluster = "main"\n'
        f'[engine]\nkind = "slurm"\nurl = "{centre.url}"\nuser = "{centre.user}"\n'
        f'token_file = "{centre.token_file}"\nshared = "{shared}"\n'
        "heartbeat_seconds = 1\nsilence_seconds = 5\n",
        "utf-8",
    )
    jinsuan("enrol", str(folder), "--server", platform, "--centre", world.centre, "--code", code)
    said = jinsuan("check", str(folder))
    assert [line.split("：")[0] for line in said.splitlines()] == [
        *("✓ 配置", "✓ 文件夹", "✓ 密钥", "✓ Slurm 令牌", "✓ 共享文件夹"),
        *("✓ Slurm 接口", "✓ Slurm 分区", "✓ 引擎", "✓ 平台"),
    ]
    process = subprocess.Popen(
        [sys.executable, "-m", "jinsuan.entrypoints.cli", "agent", "run", str(folder)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        stderr=subprocess.PIPE,
        text=True,
    )
    yield folder
    process.send_signal(signal.SIGTERM)
    try:
        _, said = process.communicate(timeout=20)
    finally:
        process.kill()
    assert process.returncode == 0, said


def jinsuan(*words: str) -> str:
    from jinsuan.entrypoints.cli.agent import app

    done = CliRunner().invoke(app, list(words))
    assert done.exit_code == 0, (done.output, done.exception)
    return done.output


def work_until(client: Any, job: str, state: str) -> dict[str, Any]:
    """What the worker does, until the job is where it should be."""
    from jinsuan.dispatch import actions as dispatch
    from jinsuan.entrypoints import clock

    until = time.monotonic() + PATIENCE_SECONDS
    shown: dict[str, Any] = {}
    while shown.get("state") != state:
        assert time.monotonic() < until, shown
        dispatch.place_queued(now=clock.now())
        dispatch.settle(now=clock.now())
        time.sleep(0.2)
        shown = client.job(job)
    return shown


def test_a_gang_on_a_real_slurm_is_charged_for_what_it_held(platform: str, agent: Path) -> None:
    from jinsuan.client.api import Client
    from jinsuan.dispatch.models import Attempt, Job
    from jinsuan.entrypoints import clock
    from jinsuan.ledger.queries import check_book
    from jinsuan.metering.models import UsageReading
    from jinsuan.registry.models import Card, Node
    from tests.contracts.api_world import give_token

    wait_for_offer()
    job_actor = researcher()
    with Client(platform, give_token(job_actor, now=clock.now())) as client:
        job = client.submit(SPEC)["id"]
        shown = work_until(client, job, "settled")
        assert shown["outcome"] == "succeeded"
        log, _ = client.log(job)
        assert sorted(log.decode().splitlines()) == [f"rank {n} of 2 on [0,1]" for n in (0, 1)]
        charges = list(client.each_charge(job))
    attempt = Attempt.objects.get()
    assert (attempt.cause, attempt.exit_code) == ("exited", 0)
    assert {share["node"] for share in attempt.allocation} == {"n0", "n1"}
    seconds = held_seconds(attempt.started_at, attempt.ended_at)
    assert 3 <= seconds < 30
    assert charges
    assert Job.objects.get().state == "settled"
    assert not check_book().differences
    assert not Card.objects.filter(reserved_milli__gt=0).exists()
    assert not Node.objects.filter(cpu_reserved_milli__gt=0).exists()
    # Four cards, and no more than the time that Slurm gave: every card-second is in the book.
    used = UsageReading.objects.filter(resource="card:T4").latest("milli_unit_seconds")
    assert used.milli_unit_seconds == int(seconds * 1000) * 4000 // 1000


def held_seconds(began: datetime | None, ended: datetime | None) -> float:
    assert began is not None and ended is not None
    return (ended - began).total_seconds()


def wait_for_offer() -> None:
    """Until the agent has told what the cluster has."""
    from jinsuan.registry.models import Node

    until = time.monotonic() + PATIENCE_SECONDS
    want = {node.name for node in NODES}
    while set(Node.objects.values_list("name", flat=True)) != want:
        assert time.monotonic() < until, list(Node.objects.values_list("name", flat=True))
        time.sleep(0.1)


def researcher() -> Any:
    from jinsuan.kernel.ref import Actor, Role
    from jinsuan.registry.models import Membership

    row = Membership.objects.get(person__username="researcher")
    return Actor(
        person=row.person_id, organisation=row.organisation_id, role=Role(row.role), via="test"
    )
