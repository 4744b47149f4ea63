"""What the pages of the money desk share: their tabs, amounts as typed, uploads, refusals."""

from __future__ import annotations

import secrets

from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from jinsuan.entrypoints.portal.refusals import Way, refuse
from jinsuan.entrypoints.portal.show import Chip
from jinsuan.kernel.errors import BadInput, DomainError, NotAllowed, NotFound
from jinsuan.kernel.money import Money
from jinsuan.kernel.ref import Actor, Ref, Role
from jinsuan.registry.queries import organisation_name, person_name

OWNERS = (Role.TENANT, Role.CENTRE_OPERATOR)
DESK = (Role.TREASURY, Role.AUDITOR)
CLEARERS = (Role.PROVINCIAL_OFFICER, *DESK)
EVERYONE = (*OWNERS, *CLEARERS)
TABS: tuple[tuple[str, str, tuple[Role, ...]], ...] = (
    ("拨付", "payments", CLEARERS),
    ("退款与结算", "cash_orders", (*OWNERS, *DESK)),
    ("收款账户", "payees", (*OWNERS, *DESK)),
    ("银行流水", "bank", DESK),
    ("追缴", "clawbacks", EVERYONE),
    ("差异", "differences", CLEARERS),
)
"""Word, view, and who may open it, as the views say themselves."""
MOST_BYTES = 8 * 1024 * 1024
MOST_WORDS = 400
_ORDERS = {
    "asked": ("wait", "clock"),
    "ordered": ("wait", "clock"),
    "confirmed": ("hold", "arrow"),
    "paid": ("ok", "check"),
    "rejected": ("bad", "back"),
    "returned": ("bad", "back"),
    "cancelled": ("", "x"),
}
_PAYEES = {
    "pending": ("wait", "clock"),
    "confirmed": ("ok", "check"),
    "refused": ("bad", "x"),
    "replaced": ("", "x"),
}
_ENTRIES = {
    "top_up": ("ok", "check"),
    "suspense": ("warn", "q"),
    "assigned": ("ok", "check"),
    "paid": ("ok", "check"),
    "unexplained": ("bad", "warn"),
}
_CLAWBACKS = {
    "proposed": ("wait", "clock"),
    "confirmed": ("bad", "flag"),
    "rejected": ("", "x"),
}


def desk_tabs(actor: Actor, current: str) -> list[tuple[str, str, bool]]:
    """The pages of the desk that this role may open."""
    return [
        (word, reverse(f"portal:{name}"), name == current)
        for word, name, roles in TABS
        if actor.role in roles
    ]


def order_chip(code: str, label: str) -> Chip:
    return Chip(label, *_ORDERS.get(code, ("", "q")))


def payee_chip(code: str, label: str) -> Chip:
    return Chip(label, *_PAYEES.get(code, ("", "q")))


def entry_chip(code: str, label: str) -> Chip:
    return Chip(label, *_ENTRIES.get(code, ("", "q")))


def clawback_chip(code: str, label: str) -> Chip:
    return Chip(label, *_CLAWBACKS.get(code, ("", "q")))


def fresh_key() -> str:
    """A number for one form, so that sending it twice does one thing."""
    return secrets.token_hex(12)


def read_amount(text: str, field: str = "金额") -> Money:
    """An amount as people type it: 18000, 18,000.00 or 18，000.00.

    Raises:
        BadInput: anything else, or more than two decimals.
    """
    plain = text.strip().replace(",", "").replace("，", "").removesuffix("元").strip()
    try:
        return Money.yuan(plain)
    except ValueError:
        what = f"“{text.strip()[:20]}”不是金额" if text.strip() else "没有写"
        raise BadInput(field, what, "请写元，至多两位小数，例如 18,000.00。") from None


def read_ref(text: str, kind: str, what: str) -> Ref:
    """An identifier of one kind out of a form or an address.

    Raises:
        NotFound: it is none.
    """
    try:
        ref = Ref.read(text)
    except ValueError:
        raise NotFound(what, text[:60]) from None
    if ref.kind != kind:
        raise NotFound(what, text[:60])
    return ref


def words(request: HttpRequest, name: str = "reason") -> str:
    return request.POST.get(name, "").strip()[:MOST_WORDS]


def upload(request: HttpRequest, what: str) -> tuple[bytes, str]:
    """The bytes and the name of the file that was sent.

    Raises:
        BadInput: none was, or it is too large.
    """
    file = request.FILES.get("file")
    if file is None:
        raise BadInput(what, "没有选", f"请选{what}。")
    if (file.size or 0) > MOST_BYTES:
        raise BadInput(what, f"有 {file.size:,} 字节", f"至多 {MOST_BYTES:,} 字节。")
    data: bytes = file.read()
    return data, str(file.name or "")


def person_words(person: Ref | None) -> str:
    return "" if person is None else person_name(person)


def organisation_words(ref: Ref) -> str:
    return organisation_name(ref.id)


def refuse_here(
    request: HttpRequest,
    error: DomainError,
    *,
    here: str,
    what: str,
    happened: str,
    crumbs: tuple[tuple[str, str], ...],
) -> HttpResponse:
    """The refusal page with the way back to where the form was."""
    if isinstance(error, NotAllowed):
        return refuse(request, error, happened=happened)
    back = Way(href=here, what=f"回到{what}", then="看清现在的情形再办")
    return refuse(
        request, error, happened=happened, ways=(back,), crumbs=(*crumbs, ("没有办成", ""))
    )
