"""deploy/grants.sql: the application's role posts and records, and can change nothing it wrote."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit
from uuid import UUID

import psycopg
import pytest
from django.db import ProgrammingError, connection, transaction

from jinsuan.kernel.money import Money
from jinsuan.kernel.ref import Actor, Ref
from jinsuan.ledger.actions import Note, Posting, post, record
from jinsuan.ledger.errors import InsufficientBalance
from jinsuan.ledger.queries import balance, check_book
from jinsuan.ledger.reasons import Reason
from jinsuan.ledger.seal import seal_all
from jinsuan.ledger.steps import Step

GRANTS = Path(__file__).parents[2] / "deploy" / "grants.sql"
NOW = datetime(2025, 3, 1, 8, tzinfo=UTC)
SYSTEM = Actor.system("test")
POOL = "pool:2025:m09"


@pytest.fixture(scope="module")
def app_role() -> None:
    """The role, made by the server's superuser; ours may become it, and has no right by it."""
    url = urlsplit(os.environ["DATABASE_URL"])
    admin = url._replace(netloc=url.netloc.replace(f"{url.username}:", "postgres:", 1)).geturl()
    try:
        with psycopg.connect(admin, autocommit=True) as plain:
            plain.execute("SELECT pg_advisory_lock(8421)")  # the server serves other workers, too
            if not plain.execute("SELECT 1 FROM pg_roles WHERE rolname = 'jinsuan_app'").fetchone():
                plain.execute("CREATE ROLE jinsuan_app")
                plain.execute(f'GRANT jinsuan_app TO "{url.username}"')
    except psycopg.OperationalError:
        missing = "no superuser on this server to make a role"
        if os.environ.get("CI"):
            pytest.fail(missing)  # the gate's own servers have one, so there it is a fault
        pytest.skip(missing)


@pytest.fixture
def as_app(app_role: None, db: None) -> Iterator[None]:
    """The grants given, and the rest of the test done by the role; rolled back afterwards."""
    sql(GRANTS.read_text("utf-8"))
    sql("SET LOCAL ROLE jinsuan_app")
    yield
    sql("RESET ROLE")


def sql(text: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(text)


def move(key: str, debit: str, credit: str, fen: int, step: Step, pending: str = "") -> Posting:
    return Posting(
        key=key,
        debit=debit,
        credit=credit,
        amount=Money(fen),
        reason=Reason.VOUCHER_ISSUE,
        cause=Ref("job", UUID(int=1)),
        occurred_at=NOW,
        step=step,
        pending=pending,
    )


@pytest.fixture
def book(as_app: None) -> None:
    """100 fen in the pool, 60 of them reserved and 20 of those posted."""
    for posting in (
        move("fund", "bank:b", POOL, 100, Step.SINGLE),
        move("p", POOL, "voucher:v", 60, Step.PENDING),
        move("q", POOL, "voucher:v", 20, Step.POST, "p"),
    ):
        post([posting], actor=SYSTEM, now=NOW)


def test_the_role_posts_in_steps_records_and_seals(book: None) -> None:
    assert balance(POOL).available == Money(80)
    with pytest.raises(InsufficientBalance):
        post([move("s", POOL, "voucher:v", 81, Step.SINGLE)], actor=SYSTEM, now=NOW)
    record([Note(action="job.look", subject=Ref("job", UUID(int=1)))], actor=SYSTEM, now=NOW)
    assert seal_all(signer=None, now=NOW) == 4
    assert check_book().differences == ()


@pytest.mark.parametrize(
    "statement",
    [
        *(
            text.format(table=table)
            for table in (
                "ledger_transfer",
                "ledger_audit_row",
                "ledger_account",
                "ledger_block",
                "ledger_sealed_row",
            )
            for text in (
                "DELETE FROM {table}",
                "TRUNCATE {table} CASCADE",
                "ALTER TABLE {table} DISABLE TRIGGER USER",
                "DROP TABLE {table} CASCADE",
            )
        ),
        "UPDATE ledger_transfer SET fen = 1",
        "UPDATE ledger_audit_row SET reason = ''",
        "UPDATE ledger_block SET rows = 1",
        "UPDATE ledger_sealed_row SET position = 9",
        "UPDATE ledger_waiting_row SET row_id = 9",
        "TRUNCATE ledger_waiting_row",
        "UPDATE ledger_account SET may_overdraw = true",
        "UPDATE ledger_account SET code = 'pool:x'",
        "CREATE OR REPLACE FUNCTION ledger_refuse() RETURNS trigger LANGUAGE sql AS $$ $$",
    ],
)
def test_the_role_changes_nothing_that_is_written(book: None, statement: str) -> None:
    with (
        pytest.raises(ProgrammingError, match=r"permission denied|must be owner"),
        transaction.atomic(),
    ):
        sql(statement)
