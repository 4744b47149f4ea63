"""How the voucher machine gives a command, and what it checks after every step."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any, ClassVar
from uuid import UUID

from django.db import transaction
from hypothesis.stateful import RuleBasedStateMachine, invariant

from jinsuan.kernel.errors import DomainError
from jinsuan.kernel.period import beijing_date
from jinsuan.ledger.queries import check_book
from jinsuan.vouchers.models import Voucher
from tests.flows.voucher_world import AFTER_NOTICE
from tests.properties.voucher_life_book import Book, fingerprint
from tests.properties.voucher_life_stage import Stage


class Commands(RuleBasedStateMachine):
    """One programme, one provider, two users; every rule gives its commands through `act`."""

    stage: ClassVar[Stage]

    def __init__(self) -> None:
        super().__init__()
        self.savepoint = transaction.savepoint()
        self.now = AFTER_NOTICE
        self.score = self.stage.score()
        self.book = Book()
        self.print: dict[object, object] | None = None
        self.counter = 0
        self.asked: dict[UUID, tuple[int, int]] = {}  # case: whose, contract in fen

    def teardown(self) -> None:
        try:
            assert check_book().differences == ()
        finally:
            transaction.savepoint_rollback(self.savepoint)

    # ------------------------------------------------------------- one command

    def act(self, command: Callable[[], Any], *, again: bool = False) -> Any:
        """Give one command; refused, it changed nothing. `again`: a retry changes nothing more."""
        before = self.print or fingerprint()
        try:
            answer = command()
        except DomainError as refusal:
            return self.unchanged(before, refusal)
        self.print = None
        if again:
            after = fingerprint()
            with suppress(DomainError):
                command()
            self.unchanged(after, answer)
        return answer

    def unchanged(self, before: dict[object, object], answer: Any) -> Any:
        after = fingerprint()
        changed = {name for name in before if before[name] != after[name]}
        assert not changed, (answer, changed)
        self.print = after
        return answer

    def fresh(self, what: str) -> str:
        self.counter += 1
        return f"{what}{self.counter:04d}"

    @property
    def today(self) -> Any:
        return beijing_date(self.now)

    @invariant()
    def ledger_says_the_score(self) -> None:
        self.score.check()
        found, wanted = self.book.read(), self.score.expected()
        wrong = {
            code: (found.get(code), wanted.get(code))
            for code in found.keys() | wanted.keys()
            if found.get(code) != wanted.get(code)
        }
        assert not wrong, f"book, score: {wrong}"
        states = dict(Voucher.objects.values_list("id", "state"))
        assert states == {v.id: v.state for v in self.score.vouchers.values()}

    @invariant()
    def cases_move_by_the_table(self) -> None:
        self.book.cases_moved_by_the_table()
