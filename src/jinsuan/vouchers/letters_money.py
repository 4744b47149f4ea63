"""Letters about money: vouchers, clawbacks, payment batches, the bank's answers, differences."""

from __future__ import annotations

from collections.abc import Iterator

from jinsuan.casework.models import PayeeAccount, PaymentBatch, PaymentLine
from jinsuan.kernel.money import Money
from jinsuan.kernel.ref import Ref, Role
from jinsuan.ledger.audit import AuditView, audit_of
from jinsuan.vouchers.letters_to import Draft, People
from jinsuan.vouchers.models import CashOrder, Clawback, Difference, Voucher
from jinsuan.vouchers.terms import Pays

_VOUCHER = {
    "voucher.issue": ("voucher.issued", "算力券已发放"),
    "voucher.expiry_warned": ("voucher.expires_soon", "算力券快到期"),
    "voucher.suspended": ("voucher.suspended", "算力券停用"),
    "voucher.issued": ("voucher.resumed", "算力券恢复使用"),
    "voucher.revoked": ("voucher.revoked", "算力券作废"),
    "voucher.expired": ("voucher.expired", "算力券已过期"),
}


def _voucher(row: AuditView, people: People) -> Iterator[Draft]:
    kind, title = _VOUCHER[row.action]
    found = Voucher.objects.select_related("case", "programme").filter(id=row.subject.id).first()
    if found is None:
        return
    if kind == "voucher.issued":
        how = "下单时自动选用" if found.programme.pays == Pays.DEDUCT else "先付费，再申请兑付"
        words = f"面额 {Money(found.face_fen)}，可用到 {found.expires_on}（含），{how}。"
    elif kind == "voucher.expires_soon":
        words = f"{row.reason}。到期没用完的退回省级额度。"
    else:
        words = row.reason
    yield Draft(
        to=people.of(found.tenant_id, Role.TENANT),
        kind=kind,
        subject=row.subject,
        number=found.case.number if found.case is not None else found.programme.code,
        title=title,
        words=words,
    )


def _clawback(row: AuditView, people: People) -> Iterator[Draft]:
    found = (
        Clawback.objects.select_related("voucher__case", "payee").filter(id=row.subject.id).first()
    )
    if found is None:
        return
    case = found.voucher.case
    number, amount = ("" if case is None else case.number), Money(found.amount_fen)
    if row.action == "clawback.confirm":
        yield Draft(
            to=people.of(found.payee_id),
            kind="clawback.demanded",
            subject=row.subject,
            number=number,
            title="追缴：请退回补助资金",
            words=f"应退回 {amount}。退清以前不再拨付。事由：{row.reason}",
        )
        return
    words = f"对 {found.payee.name} 追缴 {amount}。事由：{row.reason}"
    asked = row.action == "clawback.propose"
    yield Draft(
        to=people.all(Role.PROVINCIAL_OFFICER),
        kind="clawback.proposed" if asked else "clawback.rejected",
        subject=row.subject,
        number=number,
        title="追缴等待另一人复核" if asked else "追缴没有通过复核",
        words=words,
    )


_BATCH = {
    "payment.make": ("payment.made", "拨付批次等待另一人复核"),
    "payment.confirm": ("payment.confirmed", "拨付批次已复核"),
    "payment.cancel": ("payment.cancelled", "拨付批次已取消"),
}


def _batch(row: AuditView, people: People) -> Iterator[Draft]:
    kind, title = _BATCH[row.action]
    found = PaymentBatch.objects.filter(id=row.subject.id).first()
    if found is None:
        return
    total = Money(found.total_fen)
    yield Draft(
        to=people.all(Role.TREASURY),
        kind=kind,
        subject=row.subject,
        number=found.number,
        title=title,
        words=f"{found.lines_count} 笔，合计 {total}。{row.reason}",
    )


def _answered(row: AuditView, people: People) -> Iterator[Draft]:
    """What the bank newly sent back: one letter to each payee, one to the treasury."""
    places = sorted(_rejected(row) - _rejected(_answer_before(row)))
    lines = PaymentLine.objects.select_related("case", "batch").filter(
        batch=row.subject.id, place__in=places
    )
    found = list(lines.order_by("place"))
    if not found:
        return
    yield Draft(
        to=people.all(Role.TREASURY),
        kind="payment.rejected",
        subject=row.subject,
        number=found[0].batch.number,
        title="银行退回拨付",
        words=f"退回 {len(found)} 笔。请核对收款账户后重拨。",
    )
    for payee in dict.fromkeys(line.payee_id for line in found):
        mine = [line for line in found if line.payee_id == payee]
        amount = Money.total(Money(line.amount_fen) for line in mine)
        why = "；".join(dict.fromkeys(line.bank_reason for line in mine))
        yield Draft(
            to=people.of(payee),
            kind="redemption.rejected",
            subject=Ref("case", mine[0].case_id),
            number=mine[0].case.number,
            title="银行退回了您的兑付",
            words=f"{len(mine)} 笔，合计 {amount}。银行说：{why}。请与财政核对收款账户。",
        )


def _rejected(row: AuditView | None) -> set[int]:
    said = {} if row is None else (row.after or {}).get("lines")
    states = said if isinstance(said, dict) else {}
    return {int(place) for place, state in states.items() if state == "rejected"}


def _answer_before(row: AuditView) -> AuditView | None:
    """The batch's answer before this one: a row tells the state of all lines."""
    told = [one for one in audit_of(row.subject) if one.action == row.action]
    place = next((i for i, one in enumerate(told) if one == row), 0)
    return told[place - 1] if place else None


def _difference(row: AuditView, people: People) -> Iterator[Draft]:
    found = Difference.objects.filter(id=row.subject.id).first()
    if found is None:
        return
    expected, seen = Money(found.expected_fen), Money(found.found_fen)
    yield Draft(
        to=people.all(Role.PROVINCIAL_OFFICER, Role.TREASURY, Role.AUDITOR),
        kind="difference.found",
        subject=row.subject,
        number="",
        title="对账发现差异",
        words=f"{found.words}：应为 {expected}，实为 {seen}。账户 {found.account} 已停付。",
    )


def _account_entered(row: AuditView, people: People) -> Iterator[Draft]:
    found = PayeeAccount.objects.select_related("organisation").filter(id=row.subject.id).first()
    if found is None:
        return
    yield Draft(
        to=people.all(Role.TREASURY),
        kind="payee.entered",
        subject=row.subject,
        number="",
        title="收款账户等待回拨核实",
        words=f"{found.organisation.name}的收款账户 {found.masked}。核实以前不能向它拨付。",
    )


_ORDER = {
    "cash_order.paid": ("cash_order.paid", "银行已付款"),
    "cash_order.reject": ("cash_order.rejected", "银行退回付款"),
    "cash_order.returned": ("cash_order.returned", "付款后退汇"),
}


def _order(row: AuditView, people: People) -> Iterator[Draft]:
    kind, title = _ORDER[row.action]
    found = CashOrder.objects.filter(id=row.subject.id).first()
    if found is None:
        return
    what = CashOrder.Kind(found.kind).label
    yield Draft(
        to=people.of(found.organisation_id),
        kind=kind,
        subject=row.subject,
        number=found.number,
        title=title,
        words=f"{what} {Money(found.amount_fen)}。{row.reason}",
    )


MAKERS = {
    **dict.fromkeys(_VOUCHER, _voucher),
    **dict.fromkeys(("clawback.propose", "clawback.confirm", "clawback.reject"), _clawback),
    **dict.fromkeys(_BATCH, _batch),
    "payment.answer": _answered,
    "difference.found": _difference,
    "payee.enter": _account_entered,
    **dict.fromkeys(_ORDER, _order),
}
