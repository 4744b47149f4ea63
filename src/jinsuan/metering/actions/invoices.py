"""Invoices and payments of contracts: the only writer. Both are added, never changed."""

from __future__ import annotations

import re
import unicodedata
from datetime import date, datetime
from uuid import UUID

from django.db import transaction
from django.db.models import Sum

from jinsuan.kernel.errors import NotAllowed, NotFound
from jinsuan.kernel.money import Money
from jinsuan.kernel.period import beijing_date
from jinsuan.kernel.ref import Actor, Ref, Role
from jinsuan.ledger.actions import Note, record
from jinsuan.metering.errors import ContractPaymentRefused, InvoiceRefused
from jinsuan.metering.models import Contract, ContractPayment, Invoice

OFFICIALS = frozenset({Role.PROVINCIAL_OFFICER, Role.TREASURY})
MOST_FEN = 10**14
_NUMBER = re.compile(r"[0-9]{20}")
_REFERENCE = re.compile(r"[0-9A-Za-z-]{1,60}")


@transaction.atomic
def register_invoice(
    number: str,
    *,
    seller: UUID,
    buyer: UUID,
    amount: Money,
    issued_on: date,
    contract: UUID | None = None,
    original: str = "",
    actor: Actor,
    now: datetime,
) -> Ref:
    """Register an e-invoice (发票登记); the same one again is harmless.

    Args:
        amount: with tax. Negative for a red-letter invoice, which names its `original`.
        contract: what it bills; its parties are the invoice's. A red one takes its original's.

    Raises:
        NotAllowed: the actor belongs to neither side and is no official.
        NotFound: no such contract.
        InvoiceRefused: number, amount, date or parties are wrong, the number stands for another
            invoice, or a red one takes back more than is left of its original.
    """
    plain = re.sub(r"\s+", "", unicodedata.normalize("NFKC", number))
    person = _may_register(actor, seller, buyer, "登记发票")
    _check_form(plain, seller, buyer, amount, issued_on, now)
    first = _original(plain, original, amount)
    if first is not None:
        contract = first.contract_id if contract is None else contract
        _check_red(plain, first, (seller, buyer, contract), amount, issued_on)
    elif contract is not None:
        _check_contract(plain, contract, seller, buyer)
    row, made = Invoice.objects.get_or_create(
        number=plain,
        defaults={
            "seller_id": seller,
            "buyer_id": buyer,
            "contract_id": contract,
            "amount_fen": amount.fen,
            "original": first,
            "issued_on": issued_on,
            "recorded_by": person,
            "recorded_at": now,
        },
    )
    told = (seller, buyer, contract, amount.fen, first and first.id, issued_on)
    ref = Ref("invoice", row.id)
    if not made:
        kept = (row.seller_id, row.buyer_id, row.contract_id, row.amount_fen, row.original_id)
        if (*kept, row.issued_on) != told:
            raise InvoiceRefused(
                plain, "这个号码已经登记过，内容不同", "一张发票只登记一次，请核对票面。"
            )
        return ref
    after = {
        "number": plain,
        "amount_fen": amount.fen,
        "contract": str(contract or ""),
        "original": original,
        "issued_on": str(issued_on),
    }
    record([Note(action="invoice.register", subject=ref, after=after)], actor=actor, now=now)
    return ref


@transaction.atomic
def register_payment(
    contract: UUID,
    *,
    bank_reference: str,
    amount: Money,
    paid_on: date,
    actor: Actor,
    now: datetime,
) -> Ref:
    """Register what a tenant paid for a contract outside the platform (付款凭证); again is harmless.

    Raises:
        NotFound: no such contract.
        NotAllowed: the actor belongs to neither side and is no official.
        ContractPaymentRefused: reference, amount or date are wrong, or the payer's reference
            stands for another payment.
    """
    row = Contract.objects.filter(id=contract).first()
    if row is None:
        raise NotFound("合同", str(Ref("contract", contract)))
    person = _may_register(actor, row.provider_id, row.tenant_id, "登记付款凭证")
    reference = bank_reference.strip()
    if not _REFERENCE.fullmatch(reference):
        raise ContractPaymentRefused(
            reference[:60], "银行流水号应为至多 60 位字母、数字和短横", "请对照银行回单填写。"
        )
    if not Money(0) < amount <= Money(MOST_FEN):
        raise ContractPaymentRefused(
            reference, f"金额 {amount} 不在 0.01 元至 1 万亿元之间", "请对照银行回单填写。"
        )
    if paid_on > beijing_date(now):
        raise ContractPaymentRefused(
            reference, f"付款日 {paid_on} 在今天 {beijing_date(now)} 之后", "请对照银行回单填写。"
        )
    paid, made = ContractPayment.objects.get_or_create(
        payer_id=row.tenant_id,
        bank_reference=reference,
        defaults={
            "contract": row,
            "amount_fen": amount.fen,
            "paid_on": paid_on,
            "recorded_by": person,
            "recorded_at": now,
        },
    )
    ref = Ref("contractpayment", paid.id)
    if made:
        after = {
            "contract": str(contract),
            "bank_reference": reference,
            "amount_fen": amount.fen,
            "paid_on": str(paid_on),
        }
        note = Note(action="contract_payment.register", subject=ref, after=after)
        record([note], actor=actor, now=now)
    elif (paid.contract_id, paid.amount_fen, paid.paid_on) != (contract, amount.fen, paid_on):
        raise ContractPaymentRefused(
            reference, "这个流水号已经登记过，内容不同", "一笔付款只登记一次，请核对银行回单。"
        )
    return ref


def _may_register(actor: Actor, seller: UUID, buyer: UUID, act: str) -> UUID:
    """The person, if one of either side or an official."""
    own = {Role.TENANT: buyer, Role.CENTRE_OPERATOR: seller}.get(actor.role)
    official = actor.role in OFFICIALS
    if actor.person is not None and (official or (own and actor.organisation == own)):
        return actor.person
    raise NotAllowed(act, "合同双方自己的经办人，省级经办或财政")


def _check_form(
    number: str, seller: UUID, buyer: UUID, amount: Money, issued_on: date, now: datetime
) -> None:
    if not _NUMBER.fullmatch(number):
        raise InvoiceRefused(
            number[:40], "发票号码应为 20 位数字", "请照数电票左上角的发票号码填写。"
        )
    if not amount or abs(amount.fen) > MOST_FEN:
        raise InvoiceRefused(
            number, f"金额 {amount} 是 0 或超过 1 万亿元", "请填写票面的价税合计。"
        )
    if seller == buyer:
        raise InvoiceRefused(number, "购买方和销售方是同一个单位", "请核对票面。")
    if issued_on > beijing_date(now):
        raise InvoiceRefused(
            number, f"开票日期 {issued_on} 在今天 {beijing_date(now)} 之后", "请核对票面。"
        )


def _original(number: str, original: str, amount: Money) -> Invoice | None:
    """The invoice that a red-letter one takes back, locked; None for a blue one."""
    if not original and amount > Money(0):
        return None
    if not original:
        raise InvoiceRefused(number, "金额是负数而没有写原发票", "红字发票请写明原发票号码。")
    if amount > Money(0):
        raise InvoiceRefused(number, "写了原发票而金额是正数", "红字发票的金额写负数。")
    row = Invoice.objects.select_for_update(no_key=True).filter(number=original).first()
    if row is None:
        raise InvoiceRefused(
            number, f"原发票 {original[:20]} 没有登记", "请先登记原发票，再登记红字发票。"
        )
    return row


def _check_red(
    number: str,
    first: Invoice,
    sides: tuple[UUID, UUID, UUID | None],
    amount: Money,
    issued_on: date,
) -> None:
    if first.original_id is not None:
        raise InvoiceRefused(number, "原发票自己是红字发票", "请写被冲红的蓝字发票。")
    if sides != (first.seller_id, first.buyer_id, first.contract_id):
        raise InvoiceRefused(number, "双方或合同与原发票不同", "红字发票与原发票须一致。")
    if issued_on < first.issued_on:
        raise InvoiceRefused(number, f"早于原发票的开票日期 {first.issued_on}", "请核对票面。")
    others = Invoice.objects.filter(original=first).exclude(number=number)
    left = Money(first.amount_fen + (others.aggregate(all=Sum("amount_fen"))["all"] or 0))
    if -amount > left:
        raise InvoiceRefused(
            number,
            f"冲红 {-amount} 超过原发票还剩的 {left}（原为 {Money(first.amount_fen)}）",
            "请核对金额和已登记的红字发票。",
        )


def _check_contract(number: str, contract: UUID, seller: UUID, buyer: UUID) -> None:
    row = Contract.objects.filter(id=contract).first()
    if row is None:
        raise NotFound("合同", str(Ref("contract", contract)))
    if (row.provider_id, row.tenant_id) != (seller, buyer):
        raise InvoiceRefused(
            number, f"购销双方与合同 {row.number} 的双方不同", "请核对票面和合同。"
        )
