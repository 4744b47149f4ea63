"""Rules of the voucher machine: invoices, payments outside, redemptions, clawbacks."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from uuid import UUID

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from jinsuan.casework.models import Case
from jinsuan.kernel.errors import DomainError
from jinsuan.kernel.money import Money
from jinsuan.kernel.ref import Actor, Ref
from jinsuan.metering.actions.invoices import register_invoice, register_payment
from jinsuan.vouchers.actions.clawback import (
    book_repayment,
    confirm_clawback,
    propose_clawback,
    reject_clawback,
)
from jinsuan.vouchers.actions.grant import pass_checks
from jinsuan.vouchers.actions.redeem import (
    approve_redemption,
    start_redemption,
    stop_redemption,
    submit_redemption,
)
from jinsuan.vouchers.errors import NewDoubts
from jinsuan.vouchers.models import Redemption
from tests.flows.world import SYSTEM
from tests.properties.voucher_life_commands import Commands
from tests.properties.voucher_life_model import ClaimScore, VoucherScore

RIGHT = {"draft": "hand_in", "checking": "look", "approval": "allow", "returned": "hand_in"}
STEPS = ("hand_in", "look", "allow", "stop", "send_back", "refuse", "give_up")


class Claims(Commands):
    """What is due by four numbers, approved, stopped; what has to come back."""

    def a_voucher(self, data: st.DataObject) -> VoucherScore:
        rows = [v for v in self.score.vouchers.values() if v.contract is not None]
        return data.draw(st.sampled_from(sorted(rows, key=lambda v: v.id)))

    def payee(self, voucher: VoucherScore) -> Actor:
        if self.score.deduct:
            return self.stage.cast.provider
        (cast,) = (c for c in self.stage.casts if c.world.tenant == voucher.tenant)
        return cast.tenant

    # ------------------------------------------------------------- papers

    @rule(data=st.data(), fen=st.integers(1, 70_000), whole=st.booleans(), again=st.booleans())
    def bill(self, data: st.DataObject, fen: int, whole: bool, again: bool) -> None:
        """An invoice of what was metered, or of any sum."""
        self.billed(self.a_voucher(data), 0 if whole else fen, again)

    def billed(self, voucher: VoucherScore, fen: int, again: bool) -> None:
        number = f"{self.fresh(''):0>20}"
        assert voucher.contract is not None
        if not fen:
            papers = self.score.papers
            fen = max(papers.upto(papers.charges, voucher.contract, self.today), 1)
        self.invoiced(voucher, number, fen, "", again)
        self.bills[number] = (voucher.id, fen)

    @precondition(lambda self: self.bills)
    @rule(data=st.data(), more=st.integers(-1, 3), again=st.booleans())
    def red_bill(self, data: st.DataObject, more: int, again: bool) -> None:
        """A red-letter invoice takes back part, all, or too much of an invoice."""
        original = data.draw(st.sampled_from(sorted(self.bills)))
        voucher, left = self.bills[original]
        fen = left + 1 if more < 0 else left * more // 3
        done = self.invoiced(
            self.score.vouchers[voucher], f"{self.fresh(''):0>20}", -fen, original, again
        )
        assert not done or 0 < fen <= left
        if done:
            self.bills[original] = (voucher, left - fen)

    def invoiced(
        self, voucher: VoucherScore, number: str, fen: int, original: str, again: bool
    ) -> bool:
        command = partial(
            register_invoice,
            number,
            seller=self.score.provider,
            buyer=voucher.tenant,
            amount=Money(fen),
            issued_on=self.today,
            contract=voucher.contract,
            original=original,
            actor=self.stage.cast.provider,
            now=self.now,
        )
        if isinstance(self.act(command, again=again), DomainError):
            return False
        assert voucher.contract is not None
        self.score.papers.invoices.append((voucher.contract, self.today, fen))
        return True

    @rule(data=st.data(), fen=st.integers(1, 20_000), again=st.booleans())
    def pay_outside(self, data: st.DataObject, fen: int, again: bool) -> None:
        voucher = self.a_voucher(data)
        assert voucher.contract is not None
        command = partial(
            register_payment,
            voucher.contract,
            bank_reference=self.fresh("OUT"),
            amount=Money(fen),
            paid_on=self.today,
            actor=self.stage.cast.officer,
            now=self.now,
        )
        assert isinstance(self.act(command, again=again), Ref)
        self.score.papers.payments.append((voucher.contract, self.today, fen))

    # ------------------------------------------------------------- 兑付

    @rule(data=st.data(), back=st.integers(0, 3))
    def claim(self, data: st.DataObject, back: int) -> None:
        self.start(self.a_voucher(data), back)

    def start(self, voucher: VoucherScore, back: int) -> None:
        payee, through = self.payee(voucher), self.today - timedelta(days=back)
        ours = [c for c in self.score.claims.values() if c.voucher == voucher.id]
        command = partial(start_redemption, voucher.id, through=through, actor=payee, now=self.now)
        answer = self.act(command)
        owes = self.score.owed[payee.organisation]  # type: ignore[index]
        possible = not owes and back >= 1 and all(c.paid or c.dead for c in ours)
        assert isinstance(answer, Ref) == possible, answer
        if isinstance(answer, Ref):
            row = Redemption.objects.get(case=answer.id)
            assert row.number == len(ours) + 1
            self.score.claims[answer.id] = ClaimScore(
                id=row.id, voucher=voucher.id, number=row.number, through=through
            )

    @precondition(lambda self: any(not c.paid and not c.dead for c in self.score.claims.values()))
    @rule(
        data=st.data(),
        right=st.integers(0, 3),
        step=st.sampled_from(STEPS),
        again=st.booleans(),
    )
    def redemption_goes_on(self, data: st.DataObject, right: int, step: str, again: bool) -> None:
        """Three times of four the step that fits, else any."""
        case = data.draw(
            st.sampled_from(sorted(k for k, c in self.score.claims.items() if not c.dead))
        )
        state = Case.objects.get(id=case).state
        step = RIGHT.get(state, step) if right else step
        self.close_findings(case)
        getattr(self, f"_{step}")(case, self.score.claims[case], state, again)

    def _hand_in(self, case: UUID, claim: ClaimScore, state: str, again: bool) -> None:
        payee = self.payee(self.score.vouchers[claim.voucher])
        amount, invoiced = self.score.measure(claim)
        command = partial(submit_redemption, case, actor=payee, now=self.now)
        refused = isinstance(self.act(command, again=again), DomainError)
        possible = state in ("draft", "returned") and amount > 0
        assert refused != possible, (state, amount)
        if not refused:
            claim.amount, claim.invoiced = amount, invoiced

    def _look(self, case: UUID, claim: ClaimScore, state: str, again: bool) -> None:
        answer = self.act(partial(pass_checks, case, actor=SYSTEM, now=self.now), again=again)
        assert answer in (True, False) and (state == "checking" or not answer)

    def _allow(self, case: UUID, claim: ClaimScore, state: str, again: bool) -> None:
        voucher = self.score.vouchers[claim.voucher]
        amount, invoiced = self.score.measure(claim)
        officer = self.stage.cast.officer
        command = partial(approve_redemption, case, reason="一致", actor=officer, now=self.now)
        answer = self.act(command, again=again)
        possible = (
            state == "approval"
            and amount > 0
            and (self.score.deduct or amount <= voucher.left)
            and invoiced <= claim.invoiced
        )
        if isinstance(answer, NewDoubts):
            return
        assert isinstance(answer, DomainError) != possible, (answer, state, amount, voucher)
        if possible:
            claim.amount, claim.invoiced = amount, invoiced
            self.score.approve(claim, 1)

    def _stop(self, case: UUID, claim: ClaimScore, state: str, again: bool) -> None:
        officer = self.stage.cast.officer
        command = partial(stop_redemption, case, reason="再核", actor=officer, now=self.now)
        answer = self.act(command, again=again)
        assert isinstance(answer, DomainError) or state == "payable", answer
        if not isinstance(answer, DomainError):
            self.score.approve(claim, -1)

    def _send_back(self, case: UUID, claim: ClaimScore, state: str, again: bool) -> None:
        answer = self.moved(case, "退回补正", self.stage.cast.officer, again=again)
        assert isinstance(answer, DomainError) == (state != "approval"), answer

    def _refuse(self, case: UUID, claim: ClaimScore, state: str, again: bool) -> None:
        answer = self.moved(case, "不予兑付", self.stage.cast.officer, again=again)
        claim.dead = not isinstance(answer, DomainError)
        assert claim.dead == (state == "approval"), answer

    def _give_up(self, case: UUID, claim: ClaimScore, state: str, again: bool) -> None:
        payee = self.payee(self.score.vouchers[claim.voucher])
        answer = self.moved(case, "撤回", payee, again=again)
        claim.dead = not isinstance(answer, DomainError)
        assert claim.dead == (state in ("draft", "checking", "returned")), answer

    # ------------------------------------------------------------- 追缴

    @precondition(lambda self: any(v.paid for v in self.score.vouchers.values()))
    @rule(data=st.data(), third=st.integers(1, 4), again=st.booleans())
    def demand(self, data: st.DataObject, third: int, again: bool) -> None:
        voucher = self.a_voucher(data)
        fen = (voucher.paid - voucher.clawed) * third // 3 + (third == 4)
        command = partial(
            propose_clawback,
            voucher.id,
            Money(fen),
            reason="查实",
            actor=self.stage.cast.officer,
            now=self.now,
        )
        answer = self.act(command, again=again)
        waiting = any(one == voucher.id for one, _ in self.clawbacks.values())
        possible = 0 < fen <= voucher.paid - voucher.clawed and not waiting
        assert isinstance(answer, Ref) == possible, answer
        if isinstance(answer, Ref):
            self.clawbacks[answer.id] = (voucher.id, fen)

    @precondition(lambda self: self.clawbacks)
    @rule(data=st.data(), agree=st.integers(0, 3), again=st.booleans())
    def answer_demand(self, data: st.DataObject, agree: int, again: bool) -> None:
        which = data.draw(st.sampled_from(sorted(self.clawbacks)))
        voucher, fen = self.clawbacks.pop(which)
        row, second = self.score.vouchers[voucher], self.stage.cast.second
        if not agree:
            command = partial(reject_clawback, which, reason="无", actor=second, now=self.now)
            assert self.act(command, again=again) is None
            return
        command = partial(confirm_clawback, which, actor=second, now=self.now)
        assert self.act(command, again=again) is None
        row.clawed += fen
        self.score.clawed += fen
        self.score.owed[self.payee(row).organisation] += fen  # type: ignore[index]

    @precondition(lambda self: any(self.score.owed.values()))
    @rule(data=st.data(), third=st.integers(1, 4), again=st.booleans())
    def pay_back(self, data: st.DataObject, third: int, again: bool) -> None:
        payee = data.draw(st.sampled_from(sorted(k for k, v in self.score.owed.items() if v)))
        owes = self.score.owed[payee]
        fen = owes * third // 3 + (third == 4)
        command = partial(
            book_repayment,
            payee,
            self.score.programme,
            Money(fen),
            bank_reference=self.fresh("BACK"),
            actor=self.stage.cast.payer,
            now=self.now,
        )
        refused = isinstance(self.act(command, again=again), DomainError)
        assert refused == (not 0 < fen <= owes)
        if not refused:
            self.score.owed[payee] -= fen
            self.score.bank += fen
