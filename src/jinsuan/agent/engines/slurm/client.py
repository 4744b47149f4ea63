"""A small client of slurmrestd: one question, one answer, no retries.

slurmrestd answers an impossible request with 500, an unknown job with 500 or 404, and some errors
with 200; so the body decides. Whatever is not understood is no answer at all.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import httpx

from jinsuan.agent.engines.errors import EngineRefused, EngineUnreachable
from jinsuan.agent.engines.slurm.settings import SlurmSettings
from jinsuan.agent.engines.slurm.shapes import (
    Refusal,
    SlurmJob,
    SlurmNode,
    job_fields,
    number,
    read_job,
    read_node,
    refusals,
)
from jinsuan.protocol.messages import Work

NAME = "slurm"
VERSIONS = tuple(f"v0.0.{n}" for n in range(44, 37, -1))
LISTS_FROM = 40
"""The first version with lists and {set, number}; v0.0.39 lived for one release and is skipped."""
UNKNOWN_JOB = 2017
OVER_ALREADY = frozenset({2017, 2021})
"""Invalid job id; already done."""
REFUSES = frozenset(
    {2000, 2001, 2002, 2003, 2004, 2005, 2006, 2008, 2009, 2012, 2014, 2015, 2023, 2025, 2029}
    | {2045, 2048, 2050, 2051, 2053, 2057, 2066, 2072, 9001}
)
"""Errors that the same request would meet again: no such partition, account or QOS, no node that
could ever hold it, access denied, a field that this version does not know."""


class SlurmClient:
    """Questions to one slurmrestd.

    Args:
        transport: another way than the network, for tests.
    """

    def __init__(
        self, settings: SlurmSettings, transport: httpx.BaseTransport | None = None
    ) -> None:
        self._settings = settings
        base = settings.url.rstrip("/")
        if base.startswith("unix:") and transport is None:
            transport = httpx.HTTPTransport(uds=base.removeprefix("unix:"))
        self._base = "http://localhost" if base.startswith("unix:") else base
        self._http = httpx.Client(
            timeout=settings.timeout_seconds,
            transport=transport,
            trust_env=False,
            follow_redirects=False,
        )
        self._token: str | None = None
        self._version: str | None = None

    def close(self) -> None:
        self._http.close()

    # ── questions ─────────────────────────────────────────────────────────────────────────────

    def ping(self) -> str:
        """The version of Slurm, asked with the token.

        Raises:
            EngineUnreachable: no answer, or the token is not accepted.
        """
        body = self._good("GET", "ping", "没有应答 ping")
        slurm = body.get("meta", {}).get("Slurm") or body.get("meta", {}).get("slurm") or {}
        return f"Slurm {slurm.get('release', '?')}，接口 {self._version}"

    def nodes(self) -> list[SlurmNode]:
        """Every node, those that are down too."""
        body = self._good("GET", "nodes", "没有给出节点")
        return [read_node(raw) for raw in _listed(body, "nodes")]

    def default_partition(self) -> str | None:
        body = self._good("GET", "partitions", "没有给出分区")
        for raw in _listed(body, "partitions"):
            flags = raw.get("flags") or (raw.get("partition") or {}).get("flags") or ()
            if "default" in [str(flag).lower() for flag in flags]:
                return str(raw.get("name"))
        return None

    def jobs(self) -> list[SlurmJob]:
        """All jobs that Slurm still knows."""
        body = self._good("GET", "jobs", "没有给出作业")
        return [read_job(raw) for raw in _listed(body, "jobs")]

    def job(self, which: int) -> SlurmJob | None:
        """One job; None when Slurm does not know that number."""
        status, body = self._ask("GET", f"job/{which}")
        errors = refusals(body)
        if any(error.number == UNKNOWN_JOB for error in errors) or (status == 404 and errors):
            return None
        self._none_wrong(errors, status, "没有给出作业")
        found = [read_job(raw) for raw in _listed(body, "jobs")]
        return next((job for job in found if job.number == which), None)

    def submit(self, work: Work, *, name: str, comment: str, folder: str, script: str) -> int:
        """Hand a job over.

        Returns:
            Slurm's number of the job.

        Raises:
            EngineRefused: Slurm has said no, and would again.
            EngineUnreachable: whether it has the job is unknown.
        """
        lists = self._lists()
        fields = job_fields(work, name, comment, folder, self._settings, lists=lists)
        request = (
            {"job": fields | {"script": script}} if lists else {"job": fields, "script": script}
        )
        status, body = self._ask("POST", "job/submit", request)
        if which := number(body.get("job_id")):
            return which  # some errors only say that it must wait
        errors = refusals(body)
        if errors and all(error.number in REFUSES or error.number == -1 for error in errors):
            hard = [error.words for error in errors if error.number in REFUSES]
            if hard:
                raise EngineRefused(NAME, "；".join(hard))
        self._none_wrong(errors, status, "没有收下作业")
        raise EngineUnreachable(NAME, "收下了作业却没有给出编号")

    def signal(self, which: int, signal: str = "KILL") -> None:
        """Send all processes of a job a signal; KILL ends it, queued or running."""
        status, body = self._ask("DELETE", f"job/{which}", query={"signal": signal})
        errors = [e for e in refusals(body) if e.number not in OVER_ALREADY]
        if errors or not refusals(body):
            self._none_wrong(errors, status, "没有停止作业")

    # ── small things ──────────────────────────────────────────────────────────────────────────

    def _lists(self) -> bool:
        return int(self._spoken().rpartition(".")[2]) >= LISTS_FROM

    def _good(self, method: str, path: str, problem: str) -> Mapping[str, Any]:
        status, body = self._ask(method, path)
        self._none_wrong(refusals(body), status, problem)
        return body

    def _none_wrong(self, errors: list[Refusal], status: int, problem: str) -> None:
        if errors:
            told = "；".join(f"{error.words}（{error.number}）" for error in errors[:3])
            raise EngineUnreachable(NAME, f"{problem}：{told}")
        if status != 200:
            raise EngineUnreachable(NAME, f"{problem}：HTTP {status}")

    def _ask(
        self,
        method: str,
        path: str,
        content: Mapping[str, Any] | None = None,
        *,
        query: Mapping[str, str] | None = None,
    ) -> tuple[int, Mapping[str, Any]]:
        """One question; asked once more only when the token file holds another token by now."""
        if self._token is None:
            self._token = self._read_token()
        url = f"{self._base}/slurm/{self._spoken()}/{path}"
        status, body = self._send(method, url, content, query)
        if self._token_refused(status, body):
            fresh = self._read_token()
            if fresh != self._token:
                # A submit that failed so was not taken: slurmctld knows nobody without a token.
                self._token = fresh
                status, body = self._send(method, url, content, query)
        if status in (401, 403):
            raise EngineUnreachable(
                NAME,
                f"令牌没有被接受（HTTP {status}）。请运行 scontrol token username="
                f"{self._settings.user}，写入 {self._settings.token_file}",
            )
        if body is None:
            self._version = None  # perhaps slurmrestd was replaced by a newer one
            raise EngineUnreachable(NAME, f"HTTP {status}，不是 JSON")
        return status, body

    def _token_refused(self, status: int, body: Mapping[str, Any] | None) -> bool:
        """22.05 has no word for a bad token: 500, and an error without a number, or 5005."""
        if status in (401, 403):
            return True
        errors = refusals(body or {})
        return any(error.number in (-1, 1007, 5005) for error in errors)

    def _spoken(self) -> str:
        """The newest version of the interface that both sides speak."""
        if self._version is None:
            self._token = self._token or self._read_token()
            for version in VERSIONS:
                if version == "v0.0.39":
                    continue
                status, body = self._send("GET", f"{self._base}/slurm/{version}/ping")
                # Every answer of slurmrestd carries `meta`, a refusal too; a proxy's does not.
                if body is not None and status != 404 and isinstance(body.get("meta"), dict):
                    self._version = version
                    break
            else:
                raise EngineUnreachable(
                    NAME, f"slurmrestd 不提供 {VERSIONS[-1]} 至 {VERSIONS[0]} 的接口"
                )
        return self._version

    def _send(
        self,
        method: str,
        url: str,
        content: Mapping[str, Any] | None = None,
        query: Mapping[str, str] | None = None,
    ) -> tuple[int, Mapping[str, Any] | None]:
        """Status and JSON object; None instead of anything that is not one."""
        headers = {
            "X-SLURM-USER-NAME": self._settings.user,
            "X-SLURM-USER-TOKEN": self._token or "",
        }
        try:
            answer = self._http.request(method, url, json=content, params=query, headers=headers)
        except httpx.HTTPError as error:
            raise EngineUnreachable(NAME, f"{type(error).__name__}（{url}）") from None
        try:
            body = json.loads(answer.content)
        except (ValueError, RecursionError):
            return answer.status_code, None
        return answer.status_code, body if isinstance(body, dict) else None

    def _read_token(self) -> str:
        try:
            text = self._settings.token_file.read_text("ascii").strip()
        except (OSError, ValueError) as error:
            words = error.strerror if isinstance(error, OSError) else "不是文本"
            raise EngineUnreachable(
                NAME, f"令牌文件 {self._settings.token_file} 读不了（{words}）"
            ) from None
        token = text.removeprefix("SLURM_JWT=")
        if not token or any(not "!" <= letter <= "~" for letter in token):
            raise EngineUnreachable(NAME, f"令牌文件 {self._settings.token_file} 里没有令牌")
        return token


def _listed(body: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    found = body.get(name)
    if not isinstance(found, list) or not all(isinstance(raw, Mapping) for raw in found):
        raise EngineUnreachable(NAME, f"应答里没有 {name} 列表")
    return found
