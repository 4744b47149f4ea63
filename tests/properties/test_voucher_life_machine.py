"""A voucher's life from the approval to the last fen, against the real book.

Two users of one provider hold, capture, release; officers grant, suspend, revoke; days pass, the
clock is set back, commands come twice and out of order. The score (voucher_life_model) knows in
plain integers what must stand on every account; after each step the whole ledger has to say the
same. A command that is refused leaves every table of these rooms as it was, to the byte.
"""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.properties.voucher_life_claims import Claims
from tests.properties.voucher_life_grants import Grants
from tests.properties.voucher_life_jobs import Jobs
from tests.properties.voucher_life_officers import Officers
from tests.properties.voucher_life_payments import Payments
from tests.properties.voucher_life_stage import BEIJING, SHANXI, Stage, make_stage


class Life(Jobs, Officers, Grants, Claims, Payments):
    """One programme, one provider, two users."""


def play(stage: Stage, examples: int) -> None:
    Life.stage = stage
    Life.told.clear()
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
    print(*sorted(Life.told.items()), sep="\n")  # shown with -s: how often each command did what
