"""Long jobs hold a day at first and more while they run; where money ends, the job ends politely."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from jinsuan.dispatch import actions as dispatch
from jinsuan.dispatch.models import Attempt, Job
from jinsuan.dispatch.pace import SyncPace
from jinsuan.kernel.money import Money
from jinsuan.kernel.ref import Ref
from jinsuan.ledger import accounts
from jinsuan.ledger.queries import balance, balances_of_kind, check_book
from jinsuan.protocol.messages import AttemptReport, SyncRequest, SyncResponse, UsageReading
from jinsuan.protocol.states import AttemptState, EndCause
from jinsuan.vouchers.errors import NotEnoughMoney
from jinsuan.vouchers.queries import fundings_of
from tests.flows.world import World, make_world

NOW = datetime(2025, 9, 16, 1, 0, tzinfo=UTC)
pytestmark = pytest.mark.django_db
HOUR_FEN = 363
"""One T4 at 3.50, two cores at 0.06 and a GiB at 0.01."""


def at(hours: int) -> datetime:
    return NOW + timedelta(hours=hours)


def start(world: World, **more: object) -> tuple[Ref, str]:
    ref = world.submit(key="long", now=NOW, **more)
    assert dispatch.place_queued(now=NOW) == 1
    (lease,) = speak(world, at=NOW + timedelta(seconds=1)).leases
    return ref, lease.attempt


def speak(world: World, *reports: AttemptReport, at: datetime) -> SyncResponse:
    request = SyncRequest(protocol=1, agent_version="test", reports=reports)
    return dispatch.sync(world.centre_id, world.centre, request, pace=SyncPace(), now=at)


def use(
    world: World, attempt: str, hours: int, *, revision: int, cause: EndCause | None = None
) -> SyncResponse:
    usage = tuple(
        UsageReading(
            resource=resource, milli_unit_seconds=milli * 3600 * hours, occurred_at=at(hours)
        )
        for resource, milli in (("card:T4", 1000), ("cpu_core", 2000), ("memory_gib", 1000))
    )
    return speak(
        world,
        AttemptReport(
            attempt=attempt,
            fencing=1,
            revision=revision,
            state=AttemptState.RUNNING if cause is None else AttemptState.ENDED,
            started_at=NOW,
            ended_at=None if cause is None else at(hours),
            cause=cause,
            usage=usage,
        ),
        at=at(hours) + timedelta(seconds=1),
    )


def test_a_three_day_job_holds_one_day_and_is_topped_up_at_half() -> None:
    world = make_world(now=NOW)
    ref, attempt = start(world, max_duration="72h")
    (funding,) = fundings_of(ref.id)
    assert (funding.covered, funding.authorised) == (Money(24 * HOUR_FEN), Money(72 * HOUR_FEN))

    use(world, attempt, 11, revision=1)
    dispatch.settle(now=at(11))
    dispatch.keep_funded(now=at(11))
    assert fundings_of(ref.id)[0].covered == Money(24 * HOUR_FEN)

    use(world, attempt, 12, revision=2)
    dispatch.settle(now=at(12))
    assert dispatch.keep_funded(now=at(12)) == 0
    (funding,) = fundings_of(ref.id)
    assert funding.covered == Money(48 * HOUR_FEN)
    assert funding.captured + funding.held == funding.covered
    held = Money.total(b.available for b in balances_of_kind("hold").values())
    assert held == funding.held
    assert check_book().differences == ()


def test_where_money_ends_the_job_is_asked_to_stop_and_pays_what_it_used() -> None:
    # Cash for a day and a bit; no voucher. The order itself fits: its budget is what there is.
    world = make_world(now=NOW, cash="100", voucher="0")
    ref, attempt = start(world, max_duration="27h")
    cash = accounts.cash(Ref("organisation", world.tenant))
    assert balance(cash).available == Money(10_000 - 24 * HOUR_FEN)
    # Another order takes the rest.
    world.submit(key="other", now=NOW, max_duration="3h")
    assert dispatch.place_queued(now=NOW) == 1

    use(world, attempt, 13, revision=1)
    dispatch.settle(now=at(13))
    assert dispatch.keep_funded(now=at(13)) == 1
    answer = use(world, attempt, 14, revision=2)
    (cancel,) = [c for c in answer.cancels if c.attempt == attempt]
    assert cancel.reason.startswith("钱用完了")
    assert dispatch.keep_funded(now=at(14)) == 0, "asked once"

    use(world, attempt, 15, revision=3, cause=EndCause.CANCELLED)
    dispatch.settle(now=at(16))
    job = Job.objects.get(id=ref.id)
    assert (job.state, job.outcome) == ("settled", "cancelled")
    assert "钱用完了" in job.why
    (funding,) = fundings_of(ref.id)
    assert (funding.captured, funding.held) == (Money(15 * HOUR_FEN), Money(0))
    assert check_book().differences == ()


def test_an_order_beyond_the_tenants_money_is_refused_with_the_numbers() -> None:
    world = make_world(now=NOW, cash="10", voucher="0")
    with pytest.raises(NotEnoughMoney) as refused:
        world.submit(key="dear", now=NOW, max_duration="72h")
    assert "¥10.00" in refused.value.explain()
    assert not Job.objects.exists()


def test_usage_beyond_what_was_authorised_is_never_charged() -> None:
    world = make_world(now=NOW)
    ref, attempt = start(world, max_duration="1h")
    use(world, attempt, 2, revision=1, cause=EndCause.TIME_LIMIT)
    dispatch.settle(now=at(3))
    (funding,) = fundings_of(ref.id)
    assert funding.captured == funding.authorised == Money(HOUR_FEN)
    assert funding.shortfall == Money(0)


def test_a_job_cancelled_in_the_queue_never_touches_money_or_capacity() -> None:
    world = make_world(now=NOW)
    ref = world.submit(key="never", now=NOW)
    world.cancel(ref.id, now=NOW)
    assert dispatch.place_queued(now=NOW) == 0
    assert dispatch.settle(now=NOW) == 1
    job = Job.objects.get(id=ref.id)
    assert (job.state, job.outcome) == ("settled", "cancelled")
    assert not Attempt.objects.exists() and not balances_of_kind("hold")
