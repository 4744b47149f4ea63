"""Where log-in differs from what allauth and axes do by themselves: links, refusals, lock-out."""

from __future__ import annotations

from typing import Any

from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.models import SocialLogin
from django.conf import settings
from django.http import HttpRequest, HttpResponse

from jinsuan.entrypoints.portal.refusals import refuse
from jinsuan.entrypoints.site.errors import (
    IdentityNotLinked,
    IdentityProviderFailed,
    LockedOut,
)


class LinkedIdentities(DefaultSocialAccountAdapter):  # type: ignore[misc]
    """An identity of the unified log-in opens the account that it is linked to, or none.

    Links are made by `registry.actions.people.link_identity` alone: nobody signs up, nobody links
    an account to himself, and no e-mail address or name is taken for proof.
    """

    def populate_user(
        self, request: HttpRequest, sociallogin: SocialLogin, data: dict[str, Any]
    ) -> Any:
        """Forget what the provider tells of a person before anything is written: the link is
        enough, and personal data is kept sealed only."""
        del request, data
        sociallogin.account.extra_data = {}
        return sociallogin.user

    def pre_social_login(self, request: HttpRequest, sociallogin: SocialLogin) -> None:
        """Let only linked identities on; raises IdentityNotLinked."""
        del request
        if not sociallogin.is_existing or sociallogin.state.get("process") == "connect":
            raise IdentityNotLinked

    def is_open_for_signup(self, request: HttpRequest, sociallogin: SocialLogin) -> bool:
        """Never: a stranger has no organisation to act for."""
        del request, sociallogin
        return False

    def can_authenticate_by_email(self, login: SocialLogin, email: str) -> bool:
        """Never: whoever can have an address written down would be let in by it."""
        del login, email
        return False

    def on_authentication_error(self, request: HttpRequest, provider: Any, **more: Any) -> None:
        """Say it in our words; what the provider said stays out of pages and logs."""
        del request, provider, more
        raise IdentityProviderFailed


def claimed_username(request: HttpRequest, credentials: Any = None) -> str:
    """Which log-in name is tried: allauth's form calls it otherwise than what it checks."""
    found = (credentials or {}).get("username") or request.POST.get("login", "")
    return str(found).replace("\0", "")[:150]


def locked_out(
    request: HttpRequest, response: HttpResponse | None = None, credentials: Any = None
) -> HttpResponse:
    """The page of somebody who failed too often; whether the account exists is not said."""
    del response, credentials
    minutes = int(settings.AXES_COOLOFF_TIME.total_seconds() // 60)
    return refuse(request, LockedOut(failures=settings.AXES_FAILURE_LIMIT, minutes=minutes))
