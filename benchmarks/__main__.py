"""`./run bench [path] [get] [post]`: run the measurements and print what was run."""

from __future__ import annotations

import argparse
import json
import os
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from benchmarks.machine import machine
from benchmarks.one import run_one


def main() -> int:
    parser = argparse.ArgumentParser(prog="./run bench", description=__doc__)
    parser.add_argument("which", nargs="*", help="path, get, post; all without any")
    parser.add_argument("--pods", type=int, default=500, help="orders of the whole path")
    parser.add_argument("--longest", type=int, default=20, help="longest stand-in job, seconds")
    parser.add_argument("--rounds", type=int, default=5, help="rounds of get")
    parser.add_argument("--seconds", type=int, default=4, help="seconds of one round of get")
    parser.add_argument("--orders", type=int, default=300, help="orders of post")
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
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
            results[name] = process.submit(run_one, name, options).result()
        sys.stdout.flush()
    if options.json:
        options.json.write_text(json.dumps(results, ensure_ascii=False, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
