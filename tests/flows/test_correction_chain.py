"""Any chain of readings and corrections charges HALF_UP(cumulative exact), to the fen."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from fractions import Fraction

import pytest
from django.db import transaction
from django.db.models import Sum
from hypothesis import HealthCheck, given, settings, strategies as st

from jinsuan.kernel.money import Money, Rounding
from jinsuan.kernel.ref import Actor, Ref, Role
from jinsuan.metering import actions as metering
from jinsuan.metering.errors import CorrectionRefused
from jinsuan.metering.models import Charge, Meter
from jinsuan.metering.rating import CPU, card, charge_so_far
from jinsuan.vouchers.actions import Capture, capture
from jinsuan.vouchers.actions.correct import confirm_correction, correct_use
from jinsuan.vouchers.models import Funding
from jinsuan.vouchers.reconcile import differences
from tests.flows.statement_world import WORKER, MeteredJob
from tests.flows.world import PRICES, World, make_world, person

pytestmark = pytest.mark.django_db
NOW = datetime(2025, 9, 16, 1, 0, tzinfo=UTC)
LATER = NOW + timedelta(hours=30)
T4 = card("T4")
MOST = Money.yuan("100")
VALUES = st.one_of(st.integers(0, 20_000), st.integers(0, 25 * 3600 * 2000))
STEPS = st.lists(st.tuples(st.booleans(), st.sampled_from([T4, CPU]), VALUES), max_size=8)


def report(job: MeteredJob, resource: str, value: int) -> None:
    """A reading of the agent's, charged and captured."""
    reading = metering.Reading(
        attempt=job.attempt, resource=resource, milli_unit_seconds=value, occurred_at=LATER
    )
    metering.record([reading], now=LATER)
    captures = [
        Capture(
            attempt=s.attempt,
            charge=Ref("charge", s.charge),
            number=s.number,
            cumulative=s.cumulative,
            amount=s.amount,
        )
        for s in metering.charge([job.attempt], now=LATER)
    ]
    capture(captures, actor=WORKER, now=LATER)


def correct(world: World, operator: Actor, job: MeteredJob, resource: str, value: int) -> bool:
    try:
        ref = correct_use(
            job.attempt, resource, value, reason="错", document="1", actor=operator, now=LATER
        )
    except CorrectionRefused:  # it is that already
        return False
    confirm_correction(ref.id, actor=world.officer, now=LATER)
    return True


def check(job: MeteredJob, used: dict[str, int]) -> None:
    wanted = charge_so_far(used, PRICES, limit=MOST)
    meter, funding = Meter.objects.get(attempt=job.attempt), Funding.objects.get(job=job.id)
    charged = Charge.objects.filter(attempt=meter).aggregate(fen=Sum("amount_fen"))["fen"] or 0
    assert meter.charged_fen == charged == funding.captured_fen == wanted.fen
    by_voucher = funding.sources.filter(voucher__isnull=False)
    drawn = by_voucher.aggregate(fen=Sum("captured_fen"))["fen"] or 0
    assert drawn <= wanted.times(Fraction(3, 10), Rounding.DOWN).fen
    whole = funding.sources.aggregate(fen=Sum("captured_fen"))["fen"] or 0
    assert whole + funding.shortfall_fen == wanted.fen


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(before=STEPS, after=STEPS, cover=st.sampled_from(["1", "40", "100"]))
def test_any_chain_charges_the_rounded_whole(
    before: list[tuple[bool, str, int]], after: list[tuple[bool, str, int]], cover: str
) -> None:
    with transaction.atomic():
        world = make_world(now=NOW, voucher="20")
        operator = person("seller", world.provider, Role.CENTRE_OPERATOR, NOW)
        job = MeteredJob(world)
        job.begin(cover=cover, authorised="100", now=NOW)
        used: dict[str, int] = {}
        corrected: set[str] = set()
        for _, resource, value in before:
            report(job, resource, value)
            used[resource] = max(used.get(resource, 0), value)
            check(job, used)
        job.end(now=LATER)
        for people, resource, value in after:
            if people:
                if correct(world, operator, job, resource, value):
                    used[resource] = value
                    corrected.add(resource)
            else:
                report(job, resource, value)
                if resource not in corrected:
                    used[resource] = max(used.get(resource, 0), value)
            check(job, used)
        assert differences() == []
        transaction.set_rollback(True)
