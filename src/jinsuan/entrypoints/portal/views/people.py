"""身份: under which organisation and in which role somebody works here; what is said to everyone."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

from jinsuan.entrypoints.portal.acting import acting_of, choices, choose, key_of
from jinsuan.entrypoints.portal.words import ROLES
from jinsuan.kernel.errors import NotFound


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def acting(request: HttpRequest) -> HttpResponse:
    """身份与安全: choose organisation and role; the ways to two-step log-in and out."""
    found = choices(request)
    if request.method == "POST":
        wanted = request.POST.get("choice", "")
        chosen = next((m for m in found if key_of(m) == wanted), None)
        if chosen is None:
            raise NotFound("身份", wanted[:60])
        choose(request, chosen)
        role = ROLES[chosen.role]
        messages.success(request, f"现在以“{chosen.organisation_name}”的{role}身份办事。")
        return HttpResponseRedirect(reverse("portal:home"))
    now = acting_of(request)
    current = "" if now is None else f"{now.organisation}|{now.role}"
    options = [(key_of(m), m.organisation_name, ROLES[m.role]) for m in found]
    page = {"options": options, "current": current, "crumbs": [("身份与安全", "")]}
    return render(request, "portal/acting.html", page)


@require_safe
def accessibility(request: HttpRequest) -> HttpResponse:
    """无障碍声明."""
    return render(request, "portal/accessibility.html", {"crumbs": [("无障碍声明", "")]})


@require_safe
def definitions(request: HttpRequest) -> HttpResponse:
    """数据口径: where each figure comes from and how old it may be."""
    return render(request, "portal/definitions.html", {"crumbs": [("数据口径与更新时间", "")]})
