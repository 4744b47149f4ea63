"""Payment batches: made by one person of the treasury, confirmed by another, answered by the bank."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import IntegrityError, transaction

from jinsuan.casework.actions.cases import (
    check_free_to_act,
    check_not_frozen,
    hold_hand,
    next_number,
)
from jinsuan.casework.bank_sheets import BankAnswer
from jinsuan.casework.errors import ConflictOfInterest, PaymentRefused
from jinsuan.casework.models import Case, Decision, PaymentBatch, PaymentLine
from jinsuan.casework.moves import TABLES
from jinsuan.casework.queries_payees import unconfirmed_payees
from jinsuan.kernel.capitals import capitals
from jinsuan.kernel.errors import NotAllowed, NotFound
from jinsuan.kernel.money import Money
from jinsuan.kernel.period import beijing_date
from jinsuan.kernel.ref import Actor, Ref, Role
from jinsuan.ledger.actions import Note, record

__all__ = [
    "BankAnswer",
    "PaymentOrder",
    "cancel_batch",
    "confirm_batch",
    "drop_returned_lines",
    "make_batch",
    "record_answers",
    "send_batch",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentOrder:
    """One payment to make. `basis` is the fact it pays for; a fact is paid once.

    Args:
        retry_of: the line that the bank sent back and this one replaces.
    """

    case: UUID
    basis: Ref
    payee: UUID
    amount: Money
    retry_of: UUID | None = None


@transaction.atomic
def make_batch(
    programme: str, orders: Sequence[PaymentOrder], *, actor: Actor, now: datetime
) -> Ref:
    """Make a batch (编制拨付批次).

    Raises:
        NotAllowed: the actor is not the treasury.
        CaseFrozen, ConflictOfInterest, SamePerson: of any of its cases.
        PaymentRefused: nothing to pay, a case that is not payable, an amount that is not its
            decision's, a payee whose changed account nobody called back yet, or a fact that was
            paid or ordered already.
    """
    person = _treasurer(actor, "编制拨付批次")
    if not orders:
        raise PaymentRefused("批次里一笔也没有", "请先选出待拨付的案件。")
    cases = {one.case for one in orders}
    # Locked in one order, so that two batches over the same cases wait and never deadlock.
    rows = Case.objects.select_for_update(no_key=True).filter(id__in=cases).order_by("id")
    held = {row.id: row for row in rows}
    for order in orders:
        _check_order(held.get(order.case), order, programme, actor, now)
    _check_payees([order.payee for order in orders])
    total = Money.total(order.amount for order in orders)
    year = beijing_date(now).year
    batch = PaymentBatch.objects.create(
        number=f"{year}-{programme}-p{next_number(f'{programme}-p', year):04d}",
        programme=programme,
        year=year,
        lines_count=len(orders),
        total_fen=total.fen,
        total_capitals=capitals(total),
        made_by=person,
        made_at=now,
    )
    for order in orders:
        hold_hand(held[order.case], actor)
        if order.retry_of is not None:
            _replace(order, order.retry_of)
    try:
        with transaction.atomic():
            PaymentLine.objects.bulk_create(
                PaymentLine(
                    batch=batch,
                    place=place,
                    case_id=order.case,
                    basis=str(order.basis),
                    payee_id=order.payee,
                    amount_fen=order.amount.fen,
                    retry_of_id=order.retry_of,
                )
                for place, order in enumerate(orders, start=1)
            )
    except IntegrityError as error:
        if "payment_line_once_per_basis" not in str(error):
            raise
        raise PaymentRefused("其中一笔已经拨付过或正在拨付", "请去掉重复的一笔。") from error
    ref = Ref("paymentbatch", batch.id)
    after = {"number": batch.number, "lines": len(orders), "total_fen": total.fen}
    record([Note(action="payment.make", subject=ref, after=after)], actor=actor, now=now)
    return ref


def _check_order(
    case: Case | None, order: PaymentOrder, programme: str, actor: Actor, now: datetime
) -> None:
    if case is None or case.programme != programme:
        raise PaymentRefused("有一笔不属于这个项目", "请按项目分别编制批次。")
    _check_payable(case)
    check_not_frozen(case)
    check_free_to_act(case, actor, now=now)
    if order.amount <= Money(0):
        raise PaymentRefused(f"案件 {case.number} 的金额不大于零", "请去掉这一笔。")
    if order.basis.kind == "decision":
        decided = Decision.objects.filter(id=order.basis.id, case=case).first()
        if decided is None or decided.amount_fen != order.amount.fen:
            raise PaymentRefused(
                f"案件 {case.number} 的金额与判定不一致", "金额只能取自判定，请重新编制。"
            )


def _replace(order: PaymentOrder, line: UUID) -> None:
    """The bank's return gives way to a new line for the same fact and case. Its amount is the
    fact's own, which may have been approved anew since.
    """
    old = PaymentLine.objects.select_for_update().filter(id=line).first()
    same = old is not None and (old.case_id, old.basis) == (order.case, str(order.basis))
    if old is None or not same or old.state != PaymentLine.State.REJECTED:
        raise PaymentRefused("要重拨的一笔没有被银行退回，或事由不同", "请核对明细。")
    old.state = PaymentLine.State.RETRIED
    old.save(update_fields=["state"])


@transaction.atomic
def confirm_batch(batch: UUID, *, actor: Actor, now: datetime) -> None:
    """A second person of the treasury confirms (复核).

    Raises:
        NotAllowed, NotFound: not the treasury; no such batch.
        ConflictOfInterest: made by the same person.
        CaseFrozen, PaymentRefused: a case was frozen, or taken back, since.
    """
    person = _treasurer(actor, "复核拨付批次")
    row = _held(batch, PaymentBatch.State.DRAFT)
    if row.made_by == person:
        raise ConflictOfInterest("这个批次由您编制，复核须由另一人")
    for case in _held_cases(row):
        check_free_to_act(case, actor, now=now)
        hold_hand(case, actor)
    row.state, row.confirmed_by, row.confirmed_at = PaymentBatch.State.CONFIRMED, person, now
    row.save(update_fields=["state", "confirmed_by", "confirmed_at"])
    _note("payment.confirm", row, actor, now)


@transaction.atomic
def send_batch(batch: UUID, *, actor: Actor, now: datetime) -> None:
    """Note that the file went to the bank (送银行).

    Raises:
        NotAllowed, NotFound: not the treasury; no such batch.
        PaymentRefused: not confirmed.
        CaseFrozen, PaymentRefused: a case was frozen, or taken back, since.
    """
    _treasurer(actor, "送出拨付批次")
    row = _held(batch, PaymentBatch.State.CONFIRMED)
    _held_cases(row)
    row.state, row.sent_at = PaymentBatch.State.SENT, now
    row.save(update_fields=["state", "sent_at"])
    row.lines.update(state=PaymentLine.State.SENT)
    _note("payment.send", row, actor, now)


@transaction.atomic
def cancel_batch(batch: UUID, *, reason: str, actor: Actor, now: datetime) -> None:
    """Give up a batch that did not go to the bank yet (取消); its facts may be ordered again.

    Raises:
        NotAllowed, NotFound: not the treasury; no such batch.
        PaymentRefused: it went to the bank already.
    """
    _treasurer(actor, "取消拨付批次")
    row = _held(batch, PaymentBatch.State.DRAFT, PaymentBatch.State.CONFIRMED)
    row.lines.update(state=PaymentLine.State.CANCELLED)
    row.state = PaymentBatch.State.CANCELLED
    row.save(update_fields=["state"])
    _note("payment.cancel", row, actor, now, reason)


@transaction.atomic
def drop_returned_lines(case: UUID, *, actor: Actor, now: datetime) -> None:
    """A case's approval is taken back: what the bank sent back is not ordered again as it was. As
    after a retry, the line gives way to whatever the next approval orders.
    """
    rows = PaymentLine.objects.select_for_update(of=("self",)).select_related("batch")
    lines = list(rows.filter(case=case, state=PaymentLine.State.REJECTED))
    for line in lines:
        line.state = PaymentLine.State.RETRIED
        line.save(update_fields=["state"])
    notes = [
        Note(
            action="payment.drop",
            subject=Ref("paymentbatch", line.batch_id),
            after={"number": line.batch.number, "place": line.place, "case": str(line.case_id)},
        )
        for line in lines
    ]
    record(notes, actor=actor, now=now)


@transaction.atomic
def record_answers(
    batch: UUID, answers: Sequence[BankAnswer], *, actor: Actor, now: datetime
) -> int:
    """Book what the bank answered (银行回单), line by line; the same file again changes nothing.

    Returns how many lines were new.

    Raises:
        NotAllowed, NotFound: not the treasury; no such batch.
        PaymentRefused: a line of another batch, or an answer that contradicts an earlier one. No
            line of the file is booked then.
    """
    _treasurer(actor, "登记银行回单")
    row = _held(batch, PaymentBatch.State.SENT)
    lines = {line.id: line for line in row.lines.select_for_update().order_by("id")}
    fresh = 0
    for answer in answers:
        line = lines.get(answer.line)
        if line is None:
            raise PaymentRefused("回单里有别的批次的明细", "请核对是不是这个批次的文件。")
        fresh += _book(line, answer)
    if fresh:
        _note("payment.answer", row, actor, now)
    return fresh


def _book(line: PaymentLine, answer: BankAnswer) -> bool:
    good, bad = PaymentLine.State.ACCEPTED, PaymentLine.State.REJECTED
    if answer.accepted != bool(answer.reference) or answer.accepted == bool(answer.reason):
        raise PaymentRefused("回单缺少银行流水号或退回原因", "请向银行另要一份完整的回单。")
    known = {good: True, bad: False, PaymentLine.State.RETRIED: False}
    before = known.get(PaymentLine.State(line.state))
    if before is not None:
        told = (line.bank_reference, line.bank_reason, line.answered_on)
        if (before, *told) != (
            answer.accepted, answer.reference, answer.reason, answer.answered_on
        ):  # fmt: skip
            raise PaymentRefused(
                f"第 {line.place} 笔已登记的回单与这一份不同", "请与银行核对后再登记。"
            )
        return False
    line.state = good if answer.accepted else bad
    line.bank_reference, line.bank_reason = answer.reference, answer.reason
    line.answered_on = answer.answered_on
    line.save(update_fields=["state", "bank_reference", "bank_reason", "answered_on"])
    return True


def _treasurer(actor: Actor, act: str) -> UUID:
    if actor.role is not Role.TREASURY or actor.person is None:
        raise NotAllowed(act, "财政")
    return actor.person


def _held(batch: UUID, *states: PaymentBatch.State) -> PaymentBatch:
    row = PaymentBatch.objects.select_for_update().filter(id=batch).first()
    if row is None:
        raise NotFound("拨付批次", str(Ref("paymentbatch", batch)))
    if row.state not in states:
        now_is, when = PaymentBatch.State(row.state).label, "或".join(one.label for one in states)
        raise PaymentRefused(f"批次 {row.number} 现在是“{now_is}”", f"“{when}”时才能办。")
    return row


def _held_cases(batch: PaymentBatch) -> list[Case]:
    """The batch's cases, locked in one order, if every one may still be paid: a finding that comes
    at this moment waits for us, or we for it.
    """
    ids = list(batch.lines.values_list("case_id", flat=True))
    held = Case.objects.select_for_update(no_key=True).filter(id__in=ids).order_by("id")
    cases = list(held)
    for case in cases:
        check_not_frozen(case)
        _check_payable(case)
    _check_payees(list(batch.lines.values_list("payee_id", flat=True)))
    return cases


def _check_payees(payees: Sequence[UUID]) -> None:
    """A changed account that nobody called back yet stops every payment to its owner."""
    waiting = unconfirmed_payees(payees)
    if waiting:
        raise PaymentRefused(
            f"{'、'.join(waiting[:5])}的收款账户有变更，还没有回拨核实",
            "请另一位财政人员回拨核实后再办。",
        )


def _check_payable(case: Case) -> None:
    state = TABLES[case.kind].state(case.state)
    if not state.payable:
        raise PaymentRefused(f"案件 {case.number} 现在是“{state.label}”", "请去掉这一笔。")


def _note(action: str, batch: PaymentBatch, actor: Actor, now: datetime, reason: str = "") -> None:
    states = dict(batch.lines.order_by("place").values_list("place", "state"))
    after = {
        "number": batch.number,
        "state": str(batch.state),
        "lines": {str(place): state for place, state in states.items()},
    }
    subject = Ref("paymentbatch", batch.id)
    record([Note(action=action, subject=subject, reason=reason, after=after)], actor=actor, now=now)
