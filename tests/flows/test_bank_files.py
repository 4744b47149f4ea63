"""Cash from the bank's file: top-ups, 待查款项, orders of refund and payout, each exactly once."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import DatabaseError, IntegrityError, transaction

from jinsuan.casework.actions.payees import confirm_payee_account, enter_payee_account
from jinsuan.kernel.errors import BadInput, NotAllowed, NotFound
from jinsuan.kernel.money import Money
from jinsuan.kernel.ref import Actor, Ref, Role
from jinsuan.ledger import accounts
from jinsuan.ledger.actions import Posting, post
from jinsuan.ledger.queries import balance, check_book
from jinsuan.ledger.reasons import Reason
from jinsuan.registry.sealing import DataKey, Keyring
from jinsuan.vouchers.actions import book_top_up
from jinsuan.vouchers.actions.bank import Taken, take_bank_file
from jinsuan.vouchers.actions.bank_accounts import (
    give_top_up_code,
    open_bank_account,
    reseal_bank_accounts,
)
from jinsuan.vouchers.actions.cash_orders import (
    ask_refund,
    cancel_order,
    confirm_order,
    order_payout,
    order_refund,
    reject_order,
)
from jinsuan.vouchers.actions.matches import assign_suspense, match_debit
from jinsuan.vouchers.errors import BankEntryRefused, BankFileRefused, CashOrderRefused
from jinsuan.vouchers.models import BankEntry, BankFile, CashOrder, EntryMatch
from jinsuan.vouchers.queries_bank import (
    access_cash_order,
    bank_position,
    cash_orders,
    suspense,
    unexplained,
)
from tests.bank_world import OTHER, OWN, statement
from tests.flows.casework_world import NOW
from tests.flows.world import SYSTEM, organisation, person, uscc

pytestmark = pytest.mark.django_db
KEYS = Keyring((DataKey("k1", bytes(32)),))
BANK = accounts.bank("supervised")
SUSPENSE = accounts.suspense("supervised")


class Purse:
    """A treasury of two, a tenant, a provider and one supervised account."""

    def __init__(self) -> None:
        bureau = organisation(3, "财政厅", NOW)
        self.tenant_id, self.provider = organisation(2, "乙大学", NOW), organisation(1, "甲", NOW)
        self.tenant = person("tenant", self.tenant_id, Role.TENANT, NOW)
        self.first = person("first", bureau, Role.TREASURY, NOW)
        self.second = person("second", bureau, Role.TREASURY, NOW)
        self.open("supervised", OWN)
        self.code = give_top_up_code(self.tenant_id, actor=self.tenant, now=NOW)
        self.cash_account = accounts.cash(Ref("organisation", self.tenant_id))

    def open(self, code: str, number: str) -> None:
        open_bank_account(
            code,
            name="算力监管户",
            bank="工行太原",
            number=number,
            purpose="用算主体充值",
            keys=KEYS,
            actor=self.first,
            now=NOW,
        )

    def take(self, *rows: dict[str, str], **more: Any) -> Taken:
        given = {"account": "supervised", "keys": KEYS, "actor": self.first, "now": NOW}
        return take_bank_file(statement(*rows), **{**given, **more})

    @property
    def cash(self) -> Money:
        return balance(self.cash_account).available

    def fund(self, yuan: str) -> None:
        self.take({"流水号": "FUND", "金额": yuan, "附言": self.code})

    def ask(self, yuan: str, key: str = "click1", **more: Any) -> UUID:
        given = {"reason": "项目结束", "actor": self.tenant, "now": NOW}
        return ask_refund(Money.yuan(yuan), order_key=key, **{**given, **more}).id

    def refund(self, yuan: str) -> CashOrder:
        """Asked, made and confirmed."""
        order = self.ask(yuan)
        order_refund(order, account="supervised", actor=self.first, now=NOW)
        confirm_order(order, actor=self.second, now=NOW)
        return CashOrder.objects.get(id=order)

    def owe(self, yuan: str) -> None:
        provider = Ref("organisation", self.provider)
        posting = Posting(
            key="capture:test",
            debit=BANK,
            credit=accounts.payable(provider, "cash"),
            amount=Money.yuan(yuan),
            reason=Reason.CAPTURE,
            cause=provider,
            occurred_at=NOW,
        )
        post([posting], actor=SYSTEM, now=NOW)


@pytest.fixture
def purse() -> Purse:
    return Purse()


def entry(reference: str) -> BankEntry:
    return BankEntry.objects.get(reference=reference)


def test_codes_and_credit_codes_top_up_and_the_rest_is_suspense(purse: Purse) -> None:
    taken = purse.take(
        {"流水号": "B1", "金额": "0.01", "附言": f"充值 {purse.code}"},
        {"流水号": "B2", "金额": "2.00", "附言": f"{uscc(2)}学校"},
        {"流水号": "B3", "金额": "4.00", "附言": "=cmd|' /C calc'!A0"},
        {"流水号": "B4", "金额": "8.00", "附言": f"{uscc(1)} {purse.code}"},
    )

    assert (taken.topped_up, taken.suspense, taken.rows) == (2, 2, 4)
    assert purse.cash == Money(201)
    assert balance(SUSPENSE).available == Money(1200)
    assert balance(BANK).available == Money(-1401)
    assert "2 个不同的机构" in entry("B4").finding
    assert entry("B3").remark == "=cmd|' /C calc'!A0"
    assert not check_book().differences


def test_a_called_back_account_with_its_holders_name_tops_up(purse: Purse) -> None:
    account = enter_payee_account(
        purse.tenant_id,
        holder="乙大学",
        bank="工行",
        number=OTHER,
        keys=KEYS,
        actor=purse.tenant,
        now=NOW,
    )
    purse.take({"流水号": "B1"})
    confirm_payee_account(account.id, call_back="按留存电话核实", actor=purse.first, now=NOW)
    purse.take(
        {"流水号": "B2"}, {"流水号": "B3", "对方户名": "丙企业"}, {"流水号": "B4", "附言": uscc(1)}
    )

    outcomes = [entry(f"B{n}").outcome for n in range(1, 5)]
    assert outcomes == ["suspense", "top_up", "suspense", "suspense"]
    assert purse.cash == Money(100)


def test_bank_and_book_agree_and_show_where_they_do_not(purse: Purse) -> None:
    purse.take({"流水号": "B1", "金额": "9.00", "附言": purse.code, "余额": "9.00"})
    order = purse.refund("2.00")
    purse.take(
        {"流水号": "B2", "收付": "付", "金额": "2.00", "附言": order.number, "余额": "7.00"},
        {"流水号": "B3", "收付": "付", "金额": "1.00", "余额": "6.00"},
    )
    typed_in(purse, "4.00", "B9")

    found = bank_position("supervised")

    assert (found.received, found.paid, found.unexplained) == (Money(900), Money(200), Money(100))
    assert (found.book, found.difference, found.told) == (Money(1100), Money(400), Money(600))
    assert [e.reference for e in unexplained(purse.first)] == ["B3"]
    assert suspense(purse.second) == []
    with pytest.raises(NotAllowed):
        suspense(purse.tenant)


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


def test_the_same_file_twice_is_harmless_even_with_the_clock_set_back(purse: Purse) -> None:
    row = {"流水号": "B1", "金额": "5.00", "附言": purse.code}
    first = purse.take(row)

    again = purse.take(row, now=NOW - timedelta(days=30), actor=purse.second)

    assert again.file == first.file
    assert (again.known, again.topped_up) == (1, 0)
    assert purse.cash == Money(500)
    assert BankFile.objects.count() == 1


def test_a_later_file_may_repeat_lines_but_not_change_them(purse: Purse) -> None:
    row = {"流水号": "B1", "金额": "5.00", "附言": purse.code}
    purse.take(row)
    purse.take(row, {"流水号": "B2", "金额": "1.00", "附言": purse.code})
    assert purse.cash == Money(600)

    for change in (
        {"金额": "5.01"},
        {"收付": "付"},
        {"附言": ""},
        {"对方账号": "0502123409300088888"},
        {"交易日期": "2025-09-14"},
        {"对方户名": "丙"},
    ):
        with pytest.raises(BankFileRefused, match="B1 已经登记过") as refused:
            purse.take({"流水号": "B3", "金额": "9.00"}, {**row, **change})
        assert refused.value.line == 3
    assert purse.cash == Money(600)
    assert BankEntry.objects.count() == 2


def test_another_accounts_file_is_refused_without_its_number(purse: Purse) -> None:
    number = "0502123409300077777"
    with pytest.raises(BankFileRefused) as refused:
        purse.take({"本方账号": number})
    assert number not in refused.value.explain()
    assert "****7777" in refused.value.explain()

    purse.open("second", number)
    with pytest.raises(BankFileRefused):
        purse.take({"本方账号": number})
    purse.take({"本方账号": number, "附言": purse.code}, account="second")
    assert balance(accounts.bank("second")).available == Money(-100)


def test_one_reference_at_two_banks_is_two_movements(purse: Purse) -> None:
    number = "0502123409300077777"
    purse.open("second", number)
    purse.take({"附言": purse.code})
    purse.take({"本方账号": number, "附言": purse.code}, account="second")
    assert purse.cash == Money(200)


def test_a_file_from_the_future_is_refused_so_a_clock_set_back_books_nothing(purse: Purse) -> None:
    with pytest.raises(BankFileRefused, match="时钟"):
        purse.take({"附言": purse.code}, now=NOW - timedelta(days=2))
    assert purse.cash == Money(0)


def test_only_the_treasury_takes_files(purse: Purse) -> None:
    for actor in (purse.tenant, SYSTEM):
        with pytest.raises(NotAllowed):
            purse.take({}, actor=actor)


def typed_in(purse: Purse, yuan: str, reference: str = "B1") -> None:
    book_top_up(
        tenant=purse.tenant_id,
        amount=Money.yuan(yuan),
        bank_reference=reference,
        actor=purse.first,
        now=NOW,
    )


def test_a_top_up_typed_in_and_the_files_are_one(purse: Purse) -> None:
    typed_in(purse, "1.00")
    taken = purse.take({"附言": ""})  # nameless, but typed in for the tenant already
    assert taken.topped_up == 1
    typed_in(purse, "1.00")

    assert purse.cash == Money(100)
    typed_in(purse, "3.00", "B2")
    with pytest.raises(BankFileRefused, match="人工登记"):
        purse.take({"流水号": "B2", "金额": "2.00"})


def test_what_the_file_put_aside_cannot_be_typed_in_as_well(purse: Purse) -> None:
    purse.take({})

    with pytest.raises(BadInput, match="待查款项"):
        typed_in(purse, "1.00")
    assign_suspense(
        entry("B1").id,
        to=Ref("organisation", purse.tenant_id),
        reason="来函确认",
        actor=purse.second,
        now=NOW,
    )
    with pytest.raises(BadInput, match="已认领"):
        typed_in(purse, "1.00")
    assert purse.cash == Money(100)


def test_suspense_is_assigned_once_by_a_second_person_with_a_reason(purse: Purse) -> None:
    purse.take({})
    to, pk = Ref("organisation", purse.tenant_id), entry("B1").id

    def assign(actor: Actor, reason: str = "来函确认", to: Ref = to) -> None:
        assign_suspense(pk, to=to, reason=reason, actor=actor, now=NOW)

    with pytest.raises(BankEntryRefused, match="登记流水文件的人"):
        assign(purse.first)
    with pytest.raises(BankEntryRefused, match="理由"):
        assign(purse.second, " ")
    with pytest.raises(NotAllowed):
        assign(purse.tenant)
    assign(purse.second)
    assign(purse.second)
    with pytest.raises(BankEntryRefused, match="已认领"):
        assign(purse.second, to=Ref("organisation", purse.provider))

    assert purse.cash == Money(100)
    assert balance(SUSPENSE).available == Money(0)
    with pytest.raises(IntegrityError), transaction.atomic():
        EntryMatch.objects.create(
            entry=entry("B1"),
            to="x",
            reason="x",
            taken_by=pk,
            matched_by=pk,
            matched_at=NOW,
        )


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
    order_refund(order, account="supervised", actor=purse.first, now=NOW)
    with pytest.raises(CashOrderRefused, match="待复核"):
        order_refund(order, account="supervised", actor=purse.first, now=NOW)
    assert purse.cash == Money(400)


def test_two_people_and_the_database_says_so_too(purse: Purse) -> None:
    purse.fund("1.00")
    order = purse.ask("1.00")
    order_refund(order, account="supervised", actor=purse.first, now=NOW)

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
    order_refund(order, account="supervised", actor=purse.first, now=NOW)
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


def test_what_the_bank_said_stays(purse: Purse) -> None:
    purse.take({})
    for change in ({"amount_fen": 2}, {"outcome": "top_up", "matched": "x"}, {"remark": "y"}):
        with pytest.raises(DatabaseError), transaction.atomic():
            BankEntry.objects.update(**change)
    with pytest.raises(DatabaseError), transaction.atomic():
        BankFile.objects.all().delete()


def test_an_account_opens_under_a_new_key_too(purse: Purse) -> None:
    new = DataKey("k2", bytes([1]) * 32)
    both = Keyring((new, *KEYS.keys))

    assert reseal_bank_accounts(keys=both, actor=SYSTEM, now=NOW) == 1
    assert reseal_bank_accounts(keys=both, actor=SYSTEM, now=NOW) == 0

    purse.take({"附言": purse.code}, keys=Keyring((new,)))
    assert purse.cash == Money(100)
