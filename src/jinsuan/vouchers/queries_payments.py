"""拨付 for pages: what may be paid now, the batches, one batch with what the bank said of each line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from django.db.models import Count

from jinsuan.casework.models import PaymentBatch, PaymentLine
from jinsuan.casework.queries import SEES_BATCHES, batch_called
from jinsuan.casework.queries_payees import unconfirmed_payees
from jinsuan.kernel.errors import NotFound
from jinsuan.kernel.money import Money
from jinsuan.kernel.ref import Actor, Ref
from jinsuan.vouchers.actions.pay import redemptions_to_pay
from jinsuan.vouchers.actions.redeem import redemption_code


@dataclass(frozen=True, slots=True, kw_only=True)
class PayableView:
    """An approved redemption that no batch has yet."""

    case: UUID
    number: str
    payee: str
    amount: Money
    programme: str
    waiting_account: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchRow:
    """One batch in a list. `answers` says how many lines the bank paid, sent back or owes a word on."""

    ref: Ref
    number: str
    state: str
    state_code: str
    answers: str
    lines: int
    total: Money
    made_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SheetLine:
    """One line of a batch. `may_retry` when the bank sent it back and nothing replaced it."""

    ref: Ref
    place: int
    case: str
    payee: str
    account: str
    amount: Money
    state: str
    state_code: str
    reference: str
    reason: str
    answered_on: date | None
    may_retry: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SheetView:
    """One batch as a page. `unbooked`: lines that the bank paid and whose cases are not ended yet."""

    row: BatchRow
    capitals: str
    made_by: UUID
    confirmed_by: UUID | None
    confirmed_at: datetime | None
    sent_at: datetime | None
    file_sha256: str
    lines: tuple[SheetLine, ...]
    waiting: int
    unbooked: int


def payable(viewer: Actor) -> tuple[PayableView, ...]:
    """Approved redemptions that wait for a batch, oldest first.

    Raises:
        NotFound: not for this viewer.
    """
    _door(viewer)
    rows = redemptions_to_pay()
    waiting = set(unconfirmed_payees([row.payee_id for row in rows]))
    return tuple(
        PayableView(
            case=row.case_id,
            number=row.case.number,
            payee=row.payee.name,
            amount=Money(row.amount_fen),
            programme=redemption_code(row.voucher),
            waiting_account=row.payee.name in waiting,
        )
        for row in rows
    )


def batches(viewer: Actor, *, before: str = "", limit: int) -> tuple[tuple[BatchRow, ...], str]:
    """Batches, newest first, and the number after which the next page begins ("" for none).

    Raises:
        NotFound: not for this viewer, or no such batch to begin after.
    """
    _door(viewer)
    rows = PaymentBatch.objects.order_by("-id")
    if before:
        rows = rows.filter(id__lt=batch_called(viewer, before).id)
    page = list(rows[: limit + 1])
    answers = _answers([row.id for row in page])
    found = [_batch(row, answers) for row in page]
    return tuple(found[:limit]), found[limit - 1].number if len(found) > limit else ""


def ordered_by(viewer: Actor, numbers: Sequence[str]) -> str:
    """The number of the one batch that this person made of just these cases; "" when there is none."""
    _door(viewer)
    assert viewer.person is not None, "a form is filled by a person"
    rows = PaymentBatch.objects.filter(
        made_by=viewer.person, lines__case__number__in=numbers
    ).exclude(state=PaymentBatch.State.CANCELLED)
    for row in rows.distinct().order_by("-id"):
        if set(row.lines.values_list("case__number", flat=True)) == set(numbers):
            return row.number
    return ""


def sheet(viewer: Actor, number: str) -> SheetView:
    """One batch with its lines.

    Raises:
        NotFound: there is none, or this viewer may not.
    """
    row = PaymentBatch.objects.get(id=batch_called(viewer, number).id)
    lines = list(row.lines.select_related("case", "payee", "account").order_by("place"))
    return SheetView(
        row=_batch(row, _answers([row.id])),
        capitals=row.total_capitals,
        made_by=row.made_by,
        confirmed_by=row.confirmed_by,
        confirmed_at=row.confirmed_at,
        sent_at=row.sent_at,
        file_sha256=row.file_sha256,
        lines=tuple(_line(line) for line in lines),
        waiting=sum(line.state == PaymentLine.State.SENT for line in lines),
        unbooked=sum(
            line.state == PaymentLine.State.ACCEPTED and line.case.state == "payable"
            for line in lines
        ),
    )


def _door(viewer: Actor) -> None:
    if viewer.role not in SEES_BATCHES:
        raise NotFound("页面", "拨付")


def _answers(batches: Sequence[UUID]) -> dict[UUID, str]:
    """What the bank said, by batch: only of those that were sent."""
    counted = (
        PaymentLine.objects.filter(batch_id__in=batches, batch__state=PaymentBatch.State.SENT)
        .values_list("batch_id", "state")
        .annotate(count=Count("id"))
    )
    by_state: dict[UUID, dict[str, int]] = {}
    for batch, state, count in counted:
        by_state.setdefault(batch, {})[state] = count
    words = {PaymentLine.State.SENT: "等回单"}
    return {
        batch: "，".join(
            f"{words.get(state, state.label)} {found[state]} 笔"
            for state in PaymentLine.State
            if state in found
        )
        for batch, found in by_state.items()
    }


def _batch(row: PaymentBatch, answers: Mapping[UUID, str]) -> BatchRow:
    return BatchRow(
        ref=Ref("paymentbatch", row.id),
        number=row.number,
        state=PaymentBatch.State(row.state).label,
        state_code=row.state,
        answers=answers.get(row.id, ""),
        lines=row.lines_count,
        total=Money(row.total_fen),
        made_at=row.made_at,
    )


def _line(line: PaymentLine) -> SheetLine:
    return SheetLine(
        ref=Ref("paymentline", line.id),
        place=line.place,
        case=line.case.number,
        payee=line.payee.name,
        account="" if line.account is None else f"{line.account.bank} {line.account.masked}",
        amount=Money(line.amount_fen),
        state=PaymentLine.State(line.state).label,
        state_code=line.state,
        reference=line.bank_reference,
        reason=line.bank_reason,
        answered_on=line.answered_on,
        may_retry=line.state == PaymentLine.State.REJECTED,
    )
