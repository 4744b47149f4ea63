"""Who calls: a bearer token stands for one person in one role for one organisation."""

from __future__ import annotations

from dataclasses import dataclass

from django.http import HttpRequest
from ninja.security import HttpBearer

from jinsuan.entrypoints import clock
from jinsuan.entrypoints.api.errors import ScopeMissing
from jinsuan.kernel.ref import Actor
from jinsuan.registry.actions.agents import authenticate_token


@dataclass(frozen=True, slots=True)
class Caller:
    """The actor behind a token, and what the token may be used for."""

    actor: Actor
    scopes: frozenset[str]


class TokenAuth(HttpBearer):
    """Deny by default: no token or a bad one is answered with 401 by ninja."""

    def authenticate(self, request: HttpRequest, token: str) -> Caller | None:  # noqa: ARG002
        actor, scopes = authenticate_token(token, now=clock.now())
        return Caller(actor, frozenset(scopes))


def caller(request: HttpRequest, scope: str) -> Actor:
    """The actor, if the token has this scope.

    Raises:
        ScopeMissing: it has not.
    """
    found = request.auth  # type: ignore[attr-defined]
    assert isinstance(found, Caller)
    if scope not in found.scopes:
        raise ScopeMissing(scope)
    return found.actor
