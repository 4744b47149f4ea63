"""Letters about cases: moves, public notices, objections, findings."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from jinsuan.casework.models import Case, Finding, Objection
from jinsuan.kernel.ref import Ref, Role
from jinsuan.ledger.audit import AuditView
from jinsuan.vouchers.letters_to import Draft, People, To

_OFFICERS = (Role.PROVINCIAL_OFFICER,)
_SAID = "意见："


@dataclass(frozen=True, slots=True)
class _Told:
    """What one move means to its applicant, and to whoever has the next step."""

    kind: str
    title: str
    words: str
    next_role: Role | None = None
    next_title: str = ""


# Kind of case, state before ("" for any), state after. What is not here concerns nobody:
# handing in and withdrawing are the applicant's own, and the voucher itself tells of 发放.
_MOVES = {
    ("voucher", "checking", "city"): _Told(
        "case.checked",
        "初核通过",
        "平台初核通过，已转推荐单位复核。",
        Role.RECOMMENDER,
        "轮到您复核",
    ),
    ("voucher", "city", "province"): _Told(
        "case.recommended",
        "已推荐",
        "推荐单位已推荐，等待省级审定。",
        Role.PROVINCIAL_OFFICER,
        "等待审定",
    ),
    ("voucher", "notice", "province"): _Told(
        "case.objection_upheld",
        "异议成立",
        "公示期间的异议成立，退回省级重新审定。",
        Role.PROVINCIAL_OFFICER,
        "异议成立，重新审定",
    ),
    ("voucher", "province", "notice"): _Told(
        "case.approved", "审定通过", "省级审定通过，进入公示。"
    ),
    ("voucher", "city", "refused"): _Told("case.refused", "不予推荐", "申领没有通过。"),
    ("voucher", "province", "refused"): _Told("case.refused", "不予通过", "申领没有通过。"),
    ("voucher", "notice", "refused"): _Told("case.refused", "年度结束", "申领没有通过。"),
    ("redemption", "checking", "approval"): _Told(
        "redemption.checked",
        "兑付核对一致",
        "平台核对一致，等待省级核定。",
        Role.PROVINCIAL_OFFICER,
        "等待核定",
    ),
    ("redemption", "approval", "payable"): _Told(
        "redemption.approved",
        "兑付已核定",
        "省级已核定，等待财政拨付。",
        Role.TREASURY,
        "有兑付可以编制批次",
    ),
    ("redemption", "payable", "approval"): _Told(
        "redemption.stopped",
        "暂停拨付",
        "拨付暂停，退回省级核定。",
        Role.TREASURY,
        "兑付暂停拨付",
    ),
    ("redemption", "payable", "paid"): _Told(
        "redemption.paid", "兑付已拨付", "银行已付款，请查收。"
    ),
    ("redemption", "approval", "refused"): _Told(
        "redemption.refused", "不予兑付", "兑付没有通过。"
    ),
    ("", "", "returned"): _Told(
        "case.returned", "退回补正", "请按意见补正后再提交，补正以前案件不再往下走。"
    ),
}


def _case_moved(row: AuditView, people: People) -> Iterator[Draft]:
    before, after = row.before or {}, row.after or {}
    kind, source, target = after.get("kind"), before.get("state"), after.get("state")
    told = _MOVES.get((str(kind), str(source), str(target))) or _MOVES.get(("", "", str(target)))
    case = Case.objects.select_related("applicant").filter(id=row.subject.id).first()
    if told is None or case is None:
        return
    applicant = _applicant(case, people)
    said = f"{_SAID}{row.reason}" if row.reason and told.kind != "redemption.paid" else ""
    if told.kind == "redemption.paid" and row.reason:
        said = f"银行流水号 {row.reason}。"
    yield _draft(case, applicant, told.kind, told.title, f"{told.words}{said}")
    if told.next_role is not None:
        waiting = _next(case, told.next_role, people)
        words = f"{case.title}。申报主体 {case.applicant.name}。"
        yield _draft(case, waiting, f"{told.kind}.next", told.next_title, words)


def _applicant(case: Case, people: People) -> To:
    return people.of(case.applicant_id)


def _next(case: Case, role: Role, people: People) -> To:
    return people.recommenders(case.body_id) if role is Role.RECOMMENDER else people.all(role)


def _draft(case: Case, to: To, kind: str, title: str, words: str) -> Draft:
    subject = Ref("case", case.id)
    return Draft(to=to, kind=kind, subject=subject, number=case.number, title=title, words=words)


def _named(row: AuditView) -> Case | None:
    """The case whose number stands in the row."""
    return Case.objects.filter(number=str((row.after or {}).get("case"))).first()


def _noticed(row: AuditView, people: People) -> Iterator[Draft]:
    case, said = _named(row), row.after or {}
    if case is None:
        return
    words = f"公示从 {said.get('from')} 到 {said.get('last')}（含），期满没有异议即办下一步。"
    to = _applicant(case, people) | people.recommenders(case.body_id)
    yield _draft(case, to, "notice.published", "开始公示", words)


def _objected(row: AuditView, people: People) -> Iterator[Draft]:
    case = _named(row)
    if case is None:
        return
    day = (row.after or {}).get("received_on")
    words = f"{day} 收到一件异议。处理完以前，公示不算期满。"
    yield _draft(case, _applicant(case, people), "objection.recorded", "公示收到异议", words)
    officials = people.all(*_OFFICERS) | people.recommenders(case.body_id)
    words = f"{words}由审定人以外的省级经办处理。"
    yield _draft(case, officials, "objection.recorded", "公示收到异议", words)


def _objection_decided(row: AuditView, people: People) -> Iterator[Draft]:
    case = _named(row)
    if case is None or not Objection.objects.filter(id=row.subject.id).exists():
        return
    upheld = bool((row.after or {}).get("upheld"))
    title = "异议成立" if upheld else "异议不成立"
    to = _applicant(case, people) | people.recommenders(case.body_id)
    yield _draft(case, to, "objection.decided", title, f"异议已有处理结论。{_SAID}{row.reason}")


def _finding_opened(row: AuditView, people: People) -> Iterator[Draft]:
    """The owner is told what it is; the applicant only that the case is frozen."""
    case = _named(row)
    found = Finding.objects.filter(id=row.subject.id).first()
    if case is None or found is None:
        return
    if found.blocking:
        words = "有疑点正在核实，给出结论以前不能往下办。"
        yield _draft(case, _applicant(case, people), "case.frozen", "案件冻结", words)
    owners = _next(case, Role(found.owner), people)
    words = f"{found.title}。请核实后给出结论并写明理由。"
    yield _draft(case, owners, "finding.opened", "疑点等您下结论", words)


def _finding_closed(row: AuditView, people: People) -> Iterator[Draft]:
    case = _named(row)
    found = Finding.objects.filter(id=row.subject.id, blocking=True).first()
    if case is None or found is None:
        return
    more = Finding.objects.filter(case=case, blocking=True, closed_at=None).exists()
    words = "另有疑点还在核实，案件仍然冻结。" if more else "案件不再冻结。"
    title = "一处疑点已有结论"
    yield _draft(case, _applicant(case, people), "case.unfrozen", title, words)


MAKERS = {
    "case.move": _case_moved,
    "notice.publish": _noticed,
    "objection.record": _objected,
    "objection.decide": _objection_decided,
    "finding.open": _finding_opened,
    "finding.close": _finding_closed,
}
