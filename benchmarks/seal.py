"""`./run bench seal`: rows sealed per second by each hash and signature, and what waits is found fast.

sealing  a block of 10,000 rows: each hash without a signature; signing and checking one head
waiting  in a book of --rows sealed rows: an empty round and one of 100 rows, and beside them the
         question that needs no list of waiting rows, whether a row has its place yet
writing  what the trigger costs whoever writes: one row per commit, and 1,000, with and without it
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from functools import partial

from benchmarks.database import database
from benchmarks.machine import machine

HEAD = bytes(32)
ROWS = """
    INSERT INTO ledger_audit_row (recorded_at, role, via, action, subject, reason, after_digest, detail)
    SELECT now(), 'system', 'bench', 'job.submit', 'job_' || n, '', sha256(n::text::bytea),
           jsonb_build_object('after', jsonb_build_object('n', n, 'state', 'queued'))
    FROM generate_series(1, %s) AS n
"""
ANTI_JOIN = """
    SELECT a.id FROM ledger_audit_row a
    WHERE NOT EXISTS (SELECT FROM ledger_sealed_row s WHERE s.row_id = a.id)
    ORDER BY a.id LIMIT 10000
"""


def main() -> int:
    parser = argparse.ArgumentParser(prog="./run bench seal", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000, help="rows of the book")
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    print(machine())
    with database():
        _signing(options.repeats)
        _sealing(options.repeats)
        _writing(options.repeats)
        _waiting(options.rows, options.repeats)
    return 0


def _seconds(act: Callable[[], object], repeats: int) -> list[float]:
    took = []
    for _ in range(repeats):
        began = time.perf_counter()
        act()
        took.append(time.perf_counter() - began)
    return sorted(took)


def _say(what: str, took: list[float], rows: int = 0) -> None:
    low, middle, high = took[0], statistics.median(took), took[-1]
    rate = f"; {rows / middle:,.0f} rows/s" if rows else ""
    print(f"{what}: {middle * 1000:.2f} ms ({low * 1000:.2f} to {high * 1000:.2f}){rate}")


def _sql(text: str, given: list[object] | None = None) -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(text, given)


def _signing(repeats: int) -> None:
    from jinsuan.ledger.signing import checker_of, new_private_pem, signer_of

    for algorithm in ("ed25519", "sm2"):
        signer = signer_of(new_private_pem(algorithm))
        signature = signer.sign(HEAD)
        good = checker_of(signer.public_pem).good
        _say(f"{algorithm}: sign one head", _seconds(partial(signer.sign, HEAD), repeats * 4))
        _say(f"{algorithm}: check one head", _seconds(partial(good, HEAD, signature), repeats * 4))


def _sealing(repeats: int) -> None:
    from jinsuan.entrypoints import clock
    from jinsuan.ledger.seal import seal_block

    took: dict[str, list[float]] = {"sha256": [], "sm3": []}
    for _ in range(repeats):
        for algorithm, times in took.items():
            _sql(ROWS, [10_000])
            began = time.perf_counter()
            assert seal_block(signer=None, now=clock.now(), algorithm=algorithm) == 10_000
            times.append(time.perf_counter() - began)
    for algorithm, times in took.items():
        _say(f"{algorithm}: seal 10,000 rows", sorted(times), 10_000)


def _writing(repeats: int) -> None:
    for count in (1, 1_000):
        for state in ("ENABLE", "DISABLE"):
            _sql(f"ALTER TABLE ledger_audit_row {state} TRIGGER ledger_audit_row_waits")
            took = _seconds(partial(_sql, ROWS, [count]), repeats * 20)
            _say(f"write {count} rows, trigger {state.lower()}d", took)
    _sql("ALTER TABLE ledger_audit_row ENABLE TRIGGER ledger_audit_row_waits")


def _waiting(rows: int, repeats: int) -> None:
    from jinsuan.entrypoints import clock
    from jinsuan.ledger.seal import find_missed, seal_all

    find_missed()
    _sql(ROWS, [rows])
    began = time.perf_counter()
    sealed = seal_all(signer=None, now=clock.now())
    print(f"sealed {sealed:,} rows in {time.perf_counter() - began:.1f} s")
    _sql("ANALYZE")

    def some() -> None:
        _sql(ROWS, [100])
        assert seal_all(signer=None, now=clock.now()) == 100

    def before() -> None:
        _sql(ROWS, [100])
        began = time.perf_counter()
        _sql(ANTI_JOIN)
        took.append(time.perf_counter() - began)
        seal_all(signer=None, now=clock.now())

    took: list[float] = []
    _say("an empty round", _seconds(lambda: seal_all(signer=None, now=clock.now()), repeats * 4))
    _say("the anti-join, nothing waits", _seconds(lambda: _sql(ANTI_JOIN), repeats))
    _say("write and seal 100 rows", _seconds(some, repeats * 4))
    _seconds(before, repeats)
    _say("the anti-join alone, 100 wait", sorted(took))
    _say("find missed rows, the whole book", _seconds(find_missed, repeats))
