"""A voucher's life from the approval to the last fen, against the real book.

Two users of one provider hold, capture, release; officers grant, suspend, revoke; days pass, the
clock is set back, commands come twice and out of order. The score (voucher_life_model) knows in
plain integers what must stand on every account; after each step the whole ledger has to say the
same. A command that is refused leaves every table of these rooms as it was, to the byte.
"""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, Phase, settings, strategies as st
from hypothesis.stateful import initialize, run_state_machine_as_test

from tests.properties.voucher_life_commands import Commands
from tests.properties.voucher_life_grants import Grants
from tests.properties.voucher_life_jobs import Jobs
from tests.properties.voucher_life_officers import Officers
from tests.properties.voucher_life_payments import Payments
from tests.properties.voucher_life_stage import BEIJING, SHANXI, Stage, make_stage

LONG = settings.default is not None and settings.default.max_examples >= 1_000
STORIES = 600 if LONG else 9
"""Every step reads the whole book, so few: `HYPOTHESIS_PROFILE=deep` plays many."""


class Granted(Jobs, Officers, Grants):
    """Applications and jobs: from the papers to what jobs drew."""


class Spent(Jobs, Officers, Payments):
    """Vouchers that jobs drew on: from there to the bank, and back again."""

    @initialize(minutes=st.integers(60, 600), share=st.integers(100, 1_000))
    def spend(self, minutes: int, share: int) -> None:
        for place, voucher in enumerate(sorted(self.score.vouchers.values(), key=lambda v: v.id)):
            job = self.placed(place, 50_000, 50_000)
            assert job is not None
            self.used(job, minutes, share)
            self.billed(voucher, 0, again=False)


def play(machine: type[Commands], stage: Stage) -> None:
    machine.stage = stage
    machine.told.clear()
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=STORIES,
            stateful_step_count=25,
            deadline=None,
            # Shrinking a failure takes minutes here and a story of 25 steps can be read as it is.
            phases=(Phase.explicit, Phase.reuse, Phase.generate),
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.mark.django_db
@pytest.mark.parametrize("machine", [Granted, Spent])
@pytest.mark.parametrize("pack", [SHANXI, BEIJING])
def test_no_story_of_a_voucher_breaks_the_book(pack: str, machine: type[Commands]) -> None:
    play(machine, make_stage(pack))
    print(*sorted(machine.told.items()), sep="\n")  # with -s: how often each command did what
