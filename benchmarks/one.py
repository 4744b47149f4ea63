"""Run one benchmark by its name, in the process that was made for it."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

import structlog

ROOT = Path(__file__).parents[1]


def data_folder() -> Path | None:
    """The folder with the trace: JINSUAN_DATA, else shared/data beside the checkout."""
    configured = os.environ.get("JINSUAN_DATA")
    folder = Path(configured) if configured else ROOT.parent / "shared" / "data"
    return folder if (folder / "openb_province").is_dir() else None


def run_one(name: str, options: argparse.Namespace) -> Any:
    """Its figures, after printing them; None when it had to be left out."""
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())  # figures only
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
