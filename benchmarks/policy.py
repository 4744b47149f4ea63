"""`python -m benchmarks.policy [one] [many] [whatif] [peers]`: rules for one and for a million.

Each part runs in a process of its own, so that its peak of memory is its own. Other engines run in
an environment of their own that the project never depends on.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from datetime import date
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import seven
from benchmarks.machine import machine
from jinsuan.policy.columns import Column
from jinsuan.policy.compare import what_if
from jinsuan.policy.decide import decide
from jinsuan.policy.facts import Known
from jinsuan.policy.law import Law, bind
from jinsuan.policy.library import load_pack
from jinsuan.policy.made_up import made_up
from jinsuan.policy.population import Population
from jinsuan.policy.simulate import simulate

PACK, ON, SEED = "shanxi-2024-35", date(2025, 3, 1), 20250301
ZEN_ROWS = 20_000
FRACTION_ROWS = 20_000
INSTALL = "python3 -m venv peers && peers/bin/pip install 'openfisca-core==46.*' zen-engine"
PEERS = (
    ("OpenFisca-Core", "openfisca_core", "peer_openfisca.py"),
    ("zen-engine", "zen", "peer_zen.py"),
)


def timed(repeats: int, work: Callable[[], Any]) -> dict[str, Any]:
    """Milliseconds of each repeat, and their minimum, median and maximum."""
    found = []
    for _ in range(repeats):
        begin = time.perf_counter()
        work()
        found.append((time.perf_counter() - begin) * 1000)
    return spread(found)


def spread(milliseconds: list[float]) -> dict[str, Any]:
    return {
        "repeats": len(milliseconds),
        "min_ms": round(min(milliseconds), 3),
        "median_ms": round(statistics.median(milliseconds), 3),
        "max_ms": round(max(milliseconds), 3),
    }


def peak_gib() -> float:
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2)


def people(rows: int) -> Population:
    """Made-up applicants with every column as int64, truths too, and nothing unknown."""
    found = made_up(load_pack(PACK), rows, SEED, unknown=0)
    wide = {
        name: Column(column.values.astype(np.int64, copy=False), column.missing, column.starts)
        for name, column in found.columns.items()
    }
    made = Population(found.ids, wide, found.applied_on)
    assert len(made.places) == rows
    return made


def one(options: argparse.Namespace) -> dict[str, Any]:
    """(a) One applicant, every rule of the Shanxi pack, every reason with its numbers."""
    pack = load_pack(PACK)
    law = bind(pack, ON)
    some = made_up(pack, 200, SEED)
    applicants = [_facts(some, row) for row in range(some.size)]
    for facts in applicants:
        decide(law, facts)
    found = []
    for _ in range(options.repeats):
        for facts in applicants:
            begin = time.perf_counter()
            decide(law, facts)
            found.append((time.perf_counter() - begin) * 1000)
    return {"rules": len(law.rules), "facts": len(pack.facts), **spread(found)}


def _facts(population: Population, row: int) -> dict[str, Known]:
    found = {}
    for name, column in population.columns.items():
        cell = column.part(row, row + 1)
        values = tuple(int(v) for v in cell.values)
        unknown = cell.missing is not None and bool(cell.missing[0])
        found[name] = Known(None if unknown else values if cell.starts is not None else values[0])
    return found


def many(options: argparse.Namespace) -> dict[str, Any]:
    """(b) A million applicants, every rule, quotas and pools: counts and sums; then arrays, too."""
    law = bind(load_pack(PACK), ON)
    population = people(options.rows)
    sums = timed(options.repeats, lambda: simulate(law, population, keep=False))
    peak = peak_gib()
    arrays = timed(options.repeats, lambda: simulate(law, population))
    found = simulate(law, population, keep=False)
    paying = sum(1 for run in found.rules.values() if run.bound.amount is not None)
    return {
        "rows": options.rows,
        "facts": len(population.columns),
        "rules": len(found.rules),
        "money_rules": paying,
        "granted_fen": found.granted_fen,
        "sums": {**sums, "peak_gib": peak},
        "with_arrays": {**arrays, "peak_gib": peak_gib()},
    }


def whatif(options: argparse.Namespace) -> dict[str, Any]:
    """(b) Before and after on them, the pool of vouchers shared in proportion both times."""
    pack = load_pack(PACK)
    changes = {"m09_pool": "80000000.00", "m10_rate": "0.03"}
    before, after = bind(pack, ON), bind(pack, ON, changes=changes)
    population = people(options.rows)
    shares = ({"m09": "pro_rata"}, {"m09": "pro_rata"})
    result = timed(options.repeats, lambda: what_if(before, after, population, sharing=shares))
    found = what_if(before, after, population, sharing=shares)
    for run in (found.before, found.after):
        assert all(pool.paid == min(pool.size, pool.claimed) for pool in run.pools)
    return {
        "rows": options.rows,
        "changes": changes,
        "winners": found.winners,
        "losers": found.losers,
        **result,
        "peak_gib": peak_gib(),
    }


def peers(options: argparse.Namespace) -> dict[str, Any]:
    """(c) The same seven measures on the same rows beside other engines; wrong rows by hand reckoning."""
    columns = seven.data(options.rows, SEED)
    right = seven.by_hand(columns)
    for row in range(min(FRACTION_ROWS, options.rows)):
        exact = seven.by_fractions(columns, row)
        assert {name: int(right[name][row]) for name in seven.MEASURES} == exact, row
    law, population = bind(load_pack(str(seven.PACK)), ON), seven.population(columns)
    plain = without_pools(law)
    ours = timed(options.repeats, lambda: simulate(plain, population))
    lean = timed(options.repeats, lambda: simulate(plain, population, keep=False))
    due = {name: run.due for name, run in simulate(plain, population).rules.items()}
    found: dict[str, Any] = {
        "Jinsuan": {"rows": options.rows, **ours, **_wrong(due, right)},
        "Jinsuan, sums only": lean,
        "Jinsuan, pool shared, too": timed(options.repeats, lambda: simulate(law, population)),
    }
    for name, module, script in PEERS:
        rows = min(options.rows, ZEN_ROWS) if module == "zen" else options.rows
        part = {key: values[:rows] for key, values in columns.items()}
        found[name] = _peer(options, module, script, part, {k: v[:rows] for k, v in right.items()})
    return found


def without_pools(law: Law) -> Law:
    """The others know no pools; so ours leaves them out when it is compared."""
    rules = {
        name: replace(bound, rule=replace(bound.rule, pool="")) for name, bound in law.rules.items()
    }
    return replace(law, rules=rules)


def _peer(
    options: argparse.Namespace,
    module: str,
    script: str,
    columns: dict[str, Any],
    right: dict[str, Any],
) -> dict[str, Any]:
    python = options.peers
    if (
        not python
        or subprocess.run(
            [python, "-c", f"import {module}"], capture_output=True, check=False
        ).returncode
    ):
        return {"skipped": f"not installed: {INSTALL}; then --peers peers/bin/python"}
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "in.npz", Path(folder) / "out.npz"
        np.savez(source, **columns)
        repeats = 1 if module == "zen" else options.repeats
        here = Path(__file__).with_name(script)
        done = subprocess.run(
            [python, here, source, target, str(repeats)],
            capture_output=True,
            check=True,
            env={k: v for k, v in os.environ.items() if k != "PYTHONPATH"},
        )
        told = json.loads(done.stdout)
        with np.load(target) as found:
            wrong = _wrong({name: found[name] for name in seven.MEASURES}, right)
    rows = len(right["m01"])
    seconds = [second * 1000 for second in told["seconds"]]
    more = {k: spread([s * 1000 for s in v]) for k, v in told.items() if k.startswith("with")}
    return {"version": told["version"], "rows": rows, **spread(seconds), **more, **wrong}


def _wrong(found: dict[str, Any], right: dict[str, Any]) -> dict[str, Any]:
    bad = {name: np.flatnonzero(found[name] != right[name]) for name in seven.MEASURES}
    any_bad = np.unique(np.concatenate(list(bad.values())))
    largest = max(int(np.abs(found[name] - right[name]).max()) for name in seven.MEASURES)
    return {
        "wrong_rows": len(any_bad),
        "wrong_by_measure": {name: len(rows) for name, rows in bad.items()},
        "largest_error_fen": largest,
    }


PARTS: dict[str, Callable[[argparse.Namespace], dict[str, Any]]] = {
    "one": one,
    "many": many,
    "whatif": whatif,
    "peers": peers,
}


def run_part(name: str, options: argparse.Namespace) -> dict[str, Any]:
    return PARTS[name](options)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.policy", description=__doc__)
    parser.add_argument("which", nargs="*", help="one, many, whatif, peers; all without any")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--peers", help=f"a Python that has the other engines: {INSTALL}")
    parser.add_argument("--json", type=Path, help="write everything to this file, too")
    options = parser.parse_args()
    which = options.which or list(PARTS)
    if unknown := set(which) - set(PARTS):
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    results: dict[str, Any] = {"machine": machine()}
    print(json.dumps(results["machine"], ensure_ascii=False))
    for name in which:
        print(f"\n== {name}: {(PARTS[name].__doc__ or '').strip()}")
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
            results[name] = process.submit(run_part, name, options).result()
        print(json.dumps(results[name], ensure_ascii=False, indent=1))
        sys.stdout.flush()
    if options.json:
        options.json.write_text(json.dumps(results, ensure_ascii=False, indent=2) + "\n", "utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
