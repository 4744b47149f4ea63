"""A bookkeeper who pays, overpays, batches, retries and cheats; a plain dictionary keeps score."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any
from uuid import UUID

import django.test
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from jinsuan.kernel.errors import DomainError
from jinsuan.kernel.money import Money
from jinsuan.kernel.ref import Actor, Ref
from jinsuan.ledger.actions import Posting, open_accounts, post
from jinsuan.ledger.errors import InsufficientBalance, TransferKeyReused
from jinsuan.ledger.models import Transfer
from jinsuan.ledger.queries import (
    audit_of,
    balances,
    check_book,
    statement,
    transfers_with_key_prefix,
)
from jinsuan.ledger.reasons import Reason

NOW = datetime(2025, 3, 1, 8, tzinfo=UTC)
WORKER = Actor.system("worker")
ROLES = ("bank:{}", "cash:{}", "hold:{}:cash", "payable:{}:cash", "receivable:{}")
BELOW_NOUGHT = ("bank", "receivable")
books = count()  # every example has accounts and keys of its own; one transaction holds them all

places = st.integers(0, len(ROLES) - 1)
moves = st.tuples(places, places, st.integers(1, 1_000)).filter(lambda m: m[0] != m[1])
changes = st.sampled_from(["amount", "debit", "reason", "cause"])


class Bookkeeper(RuleBasedStateMachine):
    """Works on five accounts, of which two may stand below nought."""

    @initialize(opened=st.booleans())
    def open_book(self, opened: bool) -> None:
        self.book = f"b{next(books)}"
        self.codes = [role.format(self.book) for role in ROLES]
        self.balance = dict.fromkeys(self.codes, 0)
        self.posted: list[Posting] = []
        self.keys = count()
        if opened:
            open_accounts(self.codes, now=NOW)

    def posting(self, debit: str, credit: str, fen: int) -> Posting:
        return Posting(
            key=f"{self.book}#{next(self.keys)}",
            debit=debit,
            credit=credit,
            amount=Money(fen),
            reason=Reason.HOLD,
            cause=Ref("job", UUID(int=1)),
            occurred_at=NOW,
        )

    def drawn(self, move: tuple[int, int, int]) -> Posting:
        return self.posting(self.codes[move[0]], self.codes[move[1]], move[2])

    def put(self, *postings: Posting, after_days: int = 0) -> DomainError | None:
        try:
            post(postings, actor=WORKER, now=NOW + timedelta(days=after_days))
        except DomainError as refusal:
            return refusal
        return None

    def book_or_be_refused(self, postings: list[Posting]) -> None:
        """Post new movements; the score says beforehand whether they fit, netted."""
        after = dict(self.balance)
        for p in postings:
            after[p.debit] -= p.amount.fen
            after[p.credit] += p.amount.fen
        below = {c for c, fen in after.items() if fen < 0 and not c.startswith(BELOW_NOUGHT)}
        refusal = self.put(*postings)
        if not below:
            assert refusal is None
            self.balance = after
            self.posted += postings
            return
        assert isinstance(refusal, InsufficientBalance)
        assert refusal.account in below
        assert (refusal.available - refusal.needed).fen == after[refusal.account]

    @rule(move=moves)
    def pay(self, move: tuple[int, int, int]) -> None:
        self.book_or_be_refused([self.drawn(move)])

    @rule(place=st.sampled_from([1, 2, 3]), more=st.sampled_from([0, 1]))
    def spend_all_or_a_fen_more(self, place: int, more: int) -> None:
        fen = self.balance[self.codes[place]] + more
        if fen > 0:
            self.book_or_be_refused([self.posting(self.codes[place], self.codes[0], fen)])

    @rule(drawn=st.lists(moves, min_size=2, max_size=8))
    def pay_a_batch(self, drawn: list[tuple[int, int, int]]) -> None:
        self.book_or_be_refused([self.drawn(move) for move in drawn])

    @precondition(lambda self: self.posted)
    @rule(drawn=st.lists(moves, max_size=3), data=st.data())
    def pay_a_batch_with_repeats(self, drawn: list[tuple[int, int, int]], data: Any) -> None:
        """Repeats stand anywhere in the call, even twice; only what is new may count."""
        new = [self.drawn(move) for move in drawn]
        repeats = data.draw(st.lists(st.sampled_from(self.posted), min_size=1, max_size=4))
        after = dict(self.balance)
        for p in new:
            after[p.debit] -= p.amount.fen
            after[p.credit] += p.amount.fen
        fits = all(fen >= 0 or c.startswith(BELOW_NOUGHT) for c, fen in after.items())
        call = data.draw(st.permutations(new + repeats))
        refusal = self.put(*call)
        assert (refusal is None) == fits
        if fits:
            self.balance = after
            self.posted += [p for p in call if p in new]  # the book follows the caller's order

    @rule(days=st.integers(0, 4_000))
    def retry_everything(self, days: int) -> None:
        at = NOW + timedelta(days=days)
        late = [replace(p, occurred_at=at) for p in self.posted]
        assert self.put(*late, after_days=days) is None

    @precondition(lambda self: self.posted)
    @rule(data=st.data(), change=changes, move=moves)
    def reuse_a_key(self, data: Any, change: str, move: tuple[int, int, int]) -> None:
        """A key with another content is refused, with everything that stands around it."""
        old = data.draw(st.sampled_from(self.posted))
        spare = next(c for c in self.codes if c not in (old.debit, old.credit))
        different = {
            "amount": replace(old, amount=old.amount + Money(1)),
            "debit": replace(old, debit=spare),
            "reason": replace(old, reason=Reason.RELEASE),
            "cause": replace(old, cause=Ref("job", UUID(int=2))),
        }[change]
        call = data.draw(st.permutations([different, self.drawn(move)]))
        refusal = self.put(*call)
        assert isinstance(refusal, TransferKeyReused)
        assert refusal.key == old.key

    @invariant()
    def the_balances_are_the_score(self) -> None:
        if not hasattr(self, "book"):
            return
        found = balances(self.codes)
        assert {code: b.available.fen for code, b in found.items()} == self.balance
        assert sum(self.balance.values()) == 0

    def teardown(self) -> None:
        if not hasattr(self, "book"):
            return
        found = check_book()
        assert found.differences == ()
        assert found.transfers == Transfer.objects.count()
        recorded = transfers_with_key_prefix(f"{self.book}#")
        assert [t.key for t in recorded] == [p.key for p in self.posted]
        assert all(t.occurred_at == NOW for t in recorded)
        assert all(len(audit_of(t.ref)) == 1 for t in recorded[-3:])
        for code in self.codes:
            lines = statement(code, limit=100_000)
            running = 0
            for line in reversed(lines):
                running += line.amount.fen
                assert line.balance.fen == running
            assert running == self.balance[code]


@pytest.mark.django_db
class TestBookkeeper(Bookkeeper.TestCase, django.test.TestCase):  # type: ignore[misc,name-defined]
    """Lets pytest find the machine, in a database it may write to."""
