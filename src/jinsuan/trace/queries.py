"""Follow a transfer back: amount, formula, use, price, source of money, people, basis.

Seven fixed steps in Chinese, the same for every capture (ui.md 6.6). This room only joins what the
other rooms say of their own things; it computes nothing but the display of a formula.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from jinsuan.dispatch import queries as dispatch
from jinsuan.kernel.errors import NotFound
from jinsuan.kernel.period import BEIJING
from jinsuan.kernel.quantity import show_unit_hours
from jinsuan.kernel.ref import Actor, Ref
from jinsuan.ledger import accounts, queries as ledger
from jinsuan.ledger.reasons import Reason
from jinsuan.metering import queries as metering
from jinsuan.metering.rating import show_price, spoken
from jinsuan.registry import queries as registry
from jinsuan.registry.links import links as registry_links
from jinsuan.vouchers import queries as vouchers


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step of the path: its title, the thing it speaks of, and facts as label and words."""

    number: int
    title: str
    ref: Ref | None
    facts: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Path:
    """From one transfer back to its basis."""

    ref: Ref
    steps: tuple[Step, ...]


def path(viewer: Actor, ref: Ref) -> Path:
    """The seven steps behind one capture.

    Raises:
        NotFound: no such transfer, not a capture, or not for this viewer's eyes.
    """
    transfer = ledger.transfer(ref)
    if transfer.cause.kind != "charge":
        raise NotFound("核销转账", str(ref))
    charge = metering.charge_view(transfer.cause)
    job = dispatch.access_job(viewer, charge.job)
    source = accounts.parse(transfer.debit).sub
    steps = (
        _money(transfer),
        _formula(transfer, charge, source),
        _use(charge, job),
        _price(charge),
        _source(source),
        _people(job, source),
        _basis(charge, source),
    )
    return Path(ref=transfer.ref, steps=steps)


def _time(instant: datetime) -> str:
    return f"{instant.astimezone(BEIJING):%Y-%m-%d %H:%M:%S}"


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
            ("记账时间", _time(transfer.recorded_at)),
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
    if transfer.reason is Reason.SHORTFALL:
        facts.append(("为什么是欠款", "冻结的钱不够付本笔费用，差额记为下单方欠款"))
    elif source == "cash":
        facts.append(("现金部分", "本笔费用减去算力券部分"))
    else:
        limit = f"累计券付不超过 ⌊{funding.rate} × {charge.cumulative}⌋，也不超过冻结的券额"
        facts.append(("算力券部分", limit))
    return Step(number=2, title="为什么是这个数", ref=charge.ref, facts=tuple(facts))


def _reading(line: metering.ChargeLineView) -> tuple[str, str]:
    name, unit = spoken(line.resource)
    used = (
        f"{show_unit_hours(line.milli_unit_seconds)} {unit}（{line.milli_unit_seconds} 毫单位秒）"
    )
    read = f"读于 {_time(line.occurred_at)}，收于 {_time(line.recorded_at)}，{line.reading}"
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
            f"{registry.person_name(job.person)}，{job.tenant_name}，{_time(job.submitted_at)}",
        )
    ]
    if source.startswith("voucher_"):
        view = vouchers.access_voucher(Actor.system("trace"), Ref.read(source))
        facts.append(
            ("发券", f"{view.issued_by_name}，{_time(view.issued_at)}，事由：{view.reason}")
        )
    facts += [
        ("留痕", f"{_time(row.at)} {row.action} {row.reason}（{row.via}）")
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


LINKS = (ledger.links, metering.links, vouchers.links, dispatch.links, registry_links)


def neighbours(ref: Ref) -> tuple[Ref, ...]:
    """Everything that any room says hangs together with this thing, each named once."""
    found = [other for links in LINKS for other in links(ref)]
    return tuple(dict.fromkeys(found))
