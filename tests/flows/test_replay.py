"""Sixty real requests over twenty centres, through the real command and all its processes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
SECONDS = 120


def replay(folder: Path, home: Path, *options: str) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if k != "DATABASE_URL"}
    return subprocess.run(
        [sys.executable, "-m", "jinsuan.entrypoints.cli", "replay", str(folder), *options],
        env={**environment, "JINSUAN_HOME": str(home)},
        capture_output=True,
        encoding="utf-8",
        timeout=SECONDS,
        check=False,
    )


def test_sixty_real_requests_end_settled_and_the_book_balances(
    shared_data: Path, make_reachable_folder: Callable[[], Path]
) -> None:
    home = make_reachable_folder()
    try:
        done = replay(shared_data, home, "--pods", "60", "--longest", "3", "--json")
    finally:
        shutil.rmtree(home, ignore_errors=True)
    assert done.returncode == 0, done.stderr + done.stdout
    report = json.loads(done.stdout)
    assert report["submitted"] == 60
    assert report["states"] == {"settled": 60 - sum(report["refused_at_order"].values())}
    assert report["kinds"]["一张卡的一份"] > 10
    assert report["kinds"]["只要处理器"] > 3
    assert report["money"]["held_now"] == "0.00"
    assert float(report["money"]["charged"]) > 0
    assert float(report["money"]["from_vouchers"]) > 0
    assert report["doubtful_readings"] == 0
    assert report["book"]["differences"] == []
    assert sum(line["attempts"] for line in report["centres"].values()) >= report["placed"]


def test_without_data_the_command_says_what_is_missing(tmp_path: Path) -> None:
    done = replay(tmp_path, tmp_path / "home")
    assert done.returncode == 2
    assert "找不到" in done.stderr
    assert str(tmp_path) in done.stderr
    assert not (tmp_path / "home").exists()
