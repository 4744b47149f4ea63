"""Who calls: a bearer token stands for one person in one role for one organisation."""

from __future__ import annotations

from django.http import HttpRequest
from ninja.security import HttpBearer

from jinsuan.entrypoints import clock
from jinsuan.entrypoints.api.errors import ScopeMissing
from jinsuan.kernel.errors import NotFound
from jinsuan.kernel.ref import Actor, Ref
from jinsuan.registry.actions.agents import Bearer, authenticate_token


class TokenAuth(HttpBearer):
    """Deny by default: no token or a bad one is answered with 401. Cookies are never looked at."""

    def authenticate(self, request: HttpRequest, token: str) -> Bearer | None:  # noqa: ARG002
        return authenticate_token(token.strip(), now=clock.now())


def bearer(request: HttpRequest) -> Bearer:
    """What stands behind the request's token."""
    found = request.auth  # type: ignore[attr-defined]
    assert isinstance(found, Bearer)
    return found


def caller(request: HttpRequest, scope: str) -> Actor:
    """The actor, if the token has this scope.

    Raises:
        ScopeMissing: it has not.
    """
    found = bearer(request)
    if scope not in found.scopes:
        raise ScopeMissing(scope)
    return found.actor


def own_organisation(actor: Actor) -> Ref:
    """The organisation that the token acts for.

    Raises:
        NotFound: it acts for none.
    """
    if actor.organisation is None:
        raise NotFound("单位", "-")
    return Ref("organisation", actor.organisation)
