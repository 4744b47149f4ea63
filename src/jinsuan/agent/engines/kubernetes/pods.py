"""What is done to a pod of ours: asked to end, let go; and how it stands."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from jinsuan.agent.engines.kubernetes.client import KubeClient, NotThere, TakenAlready
from jinsuan.agent.engines.kubernetes.room import lives
from jinsuan.agent.engines.kubernetes.spec import ENDED, HOLD

__all__ = ["end", "going", "let_go", "lives"]


def going(pod: Mapping[str, Any]) -> bool:
    """Whether somebody has asked for its end."""
    return pod["metadata"].get("deletionTimestamp") is not None


def end(api: KubeClient, path: str, pods: Iterable[Mapping[str, Any]], grace_seconds: int) -> None:
    """Ask pods to end; a shorter grace overtakes a longer one."""
    for pod in pods:
        meta = pod["metadata"]
        # Not 0, which takes the pod out of the books while its processes may still run.
        grace = max(1, grace_seconds)
        body = {"gracePeriodSeconds": grace, "preconditions": {"uid": meta["uid"]}}
        try:
            api.delete(f"{path}/{meta['name']}", body)
        except (NotThere, TakenAlready):
            continue


def let_go(api: KubeClient, path: str, pod: Mapping[str, Any]) -> None:
    """Take our finalizer away, and say that nobody need look at it any more."""
    meta = pod["metadata"]
    changed = {
        "finalizers": [f for f in meta.get("finalizers") or [] if f != HOLD],
        "labels": {ENDED: "true"},
        # The list is replaced whole, and the Job controller has a finalizer of its own in it.
        "resourceVersion": meta["resourceVersion"],
    }
    try:
        api.patch(f"{path}/{meta['name']}", {"metadata": changed})
    except (NotThere, TakenAlready):
        return  # gone, or changed in between: the next look sweeps it up
