"""Many callers, one commit: each gets the answer it would have got alone."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from threading import Barrier
from typing import Any
from uuid import UUID

import pytest
from django.db import OperationalError, connection, transaction

from jinsuan.kernel.errors import DomainError
from jinsuan.kernel.money import Money
from jinsuan.kernel.ref import Actor, Ref
from jinsuan.ledger import grouped
from jinsuan.ledger.actions import Posting, post
from jinsuan.ledger.errors import AlreadyResolved, InsufficientBalance, TransferKeyReused
from jinsuan.ledger.grouped import post_grouped
from jinsuan.ledger.models import Transfer
from jinsuan.ledger.queries import audit_of, balance, check_book, transfer
from jinsuan.ledger.reasons import Reason
from jinsuan.ledger.steps import Step

pytestmark = pytest.mark.usefixtures("committed_db")

NOW = datetime(2025, 3, 1, 8, tzinfo=UTC)
POOL = "pool:2025:m09"


def move(key: str, debit: str, credit: str, fen: int, **more: Any) -> Posting:
    return Posting(
        key=key,
        debit=debit,
        credit=credit,
        amount=Money(fen),
        reason=Reason.VOUCHER_ISSUE,
        cause=Ref("job", UUID(int=1)),
        occurred_at=NOW,
        **more,
    )


def put(*postings: Posting) -> None:
    post(postings, actor=Actor.system("worker"), now=NOW)


def attempt(postings: Sequence[Posting], number: int = 0) -> Exception | None:
    try:
        post_grouped(
            postings, actor=Actor.system(f"thread-{number}"), now=NOW + timedelta(seconds=number)
        )
    except (DomainError, OperationalError, AssertionError) as refusal:
        return refusal
    finally:
        connection.close()
    return None


def wait_until(gathered: int) -> None:
    for _ in range(2000):
        if len(grouped._queue.waiting) == gathered:
            return
        threading.Event().wait(0.005)
    raise AssertionError("they do not gather")


@contextmanager
def gathered(calls: Sequence[Sequence[Posting]]) -> Iterator[list[Future[Exception | None]]]:
    """A leader who waits for a lock that we hold, and behind it these calls, all in one round."""
    answers: list[Future[Exception | None]] = []
    with ThreadPoolExecutor(len(calls) + 1) as pool:
        with transaction.atomic():
            put(move("blocker", "bank:b", "cash:blocked", 1))
            leader = pool.submit(attempt, [move("leader", "bank:b", "cash:blocked", 1)])
            for _ in range(2000):
                if grouped._queue.led and not grouped._queue.waiting:
                    break
                threading.Event().wait(0.005)
            for number, call in enumerate(calls):
                answers.append(pool.submit(attempt, call, number))
                wait_until(number + 1)
        yield answers
        assert leader.result(20) is None


def results(calls: Sequence[Sequence[Posting]]) -> list[Exception | None]:
    with gathered(calls) as answers:
        return [answer.result(20) for answer in answers]


def commits() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(DISTINCT xmin::text) FROM ledger_transfer")
        return int(cursor.fetchone()[0])


def test_those_who_wait_share_one_commit_each_under_its_own_name_and_time() -> None:
    put(move("fund", "bank:b", POOL, 1000))
    assert results([[move(f"s:{i}", POOL, f"voucher:v{i}", 10)] for i in range(20)]) == [None] * 20
    assert balance(POOL).available == Money(800)
    assert commits() == 4  # fund, blocker, leader and the twenty
    for i in range(20):
        view = transfer(f"s:{i}")
        (row,) = audit_of(view.ref)
        assert row.via == f"thread-{i}"
        assert row.at == view.recorded_at == NOW + timedelta(seconds=i)
    assert check_book().differences == ()


def test_only_the_guilty_are_refused() -> None:
    put(move("fund", "bank:b", POOL, 100))
    calls = [[move(f"s:{i}", POOL, f"voucher:v{i}", 1)] for i in range(20)]
    calls[3] = [move("s:3", POOL, "voucher:v3", 101)]
    calls[8] = [move("fund", "bank:b", POOL, 99), move("s:8", POOL, "voucher:v8", 1)]
    calls[9] = [move("s:9", "voucher:none", POOL, 1)]
    calls[15] = [move("s:15", POOL, "gold:1", 1)]
    answers = results(calls)
    kinds = {i: type(a) for i, a in enumerate(answers) if a is not None}
    assert kinds == {
        3: InsufficientBalance,
        8: TransferKeyReused,
        9: InsufficientBalance,
        15: AssertionError,
    }
    assert balance(POOL).available == Money(84)
    assert check_book().differences == ()


def test_one_group_is_posted_whole_or_not_at_all() -> None:
    put(move("fund", "bank:b", POOL, 100))
    whole = [move("a", POOL, "voucher:a", 60), move("b", POOL, "voucher:b", 41)]
    first, second = results([whole, [move("c", POOL, "voucher:c", 100)]])
    assert isinstance(first, InsufficientBalance)
    assert second is None
    assert Transfer.objects.filter(key__in="ab").count() == 0


def test_nobodys_money_pays_for_somebody_else() -> None:
    """Netted over the round both would pass; alone, in whatever order, neither does."""
    ring = [[move("a", "cash:a", "cash:b", 5)], [move("b", "cash:b", "cash:a", 5)]]
    assert [type(answer) for answer in results(ring)] == [InsufficientBalance] * 2
    put(move("fund", "bank:b", "cash:a", 5))
    chain = [[move("a", "cash:a", "cash:b", 5)], [move("b", "cash:b", "cash:a", 5)]]
    with_money = [attempt(call) for call in chain]
    assert with_money == [None, None]
    assert check_book().differences == ()


def test_of_two_who_resolve_one_pending_in_one_round_one_wins() -> None:
    put(move("fund", "bank:b", POOL, 100))
    put(move("p", POOL, "voucher:v", 60, step=Step.PENDING))
    first, second = results(
        [
            [move("x", POOL, "voucher:v", 60, step=Step.POST, pending="p")],
            [move("y", POOL, "voucher:v", 60, step=Step.VOID, pending="p")],
        ]
    )
    assert first is None
    assert isinstance(second, AlreadyResolved)
    assert check_book().differences == ()


def test_the_same_posting_by_many_is_done_once() -> None:
    put(move("fund", "bank:b", POOL, 100))
    assert results([[move("s", POOL, "voucher:v", 10)]] * 8) == [None] * 8
    assert balance(POOL).available == Money(90)


def test_thirty_two_threads_spend_a_pool_to_the_last_fen() -> None:
    put(move("fund", "bank:b", POOL, 500))
    gate = Barrier(32)

    def spend(thread: int) -> int:
        gate.wait(30)
        return sum(
            attempt([move(f"{thread}:{n}", POOL, f"voucher:{thread}", 1)]) is None
            for n in range(20)
        )

    with ThreadPoolExecutor(32) as pool:
        assert sum(pool.map(spend, range(32))) == 500
    assert balance(POOL).available == Money(0)
    assert check_book().differences == ()
    assert not grouped._queue.led


def test_a_broken_connection_is_told_to_all_and_the_next_round_works() -> None:
    put(move("fund", "bank:b", POOL, 100))
    calls = [[move(f"s:{i}", POOL, f"voucher:v{i}", 1)] for i in range(3)]
    holder = connection.copy()  # it holds the pool's row until the round has been cut off
    with closing(holder), holder.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("SELECT FROM ledger_account WHERE code = %s FOR UPDATE", [POOL])
        with gathered(calls) as answers:
            for _ in range(2000):
                cursor.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE NOT granted"
                    " AND pg_backend_pid() = ANY (pg_blocking_pids(pid))"
                )
                if cursor.fetchall():
                    break
                threading.Event().wait(0.005)
            told = [answer.result(20) for answer in answers]
    assert all(told)
    assert [attempt(call) for call in calls] == [None] * 3
    assert balance(POOL).available == Money(97)


def test_it_is_not_for_the_inside_of_a_transaction() -> None:
    with transaction.atomic(), pytest.raises(AssertionError, match="outside of transactions"):
        post_grouped([move("t", "bank:b", POOL, 1)], actor=Actor.system("t"), now=NOW)
    post_grouped([], actor=Actor.system("t"), now=NOW)
