"""A stored decision is decided again to the same fen, and a tampered one is noticed."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

from jinsuan.kernel.errors import BadInput
from jinsuan.policy.decide import decide
from jinsuan.policy.facts import Known
from jinsuan.policy.law import bind
from jinsuan.policy.library import load_pack
from jinsuan.policy.record import read_record, recorded, replayed
from tests.policy_world import write_pack

PACK = load_pack("shanxi-2024-35")
FACTS = '{"honest": true, "facility_wh": 1179999, "it_wh": 1000000, "racks": 100, "rate": "0.15"}'


def record_of() -> dict[str, object]:
    facts = {"m02_racks": Known(7), "m09_contract": Known(10_004)}
    return read_record(recorded(decide(bind(PACK, date(2025, 3, 1)), facts), facts).encode())


def test_a_record_replays_to_the_same_fen() -> None:
    assert replayed(record_of(), PACK) == []


@pytest.mark.parametrize("key", ["digest", "engine"])
def test_another_pack_or_engine_is_refused(key: str) -> None:
    with pytest.raises(BadInput):
        replayed({**record_of(), key: "other"}, PACK)


@pytest.mark.parametrize("key", ["facts", "dates", "decisions"])
def test_a_damaged_record_is_refused(key: str) -> None:
    with pytest.raises(BadInput):
        replayed({**record_of(), key: 3}, PACK)


@pytest.mark.parametrize("data", [b"", b"[]", b"\xff", b"[" * 100_000, b"{}"])
def test_what_is_no_record_is_refused(data: bytes) -> None:
    with pytest.raises(BadInput):
        read_record(data)


def jinsuan(*words: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "jinsuan.entrypoints.cli", "policy", *map(str, words)]
    return subprocess.run(command, capture_output=True, encoding="utf-8", check=False)


def test_the_command_notices_one_fen_and_another_pack(tmp_path: Path) -> None:
    pack, facts, stored = write_pack(tmp_path), tmp_path / "facts.json", tmp_path / "stored.json"
    facts.write_text(FACTS)
    made = jinsuan("decide", pack, "--facts", facts, "--on", "2025-03-01", "--record", stored)
    assert made.returncode == 0, made.stderr
    same = jinsuan("replay", stored, "--pack", pack)
    other = jinsuan("replay", stored, "--pack", PACK.id)
    value = json.loads(stored.read_text("utf-8"))
    assert value["decisions"]["m01a"]["fen"] == 10_000_000
    value["decisions"]["m01a"]["fen"] += 1
    stored.write_text(json.dumps(value), "utf-8")
    tampered = jinsuan("replay", stored, "--pack", pack)

    assert (same.returncode, tampered.returncode, other.returncode) == (0, 1, 2)
    assert "m01a" in tampered.stdout
    assert "摘要" in other.stderr
