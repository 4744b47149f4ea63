"""The worker on vouchers' cases: checks, the end of a notice, the end of a year; the public sums."""

from __future__ import annotations

from datetime import timedelta

import pytest

from jinsuan.casework.models import Case
from jinsuan.entrypoints.worker import ticks
from jinsuan.kernel.money import Money
from jinsuan.vouchers.models import Voucher
from jinsuan.vouchers.queries_pool import pool_views as pools
from tests.flows.voucher_world import AFTER_NOTICE, NOW, make_cast
from tests.flows.world import SYSTEM

pytestmark = pytest.mark.django_db


def test_the_worker_lets_pass_and_issues_and_the_public_sums_are_the_books() -> None:
    from jinsuan.casework.actions.cases import move_case

    cast = make_cast()
    case = cast.apply()
    assert ticks.cases(lambda: NOW) == 1
    assert ticks.cases(lambda: NOW) == 0
    move_case(case, "推荐", reason="核过", actor=cast.city, now=NOW)
    cast.approve(case)
    assert ticks.cases(lambda: NOW + timedelta(days=2)) == 0
    (view,) = pools()
    assert view.in_notice == Money.yuan("2000") and view.issued == Money(0)
    assert ticks.cases(lambda: AFTER_NOTICE) == 1
    assert Voucher.objects.get().face_fen == 200_000
    cast.use(100, AFTER_NOTICE)
    (view,) = pools()
    assert view.used == Money.yuan("142.60") and view.left == Money.yuan("1857.40")
    parts = (view.remaining, view.in_notice, view.issued, view.returned_late)
    assert Money.total(parts) == view.funding == Money.yuan("50000000")


def test_a_notice_that_outlives_the_year_is_ended_by_the_worker() -> None:
    cast = make_cast()
    december = NOW.replace(month=12, day=29)
    case = cast.apply(now=december)
    cast.recommend(case, now=december)
    cast.approve(case, now=december)
    assert ticks.cases(lambda: NOW.replace(year=2026, month=1, day=20)) == 1
    assert Case.objects.get(id=case).state == "refused"
    (view,) = pools()
    assert view.remaining == view.funding
    assert SYSTEM.person is None
