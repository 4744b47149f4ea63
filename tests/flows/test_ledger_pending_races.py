"""Many at once on pending transfers: threads with connections of their own, commits that count."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from random import Random
from threading import Barrier
from uuid import UUID

import pytest
from django.db import connection

from jinsuan.kernel.errors import DomainError
from jinsuan.kernel.money import Money
from jinsuan.kernel.ref import Actor, Ref
from jinsuan.ledger.actions import Posting, post
from jinsuan.ledger.errors import AlreadyResolved, InsufficientBalance
from jinsuan.ledger.models import Transfer
from jinsuan.ledger.queries import balance, check_book
from jinsuan.ledger.reasons import Reason
from jinsuan.ledger.steps import Step

pytestmark = pytest.mark.usefixtures("committed_db")

NOW = datetime(2025, 3, 1, 8, tzinfo=UTC)
POOL = "pool:2025:m09"
MANY = 32


def move(
    key: str, debit: str, credit: str, fen: int, step: Step = Step.SINGLE, pending: str = ""
) -> Posting:
    return Posting(
        key=key,
        debit=debit,
        credit=credit,
        amount=Money(fen),
        reason=Reason.VOUCHER_ISSUE,
        cause=Ref("job", UUID(int=1)),
        occurred_at=NOW,
        step=step,
        pending=pending,
    )


def put(*postings: Posting) -> None:
    post(postings, actor=Actor.system("worker"), now=NOW)


def race(calls: list[list[Posting]]) -> list[DomainError | None]:
    """Post every call at the same moment, each on its own thread; a refusal is an answer."""
    gate = Barrier(len(calls))

    def run(postings: list[Posting]) -> DomainError | None:
        connection.ensure_connection()
        gate.wait(30)
        try:
            put(*postings)
        except DomainError as refusal:
            return refusal
        finally:
            connection.close()
        return None

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


def test_pending_and_single_together_never_overspend_a_pool() -> None:
    for repeat in range(5):
        pool = f"{POOL}{repeat}"
        put(move(f"fund:{repeat}", "bank:b", pool, 100))
        steps = [Step.PENDING, Step.SINGLE] * (MANY // 2)
        answers = race(
            [
                [move(f"{repeat}:{i}", pool, f"voucher:{repeat}x{i}", 7, step)]
                for i, step in enumerate(steps)
            ]
        )
        assert answers.count(None) == 14  # 14 times 7 fit into 100
        assert all(isinstance(a, InsufficientBalance) for a in answers if a is not None)
        assert balance(pool).available == Money(2)
    assert check_book().differences == ()


def test_one_pending_transfer_is_resolved_by_one_of_many() -> None:
    put(move("fund", "bank:b", POOL, 10_000))
    for repeat in range(5):
        held = f"p:{repeat}"
        put(move(held, POOL, "voucher:v", 100, Step.PENDING))
        calls = [
            move(f"{held}:{i}", POOL, "voucher:v", 100, Step.VOID, held)
            if i % 3 == 0
            else move(f"{held}:{i}", POOL, "voucher:v", 1 + i, Step.POST, held)
            for i in range(MANY)
        ]
        answers = race([[call] for call in calls])
        assert answers.count(None) == 1
        winner = calls[answers.index(None)]
        refusals = [answer for answer in answers if answer is not None]
        assert all(isinstance(a, AlreadyResolved) and a.by == winner.key for a in refusals)
    assert Transfer.objects.filter(pending__isnull=False).count() == 5
    assert balance("voucher:v").pending_in == balance(POOL).pending_out == Money(0)
    assert check_book().differences == ()


def test_many_retries_of_one_resolution_are_one_resolution() -> None:
    put(move("fund", "bank:b", POOL, 100), move("p", POOL, "voucher:v", 60, Step.PENDING))
    answers = race([[move("q", POOL, "voucher:v", 60, Step.POST, "p")]] * MANY)
    assert answers == [None] * MANY
    assert balance("voucher:v").available == Money(60)
    assert check_book().differences == ()


def test_steps_over_the_same_accounts_in_any_order_never_deadlock() -> None:
    codes = [f"cash:o{i}" for i in range(5)]
    put(*(move(f"t:{code}", "bank:b", code, 1_000_000) for code in codes))
    random = Random(1)
    held = []
    for n in range(160):
        debit, credit = random.sample(codes, 2)
        held.append(move(f"p:{n}", debit, credit, 10, Step.PENDING))
    put(*held)

    def batch(i: int) -> list[Posting]:
        mine = [
            move(f"r:{p.key}", p.debit, p.credit, 10, random.choice([Step.POST, Step.VOID]), p.key)
            for p in held[i::8]
        ]
        mine += [move(f"s:{i}:{n}", *random.sample(codes, 2), 1) for n in range(20)]
        mine += [move(f"l:{i}:{n}", *random.sample(codes, 2), 1, Step.PENDING) for n in range(20)]
        random.shuffle(mine)
        return mine

    assert race([batch(i) for i in range(8)]) == [None] * 8
    assert sum(balance(code).pending_out.fen for code in codes) == 160
    assert check_book().differences == ()
