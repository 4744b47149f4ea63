"""Processor time per settled job over the whole path: order, placement, lease, run, meter, settle.

The replay of `jinsuan replay`, with a stopwatch inside server and worker. Twenty agents in one
process speak every two seconds; every process's time is read from the kernel, so what the
stopwatch does not know by name is still in the sum.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Any

from benchmarks.machine import Neighbours
from benchmarks.profiled import FOLDER
from benchmarks.targets import CPU_MS_PER_JOB
from jinsuan.entrypoints import clock
from jinsuan.entrypoints.database import EmbeddedServer
from jinsuan.entrypoints.replay.command import DAY, fresh_database, postmaster
from jinsuan.entrypoints.replay.pods import Pace, read_pods, sample
from jinsuan.entrypoints.replay.province import PODS, read_province
from jinsuan.entrypoints.replay.rows import table
from jinsuan.entrypoints.replay.run import Plan, run_replay

MODULES = {"server": "benchmarks.profiled", "worker": "benchmarks.profiled"}


def whole_path(data: Path, *, pods: int, longest: int) -> dict[str, Any]:
    """One replay; returns its report with the phases."""
    with tempfile.TemporaryDirectory(prefix="jinsuan-bench-") as name:
        home = Path(name)
        home.chmod(0o711)
        return _whole_path(data, home / "replay", pods=pods, longest=longest)


def _whole_path(data: Path, home: Path, *, pods: int, longest: int) -> dict[str, Any]:
    phases = home.with_name("phases")
    phases.mkdir()
    server = EmbeddedServer(home / "database")
    os.environ[clock.VARIABLE] = str(clock.offset_for(DAY))
    os.environ[FOLDER] = str(phases)
    os.environ["DATABASE_URL"] = fresh_database(home, server)
    found: list[float] = []
    neighbours = Neighbours()
    try:
        report = run_replay(
            Plan(
                centres=read_province(data),
                pods=tuple(sample(read_pods(table(data / PODS), file=PODS), pods)),
                pace=Pace(speed=600, longest_seconds=longest),
                modules=MODULES,
            ),
            home,
            port=8046,
            postmaster=lambda: postmaster(server),
            say=lambda _line: None,
            tell=lambda r: found.append(neighbours.cores(sum(r.cpu_ms.values()) + r.client_ms)),
        )
    finally:
        server.stop()
        del os.environ["DATABASE_URL"]
    plain: dict[str, Any] = report.plain()
    plain["phases_ms_per_job"] = _phases(phases, report.settled)
    plain["neighbours_cores"] = round(found[0], 2)
    return plain


def _phases(folder: Path, jobs: int) -> dict[str, dict[str, float]]:
    sums: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for path in folder.glob("*.json"):
        found = json.loads(path.read_text())
        label = path.name.partition("-")[0]
        for place in found["missing"]:
            sums[label][f"not found: {place}"] = 0.0
        for name, one in found["sums"].items():
            sums[label][name] += one["cpu_ms"]
    return {
        label: {n: round(ms / max(1, jobs), 3) for n, ms in sorted(by.items(), key=lambda i: -i[1])}
        for label, by in sorted(sums.items())
    }


def show(found: dict[str, Any]) -> None:
    """For people."""
    settled = found["states"].get("settled", 0)
    per_job = found["cpu_ms_per_settled_job"]
    print(
        f"{settled} jobs settled in {found['wall_seconds']} s "
        f"({found['jobs_per_second']} jobs/s, ordering took {found['order_seconds']} s); "
        f"{found['neighbours_cores']} cores were busy with other work"
    )
    verdict = "meets" if per_job <= CPU_MS_PER_JOB else "misses"
    print(f"CPU per settled job: {per_job} ms, which {verdict} the target of {CPU_MS_PER_JOB} ms")
    for name, ms in found["cpu_ms"].items():
        print(f"    {ms / max(1, settled):7.2f} ms  {name}")
    print(f"    ({found['client_cpu_ms'] / max(1, settled):.2f} ms more in the client that orders)")
    for label, phases in found["phases_ms_per_job"].items():
        print(
            f"  {label}, by phase, CPU-ms per settled job (Python only, each without the others):"
        )
        for name, ms in phases.items():
            print(f"    {ms:7.2f} ms  {name}")
    print(f"book differences: {len(found['book']['differences'])}; problems: {found['problems']}")
