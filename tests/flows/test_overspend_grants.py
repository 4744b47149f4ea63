"""32 officers and workers at once want three times what a pool or an applicant's cap has, 20 times.

Never one fen over; what was granted is what moved; every refusal says why; the books agree.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from random import Random
from uuid import UUID

import pytest
from django.db import transaction

from jinsuan.casework.errors import DecisionMissing, MoveNotAllowed
from jinsuan.casework.models import Decision
from jinsuan.kernel.errors import DomainError
from jinsuan.kernel.ids import new_id
from jinsuan.kernel.money import Money
from jinsuan.kernel.ref import Ref, Role
from jinsuan.ledger import accounts
from jinsuan.ledger.actions import Posting, post
from jinsuan.ledger.queries import balance, balances_of_kind, check_book
from jinsuan.ledger.reasons import Reason
from jinsuan.ledger.steps import Step
from jinsuan.vouchers.actions.grant import approve_application, issue_granted
from jinsuan.vouchers.models import Programme, Voucher
from tests.flows.check_data import clean_register
from tests.flows.crowd import (
    MANY,
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
from tests.flows.voucher_world import AFTER_NOTICE, NOW, Cast, make_cast
from tests.flows.world import SYSTEM, World, make_world, organisation, person


@pytest.fixture
def clients(committed_db: None) -> Iterator[Crowd]:
    with crowd() as them:
        yield them


# ── a pool: vouchers issued, grants reserved for their notice and then posted or voided ───────────


def reserve(code: str, fen: int, *, taken_back: bool) -> None:
    """What an approval and the end of its notice do to the pool, and to nothing else."""
    grant = new_id()
    way = partial(
        Posting,
        debit=accounts.pool(code),
        credit=accounts.voucher(Ref("voucher", grant)),
        amount=Money(fen),
        reason=Reason.VOUCHER_ISSUE,
        cause=Ref("decision", grant),
        occurred_at=NOW,
    )
    post([way(key=f"grant:{grant}", step=Step.PENDING)], actor=SYSTEM, now=NOW)
    step = Step.VOID if taken_back else Step.POST
    with transaction.atomic():
        last = way(key=f"grant:{grant}:{step}", step=step, pending=f"grant:{grant}")
        post([last], actor=SYSTEM, now=NOW)
        if not taken_back:
            programme = Programme.objects.get(code=code)
            like = Voucher.objects.filter(programme=programme).first()
            assert like
            like.id, like.face_fen = grant, fen
            like.save(force_insert=True)


def test_a_pool_is_never_promised_twice(clients: Crowd) -> None:
    chance, world = Random(SEED), make_world(now=NOW, cash="0", voucher="0")
    for number in range(RUNS):
        _race_for_a_pool(clients, world, f"2025:race{number}", chance, voids=number % 2 == 1)
    books_agree()


def _race_for_a_pool(
    clients: Crowd, world: World, code: str, chance: Random, *, voids: bool
) -> None:
    funding = chance.randint(1_000, 1_000_000)
    open_pool(world, code, Money(funding + 1))
    issue_one(world, code, 1)  # the rest is raced for
    amounts = shares(chance, funding)
    back = [voids and n % 4 == 1 for n in range(MANY)]
    acts: list[Callable[[], object]] = [
        partial(reserve, code, fen, taken_back=back[n])
        if n % 2
        else partial(issue_one, world, code, fen)
        for n, fen in enumerate(amounts)
    ]

    answers = clients.at_once(acts)

    are_about(answers, accounts.pool(code))
    outcome = list(zip(amounts, answers, back, strict=True))
    given = sum(fen for fen, answer, b in outcome if not isinstance(answer, DomainError) and not b)
    stands = balance(accounts.pool(code))
    assert given <= funding
    assert (stands.debits, stands.pending_out) == (Money(given + 1), Money(0))
    faces = Voucher.objects.filter(programme__code=code).values_list("face_fen", flat=True)
    assert sum(faces) == given + 1
    if not voids:  # money never came back, so whoever was refused would be refused now, too
        told = [fen for fen, answer, _ in outcome if isinstance(answer, DomainError)]
        assert stands.available.fen < min(told)


# ── a cap: the ledger alone, then the whole approval by two officers ──────────────────────────────


def test_a_cap_is_never_exceeded_in_the_ledger(clients: Crowd) -> None:
    chance, world = Random(SEED), make_world(now=NOW, cash="0", voucher="0")
    open_pool(world, "2025:race", Money(10**10))
    for number in range(RUNS):
        limit = accounts.limit(Ref("organisation", new_id()), "2025-race")
        cap = chance.randint(1_000, 1_000_000)
        asked = shares(chance, cap)

        answers = clients.at_once(
            [partial(_use_cap, limit, cap, f"{number}.{n}", fen) for n, fen in enumerate(asked)]
        )

        are_about(answers, limit)
        granted = [fen for fen, answer in zip(asked, answers, strict=True) if answer is None]
        stands = balance(limit)
        assert stands.credits == Money(cap)
        assert stands.pending_out == Money(sum(granted)) <= Money(cap)
        left = [fen for fen in asked if fen not in granted]
        assert stands.available.fen < min(left)
    found = check_book()
    assert found.differences == ()
    quota = balance(accounts.quota("2025:race"))
    assert quota.available == -Money.total(b.credits for b in balances_of_kind("limit").values())


def _use_cap(limit: str, cap: int, name: str, fen: int) -> None:
    """The postings of an approval: the cap is set by whoever comes first, then used."""
    way = partial(Posting, cause=Ref("decision", UUID(int=1)), occurred_at=NOW)
    quota = accounts.quota("2025:race")
    postings = [
        way(
            key=f"cap:{limit}:{cap}",
            debit=quota,
            credit=limit,
            amount=Money(cap),
            reason=Reason.LIMIT_SET,
        ),
        way(
            key=f"grant:{name}",
            debit=accounts.pool("2025:race"),
            credit=f"voucher:{name}",
            amount=Money(fen),
            reason=Reason.VOUCHER_ISSUE,
            step=Step.PENDING,
        ),
        way(
            key=f"limit:{name}",
            debit=limit,
            credit=quota,
            amount=Money(fen),
            reason=Reason.LIMIT_USE,
            step=Step.PENDING,
        ),
    ]
    for _ in range(2):  # a double click is harmless
        post(postings, actor=SYSTEM, now=NOW)


NORMAL_CAP, HIGH_CAP = Money.yuan("1000000"), Money.yuan("2000000")
CASES = 8


@pytest.mark.slow
def test_approvals_at_once_never_grant_more_than_the_applicants_cap(clients: Crowd) -> None:
    chance, cast = Random(SEED), make_cast(cash="0")
    for number in range(RUNS):
        _race_of_officers(clients, cast, number, chance)
    books_agree()


def _race_of_officers(clients: Crowd, cast: Cast, number: int, chance: Random) -> None:
    """Eight contracts of one applicant, some with the higher cap; each is approved by 4 clients."""
    tenant = organisation(100 + number, f"申报 {number}", NOW)
    clean_register(tenant, f"申报 {number}", now=NOW)
    own = replace(cast, tenant=person(f"asks{number}", tenant, Role.TENANT, NOW))
    high = [number % 2 == 1 and n % 3 == 0 for n in range(CASES)]
    cases = []
    for n in range(CASES):
        more = {"m09_develops_model": "yes"} if high[n] else {}
        cases.append(own.apply(f"R{number}-{n}", str(chance.randint(3_000_000, 6_000_000)), **more))
        own.recommend(cases[-1])

    acts = [
        partial(
            approve_application,
            cases[n % CASES],
            reason="符合（九）",
            actor=(cast.officer, cast.second)[n // CASES % 2],
            now=NOW,
        )
        for n in range(MANY)
    ]
    chance.shuffle(order := list(range(MANY)))
    mixed = clients.at_once([acts[place] for place in order])
    answers = dict(zip(order, mixed, strict=True))

    granted, granted_high, left_out = [], [], []
    for n, case in enumerate(cases):
        mine = [answers[i] for i in range(n, MANY, CASES)]
        made = [answer for answer in mine if isinstance(answer, Ref)]
        assert len(made) <= 1, "one case was approved twice"
        wanted = MoveNotAllowed if made else DecisionMissing
        assert {type(r) for r in refusals(mine)} == {wanted}, mine
        if made:
            granted.append((case, Money(Decision.objects.get(id=made[0].id).amount_fen or 0)))
            granted_high.append(high[n])
        else:
            left_out.append(high[n])
    total = Money.total(fen for _, fen in granted)
    cap = HIGH_CAP if any(granted_high) else NORMAL_CAP
    limit = accounts.limit(Ref("organisation", tenant), "2025-m09")
    assert left_out, "nobody was refused, so nobody raced"
    # Whoever was left out came to a full cap: no fen over, and none left lying either.
    assert total == cap or (total < cap and not any(left_out) and total >= NORMAL_CAP)
    stands = balance(limit)
    assert (stands.credits, stands.pending_out) == (cap, total)

    for case, _ in granted:
        issue_granted(case, actor=SYSTEM, now=AFTER_NOTICE)
    stands = balance(limit)
    assert (stands.debits, stands.pending_out) == (total, Money(0))
    assert Voucher.objects.filter(tenant=tenant).count() == len(granted)
