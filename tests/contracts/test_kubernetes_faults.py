"""Kubernetes goes down, forgets, makes pods anew: work still starts once and its end is known."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from jinsuan.agent.engines.errors import EngineRefused, EngineUnreachable
from jinsuan.agent.engines.kubernetes import (
    KubernetesEngine,
    Rules,
    engine as engine_module,
    read_kubeconfig,
    spec,
)
from jinsuan.agent.engines.kubernetes.check import look_at_kubernetes
from jinsuan.agent.engines.kubernetes.settings import KubernetesSettings
from jinsuan.protocol.states import AttemptState, EndCause
from tests.contracts.bench import (
    CLUSTER,
    await_end,
    await_output,
    await_state,
    free,
    lease,
    output,
    seen,
)
from tests.contracts.test_kubernetes import KubeBench, centre  # noqa: F401
from tests.engines.kube_centre import ROOT, KubeCentre

pytestmark = pytest.mark.engines


@pytest.fixture
def bench(centre: KubeCentre, tmp_path: Path) -> Iterator[KubeBench]:  # noqa: F811
    made = KubeBench(centre, tmp_path / "engine")
    yield made
    made.close()


def lines(path: Path) -> int:
    return path.read_text().count("\n") if path.exists() else 0


def await_true(done, what: str, seconds: float = 20) -> None:  # type: ignore[no-untyped-def]
    until = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < until, what
        time.sleep(0.1)


def pods_of(bench: KubeBench, key: str) -> list[str]:
    path = f"/api/v1/namespaces/{bench.space}/pods"
    found = bench.api.list(path, labelSelector=f"{spec.KEY}={key}")
    return [pod["metadata"]["name"] for pod in found]


def test_kill_nine_of_all_servers_loses_and_repeats_nothing(
    bench: KubeBench, tmp_path: Path
) -> None:
    starts = tmp_path / "starts"
    run = f"echo x >>{starts}\necho begun\nsleep 6\nexit 5"
    bench.engine.submit(lease("one", run, cards=1))
    bench.engine.submit(lease("gang", run, nodes=2, cards=1))
    for n in range(2):
        bench.engine.submit(lease(f"wait{n}", f"echo x >>{starts}", cpu_milli=3900, cards=1))
    await_output(bench, "one", "begun")
    await_output(bench, "gang", "begun\nbegun\n")
    for name in ("apiserver", "etcd", "scheduler", "controllers"):
        bench.centre.kill(name)
    with pytest.raises(EngineUnreachable):
        bench.engine.observe(["one"])
    with pytest.raises(EngineUnreachable):
        bench.engine.submit(lease("late"))
    with pytest.raises(EngineUnreachable):
        bench.engine.cancel("one", grace_seconds=1)
    for name in ("etcd", "apiserver", "controllers", "scheduler"):
        bench.centre.start(name)
    await_true(lambda: bench.engine.observe(["one"]), "the API server is back", 60)
    bench.reopen()
    ends = [await_end(bench, key) for key in ("one", "gang")]
    assert [(end.cause, end.exit_code) for end in ends] == [(EndCause.EXITED, 5)] * 2
    await_true(
        lambda: all(seen(bench, f"wait{n}").state is AttemptState.ENDED for n in range(2)),
        "queued work ran",
        60,
    )
    assert lines(starts) == 1 + 2 + 2
    assert list(bench.engine.observe(["late"])) == []


def test_eight_equal_submissions_at_one_moment_are_one_start(
    bench: KubeBench, tmp_path: Path
) -> None:
    starts = tmp_path / "starts"
    job = lease("a", f"echo x >>{starts}\nsleep 1")
    engines = [bench._open() for _ in range(8)]
    gate = threading.Barrier(8)

    def submit(engine: KubernetesEngine) -> None:
        gate.wait()
        engine.submit(job)

    threads = [threading.Thread(target=submit, args=(engine,)) for engine in engines]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for engine in engines:
        engine.close()
    assert await_end(bench, "a").exit_code == 0
    assert lines(starts) == 1
    path = f"/apis/batch/v1/namespaces/{bench.space}/jobs"
    assert len(bench.api.list(path)) == 1


def test_a_pod_that_is_made_anew_does_not_start_the_work_again(
    bench: KubeBench, tmp_path: Path
) -> None:
    """What a drain, an eviction or a preemption does: the Job makes another pod in its place."""
    starts = tmp_path / "starts"
    bench.engine.submit(lease("a", f"echo x >>{starts}\necho begun\nsleep 600", cards=1))
    await_output(bench, "a", "begun")
    (pod,) = pods_of(bench, "a")
    bench.api.delete(f"/api/v1/namespaces/{bench.space}/pods/{pod}", {"gracePeriodSeconds": 1})
    await_true(lambda: len(pods_of(bench, "a")) > 1, "the Job made a second pod")
    ended = await_end(bench, "a")
    assert ended.cause is EndCause.ENGINE_LOST
    assert ended.started_at is not None
    time.sleep(2)
    assert lines(starts) == 1
    assert sum(sum(n.cards_free_milli) for n in free(bench).values()) == 4000


def test_a_job_that_others_remove_ends_and_its_key_never_starts_again(
    bench: KubeBench, tmp_path: Path
) -> None:
    starts = tmp_path / "starts"
    job = lease("a", f"echo x >>{starts}\necho begun\nsleep 600", cards=1)
    bench.engine.submit(job)
    await_output(bench, "a", "begun")
    path = f"/apis/batch/v1/namespaces/{bench.space}/jobs"
    bench.api.delete(f"{path}/a", {"propagationPolicy": "Background"})
    await_true(
        lambda: not bench.engine.observe(["a"]) and not pods_of(bench, "a"), "it is gone", 40
    )
    bench.engine.submit(job)
    time.sleep(2)
    assert not bench.api.list(path)
    assert lines(starts) == 1


def test_what_is_forgotten_leaves_its_key_used(bench: KubeBench, tmp_path: Path) -> None:
    starts = tmp_path / "starts"
    job = lease("a", f"echo x >>{starts}\nexit 7")
    bench.engine.submit(job)
    ended = await_end(bench, "a")
    bench.engine.forget("a")
    await_true(lambda: not pods_of(bench, "a"), "its pods are gone")
    bench.engine.submit(job)
    bench.reopen()
    assert seen(bench, "a") == ended
    assert output(bench, "a") == ""
    time.sleep(1)
    assert lines(starts) == 1


def test_a_fenced_key_never_starts_even_if_its_job_arrives_late(
    bench: KubeBench, tmp_path: Path
) -> None:
    starts = tmp_path / "starts"
    assert bench.engine.fence("a")
    nodes = bench.engine._nodes()
    job = lease("a", f"echo x >>{starts}")
    late = spec.job(job, bench.engine._rules, *nodes.selection(job.work))
    bench.api.post(f"/apis/batch/v1/namespaces/{bench.space}/jobs", late)
    time.sleep(2)
    assert seen(bench, "a").state is AttemptState.ENDED
    assert lines(starts) == 0
    bench.engine.submit(lease("b", "sleep 600"))
    await_state(bench, "b", AttemptState.RUNNING)
    assert not bench.engine.fence("b"), "what has begun cannot be fenced"


def test_a_stop_that_was_cut_off_is_still_a_stop(bench: KubeBench, tmp_path: Path) -> None:
    starts = tmp_path / "starts"
    bench.engine.submit(lease("a", f"echo x >>{starts}"))
    note = {"metadata": {"annotations": {spec.STOP: '{"cause": "cancelled"}'}}}
    bench.api.patch(f"/apis/batch/v1/namespaces/{bench.space}/jobs/a", note)
    ended = seen(bench, "a")
    assert (ended.cause, ended.started_at) == (EndCause.CANCELLED, None)
    time.sleep(2)
    assert lines(starts) == 0


def test_the_time_limit_is_kept_while_no_agent_looks(bench: KubeBench) -> None:
    bench.engine.submit(lease("a", "echo begun\nsleep 600", max_run_seconds=2))
    await_output(bench, "a", "begun")
    bench.engine.close()
    time.sleep(6)
    bench.engine = bench._open()
    ended = seen(bench, "a")
    assert (ended.state, ended.cause) == (AttemptState.ENDED, EndCause.TIME_LIMIT)
    assert ended.started_at is not None
    assert ended.ended_at is not None
    assert 1 <= (ended.ended_at - ended.started_at).total_seconds() <= 4


def test_work_may_tidy_up_before_it_goes(bench: KubeBench) -> None:
    bench.engine.submit(lease("a", "trap 'echo bye; exit 3' TERM\necho begun\nsleep 600 &\nwait"))
    await_output(bench, "a", "begun")
    bench.engine.cancel("a", grace_seconds=10)
    ended = await_end(bench, "a")
    assert ended.cause in (EndCause.CANCELLED, EndCause.EXITED)
    assert output(bench, "a") == "begun\nbye\n"


def test_a_gang_that_got_half_its_places_gives_them_back(
    bench: KubeBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_module, "GATHER_SECONDS", 1)
    bench.engine.submit(lease("gang", "echo begun\nsleep 600", nodes=2, cards=2))
    monkeypatch.setattr(KubernetesEngine, "_has_room", lambda *_: True)
    bench.engine.submit(lease("one", "sleep 600", cards=1))
    await_state(bench, "one", AttemptState.RUNNING)
    bench.engine.observe([])
    await_true(lambda: len(pods_of(bench, "gang")) == 2, "pods although there is no room")
    monkeypatch.undo()
    monkeypatch.setattr(engine_module, "GATHER_SECONDS", 1)
    await_true(lambda: seen(bench, "gang") and not pods_of(bench, "gang"), "pods taken back")
    assert seen(bench, "gang").state is AttemptState.SUBMITTED
    assert sum(sum(n.cards_free_milli) for n in free(bench).values()) == 3000
    assert output(bench, "gang") == ""
    bench.engine.cancel("one", grace_seconds=0)
    await_output(bench, "gang", "begun\nbegun\n")


@pytest.mark.parametrize(
    ("run", "said"),
    [
        ("#!/usr/bin/env python3\nprint('$HOME', 1 + 1)", "$HOME 2\n"),
        ("x=$(echo $((1 + 2)))\necho $x '$$' '$(x)'", "3 $$ $(x)\n"),
        ('echo "$(printf \'%s\' "a b")"\n# 三', "a b\n"),
    ],
)
def test_scripts_arrive_as_they_were_written(bench: KubeBench, run: str, said: str) -> None:
    bench.engine.submit(lease("a", run, envs={"x": "$(NODE_RANK) $$ 'q'"}))
    assert await_end(bench, "a").exit_code == 0
    assert output(bench, "a") == said


def test_what_a_cluster_cannot_take_is_refused(bench: KubeBench) -> None:
    for job in (lease("a", envs={"A B": "1"}), lease("a", "x" * 200_000), lease("A_B")):
        with pytest.raises(EngineRefused):
            bench.engine.submit(job)
    bare = KubernetesEngine(
        bench._folder,
        bench.centre.access,
        Rules(namespace=bench.space),
        now=lambda: datetime.now(UTC),
        cluster=CLUSTER,
    )
    with pytest.raises(EngineRefused, match="镜像"):
        bare.submit(lease("a"))
    bare.close()


def test_a_wrong_token_is_silence_and_a_kubeconfig_is_enough(bench: KubeBench) -> None:
    wrong = replace(bench.centre.access, token="wrong")
    engine = KubernetesEngine(
        bench._folder, wrong, Rules(namespace=bench.space), now=lambda: datetime.now(UTC)
    )
    with pytest.raises(EngineUnreachable, match="401"):
        engine.observe(["a"])
    engine.close()
    access = read_kubeconfig(bench.centre.kubeconfig)
    engine = KubernetesEngine(
        bench._folder, access, Rules(namespace=bench.space), now=lambda: datetime.now(UTC)
    )
    assert engine.version().startswith("v1.")
    engine.close()


def test_a_server_with_another_certificate_is_not_believed(bench: KubeBench) -> None:
    stranger = replace(bench.centre.access, ca=None)
    engine = KubernetesEngine(
        bench._folder, stranger, Rules(namespace=bench.space), now=lambda: datetime.now(UTC)
    )
    with pytest.raises(EngineUnreachable, match="CERTIFICATE_VERIFY_FAILED"):
        engine.offers()
    engine.close()


def test_the_check_names_what_is_missing(bench: KubeBench) -> None:
    settings = KubernetesSettings(kubeconfig=bench.centre.kubeconfig, namespace=bench.space)
    told = {name: (good, words) for name, good, words in look_at_kubernetes(settings)}
    assert [good for good, _ in told.values()] == [True] * 4
    assert "型号 T4" in told["Kubernetes 节点"][1]
    lost = replace(settings, namespace="nowhere")
    told = {name: (good, words) for name, good, words in look_at_kubernetes(lost)}
    assert told["命名空间"] == (False, "没有 nowhere。请运行 kubectl create namespace nowhere")
    stranger = bench.centre.folder / "stranger"
    stranger.write_text(bench.centre.kubeconfig.read_text().replace(bench.centre.access.token, "x"))
    told = {
        name: (good, words)
        for name, good, words in look_at_kubernetes(replace(settings, kubeconfig=stranger))
    }
    assert told["Kubernetes 接口"][0] is False


def test_the_rights_that_we_ask_for_are_enough(bench: KubeBench) -> None:
    """A whole life of a job with nothing but what deploy/kubernetes-agent.yaml gives."""
    for thing in yaml.safe_load_all((ROOT / "deploy" / "kubernetes-agent.yaml").read_text()):
        if thing["kind"] in ("Namespace", "ServiceAccount"):
            continue
        named = json.dumps(thing).replace('"namespace": "jinsuan"', f'"namespace": "{bench.space}"')
        thing = json.loads(named)
        thing["metadata"]["name"] += f"-{bench.space}"
        if "roleRef" in thing:
            thing["roleRef"]["name"] += f"-{bench.space}"
            thing["subjects"] = [
                {"kind": "User", "name": "agent", "apiGroup": thing["roleRef"]["apiGroup"]}
            ]
        group = f"/apis/{thing['apiVersion']}"
        space = f"/namespaces/{bench.space}" if "namespace" in thing["metadata"] else ""
        bench.api.post(f"{group}{space}/{thing['kind'].lower()}s", thing)
    bench.engine.close()
    access = replace(bench.centre.access, token=bench.centre.agent_token)
    bench.engine = KubernetesEngine(
        bench._folder,
        access,
        Rules(namespace=bench.space, image="none"),
        now=lambda: datetime.now(UTC),
        cluster=CLUSTER,
    )
    bench.engine.submit(lease("gang", "echo begun\nsleep 600", nodes=2, cards=1))
    await_output(bench, "gang", "begun\nbegun\n")
    bench.engine.cancel("gang", grace_seconds=1)
    assert await_end(bench, "gang").cause is EndCause.CANCELLED
    bench.engine.forget("gang")
    assert bench.engine.fence("other")
    assert len(free(bench)) == 3
    with pytest.raises(EngineRefused, match="403"):
        bench.engine._api.list("/api/v1/secrets")
