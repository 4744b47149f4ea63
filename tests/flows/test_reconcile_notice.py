"""Reconciling knows what is reserved: an approval, its notice and its end are no difference."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection

from jinsuan.casework.actions.notices import decide_objection, record_objection
from jinsuan.kernel.money import Money
from jinsuan.ledger import accounts
from jinsuan.vouchers.actions.grant import issue_granted, take_back_approval
from jinsuan.vouchers.reconcile import differences
from tests.flows.voucher_world import AFTER_NOTICE, NOW, make_cast
from tests.flows.world import SYSTEM

pytestmark = pytest.mark.django_db
POOL = accounts.pool("2025:m09")


def test_a_grant_is_no_difference_in_its_notice_nor_after() -> None:
    cast = make_cast()
    case = cast.apply()
    cast.recommend(case)
    cast.approve(case)
    assert differences() == []
    issue_granted(case, actor=SYSTEM, now=AFTER_NOTICE)
    assert differences() == []
    cast.use(10, AFTER_NOTICE)
    assert differences() == []


def test_a_grant_that_was_taken_back_is_no_difference() -> None:
    cast = make_cast()
    case = cast.apply()
    cast.recommend(case)
    cast.approve(case)
    day = NOW + timedelta(days=1)
    objection = record_objection(
        case, text="合同是假的", received_on=day.date(), actor=cast.city, now=day
    )
    decide_objection(objection.id, upheld=True, reason="查实", actor=cast.second, now=day)
    take_back_approval(case, reason="异议成立", actor=cast.second, now=day)
    assert differences() == []


def test_a_reservation_that_no_transfer_made_is_found() -> None:
    cast = make_cast()
    case = cast.apply()
    cast.recommend(case)
    cast.approve(case)
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE ledger_account SET debits_pending_fen = debits_pending_fen + 1 WHERE code = %s",
            [POOL],
        )

    (found,) = differences()

    assert (found.kind, found.account) == ("book", POOL)
    assert found.found == found.expected + Money(1) == Money.yuan("2000.01")
