"""Quantities, card models, verdicts and access of the Kubernetes adapter, without a cluster."""

from __future__ import annotations

import base64
import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from jinsuan.agent.engines.errors import EngineRefused
from jinsuan.agent.engines.kubernetes import judge, read_kubeconfig, spec
from jinsuan.agent.engines.kubernetes.cards import cards_of
from jinsuan.agent.engines.kubernetes.quantity import mib, milli, quantity
from jinsuan.agent.engines.kubernetes.record import Record
from jinsuan.agent.engines.kubernetes.room import Nodes
from jinsuan.protocol.messages import NodeShare
from jinsuan.protocol.states import AttemptState, EndCause
from tests.contracts.bench import lease

SHARE = NodeShare(node="n0", cpu_milli=100, memory_mib=16)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", Fraction(1)),
        ("250m", Fraction(1, 4)),
        ("1.5Gi", Fraction(3 * 2**29)),
        ("12e3", Fraction(12_000)),
        ("2E", Fraction(2 * 10**18)),
        ("100k", Fraction(100_000)),
        ("3u", Fraction(3, 10**6)),
        ("1Ki", Fraction(1024)),
    ],
)
def test_quantities_are_exact(text: str, value: Fraction) -> None:
    assert quantity(text) == value


@pytest.mark.parametrize("text", ["", "Gi", "1 Gi", "1Q", "0x10", "1e", "--1"])
def test_what_is_no_quantity_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        quantity(text)


def test_what_is_held_counts_up_and_what_is_there_counts_down() -> None:
    assert (milli("1u", up=True), milli("1u", up=False)) == (1, 0)
    assert (mib("1500k", up=True), mib("1500k", up=False)) == (2, 1)


def node(resources: dict[str, str], **labels: str) -> dict[str, Any]:
    return {
        "metadata": {"name": "n0", "labels": {k.replace("__", "/"): v for k, v in labels.items()}},
        "spec": {},
        "status": {
            "allocatable": {"cpu": "8", "memory": "16Gi", **resources},
            "conditions": [{"type": "Ready", "status": "True"}],
        },
    }


@pytest.mark.parametrize(
    ("resources", "labels", "model", "resource"),
    [
        ({"nvidia.com/gpu": "8"}, {"nvidia.com/gpu.product": "Tesla-T4"}, "T4", "nvidia.com/gpu"),
        (
            {"nvidia.com/gpu": "8"},
            {"nvidia.com/gpu.product": "NVIDIA-A100-SXM4-80GB"},
            "A100-SXM4-80GB",
            "nvidia.com/gpu",
        ),
        ({"nvidia.com/gpu": "8"}, {"nvidia.com/gpu.product": "H800"}, "H800-80", "nvidia.com/gpu"),
        ({"huawei.com/Ascend910B3": "8"}, {}, "Ascend 910B3", "huawei.com/Ascend910B3"),
        ({"huawei.com/Ascend910C": "16"}, {}, "Ascend910C", "huawei.com/Ascend910C"),
        (
            {"huawei.com/Ascend910": "8"},
            {"jinsuan/card-model": "Ascend910B4-64"},
            "Ascend910B4-64",
            "huawei.com/Ascend910",
        ),
        ({"cambricon.com/vmlu": "4"}, {}, "MLU590", "cambricon.com/vmlu"),
        ({"hygon.com/dcunum": "4"}, {}, "DCU", "hygon.com/dcunum"),
        ({"iluvatar.ai/BI-V150-vgpu": "2"}, {}, "BI-V150", "iluvatar.ai/BI-V150-vgpu"),
    ],
)
def test_the_model_of_a_card_by_label_and_by_resource(
    resources: dict[str, str], labels: dict[str, str], model: str, resource: str
) -> None:
    models = {"H800": "H800-80", "Ascend910B3": "Ascend 910B3", "cambricon.com/vmlu": "MLU590"}
    made = node(resources)
    made["metadata"]["labels"] = labels
    found = cards_of(made, models)
    assert found is not None
    assert (found.model, found.resource, found.number) == (
        model,
        resource,
        int(resources[resource]),
    )


def test_a_node_without_cards_has_no_model() -> None:
    assert cards_of(node({"example.com/fpga": "3"}), {}) is None
    assert cards_of(node({"nvidia.com/gpu": "0"}), {}) is None


def test_cordoned_tainted_and_sick_nodes_are_not_offered() -> None:
    cordoned, tainted, sick = node({}), node({}), node({})
    cordoned["spec"]["unschedulable"] = True
    tainted["spec"]["taints"] = [{"key": "x", "effect": "NoExecute"}]
    sick["status"]["conditions"][0]["status"] = "Unknown"
    assert not Nodes([cordoned, tainted, sick], {}).offers([], [])


def test_cards_of_other_pods_count_from_the_highest_down() -> None:
    pod = {
        "metadata": {"name": "p"},
        "spec": {
            "nodeName": "n0",
            "containers": [{"resources": {"limits": {"nvidia.com/gpu": "3", "cpu": "1"}}}],
            "initContainers": [{"resources": {"requests": {"cpu": "2"}}}],
        },
        "status": {"phase": "Running"},
    }
    ours = NodeShare(node="n0", cpu_milli=0, memory_mib=0, cards=(0,))
    (offer,) = Nodes([node({"nvidia.com/gpu": "4"})], {}).offers([pod], [ours])
    assert offer.cards_free_milli == (0, 1000, 0, 0)
    assert (offer.cpu_milli, offer.cpu_free_milli) == (8000, 6000)


# ── verdicts ──────────────────────────────────────────────────────────────────────────────────────


def pod(phase: str, state: dict[str, Any] | None, *, going: bool = False, **more: Any) -> Any:
    status = {"phase": phase, **more}
    if state is not None:
        status["containerStatuses"] = [{"name": "main", "state": state}]
    meta: dict[str, Any] = {"name": "p0"}
    if going:
        meta["deletionTimestamp"] = "2025-09-16T01:00:00Z"
    return {"metadata": meta, "status": status}


def ended(code: int, seconds: int = 10) -> dict[str, Any]:
    times = {"startedAt": "2025-09-16T01:00:00Z", "finishedAt": f"2025-09-16T01:00:{seconds:02}Z"}
    return {"terminated": {"exitCode": code, **times}}


RUNNING = {"running": {"startedAt": "2025-09-16T01:00:00Z"}}
WAITING = {"waiting": {"reason": "ImagePullBackOff"}}
STOPPED = judge.Stop(EndCause.CANCELLED)


@pytest.mark.parametrize(
    ("pods", "stop", "cause", "code"),
    [
        ([pod("Succeeded", ended(0))], None, EndCause.EXITED, 0),
        ([pod("Failed", ended(7))], None, EndCause.EXITED, 7),
        ([pod("Failed", ended(143), going=True)], STOPPED, EndCause.CANCELLED, 143),
        ([pod("Failed", ended(7))], STOPPED, EndCause.EXITED, 7),
        ([pod("Succeeded", ended(0), going=True)], STOPPED, EndCause.EXITED, 0),
        ([pod("Failed", ended(143), going=True)], None, EndCause.ENGINE_LOST, 143),
        ([pod("Failed", None, reason="Evicted")], None, EndCause.ENGINE_LOST, None),
        ([pod("Failed", None, reason="OutOfcpu")], None, EndCause.ENGINE_REFUSED, None),
        ([pod("Failed", WAITING, reason="DeadlineExceeded")], None, EndCause.ENGINE_REFUSED, None),
        ([pod("Failed", ended(137), reason="DeadlineExceeded")], None, EndCause.TIME_LIMIT, 137),
        ([pod("Failed", ended(124, 30))], None, EndCause.TIME_LIMIT, 124),
        ([pod("Failed", ended(124, 5))], None, EndCause.EXITED, 124),
        ([None], None, EndCause.ENGINE_LOST, None),
        (
            [pod("Failed", ended(143, 5), going=True), pod("Failed", ended(9, 6))],
            None,
            EndCause.EXITED,
            9,
        ),
    ],
)
def test_how_it_ended(
    pods: list[Any], stop: judge.Stop | None, cause: EndCause, code: int | None
) -> None:
    names = tuple(f"p{n}" for n in range(len(pods)))
    notes = {} if stop is None else {spec.STOP: stop.text()}
    seen = judge.observe(
        {"metadata": {"name": "a", "annotations": notes}},
        Record("a", names, (SHARE,) * len(pods)),
        {name: each for name, each in zip(names, pods, strict=True) if each is not None},
        max_run_seconds=30,
    )
    assert (seen.state, seen.cause, seen.exit_code) == (AttemptState.ENDED, cause, code)
    assert (seen.ended_at is None) == (seen.started_at is None)


def test_a_gang_runs_when_all_its_ranks_do() -> None:
    job = {"metadata": {"name": "a", "annotations": {}}}
    record = Record("a", ("p0", "p1"), (SHARE, SHARE))
    for second, state in (
        (pod("Pending", WAITING), "submitted"),
        (pod("Running", RUNNING), "running"),
    ):
        pods = {"p0": pod("Running", RUNNING), "p1": second}
        assert judge.observe(job, record, pods, max_run_seconds=30).state == state


# ── the Job ───────────────────────────────────────────────────────────────────────────────────────


def test_a_job_cannot_rise_above_a_pod() -> None:
    made = spec.job(lease("a", "echo $HOME", cards=0), spec.Rules(image="x"), None, [])
    text = json.dumps(made)
    assert made["spec"]["backoffLimit"] == 0
    pod_spec = made["spec"]["template"]["spec"]
    assert pod_spec["restartPolicy"] == "Never"
    assert pod_spec["automountServiceAccountToken"] is False
    assert pod_spec["securityContext"]["runAsNonRoot"] is True
    (container,) = pod_spec["containers"]
    assert container["securityContext"] == {
        "privileged": False,
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
    }
    assert container["args"][0] == "echo $$HOME"
    assert all(word not in text for word in ("hostPath", "hostNetwork", "hostPID", "tolerations"))


def test_queues_and_schedulers_are_passed_on() -> None:
    rules = spec.Rules(image="x", queue="gpu", scheduler="volcano")
    made = spec.job(lease("a"), rules, None, [])
    assert made["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "gpu"
    assert made["spec"]["template"]["spec"]["schedulerName"] == "volcano"
    # Kueue admits a gang whole; without it the adapter holds all pods back until there is room.
    gang = lease("a", nodes=2)
    assert spec.job(gang, rules, None, [])["spec"]["parallelism"] == 2
    assert spec.job(gang, spec.Rules(image="x"), None, [])["spec"]["parallelism"] == 0


# ── access ────────────────────────────────────────────────────────────────────────────────────────


def kubeconfig(path: Path, user: dict[str, Any], server: str = "https://h:1") -> Path:
    ca = base64.b64encode(b"PEM").decode()
    cluster = {"server": server, "certificate-authority-data": ca}
    config = {
        "clusters": [{"name": "c", "cluster": cluster}],
        "users": [{"name": "u", "user": user}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }
    path.write_text(json.dumps(config))
    return path


def test_a_kubeconfig_gives_server_authority_and_token(tmp_path: Path) -> None:
    access = read_kubeconfig(kubeconfig(tmp_path / "c", {"tokenFile": "token"}))
    assert (access.server, access.ca, access.token_file) == (
        "https://h:1",
        "PEM",
        tmp_path / "token",
    )


@pytest.mark.parametrize(
    ("user", "server", "words"),
    [
        ({"exec": {"command": "x"}}, "https://h:1", "exec"),
        ({"token": "t"}, "http://h:1", "https"),
        ({"client-certificate-data": "?"}, "https://h:1", "base64"),
    ],
)
def test_a_kubeconfig_that_cannot_be_used_says_why(
    tmp_path: Path, user: dict[str, Any], server: str, words: str
) -> None:
    with pytest.raises(EngineRefused, match=words):
        read_kubeconfig(kubeconfig(tmp_path / "c", user, server))
