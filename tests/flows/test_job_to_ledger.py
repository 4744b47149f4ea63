"""One job from order to ledger, spoken to by hand-made agent messages."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from jinsuan.dispatch import actions as dispatch
from jinsuan.dispatch.models import Attempt, Job
from jinsuan.dispatch.pace import SyncPace
from jinsuan.kernel.money import Money
from jinsuan.kernel.ref import Ref
from jinsuan.ledger import accounts
from jinsuan.ledger.queries import balance, check_book, transfers_with_key_prefix
from jinsuan.protocol.messages import AttemptReport, SyncRequest, SyncResponse, UsageReading
from jinsuan.protocol.states import AttemptState, EndCause
from jinsuan.registry.models import Card, Node
from jinsuan.trace.queries import neighbours, path
from tests.flows.world import World, make_world

NOW = datetime(2025, 9, 16, 1, 0, tzinfo=UTC)
pytestmark = pytest.mark.django_db


def later(seconds: int) -> datetime:
    return NOW + timedelta(seconds=seconds)


def speak(world: World, *reports: AttemptReport, at: datetime) -> SyncResponse:
    return dispatch.sync(
        world.centre_id,
        world.centre,
        SyncRequest(protocol=1, agent_version="test", reports=reports),
        pace=SyncPace(),
        now=at,
    )


def report(
    attempt: str, revision: int, state: AttemptState, seconds: int, **more: object
) -> AttemptReport:
    usage = tuple(
        UsageReading(resource=r, milli_unit_seconds=m * seconds, occurred_at=later(seconds))
        for r, m in (("card:T4", 2000), ("cpu_core", 2000), ("memory_gib", 1000))
    )
    return AttemptReport(
        attempt=attempt,
        fencing=1,
        revision=revision,
        state=state,
        started_at=NOW,
        usage=usage if seconds else (),
        **more,  # type: ignore[arg-type]
    )


def test_a_job_is_held_charged_and_settled_to_the_fen() -> None:
    world = make_world(now=NOW)
    ref = world.submit(cards=2, key="one", now=NOW)
    assert dispatch.place_queued(now=NOW) == 1

    # An hour of 2 cards at 3.50, 2 cores at 0.06 and 1 GiB at 0.01 is 7.13 yuan; 30 % by voucher.
    held = {s: balance(accounts.hold(ref, s)).available for s in _sources(ref)}
    assert sum(m.fen for m in held.values()) == 713
    assert held["cash"] == Money(500)
    (lease,) = speak(world, at=later(1)).leases
    assert (lease.work.cards, lease.work.max_run_seconds) == (2, 3600)

    answer = speak(world, report(lease.attempt, 1, AttemptState.RUNNING, 0), at=later(2))
    assert not answer.leases
    assert Job.objects.get(id=ref.id).state == "running"
    speak(world, report(lease.attempt, 2, AttemptState.RUNNING, 900), at=later(900))
    dispatch.settle(now=later(901))
    # A quarter of an hour: 178.25 fen, rounded to 178; floor(0.3 x 178) = 53 from the voucher.
    payable = {
        s: accounts.payable(Ref("organisation", world.provider), s) for s in ("cash", "voucher")
    }
    assert [balance(payable[s]).available.fen for s in ("voucher", "cash")] == [53, 125]

    end = report(
        lease.attempt,
        3,
        AttemptState.ENDED,
        1800,
        ended_at=later(1800),
        exit_code=0,
        cause=EndCause.EXITED,
    )
    speak(world, end, at=later(1801))
    assert dispatch.settle(now=later(1802)) == 1
    # Half an hour: 356.5 rounded half up to 357; floor(0.3 x 357) = 107 from the voucher.
    assert [balance(payable[s]).available.fen for s in ("voucher", "cash")] == [107, 250]
    assert all(not balance(accounts.hold(ref, s)).available for s in _sources(ref))
    job = Job.objects.get(id=ref.id)
    assert (job.state, job.outcome) == ("settled", "succeeded")
    assert not check_book().differences
    assert not Card.objects.filter(reserved_milli__gt=0).exists()
    assert not Node.objects.filter(cpu_reserved_milli__gt=0).exists()


def _sources(ref: Ref) -> list[str]:
    holds = transfers_with_key_prefix(f"hold:{ref}:")
    return [accounts.parse(t.credit).sub for t in holds]


def test_a_fen_explains_itself_in_seven_steps() -> None:
    world = make_world(now=NOW)
    ref = world.submit(cards=2, key="one", now=NOW)
    _run(world, seconds=1800)

    captures = transfers_with_key_prefix(f"capture:{ref}:")
    by_voucher = next(t for t in captures if "voucher_" in t.debit)
    steps = path(world.auditor, by_voucher.ref).steps
    assert [s.number for s in steps] == [1, 2, 3, 4, 5, 6, 7]
    told = {s.title: dict(s.facts) for s in steps}
    assert told["这笔钱"]["金额"] == "¥1.07"
    assert told["用了多少"]["T4"].startswith("1.0000 卡时（3600000 毫单位秒）")
    assert told["谁批的"]["下单"].startswith("researcher，乙大学")
    assert told["凭哪一条"]["条款"] == "（九）"
    assert by_voucher.cause in neighbours(by_voucher.ref)
    assert ref in neighbours(by_voucher.cause)
    assert Ref("person", world.officer.person) in [  # type: ignore[arg-type]
        other
        for voucher in neighbours(ref)
        if voucher.kind == "voucher"
        for other in neighbours(voucher)
    ]


def _run(world: World, *, seconds: int) -> None:
    dispatch.place_queued(now=NOW)
    (lease,) = speak(world, at=later(1)).leases
    end = report(
        lease.attempt,
        1,
        AttemptState.ENDED,
        seconds,
        ended_at=later(seconds),
        exit_code=0,
        cause=EndCause.EXITED,
    )
    speak(world, end, at=later(seconds + 1))
    dispatch.settle(now=later(seconds + 2))


def test_a_repeated_and_a_late_report_change_nothing() -> None:
    world = make_world(now=NOW)
    world.submit(cards=2, key="one", now=NOW)
    dispatch.place_queued(now=NOW)
    (lease,) = speak(world, at=later(1)).leases
    running = report(lease.attempt, 1, AttemptState.RUNNING, 100)
    end = report(
        lease.attempt,
        2,
        AttemptState.ENDED,
        200,
        ended_at=later(200),
        exit_code=0,
        cause=EndCause.EXITED,
    )
    speak(world, end, at=later(201))
    speak(world, running, end, at=later(202))
    speak(world, report(lease.attempt, 9, AttemptState.ENDED, 3000), at=later(3001))
    dispatch.settle(now=later(3002))
    dispatch.settle(now=later(3003))

    attempt = Attempt.objects.get()
    assert (attempt.state, attempt.revision, attempt.exit_code) == ("ended", 2, 0)
    assert [t.amount.fen for t in transfers_with_key_prefix("capture:")] == [12, 28]


def test_silence_is_not_failure_and_only_a_fenced_lease_is_placed_again() -> None:
    world = make_world(now=NOW)
    ref = world.submit(key="one", now=NOW)
    dispatch.place_queued(now=NOW)
    (lease,) = speak(world, at=later(1)).leases
    dispatch.mark_silent(now=later(61))
    assert Attempt.objects.get().state == "unreachable"
    assert dispatch.place_queued(now=later(62)) == 0

    (ask,) = speak(world, at=later(63)).asks
    assert (ask.attempt, ask.engine_key) == (lease.attempt, lease.engine_key)
    fenced = AttemptReport(
        attempt=lease.attempt,
        fencing=1,
        revision=1,
        state=AttemptState.ENDED,
        cause=EndCause.NEVER_STARTED,
    )
    speak(world, fenced, at=later(64))
    assert Job.objects.get(id=ref.id).state == "queued"
    assert dispatch.place_queued(now=later(65)) == 1
    (second,) = speak(world, at=later(66)).leases
    assert (second.fencing, second.engine_key == lease.engine_key) == (2, False)
    assert not check_book().differences
