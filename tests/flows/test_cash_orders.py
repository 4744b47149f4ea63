"""Refunds and payouts: two people, held when ordered, gone when the bank says so, back when it does not."""

from __future__ import annotations

from uuid import UUID

import pytest
from django.db import DatabaseError, IntegrityError, transaction

from jinsuan.kernel.errors import NotAllowed, NotFound
from jinsuan.kernel.money import Money
from jinsuan.kernel.ref import Ref, Role
from jinsuan.ledger import accounts
from jinsuan.ledger.queries import balance, check_book
from jinsuan.vouchers.actions.cash_orders import (
    cancel_order,
    confirm_order,
    order_asked,
    order_payout,
    reject_order,
)
from jinsuan.vouchers.actions.matches import assign_suspense, match_debit
from jinsuan.vouchers.errors import BankEntryRefused, CashOrderRefused
from jinsuan.vouchers.models import CashOrder
from jinsuan.vouchers.queries_bank import (
    access_cash_order,
    cash_orders,
)
from jinsuan.vouchers.queries_links import links
from tests.flows.casework_world import NOW
from tests.flows.purse import BANK, Purse, entry
from tests.flows.world import SYSTEM, person

pytestmark = pytest.mark.django_db


@pytest.fixture
def purse() -> Purse:
    return Purse()


def test_an_order_is_seen_by_its_owner_and_the_treasury(purse: Purse) -> None:
    purse.fund("1.00")
    order = purse.refund("1.00")
    stranger = person("stranger", purse.provider, Role.TENANT, NOW)

    for viewer in (purse.tenant, purse.second):
        assert access_cash_order(viewer, order.id).number == order.number
        assert len(cash_orders(viewer)) == 1
    assert cash_orders(stranger) == cash_orders(SYSTEM) == []
    with pytest.raises(NotFound):
        access_cash_order(stranger, order.id)


def test_a_refund_is_held_when_ordered_and_leaves_when_the_bank_says_so(purse: Purse) -> None:
    purse.fund("10.00")
    order = purse.refund("10.00")
    due = accounts.due(Ref("cashorder", order.id))
    assert (purse.cash, balance(due).available) == (Money(0), Money(1000))

    row = {"流水号": "OUT", "收付": "付", "金额": "10.00", "附言": f"退款{order.number}"}
    assert purse.take(row).paid == 1
    purse.take(row, {"流水号": "X"})

    order.refresh_from_db()
    assert (order.state, order.bank_reference) == ("paid", "OUT")
    paid_by = Ref("bankentry", entry("OUT").id)
    assert paid_by in links(Ref("cashorder", order.id))
    assert Ref("bankfile", entry("OUT").file_id) in links(paid_by)
    assert balance(due).available == Money(0)
    assert balance(BANK).available == Money(-100)
    assert not check_book().differences


def test_a_double_click_makes_one_order(purse: Purse) -> None:
    purse.fund("10.00")

    assert purse.ask("6.00") == purse.ask("6.00")
    with pytest.raises(CashOrderRefused, match="防重编号"):
        purse.ask("5.00")
    with pytest.raises(CashOrderRefused, match=r"10\.00"):
        purse.ask("10.01", "click2")
    assert CashOrder.objects.count() == 1
    order = purse.ask("6.00")
    order_asked(order, account="supervised", actor=purse.first, now=NOW)
    with pytest.raises(CashOrderRefused, match="待复核"):
        order_asked(order, account="supervised", actor=purse.first, now=NOW)
    assert purse.cash == Money(400)


def test_two_people_and_the_database_says_so_too(purse: Purse) -> None:
    purse.fund("1.00")
    order = purse.ask("1.00")
    order_asked(order, account="supervised", actor=purse.first, now=NOW)

    with pytest.raises(CashOrderRefused, match="另一位"):
        confirm_order(order, actor=purse.first, now=NOW)
    assert purse.first.person is not None
    with pytest.raises(IntegrityError), transaction.atomic():
        CashOrder.objects.filter(id=order).update(
            state="confirmed", confirmed_by=purse.first.person, confirmed_at=NOW
        )
    with pytest.raises(DatabaseError), transaction.atomic():
        CashOrder.objects.filter(id=order).update(amount_fen=2)


def test_what_the_bank_rejects_goes_back_and_may_be_asked_for_again(purse: Purse) -> None:
    purse.fund("3.00")
    order = purse.refund("3.00")
    reject_order(order.id, reason="户名不符", actor=purse.first, now=NOW)
    reject_order(order.id, reason="户名不符", actor=purse.first, now=NOW)
    assert purse.cash == Money(300)

    row = {"流水号": "OUT", "收付": "付", "金额": "3.00", "附言": order.number}
    assert purse.take(row).unexplained == 1
    assert "银行退回" in entry("OUT").finding
    assert purse.ask("3.00", "click2") != order.id


def test_cancelling_gives_the_money_back(purse: Purse) -> None:
    purse.fund("3.00")
    order = purse.ask("3.00")
    order_asked(order, account="supervised", actor=purse.first, now=NOW)
    with pytest.raises(NotAllowed):
        cancel_order(order, reason="不退了", actor=purse.tenant, now=NOW)
    for _ in range(2):
        cancel_order(order, reason="不退了", actor=purse.first, now=NOW)
    assert purse.cash == Money(300)


@pytest.mark.parametrize(
    ("remark", "yuan", "finding"),
    [
        ("手续费", "3.00", "没有付款单编号"),
        ("TK2025-999999", "3.00", "没有付款单 TK2025-999999"),
        ("{n} TK2025-999999", "3.00", "2 个付款单编号"),
        ("{n}", "2.99", "银行付了 ¥2.99"),
    ],
)
def test_what_went_out_for_no_order_is_listed_and_not_booked(
    purse: Purse, remark: str, yuan: str, finding: str
) -> None:
    purse.fund("3.00")
    order = purse.refund("3.00")
    before = balance(BANK)

    row = {"流水号": "OUT", "收付": "付", "金额": yuan, "附言": remark.format(n=order.number)}
    taken = purse.take(row)

    assert taken.unexplained == 1
    assert finding in entry("OUT").finding
    assert balance(BANK) == before


def test_an_order_is_paid_once_within_a_file_and_across_files(purse: Purse) -> None:
    purse.fund("3.00")
    order = purse.refund("3.00")
    row = {"收付": "付", "金额": "3.00", "附言": order.number}

    purse.take({"流水号": "O1", **row}, {"流水号": "O2", **row})
    purse.take({"流水号": "O3", **row})

    assert [entry(f"O{n}").outcome for n in (1, 2, 3)] == ["paid", "unexplained", "unexplained"]
    assert "重复付款" in entry("O2").finding
    assert balance(BANK).available == Money(0)


def test_a_payment_whose_number_the_bank_lost_is_matched_by_a_second_person(purse: Purse) -> None:
    purse.fund("3.00")
    order = purse.refund("3.00")
    purse.take({"流水号": "OUT", "收付": "付", "金额": "3.00", "附言": "退款"})
    pk = entry("OUT").id

    with pytest.raises(BankEntryRefused):
        match_debit(pk, order=order.id, reason="电话核对", actor=purse.first, now=NOW)
    for _ in range(2):
        match_debit(pk, order=order.id, reason="电话核对", actor=purse.second, now=NOW)

    order.refresh_from_db()
    assert order.state == "paid"
    assert balance(BANK).available == Money(0)


def test_a_payout_takes_at_most_what_is_payable_and_comes_back_when_returned(purse: Purse) -> None:
    purse.owe("7.00")
    payable = accounts.payable(Ref("organisation", purse.provider), "cash")

    def pay(yuan: str, key: str = "k") -> UUID:
        return order_payout(
            purse.provider,
            Money.yuan(yuan),
            account="supervised",
            order_key=key,
            reason="九月结算",
            actor=purse.first,
            now=NOW,
        ).id

    with pytest.raises(CashOrderRefused, match=r"7\.00"):
        pay("7.01")
    order = pay("7.00")
    assert pay("7.00") == order
    with pytest.raises(CashOrderRefused):
        pay("0.01", "k2")
    confirm_order(order, actor=purse.second, now=NOW)
    number = CashOrder.objects.get(id=order).number
    purse.take({"流水号": "OUT", "收付": "付", "金额": "7.00", "附言": number})
    assert balance(BANK).available == Money(0)

    purse.take({"流水号": "BACK", "金额": "7.00", "附言": f"退汇 {number}"})
    assert "退汇" in entry("BACK").finding
    to = Ref("cashorder", order)
    assign_suspense(entry("BACK").id, to=to, reason="账号已销户", actor=purse.second, now=NOW)

    assert CashOrder.objects.get(id=order).state == "returned"
    assert balance(payable).available == Money(700)
    assert not check_book().differences
