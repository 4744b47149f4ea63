"""Every planted difference is found at its place, and stops its own account and no other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest
from django.db import DatabaseError, connection, transaction

from jinsuan.entrypoints.worker import ticks
from jinsuan.kernel.errors import BadInput, NotAllowed, NotFound
from jinsuan.kernel.money import Money
from jinsuan.kernel.period import BEIJING
from jinsuan.kernel.ref import Actor, Ref
from jinsuan.ledger import accounts
from jinsuan.ledger.models import Account, AuditRow
from jinsuan.metering.models import Charge
from jinsuan.vouchers.actions import (
    book_differences,
    clear_difference,
    issue,
    revoke,
)
from jinsuan.vouchers.differences import (
    check_not_stopped,
    open_differences,
    stopped_accounts,
)
from jinsuan.vouchers.errors import DifferenceStays, PaymentStopped
from jinsuan.vouchers.models import Difference, Funding, Programme, Voucher
from jinsuan.vouchers.reconcile import Found, differences
from tests.flows.statement_world import MeteredJob
from tests.flows.world import SYSTEM, World, make_world

pytestmark = pytest.mark.django_db
NOW = datetime(2025, 9, 16, 1, 0, tzinfo=UTC)
POOL, BANK = "pool:2025:m09", accounts.bank("supervised")


@pytest.fixture
def world() -> World:
    """Two jobs: one paid by voucher and cash, one by cash with a shortfall."""
    world = make_world(now=NOW, voucher="20")
    one, two = MeteredJob(world), MeteredJob(world)
    one.begin(cover="60", authorised="100", now=NOW)
    two.begin(cover="8", authorised="50", now=NOW, voucher="none")
    one.used(2, now=NOW + timedelta(hours=2))
    two.used(2, now=NOW + timedelta(hours=2))
    one.used(3, now=NOW + timedelta(hours=3))
    return world


GUARDED = (
    *("ledger_account", "ledger_transfer", "ledger_audit_row", "metering_charge"),
    "metering_chargeline",
)


@contextmanager
def against_the_rules() -> Iterator[Callable[..., None]]:
    """SQL as the tables' owner, who can switch the guarding triggers off."""
    with connection.cursor() as cursor:

        def switch(how: str) -> None:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            for table in GUARDED:
                cursor.execute(f"ALTER TABLE {table} {how} TRIGGER USER")
            cursor.execute("SET CONSTRAINTS ALL DEFERRED")

        def run(sql: str, *values: object) -> None:
            cursor.execute(sql, values)
            assert cursor.rowcount >= 1, sql

        switch("DISABLE")
        yield run
        switch("ENABLE")


def payable(world: World, purse: str = "cash") -> str:
    return accounts.payable(Ref("organisation", world.provider), purse)


def voucher() -> Voucher:
    return Voucher.objects.get()


def short_charge() -> Charge:
    """The charge that no voucher paid."""
    return Charge.objects.get(attempt__in=Funding.objects.filter(shortfall_fen__gt=0).values("pk"))


def found() -> dict[tuple[str, str, str], tuple[int, int]]:
    return {
        (one.kind.value, one.account, one.place): (one.expected.fen, one.found.fen)
        for one in differences()
    }


def test_right_books_have_no_difference(world: World) -> None:
    assert differences() == []
    assert differences({BANK: Money.yuan("100000")}) == []
    assert ticks.reconcile(lambda: NOW) == 0


def test_money_that_went_back_to_its_pool_is_no_difference(world: World) -> None:
    back = revoke(voucher().id, reason="查实不符", actor=world.officer, now=NOW)

    assert back.fen > 0
    assert differences() == []


def test_a_balance_that_is_not_its_transfers(world: World) -> None:
    cash = accounts.cash(Ref("organisation", world.tenant))
    stands = Account.objects.get(code=cash).credits_fen
    with against_the_rules() as sql:
        sql("UPDATE ledger_account SET credits_fen = credits_fen + 1 WHERE code = %s", cash)

    place = str(Ref("organisation", world.tenant))
    assert found() == {("book", cash, place): (stands, stands + 1)}


def test_a_transfer_that_was_rewritten(world: World) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT id FROM ledger_transfer WHERE reason = 'top_up'")
        (pk,) = cursor.fetchone()
    with against_the_rules() as sql:
        sql("UPDATE ledger_transfer SET cause = %s WHERE id = %s", str(Ref("person", pk)), pk)

    cash, place = accounts.cash(Ref("organisation", world.tenant)), str(Ref("transfer", pk))
    assert set(found()) == {("transfer", cash, place), ("transfer", BANK, place)}


def test_a_transfer_without_its_audit_row(world: World) -> None:
    transfer = Ref.read(AuditRow.objects.filter(reason="pool_funding").values_list("subject")[0][0])
    with against_the_rules() as sql:
        sql("DELETE FROM ledger_audit_row WHERE subject = %s", str(transfer))

    assert set(found()) == {
        ("transfer", POOL, str(transfer)),
        ("transfer", accounts.budget(2025), str(transfer)),
    }


def test_a_charge_that_was_raised_after_the_capture(world: World) -> None:
    charge = short_charge()
    with against_the_rules() as sql:
        more = "amount_fen = amount_fen + 5, cumulative_fen = cumulative_fen + 5"
        sql(f"UPDATE metering_charge SET {more} WHERE id = %s", charge.id)
        sql(
            "UPDATE metering_meter SET charged_fen = charged_fen + 5 WHERE attempt = %s",
            charge.attempt_id,
        )
        sql(
            "UPDATE vouchers_funding SET captured_fen = captured_fen + 5,"
            " shortfall_fen = shortfall_fen + 5 WHERE attempt = %s",
            charge.attempt_id,
        )

    account, place = payable(world), str(Ref("charge", charge.id))
    assert found() == {("charge", account, place): (1429, 1424)}


def test_a_charge_that_vanished_and_one_that_was_never_captured(world: World) -> None:
    charge = short_charge()
    number, amount, attempt = charge.number, charge.amount_fen, charge.attempt_id
    other = UUID(int=charge.id.int + 1)
    with against_the_rules() as sql:
        # The charge gets another name: the book speaks of one that metering does not know.
        sql("UPDATE metering_charge SET id = %s WHERE id = %s", other, charge.id)
        sql("UPDATE metering_chargeline SET charge_id = %s WHERE charge_id = %s", other, charge.id)
    new = str(Ref("charge", Charge.objects.get(attempt=attempt, number=number).id))

    assert found() == {
        ("charge", payable(world), str(Ref("charge", charge.id))): (0, amount),
        ("charge", payable(world), new): (amount, 0),
    }


def test_a_voucher_paid_charge_stops_both_claims_of_its_provider(world: World) -> None:
    charge = Charge.objects.exclude(attempt=short_charge().attempt_id).order_by("number")[0]
    with against_the_rules() as sql:
        sql("UPDATE metering_charge SET amount_fen = amount_fen - 1 WHERE id = %s", charge.id)
        sql(
            "UPDATE metering_meter SET charged_fen = charged_fen - 1 WHERE attempt = %s",
            charge.attempt_id,
        )
        sql(
            "UPDATE vouchers_funding SET captured_fen = captured_fen - 1 WHERE attempt = %s",
            charge.attempt_id,
        )

    place = str(Ref("charge", charge.id))
    assert {key for key in found() if key[0] == "charge"} == {
        ("charge", payable(world), place),
        ("charge", payable(world, "voucher"), place),
    }


def test_running_totals_that_drifted(world: World) -> None:
    attempt = short_charge().attempt_id
    place = str(Ref("attempt", attempt))
    with against_the_rules() as sql:
        sql(
            "UPDATE vouchers_funding SET shortfall_fen = shortfall_fen + 1 WHERE attempt = %s",
            attempt,
        )
    assert found() == {("meter", payable(world), place): (1424, 1425)}
    with against_the_rules() as sql:
        sql("UPDATE metering_meter SET charged_fen = charged_fen - 2 WHERE attempt = %s", attempt)
    assert ("meter", payable(world), place) in found()


def test_a_claim_credited_to_the_wrong_provider(world: World) -> None:
    """Each charge agrees with its transfers, but the money stands with somebody else."""
    other = accounts.payable(Ref("organisation", world.tenant), "cash")
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT ledger_open(ARRAY[%s], ARRAY['payable'], ARRAY[false], %s)", [other, NOW]
        )
        cursor.execute("SELECT id, fen FROM ledger_transfer WHERE reason = 'shortfall'")
        pk, fen = cursor.fetchone()
    with against_the_rules() as sql:
        sql(
            "UPDATE ledger_transfer SET credit_id = (SELECT id FROM ledger_account WHERE code = %s)"
            " WHERE id = %s",
            other,
            pk,
        )

    kinds = {(kind, account) for kind, account, _ in found()}
    assert {("provider", payable(world)), ("provider", other)} <= kinds
    assert found()["provider", other, str(Ref("organisation", world.tenant))] == (0, fen)


def test_a_face_that_was_not_issued_and_its_pool(world: World) -> None:
    row = voucher()
    with against_the_rules() as sql:
        sql("UPDATE vouchers_voucher SET face_fen = face_fen + 100 WHERE id = %s", row.id)

    ref = Ref("voucher", row.id)
    programme = str(Ref("programme", row.programme_id))
    assert found() == {
        ("face", accounts.voucher(ref), str(ref)): (2100, 2000),
        ("pool", POOL, programme): (5_000_000_000 - 2100, 5_000_000_000 - 2000),
    }


def test_a_pool_that_is_not_what_the_year_says(world: World) -> None:
    with against_the_rules() as sql:
        sql("UPDATE vouchers_programme SET pool_fen = pool_fen + 1 WHERE code = %s", "2025:m09")

    place = str(Ref("programme", Programme.objects.get().id))
    assert found() == {("pool", POOL, place): (5_000_000_001, 5_000_000_000)}


def test_a_bank_that_holds_something_else(world: World) -> None:
    (one,) = differences({BANK: Money.yuan("99999.99")})

    assert (one.kind, one.account, one.place) == (Difference.Kind.BANK, BANK, BANK)
    assert (one.expected.fen, one.found.fen) == (9_999_999, 10_000_000)


def test_a_difference_stops_its_account_only_and_says_where(world: World) -> None:
    charge = short_charge()
    with against_the_rules() as sql:
        sql(
            "UPDATE vouchers_funding SET captured_fen = captured_fen + 1 WHERE attempt = %s",
            charge.attempt_id,
        )
    assert ticks.reconcile(lambda: NOW) == 1
    assert ticks.reconcile(lambda: NOW + timedelta(days=1)) == 0  # still the same one

    everything = list(Account.objects.values_list("code", flat=True))
    assert stopped_accounts(everything) == {payable(world)}
    check_not_stopped([payable(world, "voucher"), BANK, POOL])
    with pytest.raises(PaymentStopped) as refused:
        check_not_stopped([BANK, payable(world)])
    words = refused.value.explain()
    assert payable(world) in words
    assert str(Ref("attempt", charge.attempt_id)) in words
    assert "应为 ¥14.24，实为 ¥14.25" in words
    (shown,) = open_differences(world.auditor)
    assert (shown.account, shown.apart.fen) == (payable(world), 1)
    assert open_differences(world.researcher) == []
    assert AuditRow.objects.filter(action="difference.found").count() == 1


def test_jobs_go_on_and_a_stopped_pool_issues_nothing(world: World) -> None:
    with against_the_rules() as sql:
        sql("UPDATE vouchers_programme SET pool_fen = pool_fen + 1 WHERE code = %s", "2025:m09")
    book_differences(differences(), actor=SYSTEM, now=NOW)

    job = MeteredJob(world)
    job.begin(cover="10", authorised="10", now=NOW)
    assert job.used(1, now=NOW + timedelta(hours=1))
    with pytest.raises(PaymentStopped):
        issue(
            programme="2025:m09",
            tenant=world.tenant,
            face=Money.yuan("10"),
            expires_on=date(2025, 12, 31),
            reason="再发",
            actor=world.officer,
            now=NOW,
        )


def planted(world: World) -> Difference:
    with against_the_rules() as sql:
        sql("UPDATE vouchers_programme SET pool_fen = pool_fen + 1 WHERE code = %s", "2025:m09")
    book_differences(differences(), actor=SYSTEM, now=NOW)
    return Difference.objects.get()


def mend() -> None:
    with against_the_rules() as sql:
        sql("UPDATE vouchers_programme SET pool_fen = pool_fen - 1 WHERE code = %s", "2025:m09")


def clear(row: Difference, actor: Actor, reason: str = "入池金额登记有误，已更正") -> None:
    clear_difference(row.id, reason=reason, actor=actor, now=NOW)


def test_only_a_named_official_clears_and_only_what_is_gone(world: World) -> None:
    row = planted(world)
    with pytest.raises(DifferenceStays) as stays:
        clear(row, world.officer)
    assert "¥50,000,000.01" in stays.value.explain()
    mend()
    for actor in (world.researcher, world.auditor, SYSTEM):
        with pytest.raises(NotAllowed):
            clear(row, actor)
    for reason in ("", "  ", "长" * 301):
        with pytest.raises(BadInput):
            clear(row, world.officer, reason)
    assert stopped_accounts([POOL]) == {POOL}

    clear(row, world.treasury)
    row.refresh_from_db()
    assert (row.cleared_by_id, row.reason) == (world.treasury.person, "入池金额登记有误，已更正")
    assert stopped_accounts([POOL]) == set()
    with pytest.raises(NotFound):
        clear(row, world.treasury)
    assert AuditRow.objects.filter(action="difference.clear").count() == 1


def test_a_difference_with_the_bank_needs_the_bank_to_be_gone(world: World) -> None:
    wrong, right = {BANK: Money.yuan("1")}, {BANK: Money.yuan("100000")}
    book_differences(differences(wrong), actor=SYSTEM, now=NOW)
    pk = Difference.objects.get().id
    for totals in (None, wrong):
        with pytest.raises(DifferenceStays):
            clear_difference(pk, reason="查", actor=world.treasury, now=NOW, bank_totals=totals)
    clear_difference(pk, reason="查清", actor=world.treasury, now=NOW, bank_totals=right)


def test_the_table_refuses_to_forget(world: World) -> None:
    row = planted(world)
    attempts = (
        ("DELETE FROM vouchers_difference", ()),
        ("UPDATE vouchers_difference SET expected_fen = 0", ()),
        ("UPDATE vouchers_difference SET account = %s", ("pool:x",)),
        ("UPDATE vouchers_difference SET cleared_at = now()", ()),
        ("TRUNCATE vouchers_difference", ()),
    )
    for sql, values in attempts:
        with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(sql, values)
    mend()
    clear(row, world.officer)
    with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("UPDATE vouchers_difference SET reason = %s", ("别的",))


def test_a_difference_that_grew_is_another_one(world: World) -> None:
    planted(world)
    with against_the_rules() as sql:
        sql("UPDATE vouchers_programme SET pool_fen = pool_fen + 1 WHERE code = %s", "2025:m09")
    assert book_differences(differences(), actor=SYSTEM, now=NOW) == 1
    assert Difference.objects.count() == 2
    assert isinstance(differences()[0], Found)


def test_the_night_s_turn_is_at_half_past_two_in_beijing() -> None:
    from jinsuan.entrypoints.worker.tasks import app

    (task,) = [
        one
        for (name, _), one in app.periodic_registry.periodic_tasks.items()
        if name == "reconcile"
    ]
    at = task.croniter.set_current(NOW.timestamp(), force=True) and task.croniter.get_next(float)
    assert datetime.fromtimestamp(at, BEIJING).strftime("%H:%M") == "02:30"
