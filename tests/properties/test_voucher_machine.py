"""A voucher's whole life as a state machine: issue, hold, capture, top up, release, suspend, revoke, expire.

The machine keeps its own score in plain integers; after every step the book, the fundings and the
score must agree, and no invariant of the pool, of a voucher or of a job's money may be broken.
"""

from __future__ import annotations

import itertools
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from uuid import UUID

import django.test
import pytest
from hypothesis import settings, strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from jinsuan.kernel.ids import new_id
from jinsuan.kernel.money import Money
from jinsuan.kernel.ref import Actor, Ref, Role
from jinsuan.ledger import accounts
from jinsuan.ledger.errors import InsufficientBalance
from jinsuan.ledger.queries import balance, check_book
from jinsuan.vouchers import actions
from jinsuan.vouchers.actions import Capture, Want
from jinsuan.vouchers.errors import ProgrammeClosed, VoucherMoveRefused
from jinsuan.vouchers.models import Voucher
from jinsuan.vouchers.queries import fundings_of
from tests.flows.world import organisation, person

START = datetime(2025, 3, 1, 8, tzinfo=UTC)
WORKER = Actor.system("test")
RATE = Fraction(3, 10)
POOL = 100_000
worlds = itertools.count(1)


class Life(RuleBasedStateMachine):
    """One tenant, one provider, one programme; vouchers and jobs come and go."""

    @initialize()
    def open_world(self) -> None:
        number = next(worlds)
        self.now = START
        self.tenant = organisation(10 * number + 1, f"用户{number}", START)
        self.provider = organisation(10 * number + 2, f"企业{number}", START)
        bureau = organisation(10 * number + 3, f"局{number}", START)
        self.officer = person(f"officer{number}", bureau, Role.PROVINCIAL_OFFICER, START)
        self.treasury = person(f"treasury{number}", bureau, Role.TREASURY, START)
        self.code = f"2025:v{number}"
        actions.open_programme(
            code=self.code,
            title="测试年度",
            document="测",
            article="（九）",
            opens_on=date(2025, 1, 1),
            closes_on=date(2025, 12, 31),
            rate=RATE,
            pool=Money(POOL),
            actor=self.officer,
            now=START,
        )
        actions.book_top_up(
            tenant=self.tenant,
            amount=Money(500_000),
            bank_reference=f"BANK{number}",
            actor=self.treasury,
            now=START,
        )
        self.vouchers: dict[UUID, int] = {}
        self.jobs: dict[UUID, dict[str, int | UUID]] = {}

    @rule(face=st.integers(1, 60_000), days=st.integers(0, 400))
    def issue(self, face: int, days: int) -> None:
        pool = balance(accounts.pool(self.code)).available.fen
        try:
            ref = actions.issue(
                programme=self.code,
                tenant=self.tenant,
                face=Money(face),
                expires_on=self.now.date() + timedelta(days=days + 1),
                reason="测试",
                actor=self.officer,
                now=self.now,
            )
        except InsufficientBalance:
            assert face > pool
        except ProgrammeClosed:
            assert self.now.date() >= date(2025, 12, 31)
        else:
            assert face <= pool
            self.vouchers[ref.id] = face

    @rule(authorised=st.integers(1, 40_000), part=st.integers(1, 100))
    def hold(self, authorised: int, part: int) -> None:
        job, attempt = new_id(), new_id()
        want = Want(
            attempt=attempt,
            job=job,
            number=1,
            tenant=self.tenant,
            provider=self.provider,
            authorised=Money(authorised),
            cover=Money(max(1, authorised * part // 100)),
            voucher="auto",
        )
        if not actions.hold([want], actor=WORKER, now=self.now):
            self.jobs[job] = {"attempt": attempt, "limit": authorised, "charged": 0, "steps": 0}

    @precondition(lambda self: self.jobs)
    @rule(data=st.data(), more=st.integers(1, 50_000))
    def capture(self, data: st.DataObject, more: int) -> None:
        job = data.draw(st.sampled_from(sorted(self.jobs)))
        state = self.jobs[job]
        charged, limit = int(state["charged"]), int(state["limit"])  # type: ignore[call-overload]
        amount = min(more, limit - charged)
        if amount <= 0:
            return
        step = int(state["steps"]) + 1  # type: ignore[call-overload]
        item = Capture(
            attempt=state["attempt"],  # type: ignore[arg-type]
            charge=Ref("charge", new_id()),
            number=step,
            cumulative=Money(charged + amount),
            amount=Money(amount),
        )
        actions.capture([item], actor=WORKER, now=self.now)
        state |= {"charged": charged + amount, "steps": step}

    @precondition(lambda self: self.jobs)
    @rule(data=st.data())
    def top_up(self, data: st.DataObject) -> None:
        job = data.draw(st.sampled_from(sorted(self.jobs)))
        state = self.jobs[job]
        attempt, limit = state["attempt"], state["limit"]
        actions.top_up(attempt, Money(limit), actor=WORKER, now=self.now)  # type: ignore[arg-type]

    @precondition(lambda self: self.jobs)
    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        job = data.draw(st.sampled_from(sorted(self.jobs)))
        attempt = self.jobs.pop(job)["attempt"]
        for _ in range(2):  # a retry finds nothing to do
            actions.release([attempt], actor=WORKER, now=self.now)  # type: ignore[list-item]
        (funding,) = fundings_of(job)
        assert funding.held == Money(0)

    @precondition(lambda self: self.vouchers)
    @rule(data=st.data(), act=st.sampled_from(["suspend", "resume", "revoke"]))
    def officer_acts(self, data: st.DataObject, act: str) -> None:
        voucher = data.draw(st.sampled_from(sorted(self.vouchers)))
        state = Voucher.objects.get(id=voucher).state
        allowed = {
            "suspend": {"issued"},
            "resume": {"suspended"},
            "revoke": {"issued", "suspended"},
        }[act]
        try:
            getattr(actions, act)(voucher, reason="测试", actor=self.officer, now=self.now)
        except VoucherMoveRefused:
            assert state not in allowed
        else:
            assert state in allowed

    @rule(days=st.integers(1, 120))
    def time_passes(self, days: int) -> None:
        self.now += timedelta(days=days)
        actions.expire_due(actor=WORKER, now=self.now)
        actions.sweep_ended(actor=WORKER, now=self.now)
        assert actions.expire_due(actor=WORKER, now=self.now) == 0

    @invariant()
    def money_is_conserved(self) -> None:
        if not hasattr(self, "code"):
            return
        on_vouchers = sum(
            balance(accounts.voucher(Ref("voucher", v))).available.fen for v in self.vouchers
        )
        held = paid = 0
        for funding in self._fundings():
            for source in funding.sources:
                if source.voucher is not None:
                    paid += source.captured.fen
                    held += (source.held - source.captured).fen if not funding.released_at else 0
            ceiling = int(RATE * funding.captured.fen)
            assert funding.voucher_captured.fen <= ceiling
        back = balance(accounts.pool(self.code)).available.fen
        lapsed = balance(accounts.lapsed(self.code)).available.fen
        assert on_vouchers + held + paid + back + lapsed == POOL
        assert back >= 0

    @invariant()
    def ended_vouchers_have_nothing_unswept(self) -> None:
        for row in Voucher.objects.filter(id__in=getattr(self, "vouchers", {})):
            left = balance(accounts.voucher(Ref("voucher", row.id))).available.fen
            assert 0 <= left <= row.face_fen

    def _fundings(self) -> list:  # type: ignore[type-arg]
        from jinsuan.vouchers.models import Funding

        jobs = Funding.objects.filter(tenant=self.tenant).values_list("job", flat=True)
        return [f for job in jobs for f in fundings_of(job)]

    def teardown(self) -> None:
        if hasattr(self, "code"):
            actions.sweep_ended(actor=WORKER, now=self.now)
            for row in Voucher.objects.filter(
                id__in=self.vouchers, state__in=["expired", "revoked"]
            ):
                assert not balance(accounts.voucher(Ref("voucher", row.id))).available
            assert check_book().differences == ()


Life.TestCase.settings = settings(deadline=None, max_examples=30, stateful_step_count=25)


@pytest.mark.django_db
class TestLife(Life.TestCase, django.test.TestCase):  # type: ignore[misc,name-defined]
    """Lets pytest find the machine, in a database it may write to."""
