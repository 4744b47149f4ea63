"""The Job of one attempt: what is sent to the API server. Pure.

A Job makes a pod anew when one is deleted, drained or preempted, and that would start the work a
second time. So no pod runs the work unless its name stands in the attempt's record (record.py), a
ConfigMap that is made once: until it exists the kubelet does not make the container, and a pod that
it does not name ends at once. The record is also what makes a gang start on all its nodes or on
none, and what tells every rank its number on every version of Kubernetes, with or without Indexed
Jobs (1.21).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from jinsuan.agent.engines.embedded.folder import CARDS, OURS, bad_variables
from jinsuan.agent.engines.kubernetes.cards import Cards
from jinsuan.protocol.codec import encode
from jinsuan.protocol.messages import Lease

KEY = "jinsuan/key"
CLUSTER = "jinsuan/cluster"
ENDED = "jinsuan/ended"
"""A label that what has ended gets, so that the next look does not list it."""
FENCING = "jinsuan/fencing"
ATTEMPT = "jinsuan/attempt"
ASKED = "jinsuan/asked"
"""What the work asks for, without its script and its variables."""
STOP = "jinsuan/stop"
HELD = "jinsuan/held-since"
HOLD = "jinsuan/seen"
"""The finalizer of our pods: none goes away before its end has been written down."""
PODS, NODES = "pods", "nodes"
"""Keys of the record that pods read."""
CONTAINER = "main"
TIDY_SECONDS = 15
"""How long work that must end may still tidy up, where nobody said another time."""
MOST_BYTES = 120 * 1024
"""Linux takes no longer single argument of a process (MAX_ARG_STRLEN, 128 KiB)."""
NOT_CHOSEN = 75
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")

SHIM = r"""case " $JINSUAN_PODS " in
*" $JINSUAN_POD "*) ;;
*) echo "jinsuan: this pod is not the one that may run the work" >&2; exit 75 ;;
esac
NODE_RANK=0
for p in $JINSUAN_PODS; do
  [ "$p" = "$JINSUAN_POD" ] && break
  NODE_RANK=$((NODE_RANK + 1))
done
export NODE_RANK
unset JINSUAN_PODS JINSUAN_POD p
l=
stop() { trap '' TERM; kill -TERM 0; trap stop TERM; }
late() { l=1; stop; (trap '' TERM; sleep 15; kill -KILL 0) & }
trap stop TERM INT
trap late USR1
(sleep "$2"; kill -USR1 $$) &
case $1 in
'#!'*)
  f=${TMPDIR:-/tmp}/jinsuan-run.$$
  (umask 077; printf '%s\n' "$1" >"$f"; chmod 700 "$f")
  "$f" & ;;
*)
  if command -v bash >/dev/null 2>&1; then bash -c "$1" & else sh -c "$1" & fi ;;
esac
w=$!
while :; do
  wait "$w"
  r=$?
  kill -0 "$w" 2>/dev/null || break
done
[ -z "$l" ] || r=124
exit "$r"
"""
"""The first process of the container.

It passes a polite stop on (a first process without a handler would not even feel it), and ends the
work when its running time is over, whether or not an agent is there to see it. `kill 0` reaches the
process group and nothing else.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What the centre says of how work runs in its cluster.

    Args:
        namespace: where everything of ours is; nothing outside it is ever written.
        image: for work that names none; None refuses such work.
        queue: the local queue of Kueue that jobs wait in. scheduler: another than the default,
            such as `volcano`.
        run_as_root: whether images may run as root. models: see `cards.cards_of`.
    """

    namespace: str = "jinsuan"
    image: str | None = None
    queue: str | None = None
    scheduler: str | None = None
    run_as_root: bool = False
    models: Mapping[str, str] = field(default_factory=dict)


def is_name(key: str) -> bool:
    """Whether a key may name a Job and be the value of a label."""
    return _NAME.fullmatch(key) is not None


def problem(lease: Lease, rules: Rules) -> str | None:
    """Why this work cannot be written as a Job; None when it can."""
    work = lease.work
    if work.image is None and rules.image is None:
        return "作业没有写镜像，中心也没有设默认镜像"
    if work.cards and work.card_milli != 1000:
        return "此集群不支持共享卡，只能要整卡"
    if bad := bad_variables(lease):
        return f"环境变量名 {bad[0][:60]!r} 不合规，应为字母、数字和下划线"
    if any(len(text.encode()) > MOST_BYTES for text in (work.run, *work.env_values)):
        return f"脚本和每个环境变量的值至多 {MOST_BYTES} 字节"
    return None


def labels(key: str, cluster: str) -> dict[str, str]:
    """By which everything of one key, and of one agent, is found."""
    return {"app.kubernetes.io/managed-by": "jinsuan", CLUSTER: cluster, KEY: key}


def job(lease: Lease, rules: Rules, cards: Cards | None, products: list[str]) -> dict[str, Any]:
    """The Job of one attempt.

    Args:
        cards: of any node that fits, None for work without cards.
        products: the values of its selector that mean the model asked for.
    """
    work = lease.work
    gang = work.num_nodes > 1
    ours = labels(lease.engine_key, lease.cluster)
    queue = {"kueue.x-k8s.io/queue-name": rules.queue} if rules.queue else {}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": lease.engine_key,
            "labels": ours | queue,
            "annotations": _annotations(lease) | {ASKED: _asked(lease)},
        },
        "spec": {
            # A gang waits with no pod at all until there is room for all of it.
            "parallelism": work.num_nodes if rules.queue or not gang else 0,
            "completions": work.num_nodes,
            "backoffLimit": 0,
            "template": {
                "metadata": {
                    "labels": ours,
                    "annotations": _annotations(lease),
                    "finalizers": [HOLD],
                },
                "spec": _pod(lease, rules, cards, products),
            },
        },
    }


def _annotations(lease: Lease) -> dict[str, str]:
    return {ATTEMPT: lease.attempt, FENCING: str(lease.fencing)}


def _asked(lease: Lease) -> str:
    bare = replace(lease.work, run="", env_names=(), env_values=())
    return json.dumps(encode(bare), ensure_ascii=False)


def _pod(lease: Lease, rules: Rules, cards: Cards | None, products: list[str]) -> dict[str, Any]:
    work = lease.work
    amounts = {"cpu": f"{work.cpu_milli}m", "memory": f"{work.memory_mib}Mi"}
    if cards is not None:
        amounts[cards.resource] = str(work.cards)
    command = [_literal(word) for word in ("/bin/sh", "-c", SHIM, "jinsuan")]
    return {
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": TIDY_SECONDS,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        **({"schedulerName": rules.scheduler} if rules.scheduler else {}),
        "securityContext": {
            "runAsNonRoot": not rules.run_as_root,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "affinity": _affinity(lease, cards, products),
        "containers": [
            {
                "name": CONTAINER,
                "image": work.image or rules.image,
                "command": command,
                "args": [_literal(work.run), str(work.max_run_seconds)],
                "env": _env(lease),
                "resources": {"limits": amounts, "requests": amounts},
                "securityContext": {
                    "privileged": False,
                    "allowPrivilegeEscalation": False,
                    **({} if rules.run_as_root else {"capabilities": {"drop": ["ALL"]}}),
                },
            }
        ],
    }


def _affinity(lease: Lease, cards: Cards | None, products: list[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if cards is not None and cards.selector:
        (label,) = cards.selector
        term = {"matchExpressions": [{"key": label, "operator": "In", "values": products}]}
        found["nodeAffinity"] = {
            "requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}
        }
    if lease.work.num_nodes > 1:
        found["podAntiAffinity"] = {
            "requiredDuringSchedulingIgnoredDuringExecution": [
                {
                    "labelSelector": {"matchLabels": {KEY: lease.engine_key}},
                    "topologyKey": "kubernetes.io/hostname",
                }
            ]
        }
    return found


def _env(lease: Lease) -> list[dict[str, Any]]:
    """The tenant's variables, then ours, of which the last of a name counts."""
    work = lease.work
    theirs = {
        name: value
        for name, value in zip(work.env_names, work.env_values, strict=True)
        if not name.startswith(OURS) and name not in CARDS
    }
    # A container sees its own cards only, numbered from zero.
    cards = ",".join(str(card) for card in range(work.cards))
    ours = {
        "JINSUAN_JOB_ID": lease.job,
        "JINSUAN_ATTEMPT": lease.attempt,
        "JINSUAN_CARD_MILLI": str(work.card_milli if work.cards else 0),
        "NUM_NODES": str(work.num_nodes),
        "CARDS_PER_NODE": str(work.cards),
        **dict.fromkeys(CARDS, cards),
    }
    return [
        *({"name": n, "value": _literal(v)} for n, v in (theirs | ours).items()),
        {"name": "JINSUAN_POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        *(
            {
                "name": name,
                "valueFrom": {"configMapKeyRef": {"name": lease.engine_key, "key": key}},
            }
            for name, key in (("JINSUAN_PODS", PODS), ("NODE_NAMES", NODES))
        ),
    ]


def _literal(text: str) -> str:
    """Kubernetes reads $(NAME) in commands and values; a doubled dollar is a plain one to it."""
    return text.replace("$", "$$")
