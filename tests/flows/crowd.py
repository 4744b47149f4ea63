"""Thirty-two clients at once, what they race for, and what the books must say afterwards."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import date
from fractions import Fraction
from random import Random
from threading import Barrier
from typing import TypeVar

from django.db import connection

from jinsuan.kernel.errors import DomainError
from jinsuan.kernel.money import Money
from jinsuan.kernel.ref import Ref
from jinsuan.ledger.errors import InsufficientBalance
from jinsuan.ledger.models import AuditRow
from jinsuan.ledger.queries import check_book
from jinsuan.vouchers.actions import issue, open_programme
from jinsuan.vouchers.reconcile import differences
from tests.flows.voucher_world import NOW
from tests.flows.world import World

MANY = 32
RUNS = 20
SEED = int(os.environ.get("JINSUAN_CRASH_SEED", "1"))
RATE = Fraction(3, 10)
T = TypeVar("T")


class Crowd:
    """Threads that keep their connections. Whatever they are told to do they begin at the same moment."""

    def __init__(self, threads: ThreadPoolExecutor, gate: Barrier) -> None:
        self._threads, self._gate = threads, gate

    def at_once(self, acts: Sequence[Callable[[], T]]) -> list[T | DomainError]:
        """What each answered, in order. A refusal is an answer, anything else fails the test."""
        assert len(acts) == MANY
        return list(self._threads.map(self._one, acts))

    def _one(self, act: Callable[[], T]) -> T | DomainError:
        connection.ensure_connection()
        self._gate.wait(60)
        try:
            return act()
        except DomainError as refusal:
            return refusal

    def go_home(self) -> None:
        """Close every thread's connection."""

        def close() -> None:
            self._gate.wait(60)
            connection.close()

        list(self._threads.map(lambda _: close(), range(MANY)))


@contextmanager
def crowd() -> Iterator[Crowd]:
    gate = Barrier(MANY)
    with ThreadPoolExecutor(MANY) as threads:
        them = Crowd(threads, gate)
        try:
            yield them
        finally:
            gate.reset()
            them.go_home()


def shares(chance: Random, total: int) -> list[int]:
    """An amount for every client; together they are three times the total."""
    cuts = sorted(chance.sample(range(1, 3 * total), MANY - 1))
    return [b - a for a, b in zip([0, *cuts], [*cuts, 3 * total], strict=True)]


def refusals(answers: Sequence[object]) -> list[DomainError]:
    return [answer for answer in answers if isinstance(answer, DomainError)]


def are_about(answers: Sequence[object], *accounts: str) -> None:
    """Somebody was refused, and every refusal names the account that had too little."""
    told = refusals(answers)
    assert told, "nobody was refused, so nobody raced"
    for refusal in told:
        assert isinstance(refusal, InsufficientBalance), refusal
        assert refusal.account in accounts
        assert Money(0) <= refusal.available < refusal.needed


def books_agree() -> None:
    found = check_book()
    assert found.differences == ()
    assert found.total_debits == found.total_credits
    assert AuditRow.objects.filter(action="transfer.post").count() == found.transfers
    assert not (wrong := differences()), wrong


def open_pool(world: World, code: str, funding: Money) -> None:
    open_programme(
        code=code,
        title=code,
        document="测试",
        article="（九）",
        opens_on=date(2025, 1, 1),
        closes_on=date(2025, 12, 31),
        rate=RATE,
        pool=funding,
        actor=world.officer,
        now=NOW,
    )


def issue_one(world: World, code: str, fen: int) -> Ref:
    return issue(
        programme=code,
        tenant=world.tenant,
        face=Money(fen),
        expires_on=date(2025, 12, 31),
        reason="测试",
        actor=world.officer,
        now=NOW,
    )
