"""kill -9 of an import of usage readings, anywhere: going on gives the very same books."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import psycopg
import pytest

from jinsuan.entrypoints.database import EmbeddedServer

ROOT = Path(__file__).parents[2]
COPIES = 3
KILLS = 4


def run(url: str, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.flows.usage_crash", *arguments]
    return subprocess.Popen(
        command,
        cwd=ROOT,
        env=dict(os.environ) | {"DATABASE_URL": url},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


def finish(url: str, *arguments: str) -> str:
    with run(url, *arguments) as process:
        said, _ = process.communicate(timeout=120)
    assert process.returncode == 0, said
    return said


def killed(url: str, path: Path, random: Random) -> str:
    """Import until a random line was said and a random moment more; what was said last."""
    wanted = random.randrange(6)
    said = ""
    with run(url, "import", str(path)) as process:
        assert process.stdout
        for _ in range(wanted):
            said = process.stdout.readline() or said
        time.sleep(random.random() / 20 if wanted else random.random() * 2)
        process.kill()
    assert process.returncode in (-signal.SIGKILL, 0)
    return said.strip()


@pytest.mark.durable
@pytest.mark.slow
def test_an_import_killed_anywhere_goes_on_to_the_same_books(
    make_reachable_folder: Callable[[], Path],
) -> None:
    folder = make_reachable_folder()
    server = EmbeddedServer(folder / "database")
    url = server.start()
    path = folder / "readings.csv"
    random = Random(int(os.environ.get("JINSUAN_CRASH_SEED", "1")))
    stopped: list[str] = []
    try:
        finish(url, "make", str(path))
        base, _, name = url.rpartition("/")
        name, _, rest = name.partition("?")
        found: list[Any] = []
        for number in range(COPIES):
            own = f"copy{number}"
            with psycopg.connect(f"{base}/postgres", autocommit=True) as plain:
                plain.execute(f'CREATE DATABASE {own} TEMPLATE "{name}"')  # type: ignore[call-overload]
            own_url = f"{base}/{own}" + (f"?{rest}" if rest else "")
            if number:  # the first one is left in peace
                stopped += [killed(own_url, path, random) for _ in range(KILLS)]
            finish(own_url, "import", str(path))
            found.append(json.loads(finish(own_url, "books")))
    finally:
        server.stop()
    print(stopped)
    assert found[0]["differences"] == [] and found[0]["charged_fen"] == 3 * 51 * 363
    assert found[0]["rows_done"] == found[0]["rows"] == 153
    assert len(set(stopped)) > 2, "not killed at different points"
    assert all(one == found[0] for one in found)
    shutil.rmtree(folder)
