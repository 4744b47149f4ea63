"""A bookkeeper who pays, reserves, batches, retries and cheats; plain dictionaries keep score."""

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
from jinsuan.ledger.errors import (
    AlreadyResolved,
    InsufficientBalance,
    PendingDiffers,
    TransferKeyReused,
)
from jinsuan.ledger.models import Transfer
from jinsuan.ledger.queries import (
    audit_of,
    balances,
    check_book,
    statement,
    transfers_with_key_prefix,
)
from jinsuan.ledger.reasons import Reason
from jinsuan.ledger.steps import Step

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
        self.balance = dict.fromkeys(self.codes, 0)  # what can be spent
        self.open: dict[str, Posting] = {}  # pending, by key
        self.resolved: dict[str, Posting] = {}
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

    def later(self, move: tuple[int, int, int]) -> Posting:
        return replace(self.drawn(move), step=Step.PENDING)

    def resolving(self, pending: Posting, fen: int) -> Posting:
        """Post so many fen of it; none voids it."""
        return replace(
            pending,
            key=f"{self.book}#{next(self.keys)}",
            amount=Money(fen) if fen else pending.amount,
            step=Step.POST if fen else Step.VOID,
            pending=pending.key,
        )

    def after(self, postings: list[Posting]) -> dict[str, int]:
        """What could be spent afterwards."""
        after = dict(self.balance)
        for p in postings:
            if p.step.resolves:
                after[p.debit] += self.open[p.pending].amount.fen
            if p.step is not Step.VOID:
                after[p.debit] -= p.amount.fen
            if p.step.moves:
                after[p.credit] += p.amount.fen
        return after

    def keep_score(self, postings: list[Posting]) -> None:
        self.balance = self.after(postings)
        self.posted += postings
        for p in postings:
            if p.step is Step.PENDING:
                self.open[p.key] = p
            if p.step.resolves:
                self.resolved[p.pending] = self.open.pop(p.pending)

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
        after = self.after(postings)
        below = {c for c, fen in after.items() if fen < 0 and not c.startswith(BELOW_NOUGHT)}
        refusal = self.put(*postings)
        if not below:
            assert refusal is None
            self.keep_score(postings)
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

    @rule(move=moves)
    def reserve(self, move: tuple[int, int, int]) -> None:
        self.book_or_be_refused([self.later(move)])

    @precondition(lambda self: self.open)
    @rule(data=st.data())
    def resolve(self, data: Any) -> None:
        """All of it, a part of it, or nothing."""
        pending = data.draw(st.sampled_from(list(self.open.values())))
        whole = pending.amount.fen
        fen = data.draw(st.sampled_from([0, whole]) | st.integers(1, whole))
        self.book_or_be_refused([self.resolving(pending, fen)])

    @precondition(lambda self: self.open)
    @rule(data=st.data(), now=st.lists(moves, max_size=3), later=st.lists(moves, max_size=3))
    def steps_of_every_kind(
        self, data: Any, now: list[tuple[int, int, int]], later: list[tuple[int, int, int]]
    ) -> None:
        chosen = data.draw(st.lists(st.sampled_from(list(self.open)), min_size=1, unique=True))
        mixed = [self.drawn(move) for move in now] + [self.later(move) for move in later]
        for key in chosen:
            fen = data.draw(st.integers(0, self.open[key].amount.fen))
            mixed.append(self.resolving(self.open[key], fen))
        self.book_or_be_refused(data.draw(st.permutations(mixed)))

    @precondition(lambda self: self.resolved)
    @rule(data=st.data(), fen=st.integers(0, 1), move=moves)
    def resolve_again(self, data: Any, fen: int, move: tuple[int, int, int]) -> None:
        pending = data.draw(st.sampled_from(list(self.resolved.values())))
        refusal = self.put(self.later(move), self.resolving(pending, fen))
        assert isinstance(refusal, AlreadyResolved)
        assert refusal.pending == pending.key

    @precondition(lambda self: self.open)
    @rule(data=st.data())
    def post_more_than_was_reserved(self, data: Any) -> None:
        pending = data.draw(st.sampled_from(list(self.open.values())))
        refusal = self.put(self.resolving(pending, pending.amount.fen + 1))
        assert isinstance(refusal, PendingDiffers)

    @precondition(lambda self: self.posted)
    @rule(drawn=st.lists(moves, max_size=3), data=st.data())
    def pay_a_batch_with_repeats(self, drawn: list[tuple[int, int, int]], data: Any) -> None:
        """Repeats stand anywhere in the call, even twice; only what is new may count."""
        new = [self.drawn(move) for move in drawn]
        repeats = data.draw(st.lists(st.sampled_from(self.posted), min_size=1, max_size=4))
        after = self.after(new)
        fits = all(fen >= 0 or c.startswith(BELOW_NOUGHT) for c, fen in after.items())
        call = data.draw(st.permutations(new + repeats))
        refusal = self.put(*call)
        assert (refusal is None) == fits
        if fits:
            self.keep_score([p for p in call if p in new])  # the book follows the caller's order

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
        assert sum(b.posted.fen for b in found.values()) == 0
        waiting = [(p.debit, p.credit, p.amount.fen) for p in self.open.values()]
        for code, b in found.items():
            assert b.pending_out.fen == sum(fen for debit, _, fen in waiting if debit == code)
            assert b.pending_in.fen == sum(fen for _, credit, fen in waiting if credit == code)

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
            reserved = [p.amount.fen for p in self.open.values() if p.debit == code]
            assert running == self.balance[code] + sum(reserved)
            either = [p.amount.fen for p in self.open.values() if code in (p.debit, p.credit)]
            assert sum(line.reserved.fen for line in lines) == sum(either)


@pytest.mark.django_db
class TestBookkeeper(Bookkeeper.TestCase, django.test.TestCase):  # type: ignore[misc,name-defined]
    """Lets pytest find the machine, in a database it may write to."""
