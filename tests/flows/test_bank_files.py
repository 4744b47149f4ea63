"""Cash from the bank's file: top-ups and 待查款项, each exactly once."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import DatabaseError, IntegrityError, transaction

from jinsuan.casework.actions.payees import confirm_payee_account, enter_payee_account
from jinsuan.kernel.errors import BadInput, NotAllowed
from jinsuan.kernel.money import Money
from jinsuan.kernel.ref import Actor, Ref
from jinsuan.ledger import accounts
from jinsuan.ledger.queries import balance, check_book
from jinsuan.registry.sealing import DataKey, Keyring
from jinsuan.vouchers.actions.bank_accounts import (
    reseal_bank_accounts,
)
from jinsuan.vouchers.actions.matches import assign_suspense
from jinsuan.vouchers.errors import BankEntryRefused, BankFileRefused
from jinsuan.vouchers.models import BankEntry, BankFile, EntryMatch
from jinsuan.vouchers.queries_bank import (
    bank_position,
    suspense,
    unexplained,
)
from tests.bank_world import OTHER
from tests.flows.casework_world import NOW
from tests.flows.purse import BANK, KEYS, SUSPENSE, Purse, entry, typed_in
from tests.flows.world import SYSTEM, uscc

pytestmark = pytest.mark.django_db


@pytest.fixture
def purse() -> Purse:
    return Purse()


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
        {"对方账号": "9" + OTHER[1:]},  # the same last digits
        {"对方账号": ""},
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


def test_what_the_bank_said_stays(purse: Purse) -> None:
    purse.take({})
    for change in ({"amount_fen": 2}, {"outcome": "top_up", "matched": "x"}, {"remark": "y"}):
        with pytest.raises(DatabaseError), transaction.atomic():
            BankEntry.objects.update(**change)
    with pytest.raises(DatabaseError), transaction.atomic():
        BankFile.objects.all().delete()


def test_an_account_opens_under_a_new_key_too(purse: Purse) -> None:
    purse.take({"流水号": "B0"})
    new = DataKey("k2", bytes([1]) * 32)
    both = Keyring((new, *KEYS.keys))

    assert reseal_bank_accounts(keys=both, actor=SYSTEM, now=NOW) == 1
    assert reseal_bank_accounts(keys=both, actor=SYSTEM, now=NOW) == 0

    purse.take({"流水号": "B2", "附言": purse.code}, keys=Keyring((new,)))
    old = {"流水号": "B0"}
    purse.take(old, {"流水号": "B3"}, keys=Keyring((new,)))  # B0 stands under the key that is gone
    with pytest.raises(BankFileRefused):
        purse.take({**old, "对方账号": "0502123409300011111"}, keys=Keyring((new,)))
    assert purse.cash == Money(100)
