"""A payment batch goes to the bank as a file and comes back as one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from uuid import UUID

from django.db import transaction

from jinsuan.casework.actions.payees import place_of_payee
from jinsuan.casework.actions.payments import record_answers, send_batch
from jinsuan.casework.bank_sheets import OrderLine, OrderSheet, read_answers, write_order
from jinsuan.casework.errors import PaymentRefused
from jinsuan.casework.models import PayeeAccount, PaymentBatch, PaymentLine
from jinsuan.kernel.errors import NotAllowed, NotFound
from jinsuan.kernel.money import Money
from jinsuan.kernel.period import beijing_date
from jinsuan.kernel.ref import Actor, Ref, Role
from jinsuan.ledger.actions import Note, record
from jinsuan.registry.sealing import Keyring

_State = PaymentBatch.State


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """What a result file said; `fresh` of its lines were new."""

    fresh: int
    accepted: int
    rejected: int
    waiting: int


@transaction.atomic
def batch_file(batch: UUID, *, keys: Keyring, actor: Actor, now: datetime) -> OrderSheet:
    """Write a confirmed batch's file for the bank, with full account numbers, and note it as sent.

    Every payee's account is fixed on its line then; asked again, the very same bytes come.

    Raises:
        NotAllowed, NotFound: not the treasury; no such batch.
        PaymentRefused: not confirmed, or a payee without an account that was called back.
        CaseFrozen: a case was frozen since.
        SheetInvalid: a name that cannot stand in a file.
    """
    if actor.role is not Role.TREASURY or actor.person is None:
        raise NotAllowed("制作银行文件", "财政")
    row = _held(batch)
    if row.state not in (_State.CONFIRMED, _State.SENT):
        raise PaymentRefused(
            f"批次 {row.number} 现在是“{_State(row.state).label}”", "复核之后才能制作银行文件。"
        )
    first = row.state == _State.CONFIRMED
    lines = list(row.lines.select_for_update(of=("self",)).order_by("place"))
    if first:
        send_batch(batch, actor=actor, now=now)
        _fix_accounts(lines)
    sheet = write_order(row.number, _order_lines(lines, keys))
    if first:
        PaymentBatch.objects.filter(id=batch).update(file_sha256=sheet.sha256)
    elif row.file_sha256 != sheet.sha256:
        # It was sent by other means, before there was a file; a second file could pay twice.
        raise PaymentRefused(f"批次 {row.number} 送银行时没有制作这份文件", "请用当时送出的文件。")
    subject = Ref("paymentbatch", batch)
    after = {"number": row.number, "sha256": sheet.sha256, "lines": len(lines)}
    record([Note(action="payment.file", subject=subject, after=after)], actor=actor, now=now)
    return sheet


def _fix_accounts(lines: list[PaymentLine]) -> None:
    payees = {line.payee_id for line in lines}
    accounts = {
        account.organisation_id: account
        for account in PayeeAccount.objects.filter(
            organisation__in=payees, state=PayeeAccount.State.CONFIRMED
        )
    }
    for line in lines:
        account = accounts.get(line.payee_id)
        if account is None:
            raise PaymentRefused(
                f"第 {line.place} 笔的收款单位没有已核实的收款账户",
                "请先登记收款账户，由另一人回拨核实。",
            )
        line.account = account
    PaymentLine.objects.bulk_update(lines, ["account"])


def _order_lines(lines: list[PaymentLine], keys: Keyring) -> list[OrderLine]:
    found = []
    for line in lines:
        account = line.account
        if account is None:
            raise PaymentRefused("批次送银行时没有制作文件", "请用当时送出的文件。")
        number = keys.open(bytes(account.number_sealed), place_of_payee(account.id))
        found.append(
            OrderLine(
                line=line.id,
                holder=account.holder,
                number=number,
                bank=account.bank,
                amount=Money(line.amount_fen),
            )
        )
    return found


@transaction.atomic
def take_answers(batch: UUID, data: bytes, *, actor: Actor, now: datetime) -> Answered:
    """Book the bank's result file (登记银行回单): all of it or nothing; again is harmless.

    Raises:
        NotAllowed, NotFound: not the treasury; no such batch.
        SheetInvalid: the file cannot be read, is of another batch or not complete.
        PaymentRefused: it contradicts an earlier answer, or the day is still to come.
    """
    if actor.role is not Role.TREASURY or actor.person is None:
        raise NotAllowed("登记银行回单", "财政")
    row = _held(batch)
    ordered = {
        pk: Money(fen) for pk, fen in row.lines.order_by("place").values_list("id", "amount_fen")
    }
    answers = read_answers(data, batch=row.number, ordered=ordered)
    today = beijing_date(now)
    late = next((one.answered_on for one in answers if one.answered_on > today), None)
    if late is not None:
        raise PaymentRefused(
            f"回单的日期 {late} 在今天 {today} 之后",
            "请核对文件；文件没有错时，请平台运营核对服务器的时钟。",
        )
    fresh = record_answers(batch, answers, actor=actor, now=now)
    if fresh:
        after = {"number": row.number, "sha256": sha256(data).hexdigest(), "fresh": fresh}
        subject = Ref("paymentbatch", batch)
        note = Note(action="payment.answer_file", subject=subject, after=after)
        record([note], actor=actor, now=now)
    accepted = sum(one.accepted for one in answers)
    return Answered(
        fresh=fresh,
        accepted=accepted,
        rejected=len(answers) - accepted,
        waiting=len(ordered) - len(answers),
    )


def _held(batch: UUID) -> PaymentBatch:
    row = PaymentBatch.objects.select_for_update().filter(id=batch).first()
    if row is None:
        raise NotFound("拨付批次", str(Ref("paymentbatch", batch)))
    return row
