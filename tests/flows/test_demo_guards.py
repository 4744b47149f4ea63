"""The demo never touches a database or folder that is not its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def demo(home: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    kept = {k: v for k, v in os.environ.items() if "DATABASE_URL" not in k}
    return subprocess.run(
        [sys.executable, "-m", "jinsuan.entrypoints.cli", "demo", "--once", *arguments],
        cwd=ROOT,
        env={**kept, "JINSUAN_HOME": str(home), **more},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_folder_without_the_demos_mark_is_not_emptied(tmp_path: Path) -> None:
    folder = tmp_path / "demo" / "2025-09-16"
    folder.mkdir(parents=True)
    (folder / "ledger.txt").write_text("real")

    answer = demo(tmp_path, "--reset")

    assert answer.returncode == 2
    assert "没有清空" in answer.stderr and "demo.not_a_demo_database" in answer.stderr
    assert (folder / "ledger.txt").read_text() == "real"


def test_a_configured_database_is_refused_before_anything_is_done(tmp_path: Path) -> None:
    answer = demo(tmp_path, DATABASE_URL="postgresql://x:y@127.0.0.1:1/real")

    assert answer.returncode == 2
    assert "DATABASE_URL" in answer.stderr
    assert not (tmp_path / "demo").exists()


def test_a_date_that_is_none_is_explained(tmp_path: Path) -> None:
    answer = demo(tmp_path, "--at", "2025-13-01")

    assert answer.returncode == 2
    assert "2025-13-01" in answer.stderr and "Traceback" not in answer.stderr
