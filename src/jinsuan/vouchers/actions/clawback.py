"""追缴: what was paid on facts found false, or too much after a correction, has to come back."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.db import transaction

from jinsuan.casework.actions.payees import OWNERS
from jinsuan.kernel.errors import BadInput, NotAllowed, NotFound
from jinsuan.kernel.money import Money
from jinsuan.kernel.ref import Actor, Ref, Role
from jinsuan.ledger import accounts
from jinsuan.ledger.actions import Note, Posting, post, record
from jinsuan.ledger.queries import transfers_with_keys
from jinsuan.ledger.reasons import Reason
from jinsuan.registry.models import Organisation
from jinsuan.vouchers.actions.cash import BANK, check_not_in_file, repaid_key
from jinsuan.vouchers.actions.redeem import payee_of
from jinsuan.vouchers.errors import ClawbackRefused
from jinsuan.vouchers.models import Clawback, Voucher
from jinsuan.vouchers.queries_redeem import (
    owed_of,
    owes_account,
    paid_on,
    reclaim_account,
    reclaim_open,
)


@transaction.atomic
def propose_clawback(
    voucher: UUID, amount: Money, *, reason: str, actor: Actor, now: datetime
) -> Ref:
    """One officer proposes (提出追缴): at most what was paid on the voucher and not clawed back yet.

    Raises:
        NotAllowed, NotFound, BadInput: no officer; no such voucher; no reason.
        ClawbackRefused: more than was paid, or another proposal is open.
    """
    person = _officer(actor, "提出追缴")
    row = (
        Voucher.objects.select_for_update(no_key=True, of=("self",))
        .select_related("programme")
        .filter(id=voucher, case__isnull=False)
        .first()
    )
    if row is None:
        raise NotFound("算力券", str(Ref("voucher", voucher)))
    if not reason.strip():
        raise BadInput("追缴事由", "没有填写", "请写明查实了什么、依据是什么。")
    most = paid_on(row.id)
    if not Money(0) < amount <= most:
        raise ClawbackRefused(
            f"金额 {amount} 不在 0.01 到已拨付未追缴的 {most} 之间", "请核对已拨付的金额。"
        )
    if row.clawbacks.filter(confirmed_at=None, rejected_at=None).exists():
        raise ClawbackRefused("这张券已有一件追缴等待复核", "请先由另一人复核那一件。")
    made = Clawback.objects.create(
        voucher=row,
        payee_id=payee_of(row),
        amount_fen=amount.fen,
        reason=reason.strip()[:400],
        proposed_by=person,
        proposed_at=now,
    )
    return _note("clawback.propose", made, reason, actor, now)


@transaction.atomic
def confirm_clawback(clawback: UUID, *, actor: Actor, now: datetime) -> None:
    """Another officer confirms (复核追缴): the payee owes it, and gets nothing more until it paid.

    Raises:
        NotAllowed: no officer, or whoever proposed it.
        NotFound, ClawbackRefused: no such proposal; answered already.
    """
    person = _officer(actor, "复核追缴")
    row = _open(clawback)
    if row.proposed_by == person:
        raise NotAllowed("复核自己提出的追缴", "另一位省级经办")
    Voucher.objects.select_for_update(no_key=True).get(id=row.voucher_id)
    corrected = min(Money(row.amount_fen), reclaim_open(row.voucher_id))
    row.confirmed_by, row.confirmed_at, row.corrected_fen = person, now, corrected.fen
    row.save(update_fields=["confirmed_by", "confirmed_at", "corrected_fen"])
    code, ref = row.voucher.programme.code, Ref("clawback", row.id)
    # What a correction gave back to the voucher is owed for that, and no second time to the programme.
    parts = (
        (f"clawback:{ref}", accounts.clawback(code), Money(row.amount_fen) - corrected),
        (f"clawback:{ref}:corrected", reclaim_account(row.payee_id), corrected),
    )
    postings = [
        Posting(
            key=key,
            debit=owes_account(row.payee_id, code),
            credit=credit,
            amount=amount,
            reason=Reason.CLAWBACK,
            cause=ref,
            occurred_at=now,
        )
        for key, credit, amount in parts
        if amount
    ]
    post(postings, actor=actor, now=now)
    _note("clawback.confirm", row, row.reason, actor, now)


@transaction.atomic
def reject_clawback(clawback: UUID, *, reason: str, actor: Actor, now: datetime) -> None:
    """Another officer does not agree (不同意追缴); nothing is owed.

    Raises:
        NotAllowed, NotFound, ClawbackRefused, BadInput.
    """
    person = _officer(actor, "复核追缴")
    row = _open(clawback)
    if row.proposed_by == person:
        raise NotAllowed("复核自己提出的追缴", "另一位省级经办")
    if not reason.strip():
        raise BadInput("意见", "没有填写", "请写明为什么不同意。")
    row.rejected_at = now
    row.save(update_fields=["rejected_at"])
    _note("clawback.reject", row, reason, actor, now)


@transaction.atomic
def book_repayment(
    payee: UUID, programme: str, amount: Money, *, bank_reference: str, actor: Actor, now: datetime
) -> None:
    """Book what a payee gave back (追缴收回), by the bank's reference, which counts once.

    Raises:
        NotAllowed: not the treasury.
        ClawbackRefused: more than is owed.
        BadInput: no usable reference, or one that the bank's own file told us of already.
    """
    if actor.role is not Role.TREASURY:
        raise NotAllowed("登记追缴收回", "财政")
    if not bank_reference.isalnum() or len(bank_reference) > 60:
        raise BadInput("银行流水号", "应为至多 60 位字母和数字", "对照银行回单填写")
    # Two repayments of one payee wait for each other, so that together they are never too much.
    list(Organisation.objects.select_for_update(no_key=True).filter(id=payee))
    # Sent again it is the same fact under the same key, though by then less is owed.
    if not transfers_with_keys([repaid_key(bank_reference)]):
        check_not_in_file(bank_reference)
        check_owed(payee, programme, amount)
    owner = Ref("organisation", payee)
    posting = Posting(
        key=repaid_key(bank_reference),
        debit=accounts.bank(BANK),
        credit=owes_account(payee, programme),
        amount=amount,
        reason=Reason.CLAWBACK_PAID,
        cause=owner,
        occurred_at=now,
    )
    post([posting], actor=actor, now=now)


@transaction.atomic
def repay_from_cash(
    clawback: UUID, amount: Money, *, order_key: str, actor: Actor, now: datetime
) -> None:
    """The payee gives back out of its own cash on the platform (用现金退缴); a double click once.

    Raises:
        NotAllowed: the actor does not act for the payee.
        NotFound: no such confirmed clawback.
        ClawbackRefused: more than is owed of its programme.
        InsufficientBalance: there is less free cash.
    """
    row = (
        Clawback.objects.select_related("voucher__programme")
        .filter(id=clawback, confirmed_at__isnull=False)
        .first()
    )
    if row is None:
        raise NotFound("追缴", str(Ref("clawback", clawback)))
    own = actor.role in OWNERS and actor.organisation == row.payee_id
    if not own or actor.person is None:
        raise NotAllowed("退缴", "被追缴单位自己的经办人")
    if not 0 < len(order_key) <= 60 or not order_key.isalnum():
        raise BadInput("防重编号", "应为至多 60 位字母和数字", "请刷新页面再提交。")
    # Locked, so that two clicks at once pay once, and two people together not too much.
    Organisation.objects.select_for_update(no_key=True).get(id=row.payee_id)
    code, owner = row.voucher.programme.code, Ref("organisation", row.payee_id)
    key = f"repaid:cash:{row.id}:{order_key}"
    if not transfers_with_keys([key]):
        check_owed(row.payee_id, code, amount)
    posting = Posting(
        key=key,
        debit=accounts.cash(owner),
        credit=owes_account(row.payee_id, code),
        amount=amount,
        reason=Reason.CLAWBACK_PAID,
        cause=Ref("clawback", row.id),
        occurred_at=now,
    )
    post([posting], actor=actor, now=now)


def check_owed(payee: UUID, programme: str, amount: Money) -> None:
    """Nobody gives back more than is owed of one programme.

    Raises:
        ClawbackRefused.
    """
    most = owed_of(payee, programme)
    if not Money(0) < amount <= most:
        raise ClawbackRefused(f"金额 {amount} 不在 0.01 到未退的 {most} 之间", "请核对未退的金额。")


def _officer(actor: Actor, act: str) -> UUID:
    if actor.role is not Role.PROVINCIAL_OFFICER or actor.person is None:
        raise NotAllowed(act, "省级经办")
    return actor.person


def _open(clawback: UUID) -> Clawback:
    row = (
        Clawback.objects.select_for_update(no_key=True, of=("self",))
        .select_related("voucher__programme")
        .filter(id=clawback)
        .first()
    )
    if row is None:
        raise NotFound("追缴", str(Ref("clawback", clawback)))
    if row.confirmed_at is not None or row.rejected_at is not None:
        raise ClawbackRefused("这件追缴已经有结论", "结论不能改写；有新情况请另提一件。")
    return row


def _note(action: str, row: Clawback, reason: str, actor: Actor, now: datetime) -> Ref:
    ref = Ref("clawback", row.id)
    after = {
        "voucher": str(Ref("voucher", row.voucher_id)),
        "payee": str(Ref("organisation", row.payee_id)),
        "amount_fen": row.amount_fen,
    }
    note = Note(action=action, subject=ref, reason=reason, after=after)
    record([note], actor=actor, now=now)
    return ref
