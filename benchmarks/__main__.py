"""`./run bench [path] [get] [post] | policy … | mutants … | fuzz … | ledger … | seal … | usage … | longwork … | openb … | lublin …`: run the measurements and print what was run."""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
from concurrent.futures import ProcessPoolExecutor
from importlib import import_module
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from benchmarks.machine import machine
from benchmarks.one import run_one
from benchmarks.targets import CPU_MS_PER_JOB, SHARE_OF_BARE

OTHERS = {
    "policy": "policy",
    "mutants": "policy_mutants",
    "fuzz": "policy_fuzz",
    "ledger": "ledger",
    "seal": "seal",
    "usage": "usage",
    "longwork": "longwork",
    "openb": "openb",
    "lublin": "lublin",
}
"""Measurements with options of their own: the word and the module."""


def main() -> int:
    if sys.argv[1:2] and sys.argv[1] in OTHERS:
        return int(import_module(f"benchmarks.{OTHERS[sys.argv.pop(1)]}").main())
    parser = argparse.ArgumentParser(prog="./run bench", description=__doc__)
    parser.add_argument("which", nargs="*", help="path, get, post; all without any")
    parser.add_argument("--repeats", type=int, default=3, help="how often the whole path is run")
    parser.add_argument("--pods", type=int, default=500, help="orders of the whole path")
    parser.add_argument("--longest", type=int, default=20, help="longest stand-in job, seconds")
    parser.add_argument("--rounds", type=int, default=5, help="rounds of get")
    parser.add_argument("--seconds", type=int, default=4, help="seconds of one round of get")
    parser.add_argument("--orders", type=int, default=300, help="orders of post")
    parser.add_argument("--check", action="store_true", help="exit with 1 when a target is missed")
    parser.add_argument("--json", type=Path, help="write everything to this file, too")
    options = parser.parse_args()
    which = options.which or ["path", "get", "post"]
    if unknown := set(which) - {"path", "get", "post"}:
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    os.environ.pop("DATABASE_URL", None)
    results: dict[str, Any] = {"machine": machine()}
    here = results["machine"]
    print(
        f"{here['processor']}, {here['cores']} cores, {here['memory_gib']} GiB, {here['system']}, "
        f"Python {here['python']}; load {here['load_1min']} at {here['at']}"
    )
    for name in which:
        print(f"\n== {name}")
        repeats = options.repeats if name == "path" else 1
        found = [_fresh(name, options) for _ in range(repeats)]
        results[name] = found if name == "path" else found[0]
    if options.json:
        options.json.write_text(json.dumps(results, ensure_ascii=False, indent=2) + "\n")
    missed = _missed(results)
    for line in missed:
        print(f"missed: {line}")
    return 1 if missed and options.check else 0


def _fresh(name: str, options: argparse.Namespace) -> Any:
    """In a process of its own: Django can be set up with one database only."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        found = process.submit(run_one, name, options).result()
    sys.stdout.flush()
    return found


def _missed(results: dict[str, Any]) -> list[str]:
    """Targets that were not met; says the spread of repeated runs on the way."""
    missed = []
    runs = [run for run in results.get("path") or [] if run is not None]
    if runs:
        cpu = sorted(run["cpu_ms_per_settled_job"] for run in runs)
        rate = sorted(run["jobs_per_second"] for run in runs)
        middle = statistics.median(cpu)
        print(
            f"\nwhole path, {len(runs)} runs: CPU-ms per settled job min {cpu[0]}, median {middle}, "
            f"max {cpu[-1]}; jobs/s min {rate[0]}, median {statistics.median(rate)}, max {rate[-1]}"
        )
        if middle > CPU_MS_PER_JOB:
            missed.append(f"{middle} CPU-ms per settled job, at most {CPU_MS_PER_JOB}")
        missed += [problem for run in runs for problem in run["problems"]]
    get = results.get("get")
    if get and get["share_by_rate"] < SHARE_OF_BARE:
        missed.append(f"GET at {get['share_by_rate']:.0%} of the bare stack, at least 70 %")
    return missed


if __name__ == "__main__":
    raise SystemExit(main())
