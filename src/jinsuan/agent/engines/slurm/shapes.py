"""The JSON of slurmrestd in one form, whichever version speaks. Pure.

Between v0.0.38 (Slurm 22.05) and v0.0.40 (23.11) the same things changed their shape: states
became lists, numbers became {set, infinite, number}, the environment became a list, the script
moved into the job, `gres` became `tres_per_node`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from jinsuan.agent.engines.slurm.settings import SlurmSettings
from jinsuan.protocol.messages import NodeOffer, Work

LIVE = frozenset(
    {"PENDING", "RUNNING", "SUSPENDED", "COMPLETING", "CONFIGURING", "STAGE_OUT", "STOPPED"}
    | {"REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED", "RESIZING", "SIGNALING", "SPECIAL_EXIT"}
    | {"POWER_UP_NODE"}
)
"""States in which a job may still begin or is not cleaned up yet."""
_AWAY = re.compile(
    r"DOWN|DRAIN|FAIL|MAINT|NOT_RESPONDING|POWER|REBOOT|RESERVED|UNKNOWN|FUTURE|ERROR"
)
_GPU = re.compile(r"gpu(?::(?P<model>[^:(),]+))?:(?P<count>\d+)(?:\(IDX:(?P<which>[^)]*)\))?")
WHOLE = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class SlurmJob:
    """What Slurm says of one job.

    Args:
        states: its base state, and flags such as COMPLETING.
    """

    number: int
    comment: str
    states: frozenset[str]
    reason: str = ""

    @property
    def live(self) -> bool:
        return bool(self.states & LIVE)

    @property
    def pending(self) -> bool:
        return "PENDING" in self.states

    @property
    def word(self) -> str:
        """Its state in one word, for people."""
        return "+".join(sorted(self.states)) + (f"（{self.reason}）" if self.reason else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class SlurmNode:
    """One node.

    Args:
        ready: whether Slurm would start anything on it now; False when it is down or drained.
    """

    offer: NodeOffer
    partitions: frozenset[str]
    ready: bool


@dataclass(frozen=True, slots=True)
class Refusal:
    """One error in a body. Slurm's own number, -1 when there is none."""

    number: int
    words: str


def number(raw: Any) -> int:
    """A number that may be absent, null or {set, infinite, number}; then 0."""
    if isinstance(raw, Mapping):
        raw = raw.get("number", 0) if raw.get("set", True) and not raw.get("infinite") else 0
    return raw if isinstance(raw, int) else 0


def words(raw: Any) -> frozenset[str]:
    """A state that may be a word, a list of words or nothing, in capitals."""
    listed = raw if isinstance(raw, list) else [raw]
    return frozenset(
        part for word in listed if isinstance(word, str) for part in re.split(r"[+ ]", word.upper())
    ) - {""}


def refusals(body: Mapping[str, Any]) -> list[Refusal]:
    """All errors of a body, which may come with any HTTP status, 200 too."""
    found = []
    for error in body.get("errors") or ():
        if not isinstance(error, Mapping):
            found.append(Refusal(-1, str(error)[:200]))
            continue
        code = next((error[k] for k in ("error_number", "error_code", "errno") if k in error), -1)
        said = [str(error[k]) for k in ("error", "description") if error.get(k)]
        found.append(Refusal(number(code) or -1, "：".join(dict.fromkeys(said))[:300]))
    return found


def read_job(raw: Mapping[str, Any]) -> SlurmJob:
    comment = raw.get("comment")
    if isinstance(comment, Mapping):
        comment = comment.get("job")
    reason = str(raw.get("state_reason") or "")
    return SlurmJob(
        number=number(raw.get("job_id")),
        comment=str(comment or ""),
        states=words(raw.get("job_state")) | words(raw.get("flags_state")),
        reason="" if reason == "None" else reason,
    )


def read_node(raw: Mapping[str, Any]) -> SlurmNode:
    states = words(raw.get("state")) | words(raw.get("state_flags"))
    model, cards = _cards(str(raw.get("gres") or ""))
    used = _used_cards(str(raw.get("gres_used") or ""), model)
    cpus, memory = number(raw.get("cpus")), number(raw.get("real_memory"))
    offer = NodeOffer(
        name=str(raw.get("name")),
        cpu_milli=cpus * WHOLE,
        cpu_free_milli=max(0, cpus - number(raw.get("alloc_cpus"))) * WHOLE,
        memory_mib=memory,
        memory_free_mib=max(0, memory - number(raw.get("alloc_memory"))),
        model=model,
        cards_free_milli=tuple(0 if card in used else WHOLE for card in range(cards)),
    )
    return SlurmNode(
        offer=offer,
        partitions=frozenset(str(name) for name in raw.get("partitions") or ()),
        ready=not any(_AWAY.search(state) for state in states),
    )


def _cards(gres: str) -> tuple[str | None, int]:
    """The first kind of card on a node; a node with cards that have no type offers none."""
    for found in _GPU.finditer(gres):
        if found["model"] and int(found["count"]):
            return found["model"], int(found["count"])
    return None, 0


def _used_cards(used: str, model: str | None) -> set[int]:
    for found in _GPU.finditer(used):
        if found["model"] == model and model is not None:
            if found["which"] is None:  # not told which: the first ones, so that the sum is right
                return set(range(int(found["count"])))
            return indices(found["which"])
    return set()


def indices(text: str) -> set[int]:
    """The numbers in "0-1,3"; none in "N/A"."""
    found: set[int] = set()
    for part in text.split(","):
        first, _, last = part.strip().partition("-")
        if first.isdigit():
            found |= set(range(int(first), int(last if last.isdigit() else first) + 1))
    return found


def job_fields(
    work: Work, name: str, comment: str, folder: str, settings: SlurmSettings, *, lists: bool
) -> dict[str, Any]:
    """The `job` of a submit request. Nothing in it was written by the tenant.

    Args:
        lists: the shapes of v0.0.40 and later.
    """
    cores = max(1, -(-work.cpu_milli // WHOLE))
    minutes = work.max_run_seconds // 60 + 10
    memory = max(1, work.memory_mib)
    env = {"PATH": settings.path, "LANG": "C.UTF-8"}
    gpu = f"gpu:{work.model}:{work.cards}"
    fields: dict[str, Any] = {
        "name": name,
        "comment": comment,
        "tasks": work.num_nodes,
        "tasks_per_node": 1,
        "cpus_per_task": cores,
        "current_working_directory": folder,
        "standard_input": "/dev/null",
        "standard_output": f"{folder}/engine.log",
        "standard_error": f"{folder}/engine.log",
    }
    if lists:
        fields |= {
            "nodes": str(work.num_nodes),
            "memory_per_node": {"set": True, "infinite": False, "number": memory},
            "time_limit": {"set": True, "infinite": False, "number": minutes},
            "environment": [f"{key}={value}" for key, value in env.items()],
            "requeue": False,
        }
    else:
        # 22.05 takes `requeue: false` and ignores it; only `no_requeue` has an effect.
        fields |= {
            "nodes": [work.num_nodes, work.num_nodes],
            "memory_per_node": memory,
            "time_limit": minutes,
            "environment": env,
            "no_requeue": True,
        }
    if work.cards:
        fields |= {"tres_per_node": f"gres/{gpu}"} if lists else {"gres": gpu}
    passed = {"partition": settings.partition, "account": settings.account, "qos": settings.qos}
    return fields | {key: value for key, value in passed.items() if value}


def known_by_comment(
    jobs: Iterable[SlurmJob], comments: Mapping[str, str]
) -> dict[str, list[SlurmJob]]:
    """Jobs by key, for the comments that are asked for."""
    found: dict[str, list[SlurmJob]] = {}
    for job in jobs:
        if key := comments.get(job.comment):
            found.setdefault(key, []).append(job)
    return found
