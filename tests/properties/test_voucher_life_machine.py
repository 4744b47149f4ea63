"""A voucher's life from the approval to the last fen, against the real book.

Two users of one provider hold, capture, release; officers grant, suspend, revoke; days pass, the
clock is set back, commands come twice and out of order. The score (voucher_life_model) knows in
plain integers what must stand on every account; after each step the whole ledger has to say the
same. A command that is refused leaves every table of these rooms as it was, to the byte.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from fractions import Fraction
from functools import partial
from typing import Any, ClassVar
from uuid import UUID

import pytest
from django.db import transaction
from hypothesis import HealthCheck, Phase, settings, strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from jinsuan.kernel.errors import DomainError
from jinsuan.kernel.ids import new_id
from jinsuan.kernel.money import Money
from jinsuan.kernel.period import beijing_date
from jinsuan.kernel.ref import Ref
from jinsuan.ledger.queries import check_book
from jinsuan.metering import actions as metering
from jinsuan.metering.actions.use import Opening, Reading
from jinsuan.metering.models import Meter
from jinsuan.metering.rating import Shape, card
from jinsuan.vouchers import actions
from jinsuan.vouchers.actions import Capture, Want
from jinsuan.vouchers.models import Voucher
from tests.flows.voucher_world import AFTER_NOTICE, NOW
from tests.flows.world import PRICES, SYSTEM
from tests.properties.voucher_life_book import Book, fingerprint
from tests.properties.voucher_life_model import JobScore
from tests.properties.voucher_life_stage import (
    BEIJING,
    SHANXI,
    Stage,
    add_voucher,
    contract_on,
    make_stage,
)

CARDS = 16_000
SHAPE = Shape(model="T4", milli_cards=CARDS, cpu_milli=2_000, memory_mib=1_024)


@transaction.atomic
def place_job(want: Want, opening: Opening, now: datetime) -> None:
    """What a placement does with money."""
    refused = actions.hold([want], actor=SYSTEM, now=now)
    if refused:
        raise refused[want.attempt]
    metering.open_meters([opening], actor=SYSTEM, now=now)


class Life(RuleBasedStateMachine):
    """One programme, one provider, two users."""

    stage: ClassVar[Stage]

    def __init__(self) -> None:
        super().__init__()
        self.savepoint = transaction.savepoint()
        self.now = AFTER_NOTICE
        self.score = self.stage.score()
        self.book = Book()
        self.print: dict[object, object] | None = None
        self.counter = 0

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
            assert refusal.explain()
            self.same_as(before, refusal)
            return refusal
        self.print = None
        if again:
            after = fingerprint()
            try:
                command()
            except DomainError as refusal:
                assert refusal.explain()
            self.same_as(after, "a retry")
        return answer

    def same_as(self, before: dict[object, object], what: object) -> None:
        after = fingerprint()
        changed = {name for name in before if before[name] != after[name]}
        assert not changed, (what, changed)
        self.print = after

    def fresh(self, what: str) -> str:
        self.counter += 1
        return f"{what}{self.counter:04d}"

    @property
    def today(self) -> Any:
        return beijing_date(self.now)

    # ------------------------------------------------------------- money of jobs

    @rule(
        place=st.integers(0, 1),
        authorised=st.integers(1, 60_000),
        part=st.integers(1, 100),
        vouchers=st.booleans(),
    )
    def hold(self, place: int, authorised: int, part: int, vouchers: bool) -> None:
        world = self.stage.casts[place].world
        job, attempt, cover = new_id(), new_id(), max(1, authorised * part // 100)
        want = Want(
            attempt=attempt,
            job=job,
            number=1,
            tenant=world.tenant,
            provider=world.provider,
            authorised=Money(authorised),
            cover=Money(cover),
            voucher="auto" if vouchers else "none",
        )
        contract = contract_on(world.tenant, self.now)
        rate, parts, cash = self.score.plan(
            world.tenant, cover, self.today, contract, vouchers=vouchers
        )
        opening = Opening(
            attempt=attempt,
            job=job,
            tenant=world.tenant,
            provider=world.provider,
            centre=world.centre_id,
            shape=SHAPE,
            authorised=Money(authorised),
        )
        refused = self.act(partial(place_job, want, opening, self.now))
        priced = self.today >= beijing_date(NOW)
        assert bool(refused) == (cash > self.score.cash[world.tenant] or not priced), refused
        if refused:
            return
        meter = Meter.objects.select_related("contract").get(attempt=attempt)
        assert meter.contract_id == contract or (contract is None and meter.contract.standard)
        score = JobScore(
            id=job,
            attempt=attempt,
            tenant=world.tenant,
            contract=meter.contract_id,
            since=self.now,
            rate=rate,
            authorised=authorised,
            covered=cover,
            parts={},
            cash=[0, 0],
        )
        self.score.hold(score, parts, cash)

    def a_job(self, data: st.DataObject) -> JobScore:
        return self.score.jobs[data.draw(st.sampled_from(sorted(self.score.jobs)))]

    @precondition(lambda self: self.score.jobs)
    @rule(
        data=st.data(),
        minutes=st.integers(0, 600),
        share=st.integers(0, 1_050),
        late=st.booleans(),
        again=st.booleans(),
    )
    def use(self, data: st.DataObject, minutes: int, share: int, late: bool, again: bool) -> None:
        """The centre reports, perhaps twice, perhaps an older report last; all is charged."""
        job = self.a_job(data)
        self.now += timedelta(minutes=minutes)
        lasted = self.now - job.since + timedelta(seconds=30)
        most = CARDS * (lasted // timedelta(milliseconds=1)) // 1_000
        value = max(most * share // 1_000, 1)
        told = [value // 2, value] if not late else [value, value // 2]
        for one in told:
            reading = Reading(
                attempt=job.attempt,
                resource=card("T4"),
                milli_unit_seconds=one,
                occurred_at=self.now,
            )
            believed = job.usage < one <= most
            aside = self.act(partial(metering.record, [reading], now=self.now), again=again)
            assert bool(aside) == (one > most or one < job.usage), (one, most, job)
            if believed:
                job.usage = one
        self.settle(job, again=again)

    def settle(self, job: JobScore, *, again: bool) -> None:
        """What the worker does: charge what is due and capture it, in one transaction."""

        @transaction.atomic
        def settle() -> None:
            steps = metering.charge([job.attempt], now=self.now)
            items = [
                Capture(
                    attempt=step.attempt,
                    charge=Ref("charge", step.charge),
                    number=step.number,
                    cumulative=step.cumulative,
                    amount=step.amount,
                )
                for step in steps
            ]
            actions.capture(items, actor=SYSTEM, now=self.now)

        cost = Fraction(job.usage * PRICES[card("T4")], 3_600 * 1_000 * 1_000)
        charged = min(int(cost + Fraction(1, 2)), job.authorised)
        assert self.act(settle, again=again) is None
        self.score.capture(job, charged)

    @precondition(lambda self: self.score.jobs)
    @rule(data=st.data(), cover=st.integers(1, 80_000), again=st.booleans())
    def top_up(self, data: st.DataObject, cover: int, again: bool) -> None:
        job = self.a_job(data)
        wanted = min(cover, job.authorised)
        command = partial(actions.top_up, job.attempt, Money(cover), actor=SYSTEM, now=self.now)
        answer = self.act(command, again=again)
        if job.released or wanted <= job.covered:
            assert answer == Money(job.covered)
            return
        parts, cash = self.score.plan_more(job, wanted, self.today)
        assert isinstance(answer, DomainError) == (cash > self.score.cash[job.tenant])
        if not isinstance(answer, DomainError):
            job.covered = wanted
            self.score.hold(job, parts, cash)

    @precondition(lambda self: self.score.jobs)
    @rule(data=st.data(), again=st.booleans())
    def release(self, data: st.DataObject, again: bool) -> None:
        job = self.a_job(data)
        command = partial(actions.release, [job.attempt], actor=SYSTEM, now=self.now)
        assert self.act(command, again=again) is None
        self.score.release(job)

    @rule(place=st.integers(0, 1), fen=st.integers(-1, 30_000), again=st.booleans())
    def pay_in(self, place: int, fen: int, again: bool) -> None:
        tenant, reference = self.stage.casts[place].world.tenant, self.fresh("IN")
        command = partial(
            actions.book_top_up,
            tenant=tenant,
            amount=Money(fen),
            bank_reference=reference,
            actor=self.stage.cast.payer,
            now=self.now,
        )
        refused = self.act(command, again=again)
        assert bool(refused) == (fen <= 0)
        if not refused:
            self.score.cash[tenant] += fen
            self.score.bank += fen

    # ------------------------------------------------------------- vouchers

    @rule(place=st.integers(0, 1), data=st.data(), days=st.integers(-1, 90))
    def issue(self, place: int, data: st.DataObject, days: int) -> None:
        pool = self.score.pool
        face = data.draw(st.one_of(st.integers(0, 9_000), st.sampled_from((pool - 1, pool + 1))))
        expires_on = self.today + timedelta(days=days)
        command = partial(
            actions.issue,
            programme=self.score.programme,
            tenant=self.stage.casts[place].world.tenant,
            face=Money(face),
            expires_on=expires_on,
            reason="测试",
            actor=self.stage.cast.officer,
            now=self.now,
        )
        answer = self.act(command)
        possible = 0 < face <= pool and days >= 0 and self.today <= self.score.closes_on
        assert isinstance(answer, Ref) == possible, answer
        if isinstance(answer, Ref):
            add_voucher(self.score, Voucher.objects.get(id=answer.id))
            self.score.pool -= face

    @rule(
        data=st.data(), name=st.sampled_from(["suspend", "resume", "revoke"]), again=st.booleans()
    )
    def officer_acts(self, data: st.DataObject, name: str, again: bool) -> None:
        voucher = self.score.vouchers[data.draw(st.sampled_from(sorted(self.score.vouchers)))]
        officer = self.stage.cast.officer
        command = partial(
            getattr(actions, name), voucher.id, reason="测试", actor=officer, now=self.now
        )
        answer = self.act(command, again=again)
        sources = {"suspend": ("issued",), "resume": ("suspended",)}.get(
            name, ("issued", "suspended")
        )
        assert isinstance(answer, DomainError) == (voucher.state not in sources), answer
        if isinstance(answer, DomainError):
            return
        voucher.state = {"suspend": "suspended", "resume": "issued", "revoke": "revoked"}[name]
        if name == "revoke":
            assert answer == Money(self.score.take_back(voucher, self.today))

    # ------------------------------------------------------------- time

    @rule(days=st.one_of(st.integers(0, 5), st.integers(0, 60)), again=st.booleans())
    def days_pass(self, days: int, again: bool) -> None:
        self.now += timedelta(days=days)
        over = [
            v
            for v in self.score.vouchers.values()
            if v.state in ("issued", "suspended") and v.expires_on < self.today
        ]
        found = self.act(partial(actions.expire_due, actor=SYSTEM, now=self.now), again=again)
        assert found == len(over)
        for voucher in over:
            voucher.state = "expired"
            self.score.take_back(voucher, self.today)

    @rule(again=st.booleans())
    def sweep(self, again: bool) -> None:
        found = self.act(partial(actions.sweep_ended, actor=SYSTEM, now=self.now), again=again)
        assert found == Money(self.score.sweep(self.today))

    @rule(hours=st.one_of(st.integers(1, 24), st.integers(1, 24 * 20)))
    def clock_set_back(self, hours: int) -> None:
        self.now -= timedelta(hours=hours)

    # ------------------------------------------------------------- after every step

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


def play(stage: Stage, examples: int) -> None:
    Life.stage = stage
    run_state_machine_as_test(
        Life,
        settings=settings(
            max_examples=examples,
            stateful_step_count=25,
            deadline=None,
            # Shrinking a failure takes minutes here and a story of 25 steps can be read as it is.
            phases=(Phase.explicit, Phase.reuse, Phase.generate),
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.mark.django_db
@pytest.mark.parametrize("pack", [SHANXI, BEIJING])
def test_no_story_of_a_voucher_breaks_the_book(pack: str) -> None:
    # Every step reads the whole book: fewer stories than elsewhere.
    play(make_stage(pack), settings.default.max_examples * 2 // 5)  # type: ignore[union-attr]
