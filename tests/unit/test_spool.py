"""Output taken over from ranks: no byte twice, none lost, whatever is half written."""

from __future__ import annotations

from pathlib import Path

import pytest

from jinsuan.agent.engines.spool import Pull, Spool


def source(text: bytes) -> Pull:
    return lambda offset, limit: text[offset : offset + limit]


def test_ranks_are_taken_over_in_turn_and_never_twice(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.fill("a", [source(b"one"), source(b"two")], 2)
    assert spool.read("a", 0, 100) == b"ontw"
    spool.fill("a", [source(b"one"), source(b"two!")], 2)
    spool.fill("a", [source(b"one"), source(b"two!")], 2)
    assert spool.read("a", 0, 100) == b"ontweo!"
    assert Spool(tmp_path).read("a", 4, 2) == b"eo"
    assert spool.read("b", 0, 10) == spool.read("a", 99, 10) == b""


def test_a_piece_counts_when_its_line_is_whole(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.fill("a", [source(b"begun")], 10)
    with (tmp_path / "a.log").open("ab") as log:
        log.write(b"half")
    with (tmp_path / "a.pieces").open("ab") as index:
        index.write(b"0 4")
    assert spool.read("a", 0, 100) == b"begun"
    spool.fill("a", [source(b"begun, ended")], 100)
    assert spool.read("a", 0, 100) == b"begun, ended"


def test_a_pull_that_fails_keeps_what_came_before(tmp_path: Path) -> None:
    def broken(_offset: int, _limit: int) -> bytes:
        raise RuntimeError

    spool = Spool(tmp_path)
    with pytest.raises(RuntimeError):
        spool.fill("a", [source(b"one"), broken], 10)
    assert spool.read("a", 0, 100) == b"one"
    spool.drop("a")
    assert not list(tmp_path.iterdir())
