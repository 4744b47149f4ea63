"""The database refuses what no action would do, and the check names what got past it."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import pytest
from django.core.management import call_command
from django.db import IntegrityError, connection, transaction

from jinsuan.kernel.money import Money
from jinsuan.kernel.ref import Actor, Ref
from jinsuan.ledger.actions import Posting, post
from jinsuan.ledger.models import Account, Transfer
from jinsuan.ledger.queries import check_book
from jinsuan.ledger.reasons import Reason

pytestmark = pytest.mark.django_db

NOW = datetime(2025, 3, 1, 8, tzinfo=UTC)
BANK, CASH, HOLD = "bank:b", "cash:o", "hold:j:cash"


@pytest.fixture(autouse=True)
def book() -> None:
    """100 fen paid in, 40 of them held."""
    movements = [("t", BANK, CASH, 100), ("h", CASH, HOLD, 40)]
    postings = [
        Posting(
            key=key,
            debit=debit,
            credit=credit,
            amount=Money(fen),
            reason=Reason.TOP_UP,
            cause=Ref("job", UUID(int=1)),
            occurred_at=NOW,
        )
        for key, debit, credit, fen in movements
    ]
    post(postings, actor=Actor.system("test"), now=NOW)
    sql("SET CONSTRAINTS ALL IMMEDIATE")  # or TRUNCATE would stumble over waiting foreign keys


def sql(text: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(text)


def plant(*statements: str) -> None:
    """Do as the tables' owner, who may switch our triggers off; the test's rollback brings them back.

    CHECKs still hold then; to hurt those, too, a statement has to drop them.
    """
    for table in ("ledger_transfer", "ledger_audit_row", "ledger_account"):
        sql(f"ALTER TABLE {table} DISABLE TRIGGER USER")
    for text in statements:
        sql(text)


TRANSFER = """
    INSERT INTO ledger_transfer (id, key, number, request_hash, debit_id, credit_id, fen, reason,
                                 cause, occurred_at, recorded_at)
    SELECT gen_random_uuid(), {key}, 99, sha256('x'), d.id, c.id, {fen}, {reason},
           'job_00000000000000000000000001', now(), now()
    FROM ledger_account d, ledger_account c WHERE d.code = {debit} AND c.code = {credit}
"""
GOOD = {"key": "'raw'", "fen": "1", "reason": "'hold'", "debit": "'cash:o'", "credit": "'bank:b'"}


def raw_transfer(**changes: str) -> str:
    return TRANSFER.format(**(GOOD | changes))


def raw_account(values: str) -> str:
    columns = "code, kind, may_overdraw, debits_fen, credits_fen, opened_at"
    return f"INSERT INTO ledger_account ({columns}) VALUES ({values}, now())"


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE ledger_transfer SET fen = fen + 1",
        "UPDATE ledger_transfer SET cause = cause WHERE key = 'nobody'",
        "DELETE FROM ledger_transfer",
        "DELETE FROM ledger_transfer WHERE key = 'nobody'",
        "TRUNCATE ledger_transfer",
        "UPDATE ledger_audit_row SET reason = ''",
        "DELETE FROM ledger_audit_row",
        "TRUNCATE ledger_audit_row CASCADE",
        "DELETE FROM ledger_account",
        "DELETE FROM ledger_account WHERE code = 'nobody'",
        "TRUNCATE ledger_account CASCADE",
        "UPDATE ledger_account SET debits_fen = debits_fen - 1 WHERE code = 'cash:o'",
        "UPDATE ledger_account SET credits_fen = 0 WHERE code = 'cash:o'",
        "UPDATE ledger_account SET may_overdraw = true WHERE code = 'cash:o'",
        "UPDATE ledger_account SET code = 'cash:p' WHERE code = 'cash:o'",
        "UPDATE ledger_account SET code = 'bank:o', kind = 'bank' WHERE code = 'cash:o'",
        "UPDATE ledger_account SET opened_at = now() WHERE code = 'cash:o'",
    ],
)
def test_what_is_written_stays(statement: str) -> None:
    with pytest.raises(IntegrityError, match=r"refuses|may not"), transaction.atomic():
        sql(statement)


@pytest.mark.parametrize(
    ("statement", "constraint"),
    [
        (
            "UPDATE ledger_account SET debits_fen = debits_fen + 61 WHERE code = 'cash:o'",
            "account_not_overdrawn",
        ),
        (raw_account("'cash:p', 'cash', true, 0, 0"), "account_overdraw_by_kind"),
        (raw_account("'cash:p', 'bank', true, 0, 0"), "account_kind_leads_code"),
        (raw_account("'gold:p', 'gold', false, 0, 0"), "account_kind_known"),
        (raw_account("'cash:p', 'cash', false, -1, 0"), "account_totals_not_negative"),
        (raw_account("'cash:o', 'cash', false, 0, 0"), "account_code"),
        (raw_transfer(fen="0"), "transfer_is_positive"),
        (raw_transfer(credit="'cash:o'"), "transfer_moves"),
        (raw_transfer(key="''"), "transfer_has_key"),
        (raw_transfer(reason="'gift'"), "transfer_reason_known"),
        (raw_transfer(key="'t'"), "ledger_transfer_key"),
    ],
)
def test_the_tables_repeat_what_the_actions_check(statement: str, constraint: str) -> None:
    with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
        sql(statement)


def test_the_orm_cannot_get_past_the_guards_either() -> None:
    for change in (
        lambda: Account.objects.update(debits_fen=0),
        lambda: Account.objects.filter(code=CASH).update(debits_fen=101),
        lambda: Account.objects.filter(code=CASH).delete(),
        lambda: Transfer.objects.update(fen=1),
        lambda: Transfer.objects.all().delete(),
    ):
        with pytest.raises(IntegrityError), transaction.atomic():
            change()
    assert check_book().differences == ()


@pytest.mark.parametrize(
    ("planted", "words"),
    [
        (
            ["UPDATE ledger_account SET debits_fen = debits_fen + 5 WHERE code = 'cash:o'"],
            ["账户 cash:o 借方记为 ¥0.45，按转账重算为 ¥0.40，相差 ¥0.05", "不相等，相差 ¥0.05"],
        ),
        (
            ["UPDATE ledger_account SET credits_fen = credits_fen - 1 WHERE code = 'hold:j:cash'"],
            ["账户 hold:j:cash 贷方记为 ¥0.39", "不相等"],
        ),
        (
            ["UPDATE ledger_transfer SET fen = 41 WHERE key = 'h'"],
            ["账户 cash:o 借方", "账户 hold:j:cash 贷方", "转账 h 的内容与记账时的摘要不符"],
        ),
        (
            ["UPDATE ledger_transfer SET reason = 'refund' WHERE key = 'h'"],
            ["转账 h 的内容与记账时的摘要不符"],
        ),
        (
            ["DELETE FROM ledger_transfer WHERE key = 'h'"],
            ["账户 cash:o 借方", "账户 hold:j:cash 贷方", "审计记录所说的转账 transfer_"],
        ),
        (
            ["UPDATE ledger_transfer SET key = 'x' WHERE key = 'h'"],
            ["转账 x 的编号与转账标识不符", "转账 x 的内容"],
        ),
        (
            ["DELETE FROM ledger_audit_row WHERE id = (SELECT max(id) FROM ledger_audit_row)"],
            ["转账 h 没有审计记录"],
        ),
        (
            [
                "SET CONSTRAINTS ALL DEFERRED",
                "DELETE FROM ledger_account WHERE code = 'hold:j:cash'",
            ],
            ["转账指向不存在的账户", "不相等"],
        ),
        (
            [
                "ALTER TABLE ledger_account DROP CONSTRAINT account_overdraw_by_kind",
                "UPDATE ledger_account SET may_overdraw = true WHERE code = 'cash:o'",
            ],
            ["账户 cash:o 的透支许可与其性质不符"],
        ),
        (
            [
                "ALTER TABLE ledger_account DROP CONSTRAINT account_not_overdrawn",
                "UPDATE ledger_account SET debits_fen = 101 WHERE code = 'cash:o'",
            ],
            ["账户 cash:o 不得透支，余额却为 -¥0.01", "账户 cash:o 借方", "不相等"],
        ),
        (
            [
                "ALTER TABLE ledger_account DROP CONSTRAINT account_kind_known",
                "ALTER TABLE ledger_account DROP CONSTRAINT account_kind_leads_code",
                "UPDATE ledger_account SET kind = 'gold' WHERE code = 'cash:o'",
            ],
            ["账户 cash:o 的性质“gold”与编码不符"],
        ),
        ([raw_transfer()], ["账户 cash:o 借方", "账户 bank:b 贷方", "转账 raw 没有审计记录"]),
    ],
)
def test_the_check_finds_and_names_a_planted_difference(
    planted: list[str], words: list[str]
) -> None:
    assert check_book().differences == ()
    with transaction.atomic():
        plant(*planted)
        found = check_book().differences
        transaction.set_rollback(True)  # the end of the test would trip over a broken foreign key
    assert found
    for expected in words:
        assert any(expected in difference for difference in found), (expected, found)


def test_a_change_that_leaves_every_total_is_found_by_its_digest() -> None:
    plant("UPDATE ledger_transfer SET cause = 'job_00000000000000000000000002' WHERE key = 'h'")
    assert check_book().differences == ("转账 h 的内容与记账时的摘要不符",)


def test_the_migration_can_be_undone_and_done_again() -> None:
    call_command("migrate", "ledger", "0001", verbosity=0)
    call_command("migrate", verbosity=0)
    with pytest.raises(IntegrityError, match="refuses"), transaction.atomic():
        sql("DELETE FROM ledger_transfer")
