"""Read Alibaba's trace cluster-trace-gpu-v2023 ("openb") and make arrivals from it by the experiment's rules.

The experiment is that of Weng et al., "Beware of Fragmentation" (USENIX ATC 2023): time is ignored;
the pods are shuffled, then drawn again with replacement until they ask for 130 % of all cards; they
are placed one by one and never removed.
"""

from __future__ import annotations

import csv
import gzip
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from jinsuan.dispatch.demand import FULL, Demand

PERCENT = 130


@dataclass(frozen=True, slots=True)
class Machine:
    """One node: thousandths of cores, MiB, number of cards and their model ("" without)."""

    name: str
    cpu_milli: int
    memory_mib: int
    cards: int
    model: str


def read_machines(path: Path) -> tuple[Machine, ...]:
    """The nodes by name, which is the order that breaks ties."""
    with path.open(encoding="utf-8", newline="") as lines:
        found = [
            Machine(
                row["sn"],
                int(row["cpu_milli"]),
                int(row["memory_mib"]),
                int(row["gpu"]),
                row["model"],
            )
            for row in csv.DictReader(lines)
        ]
    return tuple(sorted(found, key=lambda machine: machine.name))


def read_pods(path: Path) -> tuple[Demand, ...]:
    """The requests in file order; the file may be compressed."""
    content = path.read_bytes()
    text = (gzip.decompress(content) if path.suffix == ".gz" else content).decode()
    return tuple(
        Demand(
            int(row["cpu_milli"]),
            int(row["memory_mib"]),
            int(row["num_gpu"]),
            int(row["gpu_milli"]) if int(row["num_gpu"]) else 0,
            tuple(sorted(filter(None, (row.get("gpu_spec") or "").split("|")))),
        )
        for row in csv.DictReader(text.splitlines())
    )


def arrivals(
    pods: Sequence[Demand], machines: Sequence[Machine], *, seed: int, percent: int = PERCENT
) -> list[int]:
    """Positions in `pods` in the order of arrival: all of them shuffled, then drawn with replacement.

    Ends with the pod that reaches `percent` of the cards of all machines.
    """
    assert any(pod.cards for pod in pods), "without cards the load would never be reached"
    enough = sum(machine.cards for machine in machines) * FULL * percent
    draw = np.random.default_rng(seed)
    order: list[int] = []
    asked = 0
    batch = draw.permutation(len(pods))
    while True:
        for i in batch.tolist():
            if asked * 100 >= enough:
                return order
            order.append(i)
            asked += pods[i].cards * pods[i].card_milli
        batch = draw.integers(len(pods), size=1000)
