"""Who acts on a page: the person logged in, for one organisation, in one role.

The session keeps only the choice. That the person still has this membership is asked of the
registry on every request.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Concatenate, ParamSpec, cast
from uuid import UUID

from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.urls import reverse

from jinsuan.entrypoints import clock
from jinsuan.entrypoints.portal.words import ROLES
from jinsuan.kernel.errors import NotFound
from jinsuan.kernel.ref import Actor, Ref, Role
from jinsuan.registry.queries import MembershipView, memberships_of

VIA = "portal"
CHOICE = "acting"
KEPT = "jinsuan_acting"
"""Where a request keeps the answer, so that a page asks once."""
FIRST = (
    Role.TENANT,
    Role.CENTRE_OPERATOR,
    Role.PROVINCIAL_OFFICER,
    Role.AUDITOR,
    Role.TREASURY,
    Role.PLATFORM_OPERATOR,
    Role.RECOMMENDER,
    Role.EXPERT,
    Role.SYSTEM,
)
"""Which role somebody with several starts in."""

P = ParamSpec("P")


@dataclass(frozen=True, slots=True, kw_only=True)
class Acting:
    """An actor with the words for it."""

    actor: Actor
    organisation: Ref
    organisation_name: str

    @property
    def role(self) -> Role:
        return self.actor.role

    @property
    def role_name(self) -> str:
        return ROLES[self.actor.role]


def key_of(membership: MembershipView) -> str:
    """A membership as the session and the form write it."""
    return f"{membership.organisation}|{membership.role}"


def choices(request: HttpRequest) -> list[MembershipView]:
    """All the person may act as, in a fixed order."""
    found = memberships_of(cast(UUID, request.user.pk), now=clock.now())
    return sorted(found, key=lambda m: (FIRST.index(m.role), m.organisation_name))


def choose(request: HttpRequest, membership: MembershipView) -> None:
    """Act as this from now on. The membership is checked again whenever it is used."""
    request.session[CHOICE] = key_of(membership)
    vars(request).pop(KEPT, None)


def acting_of(request: HttpRequest) -> Acting | None:
    """Who acts, or None for the public and for people without any membership."""
    kept = vars(request)
    if KEPT not in kept:
        kept[KEPT] = _acting(request)
    return cast(Acting | None, kept[KEPT])


def _acting(request: HttpRequest) -> Acting | None:
    if not getattr(request, "user", None) or not request.user.is_authenticated:
        return None
    found = choices(request)
    if not found:
        return None
    wanted = request.session.get(CHOICE, "")
    chosen = next((m for m in found if key_of(m) == wanted), found[0])
    # `choices` are the memberships in force at this moment, so this needs no second question.
    actor = Actor(
        person=chosen.person.id, organisation=chosen.organisation.id, role=chosen.role, via=VIA
    )
    return Acting(
        actor=actor,
        organisation=chosen.organisation,
        organisation_name=chosen.organisation_name,
    )


def actor_of(request: HttpRequest) -> Actor:
    """The actor of a view behind `signed_in`."""
    acting = acting_of(request)
    assert acting is not None, "a view asks for the actor without @signed_in"
    return acting.actor


View = Callable[Concatenate[HttpRequest, P], HttpResponseBase]


def signed_in(*roles: Role) -> Callable[[View[P]], View[P]]:
    """Let a view through only for people who act as something, in one of these roles.

    To other roles the page does not exist; the page that says so offers another role.
    """

    def decorate(view: View[P]) -> View[P]:
        @wraps(view)
        def guarded(request: HttpRequest, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
            if not request.user.is_authenticated:
                return _to_login(request)
            acting = acting_of(request)
            if acting is None:
                return HttpResponseRedirect(reverse("portal:acting"))
            if roles and acting.role not in roles:
                raise NotFound("页面", request.path[:60])
            return view(request, *args, **kwargs)

        return cast(View[P], guarded)

    return decorate


def _to_login(request: HttpRequest) -> HttpResponse:
    """To the log-in page and back. A live part says so to htmx, which reloads the whole page."""
    if request.headers.get("HX-Request"):
        response = HttpResponse(status=401)
        response["HX-Refresh"] = "true"
        return response
    back = request.get_full_path() if request.method == "GET" else reverse("portal:home")
    return redirect_to_login(back)
