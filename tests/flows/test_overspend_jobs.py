"""32 jobs at once want three times what a voucher and its tenant's cash have, 20 times.

Held, held more, used and released: the voucher never pays over its face nor over its share.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from functools import partial
from random import Random

import pytest
from django.db import transaction

from jinsuan.kernel.money import Money, Rounding
from jinsuan.kernel.ref import Ref
from jinsuan.ledger import accounts
from jinsuan.ledger.errors import InsufficientBalance
from jinsuan.ledger.queries import balance
from jinsuan.vouchers.actions import book_top_up, top_up
from jinsuan.vouchers.errors import NotEnoughMoney
from jinsuan.vouchers.models import FundingSource
from tests.flows.crowd import (
    MANY,
    RATE,
    RUNS,
    SEED,
    Crowd,
    are_about,
    books_agree,
    crowd,
    issue_one,
    open_pool,
    refusals,
    shares,
)
from tests.flows.statement_world import MeteredJob
from tests.flows.voucher_world import AFTER_NOTICE, NOW
from tests.flows.world import SYSTEM, World, make_world, organisation


@pytest.fixture
def clients(committed_db: None) -> Iterator[Crowd]:
    with crowd() as them:
        yield them


def test_a_voucher_never_pays_more_than_its_face(clients: Crowd) -> None:
    chance, world = Random(SEED), make_world(now=NOW, cash="0", voucher="0")
    open_pool(world, "2025:race", Money(10**10))
    for number in range(RUNS):
        _race_of_jobs(clients, world, number, chance)
    books_agree()


def _race_of_jobs(clients: Crowd, world: World, number: int, chance: Random) -> None:
    """One voucher and some cash; 32 jobs that together want three times of both."""
    tenant = organisation(100 + number, f"用算 {number}", NOW)
    own = replace(world, tenant=tenant)
    face = chance.randint(20_000, 60_000)
    voucher = issue_one(own, "2025:race", face)
    cash = Money(face).times((1 - RATE) / RATE, Rounding.UP)
    book_top_up(
        tenant=tenant,
        amount=cash,
        bank_reference=f"RACE{number}",
        actor=world.treasury,
        now=NOW,
    )
    asked = shares(chance, face + cash.fen)
    jobs = [MeteredJob(own) for _ in asked]
    ours = {accounts.voucher(voucher), accounts.cash(Ref("organisation", tenant))}

    begun = clients.at_once(
        [partial(_begin, job, Money(fen), ours) for job, fen in zip(jobs, asked, strict=True)]
    )
    told = refusals(begun)
    assert told, "nobody was refused, so nobody raced"
    assert {type(refusal) for refusal in told} <= {NotEnoughMoney}, told
    _voucher_is_right(voucher, face)
    running = [job for job, answer in zip(jobs, begun, strict=True) if answer is None]
    later = clients.at_once(
        [partial(_run_on, running[n % len(running)], n, ours) for n in range(MANY)]
    )
    assert {type(refusal) for refusal in refusals(later)} <= {NotEnoughMoney}, later
    _voucher_is_right(voucher, face)

    with transaction.atomic():
        for job in running:
            job.end(now=AFTER_NOTICE)
    stands, used = balance(accounts.voucher(voucher)), _taken(voucher)
    assert stands.available == Money(face) - used
    assert Money(0) < used <= Money(face)


def _begin(job: MeteredJob, fen: Money, ours: set[str]) -> None:
    """Half of what the job may cost is held at once."""

    def begin() -> None:
        with transaction.atomic():
            job.begin(cover=fen.plain, authorised=Money(2 * fen.fen).plain, now=NOW)

    _at_some_tick(begin, ours)


def _run_on(job: MeteredJob, hours: int, ours: set[str]) -> None:
    """Hold the other half, too, where there is money, and in any case use and charge."""
    try:
        _at_some_tick(
            lambda: top_up(job.attempt, Money(10**9), actor=SYSTEM, now=NOW),
            ours,
        )
    finally:
        with transaction.atomic():
            job.used(hours, now=NOW + timedelta(hours=hours + 1))


def _at_some_tick(act: Callable[[], object], ours: set[str]) -> None:
    """As the worker does: whoever meets another one at the same money comes again."""
    for _ in range(10 * MANY):
        try:
            act()
        except InsufficientBalance as refusal:
            are_about([refusal], *ours)
        else:
            return
    raise AssertionError("turned away for ever")


def _taken(voucher: Ref) -> Money:
    rows = FundingSource.objects.filter(voucher=voucher.id)
    return Money.total(Money(row.captured_fen) for row in rows)


def _voucher_is_right(voucher: Ref, face: int) -> None:
    """What its account lacks is what jobs hold and took; none took more than its share."""
    out = 0
    for row in FundingSource.objects.filter(voucher=voucher.id).select_related("funding"):
        assert row.captured_fen <= Money(row.funding.captured_fen).times(RATE, Rounding.DOWN).fen
        held = balance(accounts.hold(Ref("job", row.funding.job), str(voucher)))
        assert held.available == Money(row.held_fen - row.captured_fen)
        out += row.held_fen
    stands = balance(accounts.voucher(voucher))
    assert stands.credits == Money(face)
    assert stands.available == Money(face - out) >= Money(0)
