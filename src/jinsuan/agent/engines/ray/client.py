"""The calls to a Ray head that the adapter needs, over HTTP: jobs, nodes, actors, version."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx

from jinsuan.agent.engines.clock import date_of
from jinsuan.agent.engines.errors import EngineRefused, EngineUnreachable

ENGINE = "ray"
_TIMEOUT = httpx.Timeout(30.0, connect=5.0)
_MANY = "10000"
"""The state API gives no more than so many rows at once."""
_EXISTS = "already exists"


@dataclass(frozen=True, slots=True, kw_only=True)
class RayAccess:
    """Where the head's dashboard is.

    Args:
        token_file: of a head with RAY_AUTH_MODE=token; read for every call.
    """

    url: str
    token_file: Path | None = None


class AlreadyThere(Exception):
    """A job of this id exists. Never leaves the adapter."""


class RayClient:
    """JSON in, JSON out; EngineUnreachable or EngineRefused when that fails."""

    def __init__(self, access: RayAccess) -> None:
        self._access = access
        self.date: datetime | None = None
        """The head's clock at its last answer."""
        self._http = httpx.Client(
            base_url=access.url.rstrip("/"), timeout=_TIMEOUT, trust_env=False
        )

    def close(self) -> None:
        self._http.close()

    def version(self) -> dict[str, Any]:
        """Among the rest `ray_version`, and `session_name`, which every start of a head renews."""
        return self._object("GET", "/api/version")

    def nodes(self) -> list[dict[str, Any]]:
        return self._rows("/api/v0/nodes")

    def actors(self) -> list[dict[str, Any]]:
        """All that live: whatever holds resources for longer than a moment."""
        alive = {"filter_keys": "state", "filter_predicates": "=", "filter_values": "ALIVE"}
        return self._rows("/api/v0/actors", **alive)

    def submit(self, body: dict[str, Any]) -> None:
        """Hand a job over.

        Raises:
            AlreadyThere: there is one of this `submission_id`, whatever became of it.
        """
        answer = self._send("POST", "/api/jobs/", json=body)
        if answer.is_success:
            return
        # Ray answers a taken id with 500 (2.60) or 400 and a traceback: its last words count.
        if _EXISTS in answer.text:
            raise AlreadyThere(body["submission_id"])
        self._judge(answer)

    def job(self, key: str) -> dict[str, Any] | None:
        answer = self._send("GET", f"/api/jobs/{key}")
        if answer.status_code == httpx.codes.NOT_FOUND:
            return None
        return self._read(answer)

    def stop(self, key: str) -> None:
        answer = self._send("POST", f"/api/jobs/{key}/stop", json={})
        if answer.status_code != httpx.codes.NOT_FOUND:
            self._judge(answer)

    def log(self, key: str) -> str:
        """All that was written so far; Ray cannot give a part of it."""
        answer = self._send("GET", f"/api/jobs/{key}/logs")
        if answer.status_code == httpx.codes.NOT_FOUND:
            return ""
        return str(self._read(answer).get("logs") or "")

    def _rows(self, path: str, **params: str) -> list[dict[str, Any]]:
        found = self._object("GET", path, params={**params, "detail": "1", "limit": _MANY})
        try:
            return list(found["data"]["result"]["result"])
        except (KeyError, TypeError):
            raise EngineUnreachable(ENGINE, f"{path} 的回答不是约定的样子") from None

    def _object(self, method: str, path: str, **more: Any) -> dict[str, Any]:
        return self._read(self._send(method, path, **more))

    def _read(self, answer: httpx.Response) -> dict[str, Any]:
        self._judge(answer)
        try:
            found = answer.json()
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise EngineUnreachable(ENGINE, f"{answer.url.path} 的回答不是 JSON 对象")
        return found

    def _send(self, method: str, path: str, **more: Any) -> httpx.Response:
        headers = {}
        if self._access.token_file is not None:
            try:
                token = self._access.token_file.read_text("ascii").strip()
            except (OSError, ValueError) as error:
                raise EngineUnreachable(ENGINE, f"读不了令牌文件（{error}）") from None
            headers["Authorization"] = f"Bearer {token}"
        try:
            answer = self._http.request(method, path, headers=headers, **more)
        except httpx.HTTPError as error:
            problem = f"{type(error).__name__} {error}"[:300]
            raise EngineUnreachable(ENGINE, problem) from error
        self.date = date_of(answer.headers)
        return answer

    def _judge(self, answer: httpx.Response) -> None:
        status = answer.status_code
        if answer.is_success:
            return
        problem = f"HTTP {status}：{answer.text[-300:]}"
        if status >= httpx.codes.INTERNAL_SERVER_ERROR or status in (401, 403, 408, 429):
            raise EngineUnreachable(ENGINE, problem)
        raise EngineRefused(ENGINE, problem)
