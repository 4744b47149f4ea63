"""Rules of the voucher machine: applications, 公示 and grants, right and wrong steps alike."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from uuid import UUID

from django.db import transaction
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from jinsuan.casework.actions.notices import decide_objection, record_objection
from jinsuan.casework.models import Case, Finding
from jinsuan.kernel.errors import DomainError
from jinsuan.kernel.money import Money
from jinsuan.vouchers.actions.grant import (
    approve_application,
    end_with_year,
    issue_granted,
    pass_checks,
    take_back_approval,
)
from jinsuan.vouchers.errors import ProgrammeClosed
from jinsuan.vouchers.models import Application, Voucher
from tests.flows.world import SYSTEM
from tests.properties.voucher_life_commands import Commands
from tests.properties.voucher_life_stage import add_voucher, chosen

RIGHT = {"checking": "check", "city": "recommend", "province": "approve", "notice": "issue"}
STEPS = (*RIGHT.values(), "object", "withdraw")
MOST_APPLICATIONS = 2


class Grants(Commands):
    """From the application to the voucher: pending money of the pool and of the applicant's cap."""

    @precondition(lambda self: len(self.asked) < MOST_APPLICATIONS)
    @rule(place=st.integers(0, 1), fen=st.integers(1, 90_000))
    def apply(self, place: int, fen: int) -> None:
        cast, number = self.stage.casts[place], self.fresh("HT-N")

        @transaction.atomic
        def apply() -> UUID:
            yuan = str(Money(fen)).lstrip("¥").replace(",", "")
            return cast.apply(number, yuan, now=self.now, **self.stage.answers(place))

        case = self.act(apply)
        if not isinstance(case, DomainError):
            self.asked[case] = (place, fen)

    @precondition(lambda self: self.asked)
    @rule(
        data=st.data(),
        right=st.integers(0, 3),
        step=st.sampled_from(STEPS),
        days=st.integers(0, 14),
        again=st.booleans(),
    )
    def application_goes_on(
        self, data: st.DataObject, right: int, step: str, days: int, again: bool
    ) -> None:
        """Three times of four the step that fits, after some days; else any."""
        case = data.draw(st.sampled_from(sorted(self.asked)))
        state = Case.objects.get(id=case).state
        step = RIGHT.get(state, step) if right else step
        if state == "notice":
            self.now += timedelta(days=days)
        self.close_findings(case)
        getattr(self, f"_{step}")(case, state, again)

    def _check(self, case: UUID, state: str, again: bool) -> None:
        answer = self.act(partial(pass_checks, case, actor=SYSTEM, now=self.now), again=again)
        if answer is False and state == "checking":
            assert Finding.objects.filter(case=case, closed_at=None, blocking=True).exists()

    def _recommend(self, case: UUID, state: str, again: bool) -> None:
        answer = self.moved(case, "推荐", self.stage.cast.city, again=again)
        assert state == "city" or isinstance(answer, DomainError)

    def _approve(self, case: UUID, state: str, again: bool) -> None:
        place, fen = self.asked[case]
        cast = self.stage.casts[place]
        command = partial(
            approve_application,
            case,
            reason="符合",
            actor=cast.officer,
            now=self.now,
            **chosen(cast, fen),
        )
        answer = self.act(command, again=again)
        if isinstance(answer, DomainError):
            return
        assert state == "province"
        row = Application.objects.select_related("decision", "case").get(case=case)
        assert row.decision is not None
        amount, tenant = row.decision.amount_fen, row.case.applicant_id
        rate = self.stage.rate(place)
        assert amount == int(rate * fen) <= self.score.pool, (amount, fen)
        self.score.pool -= amount
        self.score.pending[row.grant] = (tenant, amount)

    def _object(self, case: UUID, state: str, again: bool) -> None:
        """Somebody objects, another officer upholds it, the approval is taken back."""
        second = self.stage.cast.second

        @transaction.atomic
        def uphold() -> None:
            objection = record_objection(
                case, text="不符合", received_on=self.today, actor=SYSTEM, now=self.now
            )
            decide_objection(objection.id, upheld=True, reason="属实", actor=second, now=self.now)

        if isinstance(self.act(uphold), DomainError):
            return
        command = partial(take_back_approval, case, reason="属实", actor=second, now=self.now)
        answer = self.act(command, again=again)
        assert state == "notice" and answer is None, answer
        _, fen = self.score.pending.pop(Application.objects.get(case=case).grant)
        self.score.pool += fen

    def _issue(self, case: UUID, state: str, again: bool) -> None:
        """As the worker does: issue, or end the case with its year."""
        answer = self.act(partial(issue_granted, case, actor=SYSTEM, now=self.now), again=again)
        grant = Application.objects.get(case=case).grant
        if isinstance(answer, ProgrammeClosed) and state == "notice":
            ended = self.act(partial(end_with_year, case, actor=SYSTEM, now=self.now), again=again)
            assert ended is None, ended
            _, fen = self.score.pending.pop(grant)
            self.score.pool += fen
        elif not isinstance(answer, DomainError):
            assert state == "notice"
            tenant, fen = self.score.pending.pop(grant)
            row = Voucher.objects.get(id=grant)
            assert (row.face_fen, row.tenant_id) == (fen, tenant)
            self.score.granted[tenant] += fen
            add_voucher(self.score, row)

    def _withdraw(self, case: UUID, state: str, again: bool) -> None:
        place, _ = self.asked[case]
        answer = self.moved(case, "撤回", self.stage.casts[place].tenant, again=again)
        possible = state in ("checking", "city", "returned")
        assert isinstance(answer, DomainError) != possible, (answer, state)
