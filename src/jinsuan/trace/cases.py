"""The steps behind a granted voucher: contract, decision, evidence, people, notice, payment."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.db.models import Q

from jinsuan.casework import queries as casework, snapshot
from jinsuan.casework.models import Case, Decision, Notice, PaymentLine
from jinsuan.casework.moves import TABLES, Level
from jinsuan.kernel.errors import DomainError
from jinsuan.kernel.money import Money
from jinsuan.kernel.period import beijing_date
from jinsuan.kernel.ref import Actor, Ref
from jinsuan.ledger import queries as ledger
from jinsuan.metering.queries_invoices import invoices_of, payments_of
from jinsuan.policy.library import load_pack
from jinsuan.registry.queries import organisation_name, person_name
from jinsuan.trace.doors import SEES_ALL, case_or_none
from jinsuan.trace.step import Part, spoken_time
from jinsuan.vouchers.four import LABELS
from jinsuan.vouchers.models import Application, Redemption

CLOSED = "判定、材料、经手人和公示只给申报主体、办理和监督这件案件的人看，这里略去"


def grant_parts(viewer: Actor, voucher: UUID, now: datetime | None) -> list[Part]:
    """Everything behind one granted voucher; nothing for one that was issued without a case."""
    rows = Application.objects.select_related("case__applicant", "contract")
    row = rows.filter(grant=voucher).first()
    if row is None:
        return []
    case = case_or_none(viewer, row.case_id, now)
    parts = _contract(viewer, row, open_case=case is not None)
    if case is None:
        return [*parts, Part("案件", Ref("case", row.case_id), (("略去", CLOSED),))]
    return [*parts, *case_parts(case), _grant(row)]


def case_parts(case: Case) -> list[Part]:
    """What a case's decision rests on and through whose hands it went. The viewer was let in."""
    parts = []
    decision = case.decisions.order_by("-recorded_at", "-id").first()
    if decision is not None:
        parts += [_decision(decision), _facts(decision)]
    if case.attachments.exists():
        parts.append(_papers(case))
    parts.append(_people(case))
    parts += [_notice(notice) for notice in case.notices.order_by("published_at", "id")]
    return parts


def _contract(viewer: Actor, row: Application, *, open_case: bool) -> list[Part]:
    contract = row.contract
    if contract is None:
        return []
    ref, parties = Ref("contract", contract.id), (contract.tenant_id, contract.provider_id)
    if not (open_case or viewer.role in SEES_ALL or viewer.organisation in parties):
        return [Part("合同与凭证", ref, (("略去", "只给合同双方和监督的人看"),))]
    facts = [
        ("合同", contract.number),
        ("用算方", organisation_name(contract.tenant_id)),
        ("供算方", organisation_name(contract.provider_id)),
        ("签订日", str(contract.signed_on)),
    ]
    for line in contract.lines.order_by("id"):
        most = "据实结算" if line.ceiling_fen is None else str(Money(line.ceiling_fen))
        facts.append(("明细", f"{line.get_category_display()}，{line.description}，{most}"))
    for invoice in invoices_of(contract.id):
        red = f"，冲 {invoice.original}" if invoice.original else ""
        facts.append(("发票", f"{invoice.number}，{invoice.amount}，{invoice.issued_on}{red}"))
    facts += [
        ("付款凭证", f"{paid.bank_reference}，{paid.amount}，{paid.paid_on}")
        for paid in payments_of(contract.id)
    ]
    return [Part("合同与凭证", ref, tuple(facts))]


def _decision(row: Decision) -> Part:
    clause, number = _clause(row.pack, row.rule)
    bound = "无" if row.bound_fen is None else str(Money(row.bound_fen))
    amount = "无" if row.amount_fen is None else str(Money(row.amount_fen))
    then = snapshot.read(row.content)
    return Part(
        "判定",
        Ref("decision", row.id),
        (
            ("结论", then.rules[row.rule].outcome.label if row.rule in then.rules else row.outcome),
            ("规则", f"{row.pack}#{row.rule}，参数取 {then.law_on} 的"),
            ("文件", number),
            ("条款", clause),
            ("规则算出", bound),
            ("核定金额", amount),
            ("谁定的", _said(row.person, row.level, row.recorded_at, row.reason)),
            ("规则包摘要", then.pack_digest),
            ("判定摘要", bytes(row.content_digest).hex()),
            ("重新判定", replayed(row.id)),
        ),
    )


def _clause(pack: str, rule: str) -> tuple[str, str]:
    try:
        found = load_pack(pack)
    except DomainError:
        return rule, pack
    return (found.rules[rule].article if rule in found.rules else rule), found.number


def replayed(decision: UUID) -> str:
    """Whether the same facts give the same decision today, in words."""
    try:
        found = casework.replay(decision)
    except DomainError as error:
        return f"做不了：{error.explain()}"
    return "相同" if found.same else "不同：" + "；".join(found.differences)


def _facts(row: Decision) -> Part:
    then = snapshot.read(row.content)
    try:
        labels = {name: fact.label for name, fact in load_pack(then.pack).facts.items()}
    except DomainError:
        labels = {}
    told = []
    for name, known in then.facts.items():
        value = "不知道" if known.value is None else str(known.value)
        said = f"{value}，{known.attest.label}，依据 {known.evidence or '（没有）'}"
        told.append((labels.get(name, name), said))
    return Part("事实", Ref("decision", row.id), tuple(told))


def _papers(case: Case) -> Part:
    told = tuple(
        (one.purpose, f"{one.name}，SHA-256 {bytes(one.sha256).hex()}，{Ref('attachment', one.id)}")
        for one in case.attachments.order_by("recorded_at", "id")
    )
    return Part("材料", Ref("case", case.id), told)


def _people(case: Case) -> Part:
    table = TABLES[case.kind]
    told = [("案件", f"{case.number}，{case.title}，{table.state(case.state).label}")]
    for move in case.moves.order_by("number"):
        said = _said(move.person, move.level, move.recorded_at, move.reason)
        told.append((f"{move.number} {move.name}", said))
    return Part("经手人", Ref("case", case.id), tuple(told))


def _said(person: UUID | None, level: str, at: datetime, reason: str) -> str:
    name = "平台" if person is None else person_name(Ref("person", person))
    why = f"，理由：{reason}" if reason else ""
    return f"{name}（{Level(level).label}），{spoken_time(at)}{why}"


def _notice(row: Notice) -> Part:
    by = "平台" if row.published_by is None else person_name(Ref("person", row.published_by))
    told = [
        ("公示", f"{row.from_day} 起 {row.working_days} 个工作日，至 {row.last_day}（含）"),
        ("发布", f"{by}，{spoken_time(row.published_at)}"),
    ]
    for one in row.objections.order_by("received_on", "id"):
        answer = {None: "在办", True: "成立", False: "不成立"}[one.upheld]
        told.append(
            ("异议", f"{one.received_on} 收到，{answer}{'：' if one.reason else ''}{one.reason}")
        )
    return Part("公示", Ref("notice", row.id), tuple(told))


def _grant(row: Application) -> Part:
    told = []
    if row.decision_id is not None:
        began = ledger.transfers_with_key_prefix(f"grant:{Ref('decision', row.decision_id)}")
        told = [
            (one.step.label, f"{one.amount}，{spoken_time(one.recorded_at)}，{one.ref}")
            for one in began
        ]
    return Part("发放", Ref("voucher", row.grant), tuple(told) or (("发放", "还没有记账"),))


def redemptions_behind(voucher: UUID, *, at: datetime | None = None) -> list[Redemption]:
    """The redemptions of a voucher, oldest first; with a time, only the first that covers it."""
    rows = list(
        Redemption.objects.filter(voucher=voucher)
        .exclude(Q(case__state="refused") | Q(case__state="withdrawn"))
        .select_related("case", "voucher", "payee")
        .order_by("number")
    )
    if at is None:
        return rows
    return [row for row in rows if row.through >= beijing_date(at)][:1]


def redemption_part(viewer: Actor, row: Redemption, now: datetime | None) -> Part:
    """One redemption: its four numbers and which one binds."""
    ref = Ref("redemption", row.id)
    if case_or_none(viewer, row.case_id, now) is None and row.payee_id != viewer.organisation:
        return Part("兑付", ref, (("略去", "兑付只给收款单位、办理和监督的人看"),))
    told = [
        ("兑付案件", f"{row.case.number}，{TABLES[row.case.kind].state(row.case.state).label}"),
        ("第几次", f"这张券的第 {row.number} 次，截至 {row.through}（含）"),
        ("收款单位", row.payee.name),
    ]
    told += [
        (LABELS[name], str(Money(getattr(row, f"{name}_fen"))))
        for name in ("contract", "metered", "invoiced", "paid")
    ]
    if row.captured_fen is not None:
        told.append((LABELS["captured"], str(Money(row.captured_fen))))
    cumulative, before = Money(row.cumulative_fen), Money(row.before_fen)
    told.append(("由哪一项决定", LABELS.get(row.binding, row.binding)))
    told.append(("本次金额", f"累计 {cumulative}，此前 {before}，本次 {Money(row.amount_fen)}"))
    return Part("兑付", ref, tuple(told))


def payment_parts(viewer: Actor, row: Redemption, now: datetime | None) -> list[Part]:
    """How a redemption was paid: line, batch and the bank's reference."""
    seen = viewer.role in SEES_ALL or row.payee_id == viewer.organisation
    if not seen and case_or_none(viewer, row.case_id, now) is None:
        return []
    lines = PaymentLine.objects.filter(basis=str(Ref("redemption", row.id)))
    return [
        _payment(line) for line in lines.select_related("batch", "account", "payee").order_by("id")
    ]


def _payment(line: PaymentLine) -> Part:
    batch = line.batch
    told = [
        ("批次", f"{batch.number} 第 {line.place} 笔，{batch.get_state_display()}"),
        ("金额", str(Money(line.amount_fen))),
        ("收款单位", line.payee.name),
        ("状态", line.get_state_display()),
        ("编制", f"{person_name(Ref('person', batch.made_by))}，{spoken_time(batch.made_at)}"),
    ]
    if line.account is not None:
        told.append(("收款账户", f"{line.account.bank}，{line.account.masked}"))
    if batch.confirmed_by is not None and batch.confirmed_at is not None:
        by = person_name(Ref("person", batch.confirmed_by))
        told.append(("复核", f"{by}，{spoken_time(batch.confirmed_at)}"))
    if line.bank_reference:
        told.append(("银行流水号", f"{line.bank_reference}，{line.answered_on}"))
    if line.bank_reason:
        told.append(("银行退回原因", line.bank_reason))
    return Part("拨付", Ref("paymentline", line.id), tuple(told))
