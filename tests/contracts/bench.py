"""A bench: one engine of any kind, its nodes, small jobs for it, and ways to wait.

Its jobs are written in the few words that every engine understands: `echo`, `sleep`, `exit`, and
`trap '' TERM` for work that does not listen. A job says with its output how often it started, so
no suite needs to look inside.
"""

from __future__ import annotations

from typing import Protocol

from jinsuan.agent.engines.base import Engine
from jinsuan.agent.engines.embedded import VirtualNode
from jinsuan.protocol.messages import Lease, NodeOffer, Observation, Work
from jinsuan.protocol.states import AttemptState

CLUSTER = "bench"
NODES = (
    VirtualNode(name="n0", model="T4", cards=2, cpu_milli=4000, memory_mib=4096),
    VirtualNode(name="n1", model="T4", cards=2, cpu_milli=4000, memory_mib=4096),
    VirtualNode(name="c0", cpu_milli=2000, memory_mib=2048),
)
PATIENCE_SECONDS = 20
STUBBORN = "trap '' TERM\necho begun\nsleep 600"


class Bench(Protocol):
    """One engine, and what a test must be able to do to it."""

    @property
    def engine(self) -> Engine: ...

    def wait(self, seconds: float) -> None:
        """Let so much time pass for the engine and its jobs."""

    def reopen(self) -> None:
        """The agent's process ended and began again; the jobs did not notice."""


def lease(
    key: str,
    run: str = "true",
    *,
    nodes: int = 1,
    cards: int = 0,
    card_milli: int = 1000,
    cpu_milli: int = 100,
    memory_mib: int = 16,
    max_run_seconds: int = 3600,
    model: str = "T4",
    envs: dict[str, str] | None = None,
    cluster: str = CLUSTER,
) -> Lease:
    """A lease of one job, small unless told otherwise."""
    work = Work(
        name=key,
        run=run,
        num_nodes=nodes,
        cpu_milli=cpu_milli,
        memory_mib=memory_mib,
        max_run_seconds=max_run_seconds,
        model=model if cards else None,
        cards=cards,
        card_milli=card_milli,
        env_names=tuple(envs or {}),
        env_values=tuple((envs or {}).values()),
    )
    return Lease(
        attempt=f"attempt_{key}",
        job=f"job_{key}",
        number=1,
        fencing=1,
        engine_key=key,
        cluster=cluster,
        start_within_seconds=60,
        work=work,
    )


def seen(bench: Bench, key: str) -> Observation:
    """What the engine says of a key that it knows."""
    (observation,) = bench.engine.observe([key])
    return observation


def await_state(bench: Bench, key: str, state: AttemptState) -> Observation:
    """Wait for a state; a job that ended instead is shown."""
    waited = 0.0
    while (now := seen(bench, key)).state is not state:
        assert now.state is not AttemptState.ENDED, now
        assert waited < PATIENCE_SECONDS, now
        bench.wait(0.05)
        waited += 0.05
    return now


def await_end(bench: Bench, key: str) -> Observation:
    return await_state(bench, key, AttemptState.ENDED)


def await_output(bench: Bench, key: str, text: str) -> str:
    """Wait until a job has printed something. An engine may work only while it is looked at."""
    waited = 0.0
    while text not in (found := output(bench, key)):
        now = seen(bench, key)
        assert waited < PATIENCE_SECONDS, (found, now)
        bench.wait(0.05)
        waited += 0.05
    return found


def output(bench: Bench, key: str) -> str:
    return bench.engine.read_log(key, offset=0, limit=100_000).decode()


def free(bench: Bench) -> dict[str, NodeOffer]:
    (offer,) = bench.engine.offers()
    return {node.name: node for node in offer.nodes}
