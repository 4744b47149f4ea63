"""`./run bench [path] [get] [post]`: run the measurements and print what was run."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

from benchmarks.machine import machine

ROOT = Path(__file__).parents[1]


def data_folder() -> Path | None:
    """The folder with the trace: JINSUAN_DATA, else shared/data beside the checkout."""
    configured = os.environ.get("JINSUAN_DATA")
    folder = Path(configured) if configured else ROOT.parent / "shared" / "data"
    return folder if (folder / "openb_province").is_dir() else None


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
        results[name] = _one(name, options)
        sys.stdout.flush()
    if options.json:
        options.json.write_text(json.dumps(results, ensure_ascii=False, indent=2) + "\n")
    return 0


def _one(name: str, options: argparse.Namespace) -> Any:
    if name == "path":
        from benchmarks import whole_path

        data = data_folder()
        if data is None:
            print("left out: no trace; set JINSUAN_DATA to the folder with openb_province/")
            return None
        found = whole_path.whole_path(data, pods=options.pods, longest=options.longest)
        whole_path.show(found)
        return found
    if name == "get":
        from benchmarks import get_job

        return get_job.run(rounds=options.rounds, seconds=options.seconds)
    from benchmarks import post_job

    return post_job.run(orders=options.orders)


if __name__ == "__main__":
    raise SystemExit(main())
