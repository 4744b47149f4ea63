"""Cash is a claim on the supervised bank account (监管账户): booked from the bank, spent on jobs."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.db import transaction

from jinsuan.kernel.errors import BadInput, NotAllowed
from jinsuan.kernel.money import Money
from jinsuan.kernel.ref import Actor, Ref, Role
from jinsuan.ledger import accounts
from jinsuan.ledger.actions import Posting, post
from jinsuan.ledger.reasons import Reason

BANK = "supervised"


@transaction.atomic
def book_top_up(
    *, tenant: UUID, amount: Money, bank_reference: str, actor: Actor, now: datetime
) -> None:
    """Book money that the bank received for a tenant (充值). The bank's reference counts once.

    Raises:
        NotAllowed: the actor is not of the treasury.
        BadInput: an amount of nought or less, or no usable bank reference.
    """
    if actor.role is not Role.TREASURY:
        raise NotAllowed("登记充值", "财政")
    if amount <= Money(0):
        raise BadInput("金额", f"{amount} 不是正数", "写大于 0 的金额，例如 1000.00")
    if not bank_reference.isalnum() or len(bank_reference) > 60:
        raise BadInput("银行流水号", "应为至多 60 位字母和数字", "对照银行回单填写")
    owner = Ref("organisation", tenant)
    posting = Posting(
        key=f"topup:{bank_reference}",
        debit=accounts.bank(BANK),
        credit=accounts.cash(owner),
        amount=amount,
        reason=Reason.TOP_UP,
        cause=owner,
        occurred_at=now,
    )
    post([posting], actor=actor, now=now)
