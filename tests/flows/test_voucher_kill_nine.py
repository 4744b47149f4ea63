"""kill -9 of server, worker and PostgreSQL, five times each, while vouchers pay and are issued."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NOT_OURS = {"DATABASE_URL", "JINSUAN_TEST_DATABASE_URL", "PYTEST_CURRENT_TEST"}


@pytest.mark.durable
@pytest.mark.slow
def test_what_was_acknowledged_is_in_the_book_once_after_fifteen_kills(
    make_reachable_folder: Callable[[], Path],
) -> None:
    folder = make_reachable_folder()
    seed = os.environ.get("JINSUAN_CRASH_SEED", "1")
    print("JINSUAN_CRASH_SEED", seed)
    environment = {k: v for k, v in os.environ.items() if k not in NOT_OURS}
    done = subprocess.run(
        [sys.executable, "-m", "tests.flows.voucher_crash", str(folder), seed],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    found = json.loads(done.stdout.splitlines()[-1])
    print(json.dumps(found, ensure_ascii=False))

    assert found["kills"] == {"server": 5, "worker": 5, "postgres": 5}
    assert found["failed"] == []
    # Every acknowledged one is there; at most the one under way when all ended was not heard of.
    assert found["lost_orders"] == 0 and found["lost"] == []
    assert 0 < found["orders"] <= found["jobs"] <= found["orders"] + 2
    assert found["outcomes"] == ["succeeded"]
    assert found["top_ups"] > 15 and found["unheard_top_ups"] <= 1
    # None twice, and each approved case issued once.
    assert found["twice"] == found["issued_twice"] == []
    assert found["not_issued"] == 0 < found["approved"] == found["issued"]
    # The voucher paid, and neither over its face nor over its share.
    assert 0 < found["voucher_paid_fen"] == found["face_fen"] - found["voucher_left_fen"]
    assert found["voucher_paid_fen"] <= found["face_fen"] and found["over_its_share"] == []
    assert found["captures"] > 30
    # Everything once more: nothing changes, and the books agree.
    assert found["again"]["posted"] == found["transfers"]
    assert found["again"]["casework.move_not_allowed"] == found["approved"]
    assert not found["changed_by_retries"]
    assert found["differences"] == []
    shutil.rmtree(folder)
