"""Two steps: a pending transfer reserves, a post moves it or a part, a void lets it go; once each."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from django.db import IntegrityError, connection, transaction

from jinsuan.kernel.errors import DomainError
from jinsuan.kernel.money import Money
from jinsuan.kernel.ref import Actor, Ref
from jinsuan.ledger.actions import Posting, post
from jinsuan.ledger.digest import canonical, digest
from jinsuan.ledger.errors import (
    AlreadyResolved,
    InsufficientBalance,
    PendingDiffers,
    PendingUnknown,
    TransferKeyReused,
)
from jinsuan.ledger.models import Account, Transfer
from jinsuan.ledger.queries import (
    Balance,
    balance,
    check_book,
    links,
    resolution,
    statement,
    transfer,
)
from jinsuan.ledger.reasons import Reason
from jinsuan.ledger.steps import Step

pytestmark = pytest.mark.django_db

NOW = datetime(2025, 3, 1, 8, tzinfo=UTC)
WORKER = Actor.system("worker")
BANK, POOL, VOUCHER, OTHER = "bank:b", "pool:2025:m09", "voucher:v", "voucher:w"


def move(
    key: str,
    debit: str,
    credit: str,
    fen: int,
    step: Step = Step.SINGLE,
    pending: str = "",
) -> Posting:
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


def put(*postings: Posting) -> None:
    post(postings, actor=WORKER, now=NOW)


def refusal_of(*postings: Posting) -> DomainError:
    """The refusal of a call, which must leave the book as it was."""
    before = list(Account.objects.order_by("id").values()), Transfer.objects.count()
    with pytest.raises(DomainError) as refusal:
        put(*postings)
    assert (list(Account.objects.order_by("id").values()), Transfer.objects.count()) == before
    return refusal.value


def fen_of(code: str) -> tuple[int, int, int]:
    """Available, pending out and pending in."""
    found: Balance = balance(code)
    return found.available.fen, found.pending_out.fen, found.pending_in.fen


PENDING = move("p", POOL, VOUCHER, 60, Step.PENDING)
POST = move("post", POOL, VOUCHER, 60, Step.POST, "p")
VOID = move("void", POOL, VOUCHER, 60, Step.VOID, "p")


@pytest.fixture(autouse=True)
def pool() -> None:
    """100 fen in the pool."""
    put(move("fund", BANK, POOL, 100))


def test_a_pending_transfer_reserves_and_nobody_can_spend_it_at_either_end() -> None:
    put(PENDING)
    assert (fen_of(POOL), fen_of(VOUCHER)) == ((40, 60, 0), (0, 0, 60))
    assert balance(POOL).posted == Money(100)
    short = refusal_of(move("s", POOL, OTHER, 41))
    assert isinstance(short, InsufficientBalance)
    assert (short.account, short.needed, short.available) == (POOL, Money(41), Money(40))
    assert isinstance(refusal_of(move("p2", POOL, OTHER, 41, Step.PENDING)), InsufficientBalance)
    assert isinstance(refusal_of(move("s2", VOUCHER, OTHER, 1)), InsufficientBalance)
    put(move("s", POOL, OTHER, 40))
    assert check_book().differences == ()


def test_a_post_moves_what_was_reserved() -> None:
    put(PENDING)
    put(POST)
    assert (fen_of(POOL), fen_of(VOUCHER)) == ((40, 0, 0), (60, 0, 0))
    assert check_book().differences == ()


def test_a_post_of_a_part_lets_the_rest_go() -> None:
    put(PENDING)
    put(replace(POST, amount=Money(25)))
    assert (fen_of(POOL), fen_of(VOUCHER)) == ((75, 0, 0), (25, 0, 0))
    assert check_book().differences == ()


def test_a_void_lets_everything_go() -> None:
    put(PENDING)
    put(VOID)
    assert (fen_of(POOL), fen_of(VOUCHER)) == ((100, 0, 0), (0, 0, 0))
    assert check_book().differences == ()


@pytest.mark.parametrize("first", [POST, VOID], ids=["posted", "voided"])
@pytest.mark.parametrize("second", [POST, VOID], ids=["post", "void"])
def test_a_pending_transfer_is_resolved_once(first: Posting, second: Posting) -> None:
    put(PENDING)
    put(first)
    put(first)  # the same key again has nothing to do
    again = refusal_of(replace(second, key="again"), move("s", POOL, OTHER, 1))
    assert isinstance(again, AlreadyResolved)
    assert (again.pending, again.by) == ("p", first.key)
    assert first.key in again.explain()
    assert check_book().differences == ()


def test_one_call_cannot_resolve_it_twice_either() -> None:
    put(PENDING)
    half = replace(POST, amount=Money(30))
    twice = refusal_of(half, replace(half, key="other half"))
    assert isinstance(twice, AlreadyResolved)
    assert twice.by == ""
    assert "两次" in twice.explain()
    put(half, half)
    assert fen_of(VOUCHER) == (30, 0, 0)


def test_what_was_never_reserved_cannot_be_resolved() -> None:
    for posting in (POST, VOID, replace(POST, pending="fund")):
        assert isinstance(refusal_of(posting), PendingUnknown)
    put(PENDING, POST)
    assert isinstance(refusal_of(replace(VOID, pending="post")), PendingUnknown)


@pytest.mark.parametrize(
    "wrong",
    [
        replace(POST, amount=Money(61)),
        replace(POST, debit=OTHER),
        replace(POST, credit=OTHER),
        replace(POST, debit=VOUCHER, credit=POOL),
        replace(VOID, amount=Money(59)),
        replace(VOID, amount=Money(61)),
    ],
    ids=["more", "debit", "credit", "swapped", "void of a part", "void of more"],
)
def test_a_resolution_has_the_pendings_own_accounts_and_no_more_money(wrong: Posting) -> None:
    put(PENDING)
    refusal = refusal_of(wrong)
    assert isinstance(refusal, PendingDiffers)
    assert (refusal.pending, refusal.reserved) == ("p", Money(60))
    assert f"{POOL} → {VOUCHER}" in refusal.explain()
    assert "请" in refusal.explain()
    put(POST)


def test_steps_of_every_kind_work_in_one_call_or_not_at_all() -> None:
    put(PENDING, move("q", POOL, OTHER, 40, Step.PENDING))
    call = [
        replace(POST, amount=Money(50)),
        move("q void", POOL, OTHER, 40, Step.VOID, "q"),
        move("r", POOL, OTHER, 30, Step.PENDING),
        move("s", POOL, OTHER, 20),
    ]
    assert isinstance(refusal_of(*call, move("t", POOL, OTHER, 1)), InsufficientBalance)
    put(*call)
    assert fen_of(POOL) == (0, 30, 0)
    assert fen_of(VOUCHER) == (50, 0, 0)
    assert fen_of(OTHER) == (20, 0, 30)
    put(*call)
    assert fen_of(POOL) == (0, 30, 0)
    assert check_book().differences == ()


def test_a_pending_transfer_may_be_resolved_in_its_own_call() -> None:
    put(PENDING, replace(POST, amount=Money(10)), move("s", POOL, OTHER, 90))
    assert (fen_of(POOL), fen_of(VOUCHER)) == ((0, 0, 0), (10, 0, 0))
    assert check_book().differences == ()


def test_a_repeated_pending_in_the_call_of_its_post_reserves_once() -> None:
    put(PENDING)
    put(PENDING, POST)
    assert (fen_of(POOL), fen_of(VOUCHER)) == ((40, 0, 0), (60, 0, 0))
    put(PENDING, POST)
    assert check_book().differences == ()


def test_a_single_transfer_hashes_as_before_and_a_step_is_part_of_what_is_claimed() -> None:
    claimed = {
        "key": "fund",
        "debit": BANK,
        "credit": POOL,
        "fen": 100,
        "reason": "voucher_issue",
        "cause": str(Ref("job", UUID(int=1))),
    }
    assert bytes(Transfer.objects.get().request_hash) == digest(canonical(claimed))
    put(PENDING, move("p2", POOL, VOUCHER, 40, Step.PENDING))
    put(POST)
    for other in (
        replace(PENDING, step=Step.SINGLE),
        replace(POST, step=Step.VOID),
        replace(POST, pending="p2", amount=Money(40)),
        replace(POST, amount=Money(59)),
    ):
        assert isinstance(refusal_of(other), TransferKeyReused)


@pytest.mark.parametrize(
    ("step", "pending"),
    [(Step.SINGLE, "p"), (Step.PENDING, "p"), (Step.POST, ""), (Step.VOID, ""), (Step.POST, "t")],
)
def test_only_a_post_or_a_void_names_a_pending_one(step: Step, pending: str) -> None:
    with pytest.raises(AssertionError):
        move("t", POOL, VOUCHER, 1, step, pending)


def test_statements_show_memo_lines_and_balances_of_money_that_moved() -> None:
    put(PENDING)
    put(replace(POST, amount=Money(25)), move("q", POOL, VOUCHER, 10, Step.PENDING))
    put(move("q void", POOL, VOUCHER, 10, Step.VOID, "q"))

    def lines(code: str) -> list[tuple[str, Step, int, int, int]]:
        return [
            (li.key, li.step, li.amount.fen, li.reserved.fen, li.balance.fen)
            for li in statement(code, limit=9)
        ]

    assert lines(POOL) == [
        ("q void", Step.VOID, 0, -10, 75),
        ("q", Step.PENDING, 0, 10, 75),
        ("post", Step.POST, -25, -60, 75),
        ("p", Step.PENDING, 0, 60, 100),
        ("fund", Step.SINGLE, 100, 0, 100),
    ]
    assert lines(VOUCHER)[-2:] == [("post", Step.POST, 25, -60, 25), ("p", Step.PENDING, 0, 60, 0)]
    assert statement(POOL, limit=2)[-1].pending is None
    assert statement(POOL, limit=1)[0].pending == transfer("q").ref
    # A page later than the first starts at the right balance, memo lines above it or not.
    (line,) = statement(POOL, limit=1, before=statement(POOL, limit=2)[-1].number)
    assert (line.key, line.balance.fen) == ("post", 75)


def test_a_transfer_tells_its_step_and_its_partner() -> None:
    put(PENDING)
    assert resolution("p") is None
    put(replace(POST, amount=Money(25)))
    pending, posted = transfer("p"), transfer("post")
    assert (pending.step, pending.moved, pending.pending) == (Step.PENDING, Money(0), None)
    assert (posted.step, posted.moved) == (Step.POST, Money(25))
    assert (posted.pending, posted.pending_key) == (pending.ref, "p")
    assert resolution(pending.ref) == posted
    assert links(pending.ref) == [pending.cause, posted.ref]
    assert links(posted.ref) == [posted.cause, pending.ref]


def test_nothing_expires_while_it_is_read() -> None:
    put(PENDING)
    post([POST], actor=WORKER, now=NOW + timedelta(days=4000))
    assert fen_of(VOUCHER) == (60, 0, 0)


def sql(text: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(text)


RAW = """
    INSERT INTO ledger_transfer (id, key, number, request_hash, debit_id, credit_id, fen, reason,
                                 cause, occurred_at, recorded_at, step, pending_id)
    SELECT gen_random_uuid(), 'raw', 99, sha256('x'), debit_id, credit_id, fen, reason, cause,
           occurred_at, recorded_at, {step}, {pending}
    FROM ledger_transfer WHERE key = 'p'
"""


@pytest.mark.parametrize(
    ("statement", "constraint"),
    [
        (RAW.format(step="'post'", pending="id"), "transfer_resolves_once"),
        (RAW.format(step="'void'", pending="id"), "transfer_resolves_once"),
        (RAW.format(step="'void'", pending="NULL"), "transfer_resolves_pending"),
        (RAW.format(step="'single'", pending="id"), "transfer_resolves_pending"),
        (RAW.format(step="'later'", pending="NULL"), "transfer_step_known"),
        (
            "UPDATE ledger_account SET debits_pending_fen = 101 WHERE code = 'pool:2025:m09'",
            "account_not_overdrawn",
        ),
        (
            "UPDATE ledger_account SET credits_pending_fen = -1 WHERE code = 'voucher:v'",
            "account_pending_not_negative",
        ),
        (
            "UPDATE ledger_account SET debits_pending_fen = -1 WHERE code = 'bank:b'",
            "account_pending_not_negative",
        ),
    ],
)
def test_the_tables_repeat_the_rules(statement: str, constraint: str) -> None:
    put(PENDING)
    put(POST)
    with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
        sql(statement)


@pytest.mark.parametrize(
    ("planted", "words"),
    [
        (
            "UPDATE ledger_account SET debits_pending_fen = 59 WHERE code = 'pool:2025:m09'",
            ["账户 pool:2025:m09 预留（借方）记为 ¥0.59，按转账重算为 ¥0.60，相差 -¥0.01"],
        ),
        (
            "UPDATE ledger_account SET credits_pending_fen = 0 WHERE code = 'voucher:v'",
            ["账户 voucher:v 预留（贷方）"],
        ),
        (RAW.format(step="'post'", pending="id"), ["预留（借方）", "借方记为", "转账 raw"]),
        (
            "ALTER TABLE ledger_transfer DISABLE TRIGGER USER; UPDATE ledger_transfer SET fen = 1 WHERE key = 'q void'",
            ["转账 q void 与它了结的预留 q 不符", "转账 q void 的内容与记账时的摘要不符"],
        ),
        (
            "ALTER TABLE ledger_transfer DISABLE TRIGGER USER; UPDATE ledger_transfer SET step = 'post' WHERE key = 'q void'",
            ["账户 pool:2025:m09 借方", "转账 q void 的内容与记账时的摘要不符"],
        ),
    ],
)
def test_the_check_finds_what_is_wrong_with_what_is_pending(planted: str, words: list[str]) -> None:
    put(PENDING, move("q", POOL, VOUCHER, 10, Step.PENDING))
    put(move("q void", POOL, VOUCHER, 10, Step.VOID, "q"))
    assert check_book().differences == ()
    sql("SET CONSTRAINTS ALL IMMEDIATE")
    sql(planted)
    found = check_book().differences
    for expected in words:
        assert any(expected in difference for difference in found), (expected, found)
