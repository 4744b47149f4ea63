"""Log-in is allauth's; this says where it differs: nobody signs up by himself."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

from allauth.account.adapter import DefaultAccountAdapter
from django.http import HttpRequest


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
