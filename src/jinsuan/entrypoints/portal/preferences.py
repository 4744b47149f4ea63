"""How somebody likes the pages: theme and larger type, kept in a cookie, applied by the server."""

from __future__ import annotations

from dataclasses import dataclass, replace

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST

COOKIE = "jinsuan_display"
YEAR_SECONDS = 365 * 24 * 3600
THEMES = ("light", "dark")


@dataclass(frozen=True, slots=True)
class Preferences:
    """Theme and size of type."""

    theme: str = "light"
    elder: bool = False

    @property
    def cookie(self) -> str:
        return f"{self.theme}.elder" if self.elder else self.theme


def preferences_of(request: HttpRequest) -> Preferences:
    """What the cookie says; anything odd in it means the default."""
    theme, _, rest = request.COOKIES.get(COOKIE, "").partition(".")
    return Preferences(theme=theme if theme in THEMES else "light", elder=rest == "elder")


@require_POST
def display(request: HttpRequest) -> HttpResponse:
    """深色与长者模式: keep one choice and go back to where the reader was."""
    chosen = preferences_of(request)
    if request.POST.get("theme") in THEMES:
        chosen = replace(chosen, theme=request.POST["theme"])
    if request.POST.get("elder") in ("on", "off"):
        chosen = replace(chosen, elder=request.POST["elder"] == "on")
    back = request.POST.get("back", "/")
    if not url_has_allowed_host_and_scheme(back, allowed_hosts=None):
        back = "/"
    response = HttpResponseRedirect(back)
    response.set_cookie(
        COOKIE,
        chosen.cookie,
        max_age=YEAR_SECONDS,
        httponly=True,
        samesite="Lax",
        secure=settings.SESSION_COOKIE_SECURE,
    )
    return response
