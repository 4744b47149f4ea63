"""`./run bench ledger`: the money book beside pgbench on the same statements, and beside django-hordak.

single   one posting per commit, one client: our `post`, and pgbench with the same three statements
batch    1,000 postings per commit out of one pool account
hot      8 and 32 clients on one pool account, through `post_grouped` and through `post`
peers    django-hordak on the same postings; needs its Python: --peers

All on one server, durable as in production, rounds of ours and of the other in turn.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from itertools import count
from multiprocessing import get_context
from pathlib import Path
from typing import Any
from uuid import UUID

from benchmarks.database import database
from benchmarks.machine import machine

POOL = "pool:2025:bench"
INSTALL = "python3 -m venv peers && peers/bin/pip install django-hordak 'psycopg[binary]'"
_numbers = count()


def postings(number: int) -> list[Any]:
    """So many fen-sized grants out of the pool to a hundred vouchers; each is a new fact."""
    from jinsuan.entrypoints import clock
    from jinsuan.kernel.money import Money
    from jinsuan.kernel.ref import Ref
    from jinsuan.ledger.actions import Posting
    from jinsuan.ledger.reasons import Reason

    now, cause = clock.now(), Ref("application", UUID(int=1))
    return [
        Posting(
            key=f"bench:{n}",
            debit=POOL,
            credit=f"voucher:v{n % 100}",
            amount=Money(1),
            reason=Reason.VOUCHER_ISSUE,
            cause=cause,
            occurred_at=now,
        )
        for n in (next(_numbers) for _ in range(number))
    ]


def put(wanted: list[Any], how: Callable[..., None]) -> None:
    from jinsuan.entrypoints import clock
    from jinsuan.kernel.ref import Actor

    how(wanted, actor=Actor.system("bench"), now=clock.now())


def rate_of(one_by_one: list[list[Any]], how: Callable[..., None]) -> float:
    """Postings per second; what is posted was made before the clock starts."""
    began = time.perf_counter()
    for wanted in one_by_one:
        put(wanted, how)
    return sum(map(len, one_by_one)) / (time.perf_counter() - began)


# What `post` sends for one posting, with the numbers that have to differ filled in by pgbench:
# nothing is left for the server to compute. pgbench fills in within quotes, too.
SCRIPT = r"""
\set bench_n random(100000000000, 999999999999)
\set bench_v random(0, 99)
BEGIN;
SELECT place, outcome, detail, needed_fen, available_fen FROM ledger_post(
  '{{{POOL},voucher:v:bench_v}}'::text[], '{{pool,voucher}}'::text[], '{{f,f}}'::boolean[],
  '{{"00000000-0000-8000-8000-:bench_n"}}'::uuid[], '{{pgbench-:bench_n}}'::text[],
  '{{"\\x{zeros}:bench_n"}}'::bytea[],
  '{{"{content}"}}'::text[], '{{transfer_{zeros26}}}'::text[],
  '{{{POOL}}}'::text[], '{{voucher:v:bench_v}}'::text[], '{{1}}'::bigint[],
  '{{voucher_issue}}'::text[], '{{{cause}}}'::text[], '{{{now}}}'::timestamptz[],
  '{{single}}'::text[], '{{NULL}}'::uuid[], '{{1}}'::int[],
  '{{NULL}}'::uuid[], '{{NULL}}'::uuid[], '{{system}}'::text[], '{{bench}}'::text[],
  '{{{now}}}'::timestamptz[]) ORDER BY place;
COMMIT;
"""


def script() -> str:
    """The pgbench script of one posting."""
    (example,) = postings(1)
    content = example.content().replace(example.key, "pgbench-:bench_n")
    content = content.replace(example.credit, "voucher:v:bench_v")
    return SCRIPT.format(
        POOL=POOL,
        zeros="0" * 52,
        zeros26="0" * 26,
        content=content.replace('"', r"\""),
        cause=example.cause,
        now=example.occurred_at.isoformat(),
    )


def find_pgbench(server: Any) -> str | None:
    """The server's own, or else the system's."""
    own = server.binaries()["pgbench"]
    return str(own) if own.exists() else shutil.which("pgbench")


def pgbench(program: str, file: Path, clients: int, each: int) -> float:
    """Transactions per second as pgbench says, without the time to connect."""
    done = subprocess.run(
        [
            program,
            "-n",
            "-M",
            "simple",
            "-f",
            file,
            "-c",
            str(clients),
            "-j",
            str(min(clients, 2)),
            "-t",
            str(each),
            os.environ["DATABASE_URL"],
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "number of failed transactions: 0 " in done.stdout, done.stdout + done.stderr
    found = re.search(r"^tps = ([0-9.]+)", done.stdout, re.MULTILINE)
    assert found, done.stdout
    return float(found[1])


def single(options: argparse.Namespace, server: Any) -> dict[str, Any]:
    """(a) One posting per commit, ours and pgbench in turn."""
    from jinsuan.ledger.actions import post

    program = find_pgbench(server)
    ours: list[float] = []
    theirs: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "post.sql"
        file.write_text(script())
        for _ in range(options.rounds):
            ours.append(rate_of([postings(1) for _ in range(options.each)], post))
            theirs.append(pgbench(program, file, 1, options.each) if program else raw(options.each))
    return {
        "ours": spread(ours),
        "pgbench" if program else "psycopg by hand, no pgbench found": spread(theirs),
        "share": round(statistics.median(ours) / statistics.median(theirs), 2),
    }


def raw(each: int) -> float:
    """The same statements by psycopg alone, where there is no pgbench; slower than that."""
    import psycopg

    text = script().split("\n", 3)[3]
    texts = [
        text.replace(":bench_n", str(10**11 + next(_numbers))).replace(":bench_v", str(n % 100))
        for n in range(each)
    ]
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as plain:
        began = time.perf_counter()
        for one in texts:
            plain.execute(one)  # type: ignore[call-overload]
        return each / (time.perf_counter() - began)


def batch(options: argparse.Namespace, _server: Any) -> dict[str, Any]:
    """(b) 1,000 postings per commit on the pool."""
    from jinsuan.ledger.actions import post

    rates = [rate_of([postings(1000)], post) for _ in range(options.rounds * 4)]
    return {"ours": spread(rates)}


def hot(options: argparse.Namespace, _server: Any) -> dict[str, Any]:
    """(c) 8 and 32 clients on the pool, grouped and each for itself, in turn."""
    from django.db import connection

    from jinsuan.ledger.actions import post
    from jinsuan.ledger.grouped import post_grouped

    ways = {"grouped": post_grouped, "each for itself": post}
    found: dict[str, list[float]] = {}

    def work(mine: list[list[Any]], how: Callable[..., None]) -> None:
        for wanted in mine:
            put(wanted, how)

    for _ in range(options.rounds):
        for way, how in ways.items():
            for clients in (8, 32):
                shares = [
                    [postings(1) for _ in range(options.each * 4 // clients)]
                    for _ in range(clients)
                ]
                with ThreadPoolExecutor(clients) as pool:
                    list(pool.map(lambda _: connection.ensure_connection(), range(clients * 4)))
                    began = time.perf_counter()
                    list(pool.map(lambda mine, how=how: work(mine, how), shares))
                    seconds = time.perf_counter() - began
                    list(pool.map(lambda _: (time.sleep(0.01), connection.close()), range(clients)))
                found.setdefault(f"{way}, {clients}", []).append(sum(map(len, shares)) / seconds)
    return {name: spread(rates) for name, rates in found.items()}


def peers(options: argparse.Namespace, _server: Any) -> dict[str, Any]:
    """(d) django-hordak: the same postings on the same server, rounds in turn with ours."""
    import psycopg

    from jinsuan.ledger.actions import post

    if not options.peers:
        return {"skipped": f"not installed: {INSTALL}; then --peers peers/bin/python"}
    url = os.environ["DATABASE_URL"]
    with psycopg.connect(url, autocommit=True) as plain:
        plain.execute("CREATE DATABASE hordak")
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    environment["DATABASE_URL"] = url.rpartition("/")[0] + "/hordak"
    found: dict[str, list[float]] = {}
    with subprocess.Popen(
        [options.peers, Path(__file__).with_name("peer_hordak.py")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    ) as peer:
        assert peer.stdin and peer.stdout
        version = json.loads(peer.stdout.readline())["version"]
        for _ in range(options.rounds):
            for name, calls, each in (
                ("one per commit", options.each, 1),
                ("1,000 per commit", 1, 1000),
            ):
                ours = rate_of([postings(each) for _ in range(calls)], post)
                found.setdefault(f"ours, {name}", []).append(ours)
                peer.stdin.write(f"{calls} {each}\n")
                peer.stdin.flush()
                for way, rate in json.loads(peer.stdout.readline()).items():
                    found.setdefault(f"hordak {way}, {name}", []).append(rate)
        peer.stdin.close()
    told: dict[str, Any] = {name: spread(rates) for name, rates in found.items()}
    for name in ("one per commit", "1,000 per commit"):
        best = max(told[key]["median"] for key in told if key.startswith("hordak") and name in key)
        told[f"ratio to its best way, {name}"] = round(told[f"ours, {name}"]["median"] / best, 1)
    return {"version": version, **told}


def spread(rates: list[float]) -> dict[str, Any]:
    """Per second: least, median, most, and how often."""
    return {
        "min": round(min(rates)),
        "median": round(statistics.median(rates)),
        "max": round(max(rates)),
        "rounds": len(rates),
    }


PARTS = {"single": single, "batch": batch, "hot": hot, "peers": peers}


def run_part(name: str, options: argparse.Namespace) -> dict[str, Any]:
    """One part on a new server, with money in the pool and everything warm."""
    with database() as server:
        from jinsuan.entrypoints import clock
        from jinsuan.kernel.money import Money
        from jinsuan.kernel.ref import Ref
        from jinsuan.ledger.actions import Posting, post
        from jinsuan.ledger.queries import check_book
        from jinsuan.ledger.reasons import Reason

        fund = Posting(
            key="fund",
            debit="budget:2025",
            credit=POOL,
            amount=Money(10**12),
            reason=Reason.POOL_FUNDING,
            cause=Ref("programme", UUID(int=1)),
            occurred_at=clock.now(),
        )
        put([fund], post)
        for _ in range(50):
            put(postings(1), post)
        put(postings(1000), post)
        found = PARTS[name](options, server)
        found["load_1min"] = round(os.getloadavg()[0], 2)
        if name != "single":  # pgbench's rows carry made-up digests
            assert check_book().differences == ()
        return found


def main() -> int:
    """Run the parts asked for and print what was run."""
    parser = argparse.ArgumentParser(prog="./run bench ledger", description=__doc__)
    parser.add_argument("parts", nargs="*", help=f"{', '.join(PARTS)}; all without any")
    parser.add_argument("--rounds", type=int, default=5, help="rounds of each kind")
    parser.add_argument("--each", type=int, default=400, help="postings of one round")
    parser.add_argument("--peers", help="a Python with django-hordak installed")
    parser.add_argument("--json", type=Path, help="write everything to this file, too")
    options = parser.parse_args()
    if unknown := set(options.parts) - set(PARTS):
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    results: dict[str, Any] = {"machine": machine()}
    print(json.dumps(results["machine"], ensure_ascii=False))
    for name in options.parts or PARTS:
        # In a process of its own: Django can be set up with one database only.
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
            results[name] = process.submit(run_part, name, options).result()
        print(f"\n== {name} (postings per second)")
        for what, figures in results[name].items():
            print(f"  {what}: {figures}", flush=True)
    if options.json:
        options.json.write_text(json.dumps(results, ensure_ascii=False, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
