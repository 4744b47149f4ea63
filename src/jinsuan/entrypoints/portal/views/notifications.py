"""通知: what this person was told in this role, and where each of it leads."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_http_methods, require_POST

from jinsuan.casework.queries_kinds import kinds_of
from jinsuan.entrypoints import clock
from jinsuan.entrypoints.portal.acting import actor_of, signed_in
from jinsuan.entrypoints.portal.show import Chip
from jinsuan.kernel.errors import NotFound
from jinsuan.kernel.ref import Actor, Ref, Role
from jinsuan.ledger.delivery import (
    NotificationView,
    access_notification,
    mark_all_read,
    mark_read,
    notifications_of,
    unread_count,
    unread_elsewhere,
)

LISTED = 20
APPLICANTS = (Role.TENANT, Role.CENTRE_OPERATOR)
_BAD = ("returned", "refused", "rejected", "revoked", "frozen", "demanded", "difference", "stopped")
_GOOD = ("issued", "paid", "approved", "unfrozen")


@signed_in()
@require_http_methods(["GET", "HEAD", "POST"])
def notifications(request: HttpRequest) -> HttpResponse:
    """通知, the newest first; POST marks all that the page showed as read."""
    actor, here = actor_of(request), reverse("portal:notifications")
    if request.method == "POST":
        through = _number(request.POST.get("through", "")) or 0
        done = mark_all_read(through=through, actor=actor, now=clock.now())
        messages.success(request, f"已读 {done} 条。")
        return HttpResponseRedirect(here)
    before, only = _number(request.GET.get("before", "")), request.GET.get("unread") == "1"
    found = notifications_of(actor, before=before, unread=only, limit=LISTED + 1)
    shown = found[:LISTED]
    kept = {"unread": "1"} if only else {}
    more = {**kept, "before": str(shown[-1].position)} if len(found) > LISTED else {}
    page: dict[str, Any] = {
        "rows": [(one, _chip(one)) for one in shown],
        "through": found[0].position if found and before is None else 0,
        "unread": unread_count(actor),
        "elsewhere": unread_elsewhere(actor),
        "tabs": [("全部", here, not only), ("未读", f"{here}?unread=1", only)],
        "newest": f"{here}?{urlencode(kept)}" if before is not None else "",
        "older": f"{here}?{urlencode(more)}" if more else "",
        "now": clock.now(),
        "crumbs": [("通知", "")],
    }
    return render(request, "portal/notifications.html", page)


@signed_in()
@require_POST
def notification(request: HttpRequest, notification_id: str) -> HttpResponse:
    """Mark one as read, and go where it leads."""
    actor = actor_of(request)
    try:
        ref = Ref.read(notification_id)
    except ValueError:
        raise NotFound("通知", notification_id[:60]) from None
    view = access_notification(actor, ref.id)
    mark_read(ref.id, actor=actor, now=clock.now())
    stay = request.POST.get("go") != "1"
    here = reverse("portal:notifications")
    return HttpResponseRedirect(here if stay else address(view, actor))


def address(view: NotificationView, actor: Actor) -> str:
    """The page that a notification is about, for this role."""
    subject, applies = view.subject, actor.role in APPLICANTS
    if subject.kind == "case":
        if not applies:
            return reverse("portal:case", args=[view.number])
        kind = kinds_of([subject.id]).get(subject.id, "")
        name = "redemption" if kind == "redemption" else "application"
        return reverse(f"portal:{name}", args=[view.number])
    if subject.kind == "voucher" and actor.role is Role.TENANT:
        return reverse("portal:wallet")
    if subject.kind == "clawback":
        if applies or not view.number:
            return reverse("portal:redemptions" if applies else "portal:cases")
        return reverse("portal:case", args=[view.number])
    if subject.kind == "paymentbatch":
        return reverse("portal:payment", args=[view.number])
    if subject.kind == "payeeaccount":
        return reverse("portal:payments")
    if subject.kind == "difference":
        return reverse("portal:statement")
    if subject.kind == "cashorder":
        return reverse("portal:wallet" if actor.role is Role.TENANT else "portal:statement")
    return reverse("portal:home")


def _chip(view: NotificationView) -> Chip:
    if view.kind.endswith(".next"):
        return Chip("待办", "wait", "clock")
    words = view.kind.replace("_", ".").split(".")
    if any(word in _BAD for word in words):
        return Chip("请留意", "warn", "warn")
    if any(word in _GOOD for word in words):
        return Chip("办成", "ok", "check")
    return Chip("知悉", "", "flag")


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None
