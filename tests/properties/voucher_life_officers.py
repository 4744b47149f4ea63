"""Rules of the voucher machine: what officers and time do to vouchers."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

from hypothesis import strategies as st
from hypothesis.stateful import rule

from jinsuan.kernel.errors import DomainError
from jinsuan.kernel.money import Money
from jinsuan.kernel.ref import Ref
from jinsuan.vouchers import actions
from jinsuan.vouchers.models import Voucher
from tests.flows.world import SYSTEM
from tests.properties.voucher_life_commands import Commands
from tests.properties.voucher_life_stage import add_voucher


class Officers(Commands):
    """Issue, suspend, resume, revoke; days pass and clocks are set back."""

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
