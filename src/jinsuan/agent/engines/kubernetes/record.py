"""The record of one key: a ConfigMap that is made once and kept for ever.

Its making is the moment from which the work may start, and it names the pods that may. Made with no
pods it says that the work never starts. Nobody but the API server decides which of two came first.
Later it takes up how the work ended; so the key stays used when everything else is gone.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jinsuan.agent.engines.kubernetes.spec import (
    ATTEMPT,
    ENDED,
    FENCING,
    KEY,
    NODES,
    PODS,
    labels,
)
from jinsuan.protocol.codec import decode, encode
from jinsuan.protocol.messages import NodeShare, Observation

_SHARES, _AHEAD, _END = "shares", "ahead-seconds", "end"


@dataclass(frozen=True, slots=True)
class Record:
    """What stands in the record.

    Args:
        pods: names of the pods that may run the work, by rank; empty: none ever may.
        shares: what each of them holds, by rank.
        ahead_seconds: of the agent's clock before the cluster's, when the work was let start.
        end: how it ended, None while it has not.
    """

    key: str
    pods: tuple[str, ...] = ()
    shares: tuple[NodeShare, ...] = ()
    ahead_seconds: int = 0
    end: Observation | None = None


def to_make(record: Record, cluster: str, job: Mapping[str, Any] | None) -> dict[str, Any]:
    """The ConfigMap of a new record. It has no owner: it outlives its Job.

    Args:
        job: its Job, whose attempt and fencing are noted; None when there is none.
    """
    told = {} if job is None else job["metadata"]["annotations"]
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": record.key,
            "labels": labels(record.key, cluster),
            "annotations": {name: told[name] for name in (ATTEMPT, FENCING) if name in told},
        },
        "data": {
            PODS: " ".join(record.pods),
            NODES: ",".join(share.node for share in record.shares),
            _SHARES: json.dumps(encode(record.shares)),
            _AHEAD: str(record.ahead_seconds),
        },
    }


def ending(end: Observation) -> dict[str, Any]:
    """The patch that writes down an end."""
    text = json.dumps(encode(end), ensure_ascii=False)
    return {"metadata": {"labels": {ENDED: "true"}}, "data": {_END: text}}


def read(config_map: Mapping[str, Any]) -> Record:
    """A record as the API server has it."""
    data = config_map.get("data") or {}
    end = data.get(_END)
    return Record(
        key=config_map["metadata"]["labels"][KEY],
        pods=tuple(data.get(PODS, "").split()),
        shares=decode(tuple[NodeShare, ...], json.loads(data.get(_SHARES, "[]"))),
        ahead_seconds=int(data.get(_AHEAD, "0")),
        end=None if end is None else decode(Observation, json.loads(end)),
    )
