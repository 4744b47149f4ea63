"""Two of the treasury at once: one file, one reference, one balance, each counted once."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from jinsuan.kernel.errors import DomainError
from jinsuan.kernel.money import Money
from jinsuan.ledger.queries import check_book
from jinsuan.vouchers.actions.cash_orders import order_asked
from jinsuan.vouchers.models import BankFile, CashOrder
from tests.flows.casework_world import NOW
from tests.flows.purse import Purse, typed_in

pytestmark = pytest.mark.usefixtures("committed_db")


def at_once(*calls: Callable[[], object]) -> list[object]:
    """Run them together; refusals are values."""
    from django.db import connection

    def one(call: Callable[[], object]) -> object:
        try:
            return call()
        except DomainError as refused:
            return refused
        finally:
            connection.close()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(one, calls))


def test_one_file_taken_by_many_at_once_is_booked_once() -> None:
    purse = Purse()
    row = {"流水号": "B1", "金额": "5.00", "附言": purse.code}

    found = at_once(*[lambda: purse.take(row)] * 6)

    assert not any(isinstance(one, DomainError) for one in found), found
    assert BankFile.objects.count() == 1
    assert purse.cash == Money(500)


def test_a_file_and_a_hand_never_book_one_reference_twice() -> None:
    purse = Purse()
    for n in range(4):
        at_once(
            lambda n=n: purse.take({"流水号": f"B{n}", "附言": ""}),  # type: ignore[misc]
            lambda n=n: typed_in(purse, "1.00", f"B{n}"),  # type: ignore[misc]
        )

    assert not check_book().differences
    from jinsuan.vouchers.queries_bank import bank_position

    position = bank_position("supervised")
    assert (position.received, position.difference) == (Money(400), Money(0))


def test_double_clicks_make_one_order_and_never_more_than_the_balance() -> None:
    purse = Purse()
    purse.fund("10.00")

    asked = at_once(*[lambda: purse.ask("6.00")] * 6)
    assert len({str(one) for one in asked}) == 1
    other = purse.ask("6.00", "click2")
    first = CashOrder.objects.get(order_key="click1").id
    made = at_once(
        *[lambda: order_asked(first, account="supervised", actor=purse.first, now=NOW)] * 3,
        *[lambda: order_asked(other, account="supervised", actor=purse.second, now=NOW)] * 3,
    )

    assert made.count(None) == 1
    assert purse.cash == Money(400)
