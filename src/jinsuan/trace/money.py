"""The steps behind transfers that no charge caused, and behind the voucher that paid a charge."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime, time, timedelta
from uuid import UUID

from django.db.models import Q

from jinsuan.casework.models import PaymentLine
from jinsuan.dispatch import queries as dispatch
from jinsuan.kernel.errors import NotFound
from jinsuan.kernel.money import Money
from jinsuan.kernel.period import BEIJING
from jinsuan.kernel.quantity import show_unit_hours
from jinsuan.kernel.ref import Actor, Ref
from jinsuan.ledger import accounts, queries as ledger
from jinsuan.ledger.accounts import Kind
from jinsuan.ledger.reasons import Reason
from jinsuan.metering.models import Charge
from jinsuan.metering.queries import charge_view
from jinsuan.metering.rating import spoken
from jinsuan.registry.queries import organisation_name, person_name
from jinsuan.trace.cases import (
    case_parts,
    grant_parts,
    payment_parts,
    redemption_part,
    redemptions_behind,
)
from jinsuan.trace.doors import case_or_none
from jinsuan.trace.step import Part, spoken_time
from jinsuan.vouchers import queries as vouchers
from jinsuan.vouchers.models import (
    Application,
    BankEntry,
    CashOrder,
    Clawback,
    FundingSource,
    Programme,
    Redemption,
)

SHOWN = 20
"""So many reimbursed captures are named; the rest is counted."""


def voucher_parts(viewer: Actor, voucher: Ref, at: datetime, now: datetime | None) -> list[Part]:
    """What stands behind a granted voucher, and the redemption that pays what was drawn at a time."""
    parts = grant_parts(viewer, voucher.id, now)
    for row in redemptions_behind(voucher.id, at=at) if parts else []:
        parts += [redemption_part(viewer, row, now), *payment_parts(viewer, row, now)]
    return parts


def other_parts(viewer: Actor, transfer: ledger.TransferView, now: datetime | None) -> list[Part]:
    """What a transfer that no charge caused rests on. The viewer was let in to the transfer."""
    parts = _pending(transfer)
    match transfer.cause.kind:
        case "attempt":
            return parts + _job(viewer, transfer, now)
        case "redemption" | "paymentline":
            return parts + _redemption(viewer, transfer.cause, now)
        case "clawback":
            return parts + _clawback(viewer, transfer.cause, now)
        case "bankentry" | "cashorder":
            return parts + _bank(transfer.cause)
        case "programme":
            return parts + _programme(transfer.cause)
        case "organisation":
            return parts + _outside(transfer)
    return parts + _granted(viewer, transfer, now)


def _pending(transfer: ledger.TransferView) -> list[Part]:
    if not (transfer.step.resolves or transfer.step.label == "预留"):
        return []
    told = [("这一步", transfer.step.label)]
    if transfer.pending is not None:
        told.append(("预留的那一笔", f"{transfer.pending}，{transfer.pending_key}"))
    else:
        end = ledger.resolution(transfer.ref)
        told.append(("后来", "还没有了结" if end is None else f"{end.step.label}，{end.ref}"))
    return [Part("预留与转正", transfer.pending or transfer.ref, tuple(told))]


def _job(viewer: Actor, transfer: ledger.TransferView, now: datetime | None) -> list[Part]:
    kinds = {code: accounts.parse(code) for code in (transfer.debit, transfer.credit)}
    hold = next(code for code in kinds.values() if code.kind is Kind.HOLD)
    job = dispatch.access_job(viewer, Ref.read(hold.id))
    attempt = next(a for a in job.attempts if a.ref == transfer.cause)
    told = (
        ("作业", f"{job.name}，{job.ref}"),
        ("用算主体", job.tenant_name),
        ("下单", f"{person_name(job.person)}，{spoken_time(job.submitted_at)}"),
        ("尝试", f"第 {attempt.number} 次，{attempt.ref}"),
        ("中心", f"{attempt.centre_name}（{attempt.centre_code}），{attempt.cluster}"),
    )
    parts = [Part("哪个作业", job.ref, told)]
    if hold.sub.startswith("voucher_"):
        voucher = Ref.read(hold.sub)
        parts += [_voucher(voucher), *voucher_parts(viewer, voucher, transfer.recorded_at, now)]
    return parts


def _voucher(ref: Ref) -> Part:
    try:
        view = vouchers.access_voucher(Actor.system("trace"), ref)
    except NotFound:
        return Part("哪张券", ref, (("算力券", "公示期内，还没有发放"),))
    told = (
        ("算力券", f"{view.title}，{view.ref}"),
        ("持有", view.tenant_name),
        ("面额", str(view.face)),
        ("还剩", str(view.left)),
        ("有效期", f"{view.valid_from} 至 {view.expires_on}（含）"),
        ("发券", f"{view.issued_by_name}，{spoken_time(view.issued_at)}，事由：{view.reason}"),
        ("文件", view.document),
        ("条款", view.article),
    )
    return Part("哪张券", ref, told)


def _granted(viewer: Actor, transfer: ledger.TransferView, now: datetime | None) -> list[Part]:
    """Issue, expiry, revocation, and the limit and the pool's promise: all of one voucher."""
    voucher = _voucher_of(transfer)
    if voucher is None:
        return [Part("起因", transfer.cause, (("起因", str(transfer.cause)),))]
    return [_voucher(voucher), *grant_parts(viewer, voucher.id, now)]


def _voucher_of(transfer: ledger.TransferView) -> Ref | None:
    for code in (transfer.credit, transfer.debit):
        found = accounts.parse(code)
        if found.kind is Kind.VOUCHER:
            return Ref.read(found.id)
    if transfer.cause.kind == "voucher":
        return transfer.cause
    wanted = {"decision": "decision", "case": "case"}.get(transfer.cause.kind)
    if wanted is None:
        return None
    row = Application.objects.filter(**{wanted: transfer.cause.id}).first()
    return None if row is None else Ref("voucher", row.grant)


def _redemption(viewer: Actor, cause: Ref, now: datetime | None) -> list[Part]:
    rows = Redemption.objects.select_related("case", "voucher__programme", "payee")
    if cause.kind == "paymentline":
        line = PaymentLine.objects.filter(id=cause.id).first()
        assert line is not None, cause
        row = rows.get(id=Ref.read(line.basis).id)
    else:
        row = rows.get(id=cause.id)
    parts = [redemption_part(viewer, row, now), *payment_parts(viewer, row, now)]
    case = case_or_none(viewer, row.case_id, now)
    if case is not None:
        parts += case_parts(case)
    voucher = Ref("voucher", row.voucher_id)
    parts += [_reimbursed(row), _voucher(voucher), *grant_parts(viewer, voucher.id, now)]
    return parts


def captures_of(row: Redemption) -> list[ledger.TransferView]:
    """The captures (and what corrections took off them) that a redemption reimburses: drawn from its voucher (抵扣) since the one before;
    where the user claims (后补), all that was charged under the contract.
    """
    before = (
        Redemption.objects.filter(voucher=row.voucher_id, number__lt=row.number)
        .exclude(case__state__in=("refused", "withdrawn"))
        .order_by("-number")
        .first()
    )
    sources = FundingSource.objects.filter(voucher=row.voucher_id)
    approved = ledger.transfers_caused_by(Ref("redemption", row.id))
    known = max((one.recorded_at for one in approved), default=row.case.opened_at)
    charges = Charge.objects.filter(
        Q(recorded_at__lt=datetime.combine(row.through + timedelta(days=1), time(), BEIJING))
        | Q(amount_fen__lt=0, recorded_at__lte=known)
    )
    if row.captured_fen is None:
        charges = charges.filter(attempt__contract=row.voucher.contract_id)
    else:
        charges = charges.filter(attempt__in=sources.values("funding"))
    if before is not None:
        first = datetime.combine(before.through + timedelta(days=1), time(), BEIJING)
        charges = charges.filter(recorded_at__gte=first)
    refs = [
        Ref("charge", pk)
        for pk in charges.order_by("recorded_at", "id").values_list("id", flat=True)
    ]
    found = ledger.transfers_caused_by_each(refs)
    return [
        transfer
        for moved in found.values()
        for transfer in moved
        if transfer.reason in (Reason.CAPTURE, Reason.CORRECTION)
        and (
            row.captured_fen is None or transfer.key.endswith(f":{Ref('voucher', row.voucher_id)}")
        )
    ]


def _reimbursed(row: Redemption) -> Part:
    found = captures_of(row)
    told = [
        ("核销", f"{len(found)} 笔，合计 {_net(found)}"),
        *(("用量", said) for said in _used([one.cause for one in found])),
    ]
    told += [
        ("核销转账", f"{one.amount}，{spoken_time(one.recorded_at)}，{one.ref}")
        for one in found[:SHOWN]
    ]
    if len(found) > SHOWN:
        told.append(("其余", f"另有 {len(found) - SHOWN} 笔，用 jinsuan trace 券编号 列出"))
    return Part("付的是哪些核销", Ref("voucher", row.voucher_id), tuple(told))


def _net(found: list[ledger.TransferView]) -> Money:
    """What the provider earned by these, corrections taken off."""
    return Money.total(
        one.amount if accounts.parse(one.credit).kind is Kind.PAYABLE else -one.amount
        for one in found
    )


def _used(charges: list[Ref]) -> list[str]:
    """The use behind charges, by resource: each attempt's last reading less what was charged before."""
    spans: dict[UUID, tuple[int, int]] = {}
    rows = Charge.objects.filter(id__in=[one.id for one in charges])
    for attempt, number in rows.values_list("attempt_id", "number"):
        low, high = spans.get(attempt, (number, number))
        spans[attempt] = min(low, number), max(high, number)
    used: dict[str, int] = defaultdict(int)
    for attempt, (low, high) in spans.items():
        for number, sign in ((high, 1), (low - 1, -1)):
            charge = Charge.objects.filter(attempt=attempt, number=number).first()
            if charge is not None:
                for line in charge_view(Ref("charge", charge.id)).lines:
                    used[line.resource] += sign * line.milli_unit_seconds
    said = []
    for resource, amount in sorted(used.items()):
        name, unit = spoken(resource)
        said.append(f"{name} {show_unit_hours(amount)} {unit}（{amount} 毫单位秒）")
    return said


def _clawback(viewer: Actor, cause: Ref, now: datetime | None) -> list[Part]:
    row = Clawback.objects.select_related("payee").get(id=cause.id)
    told = [
        ("追缴", f"{Money(row.amount_fen)}，向 {row.payee.name}"),
        ("事由", row.reason),
        ("提出", f"{_name(row.proposed_by)}，{spoken_time(row.proposed_at)}"),
    ]
    if row.confirmed_by is not None and row.confirmed_at is not None:
        told.append(("复核", f"{_name(row.confirmed_by)}，{spoken_time(row.confirmed_at)}"))
    parts = [Part("追缴", cause, tuple(told))]
    for paid in redemptions_behind(row.voucher_id):
        parts += [redemption_part(viewer, paid, now), *payment_parts(viewer, paid, now)]
    voucher = Ref("voucher", row.voucher_id)
    return [*parts, _voucher(voucher), *grant_parts(viewer, voucher.id, now)]


def _bank(cause: Ref) -> list[Part]:
    if cause.kind == "bankentry":
        entry = BankEntry.objects.get(id=cause.id)
        return [
            Part(
                "银行流水",
                cause,
                (("银行流水号", entry.reference), ("对上", entry.matched or "还没有对上")),
            )
        ]
    order = CashOrder.objects.get(id=cause.id)
    told = [
        ("付款单", f"{order.number}，{order.get_kind_display()}，{order.get_state_display()}"),
        ("收款单位", organisation_name(order.organisation_id)),
        ("金额", str(Money(order.amount_fen))),
        ("事由", order.reason),
    ]
    hands = (("申请", order.asked_by), ("编制", order.made_by), ("复核", order.confirmed_by))
    told += [(level, _name(person)) for level, person in hands if person is not None]
    if order.bank_reference:
        told.append(("银行流水号", order.bank_reference))
    return [Part("付款单", cause, tuple(told))]


def _programme(cause: Ref) -> list[Part]:
    row = Programme.objects.get(id=cause.id)
    told = (
        ("年度", f"{row.title}，{row.opens_on} 至 {row.closes_on}（含）"),
        ("规模", str(Money(row.pool_fen))),
        ("文件", row.document),
        ("条款", row.article),
    )
    return [Part("凭哪一条", cause, told), Part("经手人", cause, _audit(cause))]


def _outside(transfer: ledger.TransferView) -> list[Part]:
    """Money that came from outside: its key ends with the bank's own reference."""
    told = (
        ("单位", organisation_name(transfer.cause.id)),
        ("银行流水号", transfer.key.rpartition(":")[2]),
        *_audit(transfer.ref),
    )
    return [Part("银行流水", transfer.cause, told)]


def _audit(ref: Ref) -> tuple[tuple[str, str], ...]:
    return tuple(
        (
            "留痕",
            f"{spoken_time(row.at)} {row.action} {_name(row.person)} {row.reason}（{row.via}）",
        )
        for row in ledger.audit_of(ref)
    )


def _name(person: UUID | None) -> str:
    return "平台" if person is None else person_name(Ref("person", person))
