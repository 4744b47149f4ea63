"""`./run bench openb`: placing jobs on the nodes of a public trace, beside the published policies.

The experiment, its data and the published figures are those of Weng et al., "Beware of Fragmentation"
(USENIX ATC 2023). Lower is better: per cent of all cards that are not given out when pods asking for
100 % (and 130 %) of them have arrived. A pod that fits somewhere is never refused.
"""

from __future__ import annotations

import argparse
import csv
import os
import resource
import statistics
from collections.abc import Callable
from pathlib import Path

from benchmarks.machine import Neighbours, machine
from jinsuan.dispatch.demand import Demand, counted, typical
from jinsuan.dispatch.fragmentation import Potentials
from jinsuan.dispatch.least_waste import LeastWaste, frozen_weights
from jinsuan.dispatch.scoring import Policy, ScoreTable
from jinsuan.simulation.openb import Machine, arrivals, read_machines, read_pods
from jinsuan.simulation.policies import BestFit, Fgd, Random
from jinsuan.simulation.run import MARKS, Outcome, run

ROOT = Path(__file__).parents[1]
NODES = "openb_node_list_gpu_node.csv"
"""The nodes of the published experiment: those that have cards."""
ALL_NODES = "openb_node_list_all_node.csv"
JOBS = 10_000
"""Waiting jobs of the measurement of speed."""
PUBLISHED = "fgd_published_unallocated_gpu.csv"
NAMES = {"random": "01-Random", "bestfit": "05-BestFit", "fgd": "06-FGD"}
CLOSE = 0.5
"""How far, in points, our run of a published policy may be from the published figure."""

Make = Callable[[int], Policy]
"""A fresh policy for a seed."""


def folder() -> Path | None:
    """The trace's folder: in JINSUAN_DATA, else in shared/data beside the checkout."""
    configured = os.environ.get("JINSUAN_DATA")
    found = (Path(configured) if configured else ROOT.parent / "shared" / "data") / "openb"
    return found if (found / NODES).is_file() else None


def published(data: Path, workload: str) -> dict[tuple[str, int], tuple[float, float, float]]:
    """By policy and arrived load: median, mean, standard deviation over the published seeds."""
    with (data / PUBLISHED).open(encoding="utf-8", newline="") as lines:
        return {
            (row["policy"], int(row["arrived_pct_of_gpu_capacity"])): (
                float(row["unallocated_gpu_pct_median"]),
                float(row["unallocated_gpu_pct_mean"]),
                float(row["unallocated_gpu_pct_std"]),
            )
            for row in csv.DictReader(lines)
            if row["workload"] == f"openb_pod_list_{workload}"
        }


def makers(pods: tuple[Demand, ...]) -> dict[str, Make]:
    """All policies by name. The mix is that of the workload, known beforehand, as published."""
    mix = typical(counted(pods))
    potentials, least_waste = Potentials(mix), LeastWaste(mix)
    return {
        "random": lambda seed: Random(seed=seed),
        "bestfit": lambda _: BestFit(),
        "fgd": lambda _: Fgd(potentials),
        "ours": lambda _: least_waste,
    }


def _no_refusal(table: ScoreTable, pod: Demand) -> None:
    """A slow look at every node, apart from the table: the pod must fit nowhere."""
    rooms = table.rooms
    for node in range(len(rooms)):
        fits = (
            rooms.cpu[node] >= pod.cpu_milli
            and rooms.memory[node] >= pod.memory_mib
            and sum(left >= pod.card_milli for left in rooms.cards[node]) >= pod.cards
            and pod.accepts(rooms.models[rooms.model[node]])
        )
        assert not fits, f"{pod} was refused though it fits node {node}"


def _spread(values: list[float]) -> str:
    sd = statistics.stdev(values) if len(values) > 1 else 0.0
    return f"{statistics.fmean(values):6.2f} ± {sd:.2f}"


def _seeds(text: str) -> list[int]:
    first, _, last = text.partition("..")
    return list(range(int(first), int(last or first) + 1))


def _row(name: str, found: list[Outcome], known: tuple[float, float, float] | None) -> bool:
    """Print one policy; whether it is as close to the published figure as promised."""
    parts = [f"{name:9}"]
    parts += [_spread([outcome.unallocated[mark] for outcome in found]) for mark in MARKS]
    last = [outcome.failed[100] for outcome in found]
    kinds = [statistics.fmean(getattr(f, kind) for f in last) for kind in ("cpu", "share", "whole")]
    parts.append(f"{kinds[0]:5.1f} / {kinds[1]:5.1f} / {kinds[2]:5.1f}")
    parts.append(f"{statistics.median(o.decisions / o.seconds for o in found):8.0f}")
    parts.append(f"{statistics.median(o.decisions / o.cpu_seconds for o in found):8.0f}")
    if known:
        parts.append(f"  published median {known[0]:.2f}, mean {known[1]:.2f} ± {known[2]:.2f}")
    print("  ".join(parts), flush=True)
    mean = statistics.fmean(outcome.unallocated[100] for outcome in found)
    return known is None or abs(mean - known[0]) <= CLOSE


def tables(options: argparse.Namespace, data: Path, pods: tuple[Demand, ...]) -> bool:
    """The experiment; whether the published policies come out as published."""
    machines = read_machines(data / NODES)
    cards = sum(m.cards for m in machines)
    print(
        f"workload {options.workload}: {len(pods)} pods, {len(machines)} nodes, {cards} cards; "
        f"seeds {options.seeds[0]}..{options.seeds[-1]}, one run each; "
        f"weights {frozen_weights().version}"
    )
    print("unallocated cards, % (mean ± sd)      failed pods at 100 %, mean   decisions per")
    print("policy       at 100 %       at 130 %    cpu / share / whole        second  cpu-second")
    known = published(data, options.workload)
    good = True
    for name in options.policies.split(","):
        found = [
            run(
                machines,
                pods,
                arrivals(pods, machines, seed=seed),
                makers(pods)[name](seed),
                check=_no_refusal,
            )
            for seed in options.seeds
        ]
        good &= _row(name, found, known.get((NAMES.get(name, name), 100)))
    return good


def speed(options: argparse.Namespace, data: Path, pods: tuple[Demand, ...]) -> None:
    """10,000 waiting jobs on all nodes, and on so many times as many nodes."""
    once = read_machines(data / ALL_NODES)
    found: dict[int, list[Outcome]] = {1: [], options.scale: []}
    for _ in range(options.repeats):
        for times, outcomes in found.items():
            machines = [
                Machine(f"{m.name}-{i:02}", m.cpu_milli, m.memory_mib, m.cards, m.model)
                for m in once
                for i in range(times)
            ]
            order = arrivals(pods, once, seed=options.seeds[0], percent=1000)[:JOBS]
            outcomes.append(run(machines, pods, order, makers(pods)["ours"](0)))
    for times, outcomes in found.items():
        wall = sorted(o.seconds / o.decisions * 1e6 for o in outcomes)
        cpu = sorted(o.cpu_seconds / o.decisions * 1e6 for o in outcomes)
        print(
            f"ours, {JOBS} jobs on {len(once) * times} nodes, {len(outcomes)} runs: µs per decision "
            f"min {wall[0]:.0f}, median {statistics.median(wall):.0f}, max {wall[-1]:.0f}; "
            f"{1e6 / statistics.median(wall):.0f} decisions/s; of the processor "
            f"min {cpu[0]:.0f}, median {statistics.median(cpu):.0f}, max {cpu[-1]:.0f}"
        )
    cost = [statistics.median(o.cpu_seconds for o in outcomes) for outcomes in found.values()]
    print(f"{options.scale} times as many nodes: {cost[-1] / cost[0]:.1f} times the processor time")


def main() -> int:
    parser = argparse.ArgumentParser(prog="./run bench openb", description=__doc__)
    parser.add_argument("--seeds", type=_seeds, default=_seeds("42..51"), help="like 42..51")
    parser.add_argument("--workload", default="default")
    parser.add_argument("--policies", default="random,bestfit,fgd,ours")
    parser.add_argument("--scale", type=int, help="measure the speed, with so many times the nodes")
    parser.add_argument("--repeats", type=int, default=3, help="runs of the measurement of speed")
    options = parser.parse_args()
    data = folder()
    if data is None:
        print(f"left out: no {NODES}; set JINSUAN_DATA to the folder with openb/")
        return 1
    path = data / "pods" / f"openb_pod_list_{options.workload}.csv.gz"
    if not path.is_file():
        print(f"left out: no {path.name} among the data")
        return 1
    here = machine()
    print(f"{here['processor']}, {here['cores']} cores, Python {here['python']}, {here['at']}")
    neighbours, good, pods = Neighbours(), True, read_pods(path)
    if options.scale:
        speed(options, data, pods)
    else:
        good = tables(options, data, pods)
    used = resource.getrusage(resource.RUSAGE_SELF)
    busy = neighbours.cores((used.ru_utime + used.ru_stime) * 1000)
    peak = used.ru_maxrss / 1024
    print(f"peak memory {peak:.0f} MiB; other work used {busy:.1f} cores meanwhile")
    return 0 if good else 1


if __name__ == "__main__":
    raise SystemExit(main())
