"""How the voucher machine gives a command, and what it checks after every step."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, ClassVar
from uuid import UUID

from django.db import transaction
from hypothesis.stateful import RuleBasedStateMachine, invariant

from jinsuan.casework.actions.cases import move_case
from jinsuan.casework.actions.evidence import close_finding
from jinsuan.casework.models import Finding, PaymentLine
from jinsuan.kernel.errors import DomainError
from jinsuan.kernel.period import beijing_date
from jinsuan.kernel.ref import Actor, Ref, Role
from jinsuan.ledger.queries import check_book
from jinsuan.vouchers.models import Voucher
from tests.flows.voucher_world import AFTER_NOTICE
from tests.properties.voucher_life_book import Book, fingerprint
from tests.properties.voucher_life_stage import Stage


class Commands(RuleBasedStateMachine):
    """One programme, one provider, two users; every rule gives its commands through `act`."""

    stage: ClassVar[Stage]
    told: ClassVar[Counter[str]] = Counter()  # how lively the stories are

    def __init__(self) -> None:
        super().__init__()
        self.savepoint = transaction.savepoint()
        self.now = AFTER_NOTICE
        self.score = self.stage.score()
        self.book = Book()
        self.print: dict[object, object] | None = None
        self.counter = 0
        self.asked: dict[UUID, tuple[int, int]] = {}  # case: whose, contract in fen
        self.bills: dict[str, tuple[UUID, int]] = {}  # number: voucher, what is left of it
        self.batches: list[UUID] = []
        self.clawbacks: dict[UUID, tuple[UUID, int]] = {}  # open ones: voucher, fen

    def teardown(self) -> None:
        try:
            assert check_book().differences == ()
        finally:
            transaction.savepoint_rollback(self.savepoint)

    # ------------------------------------------------------------- one command

    def act(self, command: Callable[[], Any], *, again: bool = False) -> Any:
        """Give one command; refused, it changed nothing. `again`: a retry changes nothing more."""
        before = self.print or fingerprint()
        name = getattr(getattr(command, "func", command), "__name__", "")
        try:
            answer = command()
        except DomainError as refusal:
            self.told[f"{name}: {refusal.code}"] += 1
            return self.unchanged(before, refusal)
        self.told[f"{name}: done"] += 1
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

    def close_findings(self, case: UUID) -> None:
        owners = {
            Role.RECOMMENDER: self.stage.cast.city,
            Role.PROVINCIAL_OFFICER: self.stage.cast.officer,
        }
        rows = Finding.objects.filter(case=case, closed_at=None, blocking=True)
        for row in rows.order_by("opened_at", "id"):
            owner = owners[Role(row.owner)]
            self.act(
                partial(
                    close_finding,
                    row.id,
                    confirmed=False,
                    reason="核过",
                    actor=owner,
                    now=self.now,
                )
            )

    def moved(self, case: UUID, name: str, actor: Actor, *, again: bool) -> Any:
        return self.act(
            partial(move_case, case, name, reason="测试", actor=actor, now=self.now), again=again
        )

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
    def bank_paid_what_was_approved(self) -> None:
        for claim in self.score.claims.values():
            lines = PaymentLine.objects.filter(basis=str(Ref("redemption", claim.id)))
            live = lines.filter(state__in=("pending", "sent", "accepted", "rejected"))
            for line in live:
                assert claim.approved and line.amount_fen == claim.amount, (line.state, claim)
            assert live.count() <= 1
            assert not claim.paid or live.filter(state="accepted").exists(), claim

    @invariant()
    def cases_move_by_the_table(self) -> None:
        self.book.cases_moved_by_the_table()
