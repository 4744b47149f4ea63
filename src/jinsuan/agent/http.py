"""The way to the platform: signed JSON over HTTPS, always from the centre outwards."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import httpx
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from jinsuan.agent.errors import PlatformRefused, PlatformUnreachable, ServerNotSecure
from jinsuan.agent.keys import public_bytes
from jinsuan.protocol import envelope as names
from jinsuan.protocol.codec import decode, encode
from jinsuan.protocol.envelope import Envelope
from jinsuan.protocol.errors import MessageInvalid
from jinsuan.protocol.messages import SyncRequest, SyncResponse

SYNC = "/agent/v1/sync"
ENROL = "/agent/v1/enrol"
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
TIMEOUT = httpx.Timeout(30, connect=10)
_ADDRESS = re.compile(r"[!#-\[\]-~]+")
ASK_AGAIN = frozenset({408, 425, 429})
MAX_SHOWN = 500
"""How much of a stranger's answer an error repeats."""


def checked_server(server: str) -> str:
    """The platform's address without a trailing slash.

    Raises:
        ServerNotSecure: neither https nor this very machine, or not an address at all.
    """
    try:
        httpx.URL(server.strip())
        parts = urlsplit(server.strip())
        asked = parts.query or parts.fragment or parts.username or parts.port == 0
    except (ValueError, httpx.InvalidURL):
        raise ServerNotSecure(server[:200]) from None
    secure = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK)
    # Spaces, quotes and line breaks belong neither in a request line nor in agent.toml.
    if not secure or not parts.hostname or asked or not _ADDRESS.fullmatch(server.strip()):
        raise ServerNotSecure(server[:200])
    return server.strip().rstrip("/")


def make_client(server: str) -> httpx.Client:
    """A client for one platform. Proxies of the environment are used, except for this machine."""
    local = urlsplit(server).hostname in LOOPBACK
    return httpx.Client(timeout=TIMEOUT, trust_env=not local, follow_redirects=False)


class HttpTransport:
    """Signs each message and numbers it within this boot; see docs/reference/agent-protocol.md.

    Args:
        server: the platform's address, https unless it is this machine.
        boot: from the journal; grows with every start of the agent.
        now: the agent's clock; the platform accepts messages of the last few minutes only.
    """

    def __init__(
        self,
        *,
        server: str,
        centre: str,
        key: Ed25519PrivateKey,
        boot: int,
        now: Callable[[], datetime],
        client: httpx.Client | None = None,
    ) -> None:
        self._server, self._centre, self._key = checked_server(server), centre, key
        self._boot, self._now = boot, now
        self._sequence = 0
        self._path = urlsplit(self._server).path + SYNC
        self._client = client or make_client(self._server)

    def close(self) -> None:
        """Let go of the connection."""
        self._client.close()

    def sync(self, request: SyncRequest) -> SyncResponse:
        """One round.

        Raises:
            PlatformUnreachable: no connection, no time, an overloaded or broken platform.
            PlatformRefused: the platform does not accept the message.
        """
        self._sequence += 1  # a repeat is a new message: only its content may be old
        text = json.dumps(encode(request), ensure_ascii=False, separators=(",", ":"))
        body = text.encode()
        envelope = Envelope(
            method="POST",
            path=self._path,
            centre=self._centre,
            boot=self._boot,
            sequence=self._sequence,
            time=int(self._now().timestamp()),
        )
        signature = self._key.sign(envelope.signing_bytes(body))
        headers = {
            names.CENTRE: envelope.centre,
            names.BOOT: str(envelope.boot),
            names.SEQUENCE: str(envelope.sequence),
            names.TIME: str(envelope.time),
            names.SIGNATURE: base64.b64encode(signature).decode(),
        }
        answer = _post(self._client, self._server, SYNC, body, headers)
        try:
            return decode(SyncResponse, answer)
        except MessageInvalid as error:
            raise PlatformRefused(
                200, error.code, f"平台的答复读不懂：{error.explain()}"
            ) from error


def enrol(
    server_url: str,
    code: str,
    centre: str,
    *,
    key: Ed25519PrivateKey,
    agent_version: str,
    client: httpx.Client | None = None,
) -> str:
    """Exchange a one-time code for the registration of this key. Returns the centre's code.

    Raises:
        ServerNotSecure, PlatformUnreachable, PlatformRefused.
    """
    server = checked_server(server_url)
    body = {
        "code": code,
        "centre": centre,
        "public_key": base64.b64encode(public_bytes(key)).decode(),
        "agent_version": agent_version,
    }
    with client or make_client(server) as used:
        answer = _post(used, server, ENROL, json.dumps(body).encode(), {})
    found = answer.get("centre") if isinstance(answer, dict) else None
    if found != centre:
        raise PlatformRefused(200, "agent.bad_answer", "平台的答复里没有本中心的代码")
    return centre


def _post(
    client: httpx.Client, server: str, path: str, body: bytes, headers: Mapping[str, str]
) -> Any:
    """Post JSON and read JSON."""
    kind = {"Content-Type": "application/json", "Accept": "application/json"}
    try:
        response = client.post(server + path, content=body, headers={**kind, **headers})
    except httpx.HTTPError as error:
        raise PlatformUnreachable(server, _shown(error)) from error
    if response.status_code >= 500 or response.status_code in ASK_AGAIN:
        raise PlatformUnreachable(server, f"HTTP {response.status_code}")
    if response.status_code != 200:
        raise _refusal(response)
    try:
        # A fraction becomes text, which no field takes: nothing here is a binary fraction.
        return json.loads(response.content.decode(), parse_float=str)
    except (ValueError, RecursionError) as error:
        raise PlatformUnreachable(server, "答复不是平台的报文，可能被网关或登录页拦截") from error


def _refusal(response: httpx.Response) -> PlatformRefused:
    try:
        body = json.loads(response.content.decode())
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict):
        body = {}
    said = body.get("detail") or body.get("message") or "没有说明原因，请核对平台地址"
    code = str(body.get("code") or "unknown")
    return PlatformRefused(response.status_code, code[:80], str(said)[:MAX_SHOWN].rstrip("。"))


def _shown(error: httpx.HTTPError) -> str:
    kinds = {
        httpx.ConnectTimeout: "连接超时",
        httpx.TimeoutException: "等待超时",
        httpx.ConnectError: "连接不上",
    }
    word = next((zh for kind, zh in kinds.items() if isinstance(error, kind)), "通信中断")
    return f"{word}（{str(error)[:MAX_SHOWN] or type(error).__name__}）"
