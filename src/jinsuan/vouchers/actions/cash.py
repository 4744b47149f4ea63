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
from jinsuan.vouchers.models import BankAccount, BankEntry

BANK = "supervised"


def top_up_key(account: str, reference: str) -> str:
    """The business key of a top-up: typed in or from a bank's file, it is one fact.

    References are unique within one bank account; the first account has the short form.
    """
    return f"topup:{reference}" if account == BANK else f"topup:{account}:{reference}"


def repaid_key(reference: str) -> str:
    """The business key of a repayment (追缴收回) typed in by the bank's reference."""
    return f"repaid:{reference}"


@transaction.atomic
def book_top_up(
    *, tenant: UUID, amount: Money, bank_reference: str, actor: Actor, now: datetime
) -> None:
    """Book money that the bank received for a tenant (充值). The bank's reference counts once.

    Raises:
        NotAllowed: the actor is not of the treasury.
        BadInput: an amount of nought or less, no usable bank reference, or one that the bank's
            own file already explains otherwise.
    """
    if actor.role is not Role.TREASURY:
        raise NotAllowed("登记充值", "财政")
    if amount <= Money(0):
        raise BadInput("金额", f"{amount} 不是正数", "写大于 0 的金额，例如 1000.00")
    if not bank_reference.isalnum() or len(bank_reference) > 60:
        raise BadInput("银行流水号", "应为至多 60 位字母和数字", "对照银行回单填写")
    owner = Ref("organisation", tenant)
    _check_against_file(bank_reference, owner, amount)
    posting = Posting(
        key=top_up_key(BANK, bank_reference),
        debit=accounts.bank(BANK),
        credit=accounts.cash(owner),
        amount=amount,
        reason=Reason.TOP_UP,
        cause=owner,
        occurred_at=now,
    )
    post([posting], actor=actor, now=now)


def check_not_in_file(reference: str) -> None:
    """Money that the bank's file told us of is booked already and waits to be assigned.

    Raises:
        BadInput: with what it is booked as.
    """
    entry = _told(reference)
    if entry is not None:
        raise _booked(entry)


def _told(reference: str) -> BankEntry | None:
    """The file's line of this reference; a file that is being taken is waited for."""
    held = BankAccount.objects.select_for_update(no_key=True).filter(code=BANK).first()
    if held is None:
        return None
    return BankEntry.objects.filter(account=held, reference=reference).first()


def _booked(entry: BankEntry) -> BadInput:
    return BadInput(
        "银行流水号",
        f"{entry.reference} 已随银行流水登记为“{BankEntry.Outcome(entry.outcome).label}”"
        f" {Money(entry.amount_fen)}",
        "待查的款项请认领，不要另记。",
    )


def _check_against_file(reference: str, owner: Ref, amount: Money) -> None:
    """Money that the bank's file told us of is booked already, if only as 待查款项."""
    entry = _told(reference)
    if entry is None:
        return
    told = (entry.outcome, entry.matched, entry.amount_fen)
    if told != (BankEntry.Outcome.TOP_UP, str(owner), amount.fen):
        raise _booked(entry)
