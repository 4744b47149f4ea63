"""账户与算力券: what a tenant has, what is held, its vouchers, and every line of its accounts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_safe

from jinsuan.dispatch.queries import access_job
from jinsuan.entrypoints import clock
from jinsuan.entrypoints.portal.acting import actor_of, signed_in
from jinsuan.entrypoints.portal.money import ChargeRow, charge_rows
from jinsuan.entrypoints.portal.show import Chip, Split, percent, pieces, split
from jinsuan.entrypoints.portal.words import reason_chip
from jinsuan.kernel.errors import NotFound
from jinsuan.kernel.money import Money
from jinsuan.kernel.period import beijing_date
from jinsuan.kernel.ref import Actor, Ref, Role
from jinsuan.ledger import accounts, queries as ledger
from jinsuan.metering import queries as metering
from jinsuan.vouchers import queries as vouchers
from jinsuan.vouchers.models import Voucher
from jinsuan.vouchers.queries_stories import Story, stories_of

LINES = 10
SOON_DAYS = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """One voucher as a ticket: left what became of it, right its face."""

    view: vouchers.VoucherView
    name: str
    chip: Chip
    split: Split
    rate: str
    lines: str
    statement: str
    story: Story


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of an account, with the job it is about where there is one."""

    at: datetime
    chip: Chip
    amount: Money
    balance: Money
    job: Ref | None
    job_name: str
    transfer: Ref


@require_safe
@signed_in(Role.TENANT)
def wallet(request: HttpRequest) -> HttpResponse:
    """账户与算力券."""
    now, actor = clock.now(), actor_of(request)
    assert actor.organisation is not None
    owner = Ref("organisation", actor.organisation)
    today = beijing_date(now)
    found = vouchers.vouchers_of(owner.id)
    held = _held(found)
    paid = vouchers.captured_by_voucher([v.ref.id for v in found])
    nothing = Money(0)
    stories = stories_of(owner.id)
    tickets = [
        _ticket(v, held.get(v.ref, nothing), paid.get(v.ref, nothing), stories[v.ref], today)
        for v in found
    ]
    good = [v for v in found if v.expires_on >= today and v.state == Voucher.State.ISSUED]
    soon = next((v for v in good if v.left and (v.expires_on - today).days <= SOON_DAYS), None)
    page: dict[str, Any] = {
        "cash": ledger.balance(accounts.cash(owner)).available,
        "owed": -ledger.balance(accounts.receivable(owner)).available,
        "held": vouchers.held_of(owner.id),
        "left": Money.total(v.left for v in good),
        "usable": sum(1 for v in good if v.left),
        "tickets": tickets,
        "soon": soon,
        "soon_name": "" if soon is None else _name(soon.ref),
        "soon_days": 0 if soon is None else (soon.expires_on - today).days,
        "now": now,
        "crumbs": [("账户与算力券", "")],
        **_book(request, actor, owner, found),
    }
    return render(request, "portal/wallet.html", page)


ENDED: dict[str, Chip] = {
    Voucher.State.SUSPENDED: Chip("已停用", "warn", "lock"),
    Voucher.State.EXPIRED: Chip("已过期", "", "x"),
    Voucher.State.REVOKED: Chip("已作废", "bad", "x"),
}


def _name(voucher: Ref) -> str:
    return f"券 {pieces(str(voucher), keep=6)}"


def _held(found: list[vouchers.VoucherView]) -> dict[Ref, Money]:
    return vouchers.held_by_voucher([v.ref.id for v in found])


def _chip(view: vouchers.VoucherView, held: Money, today: date) -> Chip:
    days = (view.expires_on - today).days
    if view.state in ENDED:
        return ENDED[view.state]
    if days < 0:
        return Chip("已过期", "", "x")
    if not view.left and not held:
        return Chip("已用完", "", "check")
    if days <= SOON_DAYS:
        return Chip("今天到期" if days == 0 else f"还有 {days} 天到期", "warn", "warn")
    return Chip("可用", "ok", "check")


def _ticket(
    view: vouchers.VoucherView, held: Money, paid: Money, story: Story, today: date
) -> Ticket:
    back = view.face - paid - held - view.left
    usable = view.expires_on >= today and view.state == Voucher.State.ISSUED
    parts = [
        ("已核销", paid, "v", False),
        ("冻结中", held, "v", True),
        ("可用" if usable else "未用", view.left, "n", False),
    ]
    bar = split("面额", [*parts, ("已收回", back, "n", False)] if back else parts)
    lines = f"{reverse('portal:wallet')}?{urlencode({'book': str(view.ref)})}#book"
    statement = f"{reverse('portal:statement')}?{urlencode({'of': f'voucher:{view.ref}'})}"
    return Ticket(
        view=view,
        name=_name(view.ref),
        chip=_chip(view, held, today),
        split=bar,
        rate=percent(view.rate),
        lines=lines,
        statement=statement,
        story=story,
    )


def _book(
    request: HttpRequest, actor: Actor, owner: Ref, found: list[vouchers.VoucherView]
) -> dict[str, Any]:
    """The lines that were asked for: 扣费, 现金, or one voucher."""
    here = reverse("portal:wallet")
    book, before = request.GET.get("book", "charges"), request.GET.get("before", "")
    voucher = next((v.ref for v in found if str(v.ref) == book), None)
    if voucher is None and book not in ("charges", "cash"):
        raise NotFound("账户", book[:60])
    tabs = [
        ("扣费", f"{here}?book=charges#book", book == "charges"),
        ("现金流水", f"{here}?book=cash#book", book == "cash"),
    ]
    if voucher is not None:
        tabs.append((_name(voucher), f"{here}?{urlencode({'book': book})}#book", True))
    content: dict[str, Any] = {"tabs": tabs, "book": book, "charges": [], "lines": []}
    if book == "charges":
        rows, last = _charges(owner.id, before)
        content["charges"] = [(row, access_job(actor, row.job).name) for row in rows]
    else:
        code = accounts.cash(owner) if voucher is None else accounts.voucher(voucher)
        content["lines"], last = _lines(actor, code, before)
    content["older"] = f"{here}?{urlencode({'book': book, 'before': last})}#book" if last else ""
    content["newest"] = f"{here}?{urlencode({'book': book})}#book" if before else ""
    return content


def _charges(tenant: UUID, before: str) -> tuple[tuple[ChargeRow, ...], str]:
    start = None
    if before:
        try:
            start = Ref.read(before)
        except ValueError:
            raise NotFound("费用", before[:60]) from None
    steps = metering.charges_of_tenant(tenant, before=start, limit=LINES + 1)
    last = str(steps[LINES - 1].ref) if len(steps) > LINES else ""
    return charge_rows(steps[:LINES]), last


def _lines(actor: Actor, code: str, before: str) -> tuple[list[Line], str]:
    start = int(before) if before.isascii() and before.isdigit() and len(before) < 19 else None
    found = ledger.statement(code, limit=LINES + 1, before=start)
    last = str(found[LINES - 1].number) if len(found) > LINES else ""
    names: dict[str, str] = {}
    return [_line(line, actor, names) for line in found[:LINES]], last


def _line(line: ledger.StatementLine, actor: Actor, names: dict[str, str]) -> Line:
    other = accounts.parse(line.other)
    job = Ref.read(other.id) if other.kind is accounts.Kind.HOLD else None
    name = ""
    if job is not None:
        name = names.setdefault(other.id, "") or access_job(actor, job).name
        names[other.id] = name
    return Line(
        at=line.recorded_at,
        chip=reason_chip(line.reason),
        amount=line.amount,
        balance=line.balance,
        job=job,
        job_name=name,
        transfer=line.transfer,
    )
