"""One job through everything, on a real Kubernetes: the same journey as in test_slurm_job.py."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contracts.test_kubernetes import centre  # noqa: F401
from tests.engines.kube_centre import KubeCentre
from tests.flows.test_slurm_job import (
    SPEC,
    held_seconds,
    jinsuan,
    platform,  # noqa: F401
    researcher,
    wait_for_offer,
    work_until,
)

pytestmark = pytest.mark.engines
SPACE = "jinsuan-flow"


@pytest.fixture
def agent(
    platform: str,  # noqa: F811
    centre: KubeCentre,  # noqa: F811
    tmp_path: Path,
) -> Iterator[Path]:
    """Enrolled, checked and running as an operator would do it; its folder."""
    from jinsuan.entrypoints import clock
    from jinsuan.registry.actions.agents import issue_enrolment_code
    from tests.flows.world import SYSTEM, make_world

    centre.make_namespace(SPACE)
    world = make_world(now=clock.now())
    code = issue_enrolment_code(world.centre_id, actor=SYSTEM, now=clock.now())
    folder = tmp_path / "agent"
    folder.mkdir()
    (folder / "agent.toml").write_text(
        f'server = "{platform}"\ncentre = "{world.centre}"\ncluster = "main"\n'
        f'[engine]\nkind = "kubernetes"\nkubeconfig = "{centre.kubeconfig}"\n'
        f'namespace = "{SPACE}"\nimage = "none"\n',
        "utf-8",
    )
    jinsuan("enrol", str(folder), "--server", platform, "--centre", world.centre, "--code", code)
    said = jinsuan("check", str(folder))
    assert [line.split("：")[0] for line in said.splitlines()] == [
        *("✓ 配置", "✓ 文件夹", "✓ 密钥", "✓ Kubernetes 接口", "✓ 命名空间"),
        *("✓ Kubernetes 权限", "✓ Kubernetes 节点", "✓ 引擎", "✓ 平台"),
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


def test_a_gang_on_a_real_kubernetes_is_charged_for_what_it_held(
    platform: str,  # noqa: F811
    agent: Path,
) -> None:
    from jinsuan.client.api import Client
    from jinsuan.dispatch.models import Attempt, Job
    from jinsuan.entrypoints import clock
    from jinsuan.ledger.queries import check_book
    from jinsuan.metering.models import UsageReading
    from jinsuan.registry.models import Card
    from tests.contracts.api_world import give_token

    wait_for_offer()
    with Client(platform, give_token(researcher(), now=clock.now())) as client:
        job = client.submit(SPEC)["id"]
        shown = work_until(client, job, "settled")
        assert shown["outcome"] == "succeeded"
        log, _ = client.log(job)
        assert sorted(log.decode().splitlines()) == [f"rank {n} of 2 on [0,1]" for n in (0, 1)]
        assert list(client.each_charge(job))
    attempt = Attempt.objects.get()
    assert (attempt.cause, attempt.exit_code) == ("exited", 0)
    assert {share["node"] for share in attempt.allocation} == {"n0", "n1"}
    seconds = held_seconds(attempt.started_at, attempt.ended_at)
    assert 3 <= seconds < 30
    assert Job.objects.get().state == "settled"
    assert not check_book().differences
    assert not Card.objects.filter(reserved_milli__gt=0).exists()
    used = UsageReading.objects.filter(resource="card:T4").latest("milli_unit_seconds")
    assert used.milli_unit_seconds == int(seconds * 1000) * 4000 // 1000
