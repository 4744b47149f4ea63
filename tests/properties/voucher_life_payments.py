"""Rules of the voucher machine: batches, the bank's answers, retries."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from uuid import UUID

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from jinsuan.casework.actions.payments import (
    BankAnswer,
    cancel_batch,
    confirm_batch,
    record_answers,
    send_batch,
)
from jinsuan.casework.models import Case, PaymentBatch, PaymentLine
from jinsuan.kernel.errors import DomainError
from jinsuan.kernel.ref import Ref
from jinsuan.vouchers.actions.pay import LIVE, book_paid_lines, make_redemption_batch, retry_payment
from tests.flows.voucher_world import TODAY
from tests.properties.voucher_life_claims import RIGHT as NEXT, Claims
from tests.properties.voucher_life_model import VoucherScore

RIGHT_OF_BATCH = {"draft": "confirm", "confirmed": "send", "sent": "answered"}
STEPS = ("confirm", "send", "answered", "cancel", "book", "order_again")


class Payments(Claims):
    """From the approved redemption to the treasury's bank and back."""

    @rule(
        data=st.data(),
        steps=st.integers(1, 9),
        accepted=st.integers(0, 3),
        again=st.booleans(),
    )
    def towards_payment(self, data: st.DataObject, steps: int, accepted: int, again: bool) -> None:
        """So many steps of the straight way, from the claim to the bank's answer."""
        voucher = self.a_voucher(data)
        for _ in range(steps):
            self.step_towards(voucher, accepted > 0, again)

    def earn(self, voucher: VoucherScore) -> None:
        """A job uses more and the provider bills it."""
        jobs = [job for job in self.score.jobs.values() if job.contract == voucher.contract]
        for job in [one for one in jobs if not one.released][:1]:
            self.used(job, 90, 700)
            self.billed(voucher, 0, again=False)

    def step_towards(self, voucher: VoucherScore, accepted: bool, again: bool) -> None:
        open_ones = [
            (case, claim)
            for case, claim in self.score.claims.items()
            if claim.voucher == voucher.id and not claim.paid and not claim.dead
        ]
        if not open_ones:
            self.earn(voucher)
            self.now += timedelta(days=1)  # only days that are over are redeemed
            self.start(voucher, 1)
            return
        ((case, claim),) = open_ones
        state = Case.objects.get(id=case).state
        self.close_findings(case)
        if state != "payable":
            getattr(self, f"_{NEXT[state]}")(case, claim, state, again)
            return
        line = PaymentLine.objects.filter(case=case, state__in=LIVE).first()
        if line is None:
            self.ordered([case])
        elif line.state == "rejected":
            self._order_again(line.batch_id, accepted, again)
        else:
            getattr(self, f"_{RIGHT_OF_BATCH[line.batch.state]}")(line.batch_id, accepted, again)

    @precondition(lambda self: any(c.approved and not c.paid for c in self.score.claims.values()))
    @rule(data=st.data(), again=st.booleans())
    def stop(self, data: st.DataObject, again: bool) -> None:
        ready = [k for k, c in self.score.claims.items() if c.approved and not c.paid]
        case = data.draw(st.sampled_from(sorted(ready)))
        self.close_findings(case)
        self._stop(case, self.score.claims[case], Case.objects.get(id=case).state, again)

    @precondition(lambda self: self.score.claims)
    @rule(data=st.data(), several=st.booleans())
    def order(self, data: st.DataObject, several: bool) -> None:
        """Mostly what is ready, now and then what is not."""
        ready = sorted(k for k, c in self.score.claims.items() if c.approved and not c.paid)
        if ready and several:
            cases = ready
        else:
            cases = [data.draw(st.sampled_from(ready or sorted(self.score.claims)))]
        self.ordered(cases)

    def ordered(self, cases: list[UUID]) -> None:
        ready = {k for k, c in self.score.claims.items() if c.approved and not c.paid}
        command = partial(make_redemption_batch, cases, actor=self.stage.cast.payer, now=self.now)
        answer = self.act(command)
        assert isinstance(answer, DomainError) or set(cases) <= ready, answer
        if isinstance(answer, Ref):
            self.batches.append(answer.id)

    @precondition(lambda self: self.batches)
    @rule(
        data=st.data(),
        right=st.integers(0, 3),
        step=st.sampled_from(STEPS),
        accepted=st.booleans(),
        again=st.booleans(),
    )
    def payment_goes_on(
        self, data: st.DataObject, right: int, step: str, accepted: bool, again: bool
    ) -> None:
        batch = data.draw(st.sampled_from(self.batches))
        row = PaymentBatch.objects.get(id=batch)
        told = not row.lines.filter(state="sent").exists()
        fits = RIGHT_OF_BATCH.get(row.state, step)
        if right:
            step = step if fits == "answered" and told else fits
        getattr(self, f"_{step}")(batch, accepted, again)

    def _confirm(self, batch: UUID, accepted: bool, again: bool) -> None:
        checker = self.stage.cast.checker
        self.act(partial(confirm_batch, batch, actor=checker, now=self.now), again=again)

    def _send(self, batch: UUID, accepted: bool, again: bool) -> None:
        payer = self.stage.cast.payer
        self.act(partial(send_batch, batch, actor=payer, now=self.now), again=again)

    def _cancel(self, batch: UUID, accepted: bool, again: bool) -> None:
        payer = self.stage.cast.payer
        self.act(
            partial(cancel_batch, batch, reason="测试", actor=payer, now=self.now), again=again
        )

    def _answered(self, batch: UUID, accepted: bool, again: bool) -> None:
        """The bank tells about each line: paid or sent back. Told again otherwise, it is refused."""
        answers = [
            BankAnswer(
                line=line.id,
                accepted=accepted,
                reference=f"BK{line.id.hex}" if accepted else "",
                reason="" if accepted else "账号有误",
                answered_on=TODAY,
            )
            for line in PaymentLine.objects.filter(batch=batch).order_by("place")
        ]
        command = partial(record_answers, batch, answers, actor=self.stage.cast.payer, now=self.now)
        self.act(command, again=again)
        if accepted:
            self._book(batch, accepted, again)

    def _book(self, batch: UUID, accepted: bool, again: bool) -> None:
        lines = PaymentLine.objects.filter(batch=batch, state="accepted", case__state="payable")
        cases = list(lines.values_list("case", flat=True))
        command = partial(book_paid_lines, batch, actor=self.stage.cast.payer, now=self.now)
        answer = self.act(command, again=again)
        assert answer == len(cases), answer
        for case in cases:
            claim = self.score.claims[case]
            assert claim.approved and not claim.paid
            claim.paid = True
            self.score.vouchers[claim.voucher].paid += claim.amount

    def _order_again(self, batch: UUID, accepted: bool, again: bool) -> None:
        for line in PaymentLine.objects.filter(batch=batch).order_by("place"):
            back = line.state == "rejected"
            command = partial(retry_payment, line.id, actor=self.stage.cast.payer, now=self.now)
            answer = self.act(command, again=again)
            assert isinstance(answer, DomainError) or back, answer
            if isinstance(answer, Ref):
                self.batches.append(answer.id)
