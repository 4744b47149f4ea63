"""Log-in is allauth's; this says where it differs: nobody signs up by himself."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

from allauth.account.adapter import DefaultAccountAdapter
from allauth.mfa.adapter import DefaultMFAAdapter
from django.http import HttpRequest

from jinsuan.entrypoints.data_keys import keyring
from jinsuan.registry.two_step import open_secret, seal_secret


class Accounts(DefaultAccountAdapter):  # type: ignore[misc]
    """Accounts are given out by an organisation's administrator."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """Never: a stranger has no organisation to act for."""
        del request
        return False

    def get_reauthentication_methods(self, user: Any) -> list[dict[str, Any]]:
        """allauth compares these addresses with `request.path`, where Chinese is not escaped."""
        found = super().get_reauthentication_methods(user)
        return [{**method, "url": unquote(method["url"])} for method in found]


class TwoStep(DefaultMFAAdapter):  # type: ignore[misc]
    """Secrets of the second step are sealed like personal data: a copied database logs nobody in."""

    def encrypt(self, text: str) -> str:
        """What goes into the database."""
        return seal_secret(text, keyring())

    def decrypt(self, encrypted_text: str) -> str:
        """What allauth reckons with."""
        return open_secret(encrypted_text, keyring())
