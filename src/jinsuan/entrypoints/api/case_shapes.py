"""Applications and redemptions as JSON: what this caller may see of a case."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from ninja import Schema

from jinsuan.casework.models import Case
from jinsuan.casework.moves import TABLES
from jinsuan.kernel.ref import Actor, Ref, Role
from jinsuan.vouchers.actions.apply import missing_papers
from jinsuan.vouchers.models import Application
from jinsuan.vouchers.queries_cases import CaseFile, amount_shown

OWNERS = (Role.TENANT, Role.CENTRE_OPERATOR)
OPEN_PAPERS = frozenset({"提交", "补正"})


class CaseRowOut(Schema):
    """One case in a list."""

    id: str
    number: str
    title: str
    applicant: str
    state: str
    state_code: str
    opened_at: datetime
    closed_at: datetime | None


class CasePageOut(Schema):
    """Cases, newest first."""

    items: list[CaseRowOut]
    next_cursor: str | None


class StepOut(Schema):
    """One step of a case's history; who acted stands for a level, not for a name."""

    name: str
    level: str
    source: str
    target: str
    reason: str
    at: datetime


class PaperOut(Schema):
    """One attached file."""

    id: str
    name: str
    purpose: str
    size: int


class CaseFindingOut(Schema):
    """A doubt (疑点), for officials."""

    id: str
    title: str
    detail: str
    blocking: bool
    verdict: str


class JudgedOut(Schema):
    """What the rules say as things stand; under a ceiling the amount is the most."""

    rule: str
    outcome: str
    mode: str
    amount: str | None


class FigureOut(Schema):
    """One of the numbers of a redemption; the binding one is the smallest."""

    label: str
    amount: str
    binding: bool


class CaseOut(CaseRowOut):
    """One case. `moves` are what this caller may take now; `amount` is what a signature needs."""

    body: str
    moves: list[str]
    frozen: bool
    missing: list[str]
    judged: JudgedOut | None
    amount: str | None
    contract_number: str | None
    contract_total: str | None
    voucher_case: str | None
    through: date | None
    figures: list[FigureOut]
    papers: list[PaperOut]
    findings: list[CaseFindingOut]
    history: list[StepOut]


def row_of(row: Case) -> dict[str, Any]:
    return {
        "id": str(Ref("case", row.id)),
        "number": row.number,
        "title": row.title,
        "applicant": row.applicant.name,
        "state": TABLES[row.kind].state(row.state).label,
        "state_code": row.state,
        "opened_at": row.opened_at,
        "closed_at": row.closed_at,
    }


def full(file: CaseFile, actor: Actor, *, now: datetime) -> dict[str, Any]:
    """The case for somebody who went through its door."""
    view, own = file.view, actor.role in OWNERS
    moves = list(view.buttons if own else file.buttons)
    found: dict[str, Any] = {
        "id": str(view.ref),
        **{
            name: getattr(view, name)
            for name in ("number", "title", "applicant", "body", "state", "state_code")
        },
        "opened_at": view.opened_at,
        "closed_at": view.closed_at,
        "moves": [] if file.barred else moves,
        "frozen": bool(view.frozen_by),
        "missing": _missing(file, now) if own and OPEN_PAPERS & set(moves) else [],
        "judged": _judged(file),
        "amount": amount_shown(file) or None,
        **_parts(file),
        "papers": [
            {"id": str(one.ref), "name": one.name, "purpose": one.purpose, "size": one.size}
            for one in file.papers
        ],
        "findings": [
            {
                "id": str(one.ref),
                **{n: getattr(one, n) for n in ("title", "detail", "blocking", "verdict")},
            }
            for one in file.findings
        ],
        "history": [
            {
                name: getattr(one, name)
                for name in ("name", "level", "source", "target", "reason", "at")
            }
            for one in view.history
        ],
    }
    return found


def _missing(file: CaseFile, now: datetime) -> list[str]:
    row = Application.objects.select_related("case", "programme").filter(case=file.view.ref.id)
    found = row.first()
    return [] if found is None else missing_papers(found, now)


def _judged(file: CaseFile) -> dict[str, Any] | None:
    if file.judgement is None:
        return None
    decision = file.judgement.decision
    rule, amount = decision.bound.rule, decision.amount
    return {
        "rule": rule.id,
        "outcome": decision.outcome.value,
        "mode": rule.mode.value,
        "amount": None if amount is None else amount.plain,
    }


def _parts(file: CaseFile) -> dict[str, Any]:
    """What only one kind of case has."""
    asked, redeemed = file.application, file.redemption
    return {
        "contract_number": None if asked is None else asked.contract_number,
        "contract_total": None if asked is None else asked.total.plain,
        "voucher_case": None if redeemed is None else redeemed.voucher_case,
        "through": None if redeemed is None else redeemed.through,
        "figures": []
        if redeemed is None
        else [
            {"label": one.label, "amount": one.amount.plain, "binding": one.binding}
            for one in redeemed.numbers
        ],
    }
