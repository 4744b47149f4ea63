"""`/api/v1/statements`: one's statement of a month or of any days, as JSON or as a file."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from ninja import Router, Schema
from ninja.params.functions import Query

from jinsuan.entrypoints import clock
from jinsuan.entrypoints.api import cursors
from jinsuan.entrypoints.api.auth import caller
from jinsuan.entrypoints.api.openapi import REFUSED
from jinsuan.entrypoints.exports import FORMATS
from jinsuan.entrypoints.exports.answer import file_response
from jinsuan.entrypoints.exports.asked import asked_period
from jinsuan.entrypoints.exports.columns import Hours
from jinsuan.kernel.period import Period
from jinsuan.metering.charged import UsedUp
from jinsuan.vouchers import statements
from jinsuan.vouchers.subjects import Subject, access_subject

router = Router()
FILES: dict[str, Any] = {
    "responses": {
        200: {
            "description": "整份对账单，一个文件",
            "content": {
                one.media_type: {"schema": {"type": "string", "format": "binary"}}
                for one in FORMATS.values()
            },
        }
    }
}


class UsedOut(Schema):
    """What was used of one resource, in unit-hours."""

    resource: str
    unit_hours: str


class PartOut(Schema):
    """One kind of account at the beginning and at the end."""

    label: str
    opening: str
    closing: str


class TotalsOut(Schema):
    """The sums of all lines; charge = voucher + cash + shortfall."""

    lines: int
    charge: str
    voucher: str
    cash: str
    shortfall: str
    correction: str
    other: str


class LineOut(Schema):
    """One line; `amount` is what it did to the balance."""

    ref: str
    at: datetime
    reason: str
    reason_zh: str
    job: str | None
    contract: str | None
    centre: str | None
    other_party: str
    used: list[UsedOut]
    charge: str
    voucher: str
    cash: str
    shortfall: str
    correction: str
    other: str
    amount: str
    key: str
    transfers: list[str]


class StatementOut(Schema):
    """A statement and one page of its lines, oldest first."""

    number: str
    kind: str
    name: str
    start: datetime
    end: datetime
    opening: str
    closing: str
    parts: list[PartOut]
    totals: TotalsOut
    used: list[UsedOut]
    items: list[LineOut]
    next_cursor: str | None


Kind = Query("", description="tenant、provider、voucher 或 pool；不写按本令牌的身份")
Name = Query(
    "", description="单位编号或统一社会信用代码、券编号、年度代码；不写是本单位", max_length=120
)
Month = Query("", description="北京时间的月份，如 2025-03")
First = Query("", alias="from", description="第一天（含），如 2025-03-01；与 to 合用")
Last = Query("", alias="to", description="最后一天（含）")


def _asked(
    request: HttpRequest, kind: str, name: str, month: str, first: str, last: str
) -> tuple[Subject, Period]:
    actor = caller(request, "account:read")
    subject = access_subject(actor, kind, name)
    return subject, asked_period(month, first, last, now=clock.now())


@router.get("", response={200: StatementOut, **REFUSED}, tags=["账户"])
def statement(
    request: HttpRequest,
    kind: str = Kind,
    id: str = Name,  # noqa: A002
    month: str = Month,
    first: str = First,
    last: str = Last,
    cursor: str | None = None,
    limit: int = Query(50, ge=1, le=cursors.MAX_PAGE),
) -> dict[str, Any]:
    """对账单：期初、逐笔明细（旧的在前）、合计、期末。不写期间是本月。"""
    subject, period = _asked(request, kind, id, month, first, last)
    after = cursors.as_number(cursor) or 0
    head = statements.statement(subject, period, now=clock.now())
    found = statements.page(subject, period, after=after, limit=limit + 1)
    return {
        **_head(head),
        **cursors.page_of(
            found, limit, show=lambda line: _line(line, subject), at=lambda line: str(line.number)
        ),
    }


@router.get("/file", response={200: None, **REFUSED}, tags=["账户"], openapi_extra=FILES)
def statement_file(
    request: HttpRequest,
    format: str = Query("csv", description="csv、xlsx、pdf 或 focus（FOCUS 1.2）"),  # noqa: A002
    kind: str = Kind,
    id: str = Name,  # noqa: A002
    month: str = Month,
    first: str = First,
    last: str = Last,
) -> HttpResponseBase:
    """整份对账单的文件。"""
    subject, period = _asked(request, kind, id, month, first, last)
    return file_response(subject, period, format, now=clock.now())


def _head(head: statements.Statement) -> dict[str, Any]:
    totals = head.totals
    names = ("charge", "voucher", "cash", "shortfall", "correction", "other")
    return {
        "number": head.number,
        "kind": head.subject.kind,
        "name": head.subject.name,
        "start": head.period.start,
        "end": head.period.end,
        "opening": head.opening.plain,
        "closing": head.closing.plain,
        "parts": [
            {"label": p.label, "opening": p.opening.plain, "closing": p.closing.plain}
            for p in head.parts
        ],
        "totals": {"lines": totals.lines, **{n: getattr(totals, n).plain for n in names}},
        "used": _used(head.used),
    }


def _line(line: statements.Line, subject: Subject) -> dict[str, Any]:
    names = ("charge", "voucher", "cash", "shortfall", "correction", "other", "amount")
    basis = line.basis
    return {
        "ref": str(line.ref),
        "at": line.at,
        "reason": line.reason,
        "reason_zh": line.reason.label,
        "job": None if basis is None else str(basis.job),
        "contract": None if basis is None else basis.contract_number,
        "centre": None if basis is None else basis.centre,
        "other_party": statements.counterparty(line, subject),
        "used": _used(line.used),
        **{name: getattr(line, name).plain for name in names},
        "key": line.key,
        "transfers": [str(ref) for ref in line.transfers],
    }


def _used(used: tuple[UsedUp, ...]) -> list[dict[str, str]]:
    return [
        {"resource": one.resource, "unit_hours": str(Hours(one.milli_unit_seconds))} for one in used
    ]
