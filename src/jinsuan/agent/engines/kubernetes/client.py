"""The few calls to a Kubernetes API server that the adapter needs.

The official client would bring 27 distributions and 126 MiB into every centre, for some ten paths of
JSON over HTTPS; and its log call hides the byte limit that reading from an offset needs. So these
calls go through httpx, which the agent has anyway. Credentials are read anew when they are files:
tokens of service accounts change every hour.
"""

from __future__ import annotations

import base64
import binascii
import os
import ssl
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import yaml

from jinsuan.agent.engines.clock import date_of
from jinsuan.agent.engines.errors import EngineRefused, EngineUnreachable

ENGINE = "kubernetes"
ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
PAGE = 500
_TIMEOUT = httpx.Timeout(20.0, connect=5.0)
_MERGE = "application/merge-patch+json"
Answer = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """Where the API server is and how to prove who we are.

    Args:
        ca: PEM text of the authority that signed the server's certificate; None for the machine's.
        token: a fixed bearer token. token_file: one that is read for every call.
        certificate: PEM text of a client certificate followed by its key.
        insecure: no check of the server's certificate; only ever from a kubeconfig that says so.
    """

    server: str
    ca: str | None = None
    token: str | None = None
    token_file: Path | None = None
    certificate: str | None = None
    insecure: bool = False


def in_cluster(account: Path = ACCOUNT) -> Access:
    """The access that every pod is given.

    Raises:
        EngineRefused: this is not a pod, or it has no service account.
    """
    host, port = (os.environ.get(f"KUBERNETES_SERVICE_{word}") for word in ("HOST", "PORT"))
    token = account / "token"
    if not host or not token.is_file():
        raise EngineRefused(ENGINE, "不在集群内，也没有给出 kubeconfig")
    host = f"[{host}]" if ":" in host else host
    return Access(
        server=f"https://{host}:{port or 443}",
        ca=_read(account / "ca.crt"),
        token_file=token,
    )


def read_kubeconfig(path: Path, context: str | None = None) -> Access:
    """The access that a kubeconfig gives in one of its contexts.

    Raises:
        EngineRefused: it cannot be read, or needs a helper program (`exec`, `auth-provider`).
    """
    try:
        config = yaml.safe_load(_read(path))
        chosen = _named(config, "contexts", "context", context or config["current-context"])
        cluster = _named(config, "clusters", "cluster", chosen["cluster"])
        user = _named(config, "users", "user", chosen["user"])
        server = str(cluster["server"]).rstrip("/")
    except (yaml.YAMLError, KeyError, TypeError, StopIteration) as error:
        raise EngineRefused(ENGINE, f"{path} 不是可用的 kubeconfig（{error!r}）") from None
    if helper := {"exec", "auth-provider"} & user.keys():
        raise EngineRefused(ENGINE, f"{path} 用 {min(helper)} 取得身份；请改用令牌或证书")
    if not server.startswith("https://"):
        raise EngineRefused(ENGINE, f"{path} 的 server 应以 https:// 开头")
    certificate = _pem(path, user, "client-certificate")
    key = _pem(path, user, "client-key")
    token_file = user.get("tokenFile")
    return Access(
        server=server,
        ca=_pem(path, cluster, "certificate-authority"),
        token=user.get("token"),
        token_file=path.parent / token_file if token_file else None,
        certificate=f"{certificate}\n{key}" if certificate and key else None,
        insecure=bool(cluster.get("insecure-skip-tls-verify", False)),
    )


def _named(config: Any, rows: str, inner: str, name: str) -> Any:
    return next(row[inner] for row in config[rows] if row["name"] == name)


def _pem(path: Path, part: Mapping[str, Any], name: str) -> str | None:
    try:
        if data := part.get(f"{name}-data"):
            return base64.b64decode(data, validate=True).decode("ascii")
    except (binascii.Error, ValueError):
        raise EngineRefused(ENGINE, f"{path} 的 {name}-data 不是 base64") from None
    return _read(path.parent / part[name]) if part.get(name) else None


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, ValueError) as error:
        raise EngineRefused(ENGINE, f"读不了 {path}（{error}）") from None


class NotThere(Exception):
    """404. The adapter knows what it means in each place; it never leaves the adapter."""


class TakenAlready(Exception):
    """409: a thing of this name exists, or changed in between. Never leaves the adapter."""


class KubeClient:
    """JSON in, JSON out. Every failure is one of four, so that callers can tell them apart:

    NotThere, TakenAlready, EngineRefused (asking again would not help), EngineUnreachable (it may).
    """

    def __init__(self, access: Access) -> None:
        self._access = access
        self.date: datetime | None = None
        """The server's clock at its last answer."""
        self._http = httpx.Client(
            base_url=access.server,
            verify=_trust(access),
            timeout=_TIMEOUT,
            trust_env=False,
            limits=httpx.Limits(max_keepalive_connections=4),
        )

    def close(self) -> None:
        self._http.close()

    def get(self, path: str, **params: str) -> Answer:
        return self._ask("GET", path, params=params)

    def post(self, path: str, body: Answer) -> Answer:
        return self._ask("POST", path, json=body)

    def patch(self, path: str, body: Answer) -> Answer:
        """Merge `body` into what is there: None takes a field away, lists are replaced whole."""
        return self._ask("PATCH", path, json=body, headers={"Content-Type": _MERGE})

    def delete(self, path: str, body: Answer) -> None:
        self._ask("DELETE", path, json={"apiVersion": "v1", "kind": "DeleteOptions", **body})

    def list(self, path: str, **params: str) -> list[Answer]:
        """All items, page by page."""
        items: list[Answer] = []
        more = ""
        while True:
            page = self._ask("GET", path, params={**params, "limit": str(PAGE)} | _continued(more))
            items += page.get("items") or []
            more = page.get("metadata", {}).get("continue") or ""
            if not more:
                return items

    def read(self, path: str, *, skip: int, limit: int, **params: str) -> bytes:
        """Bytes of a text: `skip` of them are thrown away as they come, then `limit` are kept."""
        kept = bytearray()
        params |= {"limitBytes": str(skip + limit)}
        try:
            with self._http.stream("GET", path, params=params, headers=self._headers()) as answer:
                if answer.status_code != httpx.codes.OK:
                    answer.read()
                    self._judge(answer)
                for piece in answer.iter_raw():
                    drop = min(skip, len(piece))
                    skip -= drop
                    kept += piece[drop:]
                    if len(kept) >= limit:
                        break
        except httpx.HTTPError as error:
            raise EngineUnreachable(ENGINE, _words(error)) from error
        return bytes(kept[:limit])

    def _ask(self, method: str, path: str, **more: Any) -> Answer:
        headers = self._headers() | more.pop("headers", {})
        try:
            answer = self._http.request(method, path, headers=headers, **more)
        except httpx.HTTPError as error:
            raise EngineUnreachable(ENGINE, _words(error)) from error
        self.date = date_of(answer.headers)
        self._judge(answer)
        try:
            found = answer.json()
        except ValueError:
            raise EngineUnreachable(ENGINE, f"{method} {path} 的回答不是 JSON") from None
        if not isinstance(found, dict):
            raise EngineUnreachable(ENGINE, f"{method} {path} 的回答不是对象")
        return found

    def _headers(self) -> dict[str, str]:
        token = self._access.token
        if self._access.token_file is not None:
            token = _read(self._access.token_file).strip()
        return {"Authorization": f"Bearer {token}"} if token else {}

    def _judge(self, answer: httpx.Response) -> None:
        status = answer.status_code
        if status < httpx.codes.BAD_REQUEST:
            return
        if status == httpx.codes.NOT_FOUND:
            raise NotThere(_message(answer))
        if status == httpx.codes.CONFLICT:
            raise TakenAlready(_message(answer))
        problem = f"HTTP {status}：{_message(answer)}"
        # 401: a token that has just been replaced; an expired one must not end anybody's job.
        if status >= httpx.codes.INTERNAL_SERVER_ERROR or status in (401, 408, 410, 425, 429):
            raise EngineUnreachable(ENGINE, problem)
        raise EngineRefused(ENGINE, problem)


def _continued(more: str) -> dict[str, str]:
    return {"continue": more} if more else {}


def _words(error: httpx.HTTPError) -> str:
    return f"{type(error).__name__} {error}".strip()[:300]


def _message(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["message"])[:300]
    except (ValueError, KeyError, TypeError):
        return answer.text[:300]


def _trust(access: Access) -> ssl.SSLContext:
    try:
        trust = ssl.create_default_context(cadata=access.ca)
        if access.certificate:
            # The ssl module takes a client's certificate from a file only.
            with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
                file.write(access.certificate)
                file.flush()
                trust.load_cert_chain(file.name)
    except (ssl.SSLError, ValueError, OSError) as error:
        raise EngineRefused(ENGINE, f"证书不可用（{error}）") from None
    if access.insecure:
        trust.check_hostname, trust.verify_mode = False, ssl.CERT_NONE
    return trust
