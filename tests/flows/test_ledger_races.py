"""Many at once, for real: threads with connections of their own and commits that count."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import pairwise
from random import Random
from threading import Barrier
from uuid import UUID

import pytest
from django.db import connection, transaction

from jinsuan.kernel.errors import DomainError
from jinsuan.kernel.money import Money
from jinsuan.kernel.ref import Actor, Ref
from jinsuan.ledger.actions import Posting, open_accounts, post
from jinsuan.ledger.errors import InsufficientBalance, TransferKeyReused
from jinsuan.ledger.models import Account, AuditRow, Transfer
from jinsuan.ledger.queries import balance, check_book, statement
from jinsuan.ledger.reasons import Reason

NOW = datetime(2025, 3, 1, 8, tzinfo=UTC)
WORKER = Actor.system("worker")
BANK, CASH, HOLD = "bank:b", "cash:o", "hold:j:cash"
MANY = 20


pytestmark = pytest.mark.usefixtures("committed_db")


def pay(key: str, debit: str, credit: str, fen: int) -> Posting:
    return Posting(
        key=key,
        debit=debit,
        credit=credit,
        amount=Money(fen),
        reason=Reason.HOLD,
        cause=Ref("job", UUID(int=1)),
        occurred_at=NOW,
    )


def put(*postings: Posting) -> None:
    post(postings, actor=WORKER, now=NOW)


def attempt(*postings: Posting) -> DomainError | None:
    """Post on this thread's own connection; a refusal is an answer, anything else fails the test."""
    try:
        put(*postings)
    except DomainError as refusal:
        return refusal
    finally:
        connection.close()
    return None


def race(calls: list[list[Posting]]) -> list[DomainError | None]:
    """Post every call at the same moment, each on its own thread."""
    gate = Barrier(len(calls))

    def run(postings: list[Posting]) -> DomainError | None:
        connection.ensure_connection()
        gate.wait(30)
        return attempt(*postings)

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


@contextmanager
def posted_but_not_committed(*postings: Posting) -> Iterator[None]:
    """Hold a transaction open that has posted these."""
    with transaction.atomic():
        put(*postings)
        yield


def wait_until_blocked() -> None:
    """Return when somebody waits for a lock that this connection holds."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM pg_locks WHERE NOT granted"
                " AND pg_backend_pid() = ANY (pg_blocking_pids(pid))"
            )
            if cursor.fetchone()[0]:
                return
        time.sleep(0.01)
    raise AssertionError("nobody waits: the lock is missing")


def book_is_right() -> None:
    found = check_book()
    assert found.differences == ()
    assert AuditRow.objects.count() == found.transfers


def test_twenty_threads_with_one_key_move_money_once() -> None:
    answers = race([[pay("t", BANK, CASH, 100)]] * MANY)
    assert answers == [None] * MANY
    assert balance(CASH).available == Money(100)
    assert Transfer.objects.count() == 1
    book_is_right()


@pytest.mark.parametrize("fen", [10, 7, 100])
def test_twenty_threads_on_100_fen_spend_all_that_fits_and_not_a_fen_more(fen: int) -> None:
    put(pay("t", BANK, CASH, 100))
    answers = race([[pay(f"h:{i}", CASH, HOLD, fen)] for i in range(MANY)])
    refusals = [answer for answer in answers if answer is not None]
    assert len(refusals) == MANY - 100 // fen
    left = 100 - 100 // fen * fen
    for refusal in refusals:
        assert isinstance(refusal, InsufficientBalance)
        assert (refusal.account, refusal.available) == (CASH, Money(left))
    assert balance(CASH).available == Money(left)
    assert balance(HOLD).available == Money(100 - left)
    book_is_right()


def test_twenty_threads_on_100_fen_spend_exactly_100() -> None:
    put(pay("t", BANK, CASH, 100))
    calls = [[pay(f"h:{i}:{n}", CASH, HOLD, 1)] for i in range(MANY) for n in range(6)]
    with ThreadPoolExecutor(MANY) as pool:
        answers = Counter(map(type, pool.map(lambda call: attempt(*call), calls)))
    assert answers == {type(None): 100, InsufficientBalance: 20}
    assert balance(HOLD).available == Money(100)
    book_is_right()


def test_batches_over_the_same_accounts_in_any_order_never_deadlock() -> None:
    """Each batch opens new accounts, too, and some of its keys are those of other batches."""
    codes = [f"cash:o{i}" for i in range(6)]
    put(*(pay(f"t:{code}", BANK, code, 1_000_000) for code in codes))

    def batch(seed: int) -> list[Posting]:
        random = Random(seed)
        postings = []
        for n in range(30):
            debit, credit = random.sample(codes, 2)
            postings.append(pay(f"m:{seed}:{n}", debit, credit, random.randint(1, 50)))
            job = random.randrange(40)
            postings.append(pay(f"shared:{job}", codes[job % 6], f"hold:j{job}:cash", 5))
        random.shuffle(postings)
        return postings

    for repeat in range(3):
        answers = race([batch(100 * repeat + i) for i in range(MANY)])
        assert answers == [None] * MANY
    book_is_right()


def test_accounts_opened_by_everybody_at_once_are_opened_once() -> None:
    codes = [f"cash:o{i}" for i in range(50)]
    gate = Barrier(MANY)

    def run(seed: int) -> None:
        shuffled = Random(seed).sample(codes, 40)
        gate.wait(30)
        try:
            open_accounts(shuffled, now=NOW)
        finally:
            connection.close()

    with ThreadPoolExecutor(MANY) as pool:
        list(pool.map(run, range(MANY)))
    assert Account.objects.count() == len(codes)


def test_a_retry_waits_for_the_first_try_and_then_has_nothing_to_do() -> None:
    with ThreadPoolExecutor(1) as pool:
        with posted_but_not_committed(pay("t", BANK, CASH, 100)):
            answer = pool.submit(attempt, pay("t", BANK, CASH, 100))
            wait_until_blocked()
        assert answer.result(20) is None
    assert balance(CASH).available == Money(100)
    book_is_right()


def test_a_spender_waits_for_the_one_before_and_then_sees_what_is_left() -> None:
    put(pay("t", BANK, CASH, 100))
    with ThreadPoolExecutor(1) as pool:
        with posted_but_not_committed(pay("h:1", CASH, HOLD, 60)):
            answer = pool.submit(attempt, pay("h:2", CASH, HOLD, 60))
            wait_until_blocked()
        refusal = answer.result(20)
    assert isinstance(refusal, InsufficientBalance)
    assert refusal.available == Money(40)
    book_is_right()


def _race_for_a_key(*, first_commits: bool) -> DomainError | None:
    """One key, two meanings, no account in common; the second comes while the first is open."""
    answer: Future[DomainError | None]
    with ThreadPoolExecutor(1) as pool:
        with posted_but_not_committed(pay("t", BANK, CASH, 100)):
            other = pay("t", "bank:c", "cash:p", 100)
            answer = pool.submit(attempt, pay("u", "bank:c", "cash:q", 1), other)
            wait_until_blocked()
            transaction.set_rollback(not first_commits)
        return answer.result(20)


def test_a_key_taken_at_the_same_moment_for_other_accounts_is_refused_with_all_around_it() -> None:
    refusal = _race_for_a_key(first_commits=True)
    assert isinstance(refusal, TransferKeyReused)
    assert refusal.key == "t"
    assert balance("cash:q").available == balance("cash:p").available == Money(0)
    assert balance(CASH).available == Money(100)
    book_is_right()


def test_a_key_is_free_again_when_its_first_user_rolls_back() -> None:
    assert _race_for_a_key(first_commits=False) is None
    assert balance("cash:p").available == Money(100)
    assert balance(CASH).available == Money(0)
    book_is_right()


def test_two_meanings_for_the_same_keys_in_opposite_orders_never_deadlock() -> None:
    keys = [f"k:{i}" for i in range(40)]
    for repeat in range(5):
        answers = race(
            [
                [pay(f"{repeat}:{key}", f"bank:{side}", f"cash:{side}", 1) for key in ordered]
                for side, ordered in enumerate([keys, keys[::-1], sorted(keys), keys[20:]])
            ]
        )
        assert answers.count(None) >= 1
        assert all(isinstance(a, TransferKeyReused) for a in answers if a is not None), answers
    book_is_right()


def test_the_check_and_a_statement_agree_with_themselves_while_others_post() -> None:
    put(pay("t", BANK, CASH, 1_000_000))
    stop = time.monotonic() + 2

    def spend(thread: int) -> int:
        n = 0
        try:
            while time.monotonic() < stop:
                put(pay(f"h:{thread}:{n}", CASH, HOLD, 3), pay(f"r:{thread}:{n}", HOLD, CASH, 1))
                n += 1
        finally:
            connection.close()
        return n

    with ThreadPoolExecutor(4) as pool:
        spent = [pool.submit(spend, thread) for thread in range(4)]
        looks = 0
        while time.monotonic() < stop:
            assert check_book().differences == ()
            lines = statement(CASH, limit=7)
            for newer, older in pairwise(lines):
                assert newer.balance == older.balance + newer.amount
            first = statement(CASH, limit=1_000_000)[-1]
            assert first.balance == first.amount
            looks += 1
        rounds = sum(future.result() for future in spent)
    assert looks > 0
    assert balance(HOLD).available == Money(2 * rounds)
    book_is_right()
