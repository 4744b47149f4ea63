"""Rules of the voucher machine: jobs hold, use, top up and release."""

from __future__ import annotations

from datetime import datetime, timedelta
from fractions import Fraction
from functools import partial

from django.db import transaction
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from jinsuan.kernel.errors import DomainError
from jinsuan.kernel.ids import new_id
from jinsuan.kernel.money import Money
from jinsuan.kernel.period import beijing_date
from jinsuan.kernel.ref import Ref
from jinsuan.metering import actions as metering
from jinsuan.metering.actions.use import Opening, Reading
from jinsuan.metering.models import Meter
from jinsuan.metering.rating import Shape, card
from jinsuan.vouchers import actions
from jinsuan.vouchers.actions import Capture, Want
from tests.flows.voucher_world import NOW
from tests.flows.world import PRICES, SYSTEM
from tests.properties.voucher_life_commands import Commands
from tests.properties.voucher_life_model import JobScore
from tests.properties.voucher_life_stage import contract_on

CARDS = 16_000
SHAPE = Shape(model="T4", milli_cards=CARDS, cpu_milli=2_000, memory_mib=1_024)


@transaction.atomic
def place_job(want: Want, opening: Opening, now: datetime) -> None:
    """What a placement does with money."""
    refused = actions.hold([want], actor=SYSTEM, now=now)
    if refused:
        raise refused[want.attempt]
    metering.open_meters([opening], actor=SYSTEM, now=now)


class Jobs(Commands):
    """Money of jobs."""

    @rule(
        place=st.integers(0, 1),
        authorised=st.integers(1, 60_000),
        part=st.integers(1, 100),
        vouchers=st.booleans(),
    )
    def hold(self, place: int, authorised: int, part: int, vouchers: bool) -> None:
        cover = max(1, authorised * part // 100)
        self.placed(place, authorised, cover, vouchers=vouchers)

    def placed(
        self, place: int, authorised: int, cover: int, *, vouchers: bool = True
    ) -> JobScore | None:
        world = self.stage.casts[place].world
        job, attempt = new_id(), new_id()
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
            return None
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
        return score

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
        self.used(self.a_job(data), minutes, share, late=late, again=again)

    def used(
        self, job: JobScore, minutes: int, share: int, *, late: bool = False, again: bool = False
    ) -> None:
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
        self.score.papers.charges.append((job.contract, self.today, charged - job.charged))
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
        contract = contract_on(job.tenant, self.now)
        parts, cash = self.score.plan_more(job, wanted, self.today, contract)
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
