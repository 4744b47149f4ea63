"""The posting client of the ledger's crash test, and what the book says afterwards.

    python -m tests.flows.ledger_crash migrate
    python -m tests.flows.ledger_crash post NAME FIRST    says each number once it is acknowledged
    python -m tests.flows.ledger_crash check NAME…

A process of its own, so that it can be killed, with the database that DATABASE_URL names.
"""

from __future__ import annotations

import json
import sys
import time
from datetime import UTC, datetime
from itertools import count
from uuid import UUID

from jinsuan.entrypoints.site.boot import boot, migrate

boot()

from django.db import InterfaceError, OperationalError, connection  # noqa: E402

from jinsuan.kernel.money import Money  # noqa: E402
from jinsuan.kernel.ref import Actor, Ref  # noqa: E402
from jinsuan.ledger.actions import Posting, post  # noqa: E402
from jinsuan.ledger.grouped import post_grouped  # noqa: E402
from jinsuan.ledger.models import Transfer  # noqa: E402
from jinsuan.ledger.queries import balance, check_book  # noqa: E402
from jinsuan.ledger.reasons import Reason  # noqa: E402
from jinsuan.ledger.steps import Step  # noqa: E402

NOW = datetime(2025, 3, 1, 8, tzinfo=UTC)
POOL = "pool:2025:m09"


def fact(name: str, number: int) -> list[Posting]:
    """What a client posts under a number, always the same: a grant, a pending one, its end, two."""

    def move(key: str, fen: int, step: Step = Step.SINGLE, pending: str = "") -> Posting:
        return Posting(
            key=key,
            debit=POOL,
            credit=f"voucher:{name}",
            amount=Money(fen),
            reason=Reason.VOUCHER_ISSUE,
            cause=Ref("job", UUID(int=1)),
            occurred_at=NOW,
            step=step,
            pending=pending,
        )

    key = f"{name}:{number}"
    match number % 4:
        case 1:
            return [move(key, 10, Step.PENDING)]
        case 2:
            held = f"{name}:{number - 1}"
            if number % 8 == 2:
                return [move(key, 7, Step.POST, held)]
            return [move(key, 10, Step.VOID, held)]
        case 3:
            return [move(key, 2), move(f"{key}:b", 3)]
        case _:
            return [move(key, 1)]


def keep_posting(name: str, first: int) -> None:
    for number in count(first):
        how = post_grouped if number % 2 else post
        while True:
            try:
                how(fact(name, number), actor=Actor.system("crash"), now=NOW)
                break
            except (OperationalError, InterfaceError):  # PostgreSQL is gone: try again
                connection.close()
                time.sleep(0.02)
        print(number, flush=True)


def fund() -> None:
    migrate()
    money = Posting(
        key="fund",
        debit="budget:2025",
        credit=POOL,
        amount=Money(10**9),
        reason=Reason.POOL_FUNDING,
        cause=Ref("job", UUID(int=1)),
        occurred_at=NOW,
    )
    post([money], actor=Actor.system("crash"), now=NOW)


def check(names: list[str]) -> None:
    """What is in the book: of each client how far without a gap, and whether the sums are right."""
    keys = set(Transfer.objects.values_list("key", flat=True))
    expected = {"fund"}
    reached = {}
    spent = 0
    for name in names:
        for number in count():
            postings = fact(name, number)
            if postings[0].key not in keys:
                break
            expected |= {p.key for p in postings}
            spent += sum(p.amount.fen for p in postings if p.step.moves)
        reached[name] = number
    print(
        json.dumps(
            {
                "reached": reached,
                "strangers": sorted(keys ^ expected)[:5],
                "differences": list(check_book().differences),
                "missing_fen": 10**9 - spent - balance(POOL).posted.fen,
            }
        )
    )


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["migrate"]:
            fund()
        case ["post", name, first]:
            keep_posting(name, int(first))
        case ["check", *names]:
            check(names)
