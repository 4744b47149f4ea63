"""Suspended, revoked and expired vouchers beside running jobs: what pays, and where the rest goes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from jinsuan.dispatch import actions as dispatch
from jinsuan.entrypoints.worker import ticks
from jinsuan.kernel.errors import NotAllowed
from jinsuan.kernel.money import Money
from jinsuan.kernel.ref import Ref
from jinsuan.ledger import accounts
from jinsuan.ledger.queries import audit_of, balance, check_book, transfers_with_key_prefix
from jinsuan.vouchers import actions
from jinsuan.vouchers.errors import VoucherMoveRefused
from jinsuan.vouchers.models import Voucher
from jinsuan.vouchers.queries import fundings_of, vouchers_of
from tests.flows.world import World, make_world

NOW = datetime(2025, 9, 16, 1, 0, tzinfo=UTC)
POOL = accounts.pool("2025:m09")
pytestmark = pytest.mark.django_db


def the_voucher(world: World) -> Ref:
    (view,) = vouchers_of(world.tenant)
    return view.ref


def start(world: World, key: str) -> Ref:
    ref = world.submit(key=key, now=NOW, max_duration="1h")
    assert dispatch.place_queued(now=NOW) == 1
    return ref


def test_a_suspended_voucher_pays_nothing_new_and_goes_on_after_resuming() -> None:
    world = make_world(now=NOW)
    voucher = the_voucher(world)
    actions.suspend(voucher.id, reason="合同待核", actor=world.officer, now=NOW)
    (funding,) = fundings_of(start(world, "one").id)
    assert [s.voucher for s in funding.sources] == [None]

    actions.resume(voucher.id, reason="已核实", actor=world.officer, now=NOW)
    (funding,) = fundings_of(start(world, "two").id)
    assert voucher in [s.voucher for s in funding.sources]
    told = [(row.action, row.reason) for row in audit_of(voucher)]
    assert ("voucher.suspended", "合同待核") in told and ("voucher.issued", "已核实") in told


def test_a_revoked_voucher_gives_back_at_once_what_is_free_and_later_what_a_job_held() -> None:
    world = make_world(now=NOW)
    voucher = the_voucher(world)
    job = start(world, "one")
    held = fundings_of(job.id)[0].held
    before = balance(POOL).available

    back = actions.revoke(voucher.id, reason="骗取", actor=world.officer, now=NOW)

    share = next(s.held for s in fundings_of(job.id)[0].sources if s.voucher == voucher)
    assert back == Money.yuan("1000") - share
    assert fundings_of(job.id)[0].held == held, "the running job keeps its escrow"
    world.cancel(job.id, now=NOW)
    attempt = fundings_of(job.id)[0].attempt.id
    actions.release([attempt], actor=world.officer, now=NOW)
    assert balance(accounts.voucher(voucher)).available == share
    ticks.vouchers(lambda: NOW)
    ticks.vouchers(lambda: NOW)
    assert balance(accounts.voucher(voucher)).available == Money(0)
    assert balance(POOL).available == before + Money.yuan("1000")
    assert len(transfers_with_key_prefix(f"revoke:{voucher}")) == 2
    assert check_book().differences == ()


def test_a_voucher_expires_after_its_last_day_and_not_on_it() -> None:
    world = make_world(now=NOW)
    voucher = the_voucher(world)
    last = datetime(2025, 12, 31, 15, 59, tzinfo=UTC)  # one minute to midnight in Beijing
    assert ticks.vouchers(lambda: last) == 0
    assert balance(accounts.voucher(voucher)).available == Money.yuan("1000")

    ticks.vouchers(lambda: last + timedelta(minutes=1))

    assert Voucher.objects.get(id=voucher.id).state == "expired"
    # The programme's year is over as well, so the money has lapsed and the pool cannot issue it.
    assert balance(accounts.lapsed("2025:m09")).available == Money.yuan("1000")
    assert check_book().differences == ()


def test_only_an_officer_may_and_only_where_the_state_allows() -> None:
    world = make_world(now=NOW)
    voucher = the_voucher(world)
    with pytest.raises(NotAllowed):
        actions.revoke(voucher.id, reason="x", actor=world.researcher, now=NOW)
    with pytest.raises(VoucherMoveRefused) as refused:
        actions.resume(voucher.id, reason="x", actor=world.officer, now=NOW)
    assert "已发放" in refused.value.explain() and "已停用" in refused.value.explain()
    actions.revoke(voucher.id, reason="x", actor=world.officer, now=NOW)
    with pytest.raises(VoucherMoveRefused):
        actions.suspend(voucher.id, reason="x", actor=world.officer, now=NOW)


def test_a_charge_after_the_release_is_owed_by_the_tenant_and_stops_nobody() -> None:
    world = make_world(now=NOW)
    job = start(world, "one")
    attempt = fundings_of(job.id)[0].attempt.id
    actions.release([attempt], actor=world.officer, now=NOW)
    late = actions.Capture(
        attempt=attempt,
        number=1,
        charge=Ref("charge", attempt),
        amount=Money(100),
        cumulative=Money(100),
    )
    actions.capture([late], actor=world.officer, now=NOW)
    owed = accounts.receivable(Ref("organisation", world.tenant))
    paid = accounts.payable(Ref("organisation", world.provider), "cash")
    assert (balance(owed).available, balance(paid).available) == (Money(-100), Money(100))
    assert check_book().differences == ()
