"""kill -9 of the worker in the middle of a file and of a mass issue: the next one goes on."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from jinsuan.entrypoints.database import EmbeddedServer

ROOT = Path(__file__).parents[2]
LATER = "60"
"""A lease lasts thirty seconds; the worker that goes on comes after it."""


def start(environment: dict[str, str], *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.flows.longwork_crash", *arguments]
    return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)


def answer(environment: dict[str, str], *arguments: str) -> str:
    with start(environment, *arguments) as process:
        said, _ = process.communicate(timeout=120)
    assert process.returncode == 0, said
    return said


def steps_then_kill(environment: dict[str, str], steps: int, later: str = "0") -> None:
    process = start(environment, "work", later)
    assert process.stdout
    with process.stdout as said:
        seen = 0
        while seen < steps:
            line = said.readline()
            assert line, "it was over before it was killed"
            seen += line == "step\n"  # the log speaks in between
        process.kill()
    process.wait()


@pytest.fixture(scope="module")
def province(make_reachable_folder: Callable[[], Path]) -> Iterator[dict[str, str]]:
    folder = make_reachable_folder()
    server = EmbeddedServer(folder / "database")
    environment = dict(os.environ) | {
        "DATABASE_URL": server.start(),
        "JINSUAN_FILES": str(folder / "files"),
    }
    try:
        answer(environment, "make")
        yield environment
    finally:
        server.stop()
        shutil.rmtree(folder)


@pytest.mark.durable
@pytest.mark.slow
@pytest.mark.parametrize("form", ["csv", "xlsx", "focus"])
def test_a_file_is_the_same_to_the_byte_after_two_kills(
    province: dict[str, str], form: str
) -> None:
    name = answer(province, "ask", form).strip()
    steps_then_kill(province, 7)
    halfway = json.loads(answer(province, "check", name)) if form != "focus" else None
    if halfway is not None:
        assert halfway["state"] == "running"
        assert 0 < halfway["done"] < halfway["total"] and halfway["kept"] == halfway["total"]
    steps_then_kill(province, 9, LATER)
    answer(province, "work", "120")
    found = json.loads(answer(province, "check", name))
    assert found["state"] == "done" and found["fence"] == 3 and found["kept"] == 0
    assert found["sha256"] == found["whole"]
    files = list((Path(province["JINSUAN_FILES"]) / "longwork").iterdir())
    assert [f for f in files if f.stat().st_mode & 0o077] == []
    assert all(f.suffix == ".3" for f in files), "parts of killed workers stayed"


@pytest.mark.durable
@pytest.mark.slow
def test_no_voucher_is_issued_twice_after_a_kill(province: dict[str, str]) -> None:
    name = answer(province, "ask", "issue").strip()
    steps_then_kill(province, 9)
    halfway = json.loads(answer(province, "check", name))
    assert halfway["state"] == "running" and 0 < halfway["vouchers"] < 6
    assert halfway["vouchers"] == halfway["done"], "a step and its count are one commit"
    answer(province, "work", LATER)
    found = json.loads(answer(province, "check", name))
    assert (found["state"], found["done"], found["total"]) == ("done", 6, 6)
    assert found["vouchers"] == 6 and found["twice"] == 0
    assert found["left"] == found["differences"] == []
