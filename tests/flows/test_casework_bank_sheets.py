"""A batch goes to the bank as a file and comes back as one; payees' accounts are called back."""

from __future__ import annotations

import csv
import io
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import DatabaseError, IntegrityError, transaction

from jinsuan.casework.actions.payees import (
    confirm_payee_account,
    enter_payee_account,
    reseal_payee_accounts,
)
from jinsuan.casework.actions.payments import PaymentOrder, confirm_batch, make_batch, send_batch
from jinsuan.casework.actions.sheets import batch_file, take_answers
from jinsuan.casework.bank_sheets import ANSWER_COLUMNS
from jinsuan.casework.errors import (
    ConflictOfInterest,
    PayeeAccountRefused,
    PaymentRefused,
    SheetInvalid,
)
from jinsuan.casework.models import PayeeAccount, PaymentBatch, PaymentLine
from jinsuan.casework.queries_payees import payee_accounts
from jinsuan.kernel.errors import NotAllowed, NotFound
from jinsuan.kernel.ids import new_id
from jinsuan.kernel.money import Money
from jinsuan.kernel.ref import Actor, Ref
from jinsuan.ledger.models import AuditRow
from jinsuan.registry.sealing import DataKey, Keyring
from tests.flows.casework_world import NOW, Desk, make_desk
from tests.flows.world import SYSTEM

pytestmark = pytest.mark.django_db
KEYS = Keyring((DataKey("k1", bytes(32)),))
NUMBER, OTHER = "0502123409300012345", "0502123409300054321"
CALL = "9 月 16 日按留存电话向财务李某核实"
LATER = NOW + timedelta(days=2)


@pytest.fixture
def desk() -> Desk:
    return make_desk()


def firm(desk: Desk) -> UUID:
    assert desk.tenant.organisation is not None
    return desk.tenant.organisation


def enter(desk: Desk, number: str = NUMBER, **more: Any) -> UUID:
    given = {"holder": "甲企业", "bank": "工行太原", "keys": KEYS, "actor": desk.tenant, "now": NOW}
    return enter_payee_account(firm(desk), number=number, **{**given, **more}).id


def confirm(account: UUID, actor: Actor, **more: Any) -> None:
    confirm_payee_account(account, **{"call_back": CALL, "actor": actor, "now": NOW, **more})


def made(desk: Desk, *yuans: str, retry_of: UUID | None = None, basis: Ref | None = None) -> UUID:
    orders = [
        PaymentOrder(
            case=desk.to_payable()
            if retry_of is None
            else PaymentLine.objects.get(id=retry_of).case_id,
            basis=basis or Ref("redemption", new_id()),
            payee=firm(desk),
            amount=Money.yuan(yuan),
            retry_of=retry_of,
        )
        for yuan in yuans
    ]
    batch = make_batch("m09", orders, actor=desk.payer, now=NOW).id
    confirm_batch(batch, actor=desk.checker, now=NOW)
    return batch


def write(desk: Desk, batch: UUID) -> list[list[str]]:
    data = batch_file(batch, keys=KEYS, actor=desk.payer, now=NOW).data
    return list(csv.reader(io.StringIO(data.decode("gb18030"), newline="")))


def answers(batch: UUID, *results: str) -> bytes:
    """The bank's file: a reference, or 退回, or 处理中 for each line."""
    row = PaymentBatch.objects.get(id=batch)
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(ANSWER_COLUMNS)
    for line, result in zip(row.lines.order_by("place"), results, strict=True):
        name, amount = str(Ref("paymentline", line.id)), Money(line.amount_fen).plain
        told = {
            "退回": ["退回", "", "=户名不符", "2025-09-17"],
            "处理中": ["处理中", "", "", ""],
        }.get(result, ["成功", result, "", "20250917"])
        writer.writerow([row.number, name, amount, *told])
    writer.writerow(["合计", len(results), Money(row.total_fen).plain, "", "", "", ""])
    return out.getvalue().encode("gb18030")


def test_the_file_has_full_numbers_and_nothing_else_has(desk: Desk) -> None:
    confirm(enter(desk), desk.payer)
    batch = made(desk, "0.01", "1409.50")

    rows = write(desk, batch)

    assert [row[3] for row in rows[1:3]] == [NUMBER, NUMBER]
    assert rows[3][5] == "1409.51"
    assert PaymentBatch.objects.get(id=batch).state == "sent"
    assert NUMBER not in str(list(AuditRow.objects.values_list("detail", flat=True)))
    (view,) = payee_accounts(desk.tenant, firm(desk))
    assert (view.masked, view.state) == ("****2345", "已核实")
    assert NUMBER.encode() not in bytes(PayeeAccount.objects.get().number_sealed)


def test_the_file_again_is_the_same_even_after_the_account_changed(desk: Desk) -> None:
    confirm(enter(desk), desk.payer)
    batch = made(desk, "1.00")
    first = write(desk, batch)

    confirm(enter(desk, OTHER), desk.payer)

    assert write(desk, batch) == first
    line = PaymentLine.objects.get()
    newer = PayeeAccount.objects.get(state="confirmed")
    with pytest.raises(DatabaseError), transaction.atomic():
        PaymentLine.objects.filter(id=line.id).update(account=newer)


def test_without_an_account_nothing_is_written_or_sent(desk: Desk) -> None:
    batch = made(desk, "1.00")

    with pytest.raises(PaymentRefused, match="没有已核实的收款账户"), transaction.atomic():
        write(desk, batch)

    assert PaymentBatch.objects.get(id=batch).state == "confirmed"


def test_a_change_stops_payments_until_somebody_else_called_back(desk: Desk) -> None:
    confirm(enter(desk), desk.payer)
    batch = made(desk, "1.00")
    change = enter(desk, OTHER, actor=desk.payer)

    with pytest.raises(PaymentRefused, match="回拨"):
        write(desk, batch)
    with pytest.raises(PaymentRefused, match="回拨"):
        made(desk, "1.00")
    with pytest.raises(PaymentRefused, match="回拨"):
        send_batch(batch, actor=desk.payer, now=NOW)
    with pytest.raises(ConflictOfInterest):
        confirm(change, desk.payer)
    with pytest.raises(PayeeAccountRefused, match="回拨记录"):
        confirm(change, desk.checker, call_back="已核")
    with pytest.raises(NotAllowed):
        confirm(change, desk.tenant)
    with pytest.raises(PayeeAccountRefused, match="正等待"):
        enter(desk, "0502123409300099999")
    confirm(change, desk.checker, right=False)

    assert write(desk, batch)[1][3] == NUMBER


def test_the_database_wants_two_people_too(desk: Desk) -> None:
    account = enter(desk)
    row = PayeeAccount.objects.get(id=account)
    with pytest.raises(IntegrityError), transaction.atomic():
        PayeeAccount.objects.filter(id=account).update(
            state="confirmed", confirmed_by=row.entered_by, confirmed_at=NOW, call_back=CALL
        )
    with pytest.raises(DatabaseError), transaction.atomic():
        PayeeAccount.objects.filter(id=account).update(bank="别的银行")


def test_who_enters_what(desk: Desk) -> None:
    assert enter(desk) == enter(desk)
    with pytest.raises(NotAllowed):
        enter(desk, actor=desk.rival)
    with pytest.raises(NotAllowed):
        enter(desk, actor=SYSTEM)
    with pytest.raises(PayeeAccountRefused, match="户名"):
        enter(desk, OTHER, holder="=甲企业")
    with pytest.raises(NotFound):
        payee_accounts(desk.rival, firm(desk))


def test_answers_come_line_by_line_and_the_same_file_twice_is_harmless(desk: Desk) -> None:
    confirm(enter(desk), desk.payer)
    batch = made(desk, "0.01", "2.00", "3.00")
    write(desk, batch)

    def take(*results: str, now: Any = LATER) -> tuple[int, int, int, int]:
        data = answers(batch, *results)
        found = take_answers(batch, data, actor=desk.payer, now=now)
        return found.fresh, found.accepted, found.rejected, found.waiting

    with pytest.raises(PaymentRefused, match="时钟"):
        take("R1", "退回", "处理中", now=NOW - timedelta(days=1))
    assert take("R1", "退回", "处理中") == (2, 1, 1, 1)
    assert take("R1", "退回", "处理中") == (0, 1, 1, 1)
    assert take("R1", "退回", "R3") == (1, 2, 1, 0)
    with pytest.raises(PaymentRefused, match="不同"):
        take("R9", "退回", "R3")
    with pytest.raises(PaymentRefused, match="不同"):
        take("R1", "R2", "R3")

    states = list(PaymentLine.objects.order_by("place").values_list("state", flat=True))
    assert states == ["accepted", "rejected", "accepted"]


def test_a_file_of_another_batch_books_nothing(desk: Desk) -> None:
    confirm(enter(desk), desk.payer)
    first, second = made(desk, "1.00"), made(desk, "1.00")
    write(desk, first)
    write(desk, second)

    with pytest.raises(SheetInvalid, match="不是 2025-m09-p0002"):
        take_answers(second, answers(first, "R1"), actor=desk.payer, now=LATER)
    with pytest.raises(NotAllowed):
        take_answers(first, answers(first, "R1"), actor=desk.tenant, now=LATER)

    assert set(PaymentLine.objects.values_list("state", flat=True)) == {"sent"}


def test_a_rejected_line_is_retried_to_the_new_account(desk: Desk) -> None:
    confirm(enter(desk), desk.payer)
    batch = made(desk, "5.00")
    write(desk, batch)
    take_answers(batch, answers(batch, "退回"), actor=desk.payer, now=LATER)
    old = PaymentLine.objects.get()
    confirm(enter(desk, OTHER), desk.payer)

    again = made(desk, "5.00", retry_of=old.id, basis=Ref.read(old.basis))
    assert write(desk, again)[1][3] == OTHER
    take_answers(again, answers(again, "R1"), actor=desk.payer, now=LATER)
    take_answers(batch, answers(batch, "退回"), actor=desk.payer, now=LATER)

    assert list(PaymentLine.objects.order_by("id").values_list("state", flat=True)) == [
        "retried",
        "accepted",
    ]


def test_a_batch_sent_without_a_file_has_none(desk: Desk) -> None:
    confirm(enter(desk), desk.payer)
    batch = made(desk, "5.00")
    with pytest.raises(NotAllowed):
        batch_file(batch, keys=KEYS, actor=desk.auditor, now=NOW)
    send_batch(batch, actor=desk.payer, now=NOW)

    with pytest.raises(PaymentRefused, match="当时送出"):
        write(desk, batch)


def test_accounts_open_under_a_new_key(desk: Desk) -> None:
    confirm(enter(desk), desk.payer)
    new = DataKey("k2", bytes([1]) * 32)
    both = Keyring((new, *KEYS.keys))

    assert reseal_payee_accounts(keys=both, actor=SYSTEM, now=NOW) == 1
    assert reseal_payee_accounts(keys=both, actor=SYSTEM, now=NOW) == 0

    sheet = batch_file(made(desk, "1.00"), keys=Keyring((new,)), actor=desk.payer, now=NOW)
    assert NUMBER in sheet.data.decode("gb18030")
