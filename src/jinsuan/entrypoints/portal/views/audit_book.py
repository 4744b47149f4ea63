"""审计·账簿: every account, and every transfer of one. For looking only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_safe

from jinsuan.entrypoints import clock
from jinsuan.entrypoints.portal.acting import signed_in
from jinsuan.entrypoints.portal.show import Chip
from jinsuan.entrypoints.portal.words import reason_chip
from jinsuan.kernel.money import Money
from jinsuan.kernel.ref import Role
from jinsuan.ledger import queries as ledger, queries_audit as book
from jinsuan.ledger.accounts import Kind
from jinsuan.ledger.snapshot import one_snapshot
from jinsuan.registry.queries_people import names_of_organisations, organisations_called
from jinsuan.vouchers.owners import named_for, owners_of

AUDITORS = (Role.AUDITOR, Role.PROVINCIAL_OFFICER)
"""Who sees the whole book; nobody changes anything here."""
LISTED = 50
MOST = 120
"""Characters of one word in an address."""


def tabs(chosen: str) -> list[tuple[str, str, bool]]:
    """The three pages of 审计."""
    pages = (("账簿", "audit"), ("留痕", "audit_rows"), ("封存", "audit_seal"))
    return [(word, reverse(f"portal:{name}"), name == chosen) for word, name in pages]


def asked(request: HttpRequest, name: str) -> str:
    """One word of the address. What cannot be printed finds nothing and breaks nothing."""
    text = request.GET.get(name, "").strip()[:MOST]
    return text if text.isprintable() else "?"


def before_of(request: HttpRequest) -> int | None:
    """Where the page before ended."""
    text = request.GET.get("before", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One transfer of an account, with the digest of what it claimed."""

    line: ledger.StatementLine
    chip: Chip
    debit: Money | None
    credit: Money | None
    request_hash: str


@require_safe
@signed_in(*AUDITORS)
def accounts(request: HttpRequest) -> HttpResponse:
    """账簿: accounts by kind, owner and subject, and that the book balances."""
    kind = request.GET.get("kind", "")
    chosen = Kind(kind) if kind in Kind.__members__.values() else None
    owner, about = asked(request, "owner"), asked(request, "about")
    after = asked(request, "after")
    wanted = _about(owner, about)
    kept = {"kind": kind if chosen else "", "owner": owner, "about": about}
    kept = {name: value for name, value in kept.items() if value}
    with one_snapshot():
        found = book.accounts_page(kind=chosen, about=wanted, after=after, limit=LISTED + 1)
        whole = book.totals()
        part = book.totals(kind=chosen, about=wanted) if kept else None
    rows, here = found[:LISTED], reverse("portal:audit")
    owners = owners_of(row.code for row in rows)
    names = names_of_organisations(owners.values())
    more = {**kept, "after": rows[-1].code} if len(found) > LISTED else {}
    page: dict[str, Any] = {
        "rows": [
            (row, names.get(owners[row.code], "") if row.code in owners else "") for row in rows
        ],
        "whole": whole,
        "even": whole.debits == whole.credits and whole.pending_out == whole.pending_in,
        "part": part,
        "kinds": [(str(one), one.label) for one in Kind],
        "kind": kind,
        "owner": owner,
        "about": about,
        "newest": f"{here}?{urlencode(kept)}" if after else "",
        "older": f"{here}?{urlencode(more)}" if more else "",
        "tabs": tabs("audit"),
        "now": clock.now(),
        "crumbs": [("审计", "")],
    }
    return render(request, "portal/audit.html", page)


def _about(owner: str, about: str) -> list[str] | None:
    """What the codes must name; None when nobody asked."""
    if not owner and not about:
        return None
    names = named_for(ref.id for ref in organisations_called(owner)) if owner else []
    if not about:
        return names
    return [about] if not owner or about in names else []


@require_safe
@signed_in(*AUDITORS)
def account(request: HttpRequest, code: str) -> HttpResponse:
    """One account with its transfers, the newest first."""
    number = before_of(request)
    with one_snapshot():
        view = book.account_view(code)
        found = ledger.statement(view.code, limit=LISTED + 1, before=number)
        hashes = book.request_hashes(line.transfer for line in found)
    here = reverse("portal:audit_account", args=[code])
    owners = owners_of([view.code])
    names = names_of_organisations(owners.values())
    more = {"before": found[LISTED - 1].number} if len(found) > LISTED else {}
    page: dict[str, Any] = {
        "account": view,
        "owner": names.get(owners[view.code], "") if view.code in owners else "",
        "lines": [_line(line, hashes) for line in found[:LISTED]],
        "newest": here if number is not None else "",
        "older": f"{here}?{urlencode(more)}" if more else "",
        "now": clock.now(),
        "crumbs": [("审计", reverse("portal:audit")), (view.kind.label, "")],
    }
    return render(request, "portal/audit_account.html", page)


def _line(line: ledger.StatementLine, hashes: dict[Any, str]) -> Line:
    out = line.amount.fen < 0
    shown = -line.amount if out else line.amount
    return Line(
        line=line,
        chip=reason_chip(line.reason),
        debit=shown if out else None,
        credit=shown if line.amount.fen > 0 else None,
        request_hash=hashes.get(line.transfer, ""),
    )
