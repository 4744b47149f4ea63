"""Follow a transfer back: amount, formula, use, price, source of money, people, basis.

Seven fixed steps in Chinese, the same for every capture (ui.md 6.6); after them the case of a granted
voucher. This room only joins what the other rooms say of their own things; it computes nothing but
the display of a formula.
"""

from __future__ import annotations

from datetime import datetime
from fractions import Fraction
from uuid import UUID

from jinsuan.casework import queries as casework
from jinsuan.dispatch import queries as dispatch
from jinsuan.kernel.errors import NotFound
from jinsuan.kernel.money import Money
from jinsuan.kernel.quantity import show_unit_hours
from jinsuan.kernel.ref import Actor, Ref
from jinsuan.ledger import accounts, queries as ledger
from jinsuan.ledger.reasons import Reason
from jinsuan.metering import queries as metering
from jinsuan.metering.rating import show_price, spoken
from jinsuan.registry import queries as registry
from jinsuan.registry.links import links as registry_links
from jinsuan.trace.doors import admit
from jinsuan.trace.money import other_parts, voucher_parts
from jinsuan.trace.step import Part, Path, Step, numbered, spoken_time
from jinsuan.vouchers import queries as vouchers
from jinsuan.vouchers.queries_links import links as voucher_links


def path(viewer: Actor, ref: Ref, *, now: datetime | None = None) -> Path:
    """The steps behind one transfer: seven for what a charge made move, more when the voucher was
    granted in a case; for any other transfer what it rests on.

    Args:
        now: when a recommending body's memberships are looked at; None: it sees no case.

    Raises:
        NotFound: no such transfer, or not for this viewer's eyes.
    """
    transfer = ledger.transfer(ref)
    if transfer.cause.kind != "charge":
        admit(viewer, transfer, now)
        parts = [Part("这笔钱", transfer.ref, _money(transfer).facts)]
        parts += other_parts(viewer, transfer, now)
        return Path(ref=transfer.ref, steps=numbered(parts))
    charge = metering.charge_view(transfer.cause)
    job = dispatch.access_job(viewer, charge.job)
    corrected = transfer.reason is Reason.CORRECTION
    source = transfer.key.rpartition(":")[2] if corrected else accounts.parse(transfer.debit).sub
    steps = (
        _money(transfer),
        _formula(transfer, charge, source),
        _use(charge, job),
        _price(charge),
        _source(source),
        _people(job, source),
        _basis(charge, source),
    )
    more: list[Part] = []
    if source.startswith("voucher_"):
        more = voucher_parts(viewer, Ref.read(source), transfer.recorded_at, now)
    return Path(ref=transfer.ref, steps=(*steps, *numbered(more, after=len(steps))))


def _money(transfer: ledger.TransferView) -> Step:
    return Step(
        number=1,
        title="这笔钱",
        ref=transfer.ref,
        facts=(
            ("金额", str(transfer.amount)),
            ("从", transfer.debit),
            ("到", transfer.credit),
            ("事由", transfer.reason.label),
            ("业务键", transfer.key),
            ("记账时间", spoken_time(transfer.recorded_at)),
        ),
    )


def _formula(transfer: ledger.TransferView, charge: metering.ChargeView, source: str) -> Step:
    funding = next(f for f in vouchers.fundings_of(charge.job.id) if f.attempt == charge.attempt)
    before = charge.cumulative - charge.amount
    facts = [
        ("第几笔费用", str(charge.number)),
        ("累计费用", f"{charge.cumulative}，此前 {before}，本笔 {charge.amount}"),
        ("授权上限", str(charge.authorised)),
    ]
    if transfer.reason is Reason.CORRECTION:
        facts += _corrected(transfer, charge, funding.rate)
    elif transfer.reason is Reason.SHORTFALL:
        facts.append(("为什么是欠款", "冻结的钱不够付本笔费用，差额记为下单方欠款"))
    elif source == "cash":
        facts.append(("现金部分", "本笔费用减去算力券部分"))
    else:
        limit = f"累计券付不超过 ⌊{funding.rate} × {charge.cumulative}⌋，也不超过冻结的券额"
        facts.append(("算力券部分", limit))
    return Step(number=2, title="为什么是这个数", ref=charge.ref, facts=tuple(facts))


def _corrected(
    transfer: ledger.TransferView, charge: metering.ChargeView, rate: Fraction
) -> list[tuple[str, str]]:
    facts = []
    view = metering.correction_of(charge.ref)
    if view is not None:
        name, unit = spoken(view.resource)
        was, now = show_unit_hours(view.before), show_unit_hours(view.after)
        facts += [
            ("更正", f"{name}累计读数由 {was} 改为 {now} {unit}，{view.ref}"),
            ("更正事由", f"{view.reason}，依据 {view.document}"),
            ("提出", f"{registry.person_name(view.proposed_by)}，{spoken_time(view.proposed_at)}"),
            ("同意", f"{registry.person_name(view.agreed_by)}，{spoken_time(view.agreed_at)}"),
        ]
    if charge.amount >= Money(0):
        facts.append(("为什么是欠款", "作业已结清，没有冻结的钱，更正多出的费用记为下单方欠款"))
        return facts
    rule = (
        f"券只留 ⌊{rate} × {charge.cumulative}⌋，多付的退回原券；其余先抵这次尝试的欠款，再退现金"
    )
    facts.append(("怎么退", rule))
    if transfer.key.startswith("correct-paid:"):
        facts.append(("已兑付的部分", "财政已经付给收款单位，先退回券，另行提出追缴，由另一人复核"))
    return facts


def _reading(line: metering.ChargeLineView) -> tuple[str, str]:
    name, unit = spoken(line.resource)
    used = (
        f"{show_unit_hours(line.milli_unit_seconds)} {unit}（{line.milli_unit_seconds} 毫单位秒）"
    )
    read = f"读于 {spoken_time(line.occurred_at)}，收于 {spoken_time(line.recorded_at)}，{line.reading}"
    return name, f"{used}，{read}"


def _use(charge: metering.ChargeView, job: dispatch.JobView) -> Step:
    facts = [_reading(line) for line in charge.lines]
    attempt = next(a for a in job.attempts if a.ref == charge.attempt)
    facts.append(("作业", f"{job.name}，{job.ref}"))
    facts.append(("尝试", f"第 {attempt.number} 次，{attempt.ref}"))
    facts.append(("中心", f"{attempt.centre_name}（{attempt.centre_code}），{attempt.cluster}"))
    facts += [("节点", _node(share)) for share in attempt.allocation]
    return Step(number=3, title="用了多少", ref=charge.attempt, facts=tuple(facts))


def _node(share: dict[str, object]) -> str:
    cards = share.get("cards")
    shown = f"，卡号 {'、'.join(map(str, cards))}" if isinstance(cards, list) and cards else ""
    return f"{share['node']}{shown}"


def _locked(line: metering.ChargeLineView) -> tuple[str, str]:
    name, unit = spoken(line.resource)
    price = show_price(line.millifen_per_hour)
    return name, f"每{unit} {price} 元，匹配时锁定，价目 {line.tariff}"


def _price(charge: metering.ChargeView) -> Step:
    facts = [_locked(line) for line in charge.lines]
    facts.append(("取整", "累计精确值四舍五入到分，再减去已计费用"))
    facts.append(("合同", f"{charge.contract_number}，{charge.contract}"))
    return Step(number=4, title="什么价", ref=charge.contract, facts=tuple(facts))


def _source(source: str) -> Step:
    if not source.startswith("voucher_"):
        return Step(number=5, title="哪张券", ref=None, facts=(("来源", "现金，没有用券"),))
    view = vouchers.access_voucher(Actor.system("trace"), Ref.read(source))
    return Step(
        number=5,
        title="哪张券",
        ref=view.ref,
        facts=(
            ("算力券", f"{view.title}，{view.ref}"),
            ("面额", str(view.face)),
            ("还剩", str(view.left)),
            ("有效期", f"{view.valid_from} 至 {view.expires_on}（含）"),
        ),
    )


def _people(job: dispatch.JobView, source: str) -> Step:
    facts = [
        (
            "下单",
            f"{registry.person_name(job.person)}，{job.tenant_name}，{spoken_time(job.submitted_at)}",
        )
    ]
    if source.startswith("voucher_"):
        view = vouchers.access_voucher(Actor.system("trace"), Ref.read(source))
        facts.append(
            ("发券", f"{view.issued_by_name}，{spoken_time(view.issued_at)}，事由：{view.reason}")
        )
    facts += [
        ("留痕", f"{spoken_time(row.at)} {row.action} {row.reason}（{row.via}）")
        for row in ledger.audit_of(job.ref)
    ]
    return Step(number=6, title="谁批的", ref=job.person, facts=tuple(facts))


def _basis(charge: metering.ChargeView, source: str) -> Step:
    facts = [("合同", charge.contract_number)]
    if source.startswith("voucher_"):
        view = vouchers.access_voucher(Actor.system("trace"), Ref.read(source))
        facts.append(("文件", view.document))
        facts.append(("条款", view.article))
    else:
        facts.append(("条款", "现金部分不涉及财政资金，按合同支付"))
    return Step(number=7, title="凭哪一条", ref=None, facts=tuple(facts))


LINKS = (
    ledger.links,
    metering.links,
    voucher_links,
    casework.links,
    dispatch.links,
    registry_links,
)


def neighbours(ref: Ref) -> tuple[Ref, ...]:
    """Everything that any room says hangs together with this thing, each named once."""
    found = [other for links in LINKS for other in links(ref)]
    return tuple(dict.fromkeys(found))


# From a thing only towards what it caused, so that a search ends and stays with its own money.
_FORWARD: dict[str, frozenset[str]] = {
    "job": frozenset({"attempt"}),
    "attempt": frozenset({"charge"}),
    "contract": frozenset({"voucher"}),
    "case": frozenset({"application", "redemption", "decision"}),
    "application": frozenset({"voucher", "decision"}),
    "voucher": frozenset({"decision", "redemption", "clawback"}),
    "redemption": frozenset({"paymentline"}),
    "paymentbatch": frozenset({"paymentline"}),
    "bankentry": frozenset({"cashorder"}),
}


def transfers_from(viewer: Actor, ref: Ref, *, now: datetime | None = None) -> list[Ref]:
    """The other way round: what a voucher, case, decision, job, contract or payment line made move,
    in the order of recording, as far as this viewer may see it.
    """
    seen, waiting = {ref: None}, [ref]
    while waiting:
        one = waiting.pop(0)
        wanted = _FORWARD.get(one.kind, frozenset())
        for other in neighbours(one):
            if other.kind in wanted and other not in seen:
                seen[other] = None
                waiting.append(other)
    moved = [t for found in ledger.transfers_caused_by_each(seen).values() for t in found]
    if ref.kind == "voucher":
        moved += _drawn_from(ref)
    found = {t.ref: t for t in moved if _may_follow(viewer, t, now)}
    return [t.ref for t in sorted(found.values(), key=lambda t: (t.recorded_at, str(t.ref)))]


def _drawn_from(voucher: Ref) -> list[ledger.TransferView]:
    """What jobs drew from a voucher: holds, captures and releases."""
    return [
        transfer
        for job in {
            job_of(attempt.id) for attempt in voucher_links(voucher) if attempt.kind == "attempt"
        }
        for what in ("hold", "capture", "release", "correct", "correct-paid")
        for transfer in ledger.transfers_with_key_prefix(f"{what}:{job}:")
        if transfer.key.endswith(f":{voucher}")
    ]


def _may_follow(viewer: Actor, transfer: ledger.TransferView, now: datetime | None) -> bool:
    try:
        if transfer.cause.kind == "charge":
            dispatch.access_job(viewer, metering.charge_view(transfer.cause).job)
        else:
            admit(viewer, transfer, now)
    except NotFound:
        return False
    return True


def job_of(attempt: UUID) -> Ref:
    """The job of an attempt."""
    return next(one for one in dispatch.links(Ref("attempt", attempt)) if one.kind == "job")
