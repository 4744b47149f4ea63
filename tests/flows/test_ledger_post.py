"""Posting: all or none, once per key, an audit row each; and what can be read afterwards."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from django.db import connection, transaction

from jinsuan.kernel.errors import NotFound
from jinsuan.kernel.money import Money
from jinsuan.kernel.ref import Actor, Ref, Role
from jinsuan.ledger.actions import Note, Posting, open_accounts, post, record
from jinsuan.ledger.digest import canonical, digest
from jinsuan.ledger.errors import InsufficientBalance, TransferKeyReused
from jinsuan.ledger.models import Account, AuditRow, Transfer
from jinsuan.ledger.queries import (
    audit_of,
    balance,
    balances,
    balances_of_kind,
    check_book,
    links,
    statement,
    transfer,
    transfers_caused_by,
    transfers_with_key_prefix,
)
from jinsuan.ledger.reasons import Reason

pytestmark = pytest.mark.django_db

NOW = datetime(2025, 3, 1, 8, tzinfo=UTC)
WORKER = Actor.system("worker")
CLERK = Actor(person=UUID(int=5), organisation=UUID(int=6), role=Role.TREASURY, via="portal")
JOB = Ref("job", UUID(int=1))
BANK, CASH, HOLD, PAYABLE = "bank:b", "cash:o", "hold:j:cash", "payable:p:cash"


def pay(
    key: str,
    debit: str,
    credit: str,
    fen: int,
    *,
    reason: Reason = Reason.CAPTURE,
    cause: Ref = JOB,
    at: datetime = NOW,
) -> Posting:
    return Posting(
        key=key,
        debit=debit,
        credit=credit,
        amount=Money(fen),
        reason=reason,
        cause=cause,
        occurred_at=at,
    )


def put(*postings: Posting, actor: Actor = WORKER, now: datetime = NOW) -> None:
    post(postings, actor=actor, now=now)


def available(*codes: str) -> list[int]:
    return [b.available.fen for b in balances(codes).values()]


def test_money_moves_and_the_account_opens_by_itself() -> None:
    put(pay("t", BANK, CASH, 100))
    assert available(BANK, CASH) == [-100, 100]
    account = Account.objects.get(code=CASH)
    assert (account.kind, account.may_overdraw, account.opened_at) == ("cash", False, NOW)
    assert balance(CASH).debits == Money(0)
    assert balance(CASH).credits == Money(100)


def test_the_same_posting_again_moves_nothing_and_writes_nothing() -> None:
    put(pay("t", BANK, CASH, 100))
    later = NOW + timedelta(days=400)
    put(pay("t", BANK, CASH, 100, at=later), actor=CLERK, now=later)
    assert available(CASH) == [100]
    assert transfer("t").occurred_at == transfer("t").recorded_at == NOW
    assert AuditRow.objects.count() == 1


@pytest.mark.parametrize(
    "change",
    [
        lambda: pay("t", BANK, CASH, 101),
        lambda: pay("t", "bank:other", CASH, 100),
        lambda: pay("t", BANK, "cash:other", 100),
        lambda: pay("t", CASH, BANK, 100),
        lambda: pay("t", BANK, CASH, 100, reason=Reason.REFUND),
        lambda: pay("t", BANK, CASH, 100, cause=Ref("job", UUID(int=2))),
    ],
    ids=["amount", "debit", "credit", "swapped", "reason", "cause"],
)
def test_the_same_key_for_something_else_is_refused(change: Callable[[], Posting]) -> None:
    put(pay("t", BANK, CASH, 100))
    with pytest.raises(TransferKeyReused) as refusal:
        put(pay("fresh", BANK, CASH, 7), change())
    assert refusal.value.key == "t"
    assert available(CASH) == [100]
    assert Transfer.objects.count() == 1


def test_a_key_may_stand_twice_in_one_call_if_it_says_the_same() -> None:
    put(pay("t", BANK, CASH, 100), pay("t", BANK, CASH, 100))
    assert available(CASH) == [100]
    with pytest.raises(TransferKeyReused):
        put(pay("u", BANK, CASH, 1), pay("u", BANK, CASH, 2))
    assert available(CASH) == [100]


def test_nothing_to_post_is_nothing() -> None:
    put()
    assert check_book().accounts == 0


def test_an_account_that_may_not_overdraw_stops_at_nought() -> None:
    put(pay("t", BANK, CASH, 100))
    with pytest.raises(InsufficientBalance) as refusal:
        put(pay("h", CASH, HOLD, 101))
    assert refusal.value.account == CASH
    assert (refusal.value.needed, refusal.value.available) == (Money(101), Money(100))
    put(pay("h", CASH, HOLD, 100))
    assert available(CASH, HOLD) == [0, 100]


def test_one_bad_posting_stops_them_all() -> None:
    put(pay("t", BANK, CASH, 100))
    with pytest.raises(InsufficientBalance):
        put(pay("a", CASH, HOLD, 10), pay("b", PAYABLE, BANK, 1), pay("c", BANK, CASH, 5))
    assert available(BANK, CASH, HOLD, PAYABLE) == [-100, 100, 0, 0]
    assert Transfer.objects.count() == AuditRow.objects.count() == 1
    # What was refused holds no key either.
    put(pay("a", CASH, HOLD, 10))


def test_overdraft_is_judged_on_the_whole_call_netted() -> None:
    put(pay("h", CASH, HOLD, 60), pay("t", BANK, CASH, 100))
    assert available(CASH, HOLD) == [40, 60]
    with pytest.raises(InsufficientBalance) as refusal:
        put(pay("h2", CASH, HOLD, 30), pay("h3", CASH, PAYABLE, 30), pay("t2", BANK, CASH, 19))
    assert (refusal.value.needed, refusal.value.available) == (Money(60), Money(59))


def test_a_repeat_does_not_pay_for_what_is_new() -> None:
    """An inflow that was posted before must not count again when the call is netted."""
    put(pay("t", BANK, CASH, 100), pay("h", CASH, HOLD, 100))
    with pytest.raises(InsufficientBalance):
        put(pay("t", BANK, CASH, 100), pay("h2", CASH, HOLD, 1))
    put(pay("t", BANK, CASH, 100), pay("h", CASH, HOLD, 100), pay("t2", BANK, CASH, 3))
    assert available(CASH, HOLD) == [3, 100]


def test_a_posting_is_undone_with_the_callers_transaction() -> None:
    @transaction.atomic
    def caller() -> None:
        put(pay("t", BANK, CASH, 100))
        raise RuntimeError("failed after posting")

    with pytest.raises(RuntimeError):
        caller()
    assert check_book().transfers == AuditRow.objects.count() == 0


def test_a_refusal_inside_the_callers_transaction_spares_the_rest_of_it() -> None:
    put(pay("t", BANK, CASH, 100))
    with transaction.atomic():
        put(pay("h", CASH, HOLD, 40))
        with pytest.raises(InsufficientBalance):
            put(pay("h2", CASH, HOLD, 61))
        put(pay("h3", CASH, HOLD, 60))
    assert available(CASH, HOLD) == [0, 100]


@pytest.mark.parametrize(
    "make",
    [
        lambda: pay("t", BANK, CASH, 0),
        lambda: pay("t", BANK, CASH, -1),
        lambda: pay("t", BANK, CASH, 2**63),
        lambda: pay("t", BANK, BANK, 1),
        lambda: pay("", BANK, CASH, 1),
        lambda: pay("k" * 121, BANK, CASH, 1),
        lambda: pay("t", BANK, CASH, 1, at=NOW.replace(tzinfo=None)),
        lambda: put(pay("t", BANK, "gold:1", 1)),
        lambda: open_accounts(["gold:1"], now=NOW),
    ],
)
def test_a_posting_that_cannot_be_meant_is_a_bug(make: Callable[[], object]) -> None:
    with pytest.raises(AssertionError):
        make()


def test_accounts_open_once() -> None:
    open_accounts([CASH, BANK, CASH], now=NOW)
    open_accounts([CASH, HOLD], now=NOW + timedelta(days=1))
    open_accounts([], now=NOW)
    opened = dict(Account.objects.values_list("code", "opened_at"))
    assert opened == {CASH: NOW, BANK: NOW, HOLD: NOW + timedelta(days=1)}


def test_every_transfer_has_an_audit_row_that_says_who() -> None:
    put(pay("t", BANK, CASH, 100, reason=Reason.TOP_UP), actor=CLERK)
    view = transfer("t")
    (row,) = audit_of(view.ref)
    assert (row.person, row.organisation, row.role) == (
        CLERK.person,
        CLERK.organisation,
        CLERK.role,
    )
    assert (row.via, row.action, row.reason, row.at) == ("portal", "transfer.post", "top_up", NOW)
    assert row.before is None
    assert row.after is not None
    # The digest can be checked from what is shown, and is the transfer's own request hash.
    assert row.after_digest == digest(canonical(row.after)).hex()
    assert row.after_digest == bytes(Transfer.objects.get().request_hash).hex()


def test_notes_are_written_in_order_with_digests() -> None:
    record(
        [
            Note(action="job.submit", subject=JOB, after={"名": "晋", "cards": 8}),
            Note(
                action="job.cancel", subject=JOB, reason="改期", before={"a": [1]}, after={"a": []}
            ),
            Note(action="job.look", subject=JOB),
        ],
        actor=CLERK,
        now=NOW,
    )
    submit, cancel, look = audit_of(JOB)
    assert (submit.action, submit.before_digest) == ("job.submit", "")
    assert submit.after == {"名": "晋", "cards": 8}
    assert submit.after_digest == digest('{"cards":8,"名":"晋"}').hex()
    assert (cancel.reason, cancel.before, cancel.after) == ("改期", {"a": [1]}, {"a": []})
    assert (look.before, look.after, look.after_digest) == (None, None, "")
    record([], actor=CLERK, now=NOW)
    assert AuditRow.objects.count() == 3


def test_a_note_never_carries_a_persons_data() -> None:
    with pytest.raises(AssertionError, match="phone"):
        Note(action="person.change", subject=JOB, before={"phone": "13800000000"})


def test_a_transfer_is_found_by_ref_id_text_and_key() -> None:
    put(pay("t:1", BANK, CASH, 100))
    view = transfer("t:1")
    assert view == transfer(view.ref) == transfer(view.ref.id) == transfer(str(view.ref))
    assert str(view.ref).startswith("transfer_")
    assert (view.debit, view.credit, view.amount) == (BANK, CASH, Money(100))
    for nothing in ("t:2", Ref("job", view.ref.id), UUID(int=9), f"job_{'0' * 26}"):
        with pytest.raises(NotFound):
            transfer(nothing)


def test_transfers_are_found_by_cause_and_by_prefix_in_order() -> None:
    other = Ref("charge", UUID(int=3))
    put(pay("capture:%_:9", BANK, CASH, 1), pay("capture:%_:10", BANK, CASH, 2, cause=other))
    put(pay("capture:ab:1", BANK, CASH, 3))
    assert [t.key for t in transfers_caused_by(JOB)] == ["capture:%_:9", "capture:ab:1"]
    assert [t.key for t in transfers_with_key_prefix("capture:%_:")] == [
        "capture:%_:9",
        "capture:%_:10",
    ]
    assert links(other) == [transfer("capture:%_:10").ref]
    assert links(transfer("capture:%_:10").ref) == [other]
    assert links(Ref("transfer", UUID(int=9))) == links(Ref("job", UUID(int=99))) == []


def test_balances_of_unknown_accounts_are_nought() -> None:
    put(pay("t", BANK, CASH, 100))
    assert available("cash:nobody", CASH) == [0, 100]
    assert balances([]) == {}
    assert list(balances_of_kind("cash")) == [CASH]
    assert balances_of_kind("hold") == {}


def test_a_statement_runs_newest_first_with_the_balance_after_each_line() -> None:
    put(pay("t", BANK, CASH, 100), pay("h", CASH, HOLD, 30))
    put(pay("r", HOLD, CASH, 5), pay("h2", CASH, HOLD, 75))
    lines = statement(CASH, limit=10)
    assert [(line.key, line.amount.fen, line.balance.fen, line.other) for line in lines] == [
        ("h2", -75, 0, HOLD),
        ("r", 5, 75, HOLD),
        ("h", -30, 70, HOLD),
        ("t", 100, 100, BANK),
    ]
    pages = []
    before: int | None = None
    while page := statement(CASH, limit=3, before=before):
        pages.append(page)
        before = page[-1].number
    assert [line for page in pages for line in page] == lines
    assert [len(page) for page in pages] == [3, 1]
    assert statement("cash:nobody", limit=1) == []


def test_the_book_adds_up() -> None:
    put(pay("t", BANK, CASH, 100), pay("h", CASH, HOLD, 30))
    found = check_book()
    assert (found.accounts, found.transfers) == (3, 2)
    assert found.total_debits == found.total_credits == Money(130)
    assert found.differences == ()


def scans_of_the_whole_table() -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT seq_scan FROM pg_stat_xact_user_tables WHERE relname = 'ledger_transfer'"
        )
        return int(cursor.fetchone()[0])


def test_posting_never_reads_the_whole_book() -> None:
    """A plan made while the book is small stays with the connection; by now it would be slow."""
    fund = pay("fund", BANK, CASH, 1000)
    post([fund], actor=WORKER, now=NOW)
    before = scans_of_the_whole_table()
    for n in range(10):
        post([pay(f"h{n}", CASH, HOLD, 1)], actor=WORKER, now=NOW)
    # Not "none": PostgreSQL's own looks, at statistics for one, may be counted here too.
    assert scans_of_the_whole_table() - before < 5
