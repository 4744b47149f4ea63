"""The unified log-in (统一身份认证) by OpenID Connect: read from the environment, off by default.

No Django here: settings.py calls it while Django is being put together.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

PROVIDER = "oidc"
"""What the one provider is called in addresses and in the table of links."""
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


@dataclass(frozen=True, slots=True, kw_only=True)
class SingleSignOn:
    """One provider, as it was configured."""

    server: str
    client_id: str
    client_secret: str
    name: str

    @property
    def origin(self) -> str:
        """Where the browser is sent, for the content security policy."""
        parts = urlsplit(self.server)
        return f"{parts.scheme}://{parts.netloc}"

    @property
    def apps(self) -> list[dict[str, Any]]:
        """The provider in allauth's words. PKCE always; the identity is `sub`, never an e-mail."""
        return [
            {
                "provider_id": PROVIDER,
                "name": self.name,
                "client_id": self.client_id,
                "secret": self.client_secret,
                "settings": {
                    "server_url": self.server,
                    "oauth_pkce_enabled": True,
                    "uid_field": "sub",
                },
            }
        ]


def read_single_sign_on(environ: Mapping[str, str]) -> SingleSignOn | None:
    """The provider of JINSUAN_OIDC_…, or None when none is configured.

    A half-configured one stops the start: silently going without it would be found out by users.
    """
    names = ("JINSUAN_OIDC_SERVER", "JINSUAN_OIDC_CLIENT_ID", "JINSUAN_OIDC_CLIENT_SECRET")
    values = [environ.get(name, "").strip() for name in names]
    if not any(values):
        return None
    missing = [name for name, value in zip(names, values, strict=True) if not value]
    if missing:
        raise SystemExit(
            f"统一身份认证只配置了一部分，缺少 {'、'.join(missing)}。请补齐，或全部去掉。"
        )
    parts = urlsplit(values[0])
    secure = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK)
    if not secure or not parts.hostname:
        raise SystemExit("JINSUAN_OIDC_SERVER 应以 https:// 开头（http:// 只限本机）。")
    return SingleSignOn(
        server=values[0].rstrip("/"),
        client_id=values[1],
        client_secret=values[2],
        name=environ.get("JINSUAN_OIDC_NAME", "").strip() or "统一身份认证",
    )
