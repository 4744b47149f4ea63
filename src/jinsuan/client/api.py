"""The platform's API for programs: one method per address, plain dictionaries as answers.

Amounts stay the text that the platform sends ("12.34"), and `amount` reads one into Money; a
fraction anywhere in an answer stays text, so no binary fraction is ever made. Everything may be
repeated without harm: reads and plans change nothing, and all else carries an idempotency key.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from email.message import Message
from typing import Any, Self
from urllib.parse import quote
from uuid import uuid4

import httpx

from jinsuan.client.config import check_server, check_token
from jinsuan.client.errors import ApiRefused, ServerUnreachable, WaitTimedOut
from jinsuan.kernel.errors import BadInput
from jinsuan.kernel.money import Money

MAX_TRIES = 5
FIRST_PAUSE_SECONDS = 0.25
LONGEST_PAUSE_SECONDS = 5.0
TIMEOUT = httpx.Timeout(30, connect=10)
PASSING = frozenset({429, 500, 502, 503, 504})
"""Answers that say "not now": nothing was done, or the key makes a repeat safe."""


def amount(text: object) -> Money:
    """Read an amount of an answer, such as "12.34".

    Raises:
        BadInput: it is not decimal text.
    """
    try:
        assert isinstance(text, str)
        return Money.yuan(text)
    except (AssertionError, ValueError):
        raise BadInput("金额", f"平台给的是 {text!r:.60}", "请升级客户端或联系平台。") from None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobMoney:
    """What a job may cost and did cost, as Money."""

    authorised: Money
    held: Money
    charged: Money
    from_vouchers: Money
    cash: Money

    @classmethod
    def of(cls, job: Mapping[str, Any]) -> JobMoney:
        """Take it from a job as `Client.job` returns it."""
        return cls(**{name: amount(job["money"][name]) for name in cls.__slots__})


class Client:
    """One platform, seen by one token. Close it, or use it in a `with` statement.

    Args:
        server: such as "https://jinsuan.example.cn"; http only for this machine.
        transport: for tests; the real network when left out.
        sleep: waits between tries and between looks at a job.
        clock: seconds from any fixed point, for `wait`.
    """

    def __init__(
        self,
        server: str,
        token: str,
        *,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.server = check_server(server)
        self._sleep, self._clock = sleep, clock
        headers = {
            "Authorization": f"Bearer {check_token(token)}",
            "Accept": "application/json",
            "User-Agent": "jinsuan-client",
        }
        try:
            base = httpx.URL(f"{self.server}/api/v1/")
        except httpx.InvalidURL as error:
            raise BadInput("平台地址", "读不懂", "例如 https://jinsuan.example.cn。") from error
        self._http = httpx.Client(
            base_url=base,
            headers=headers,
            timeout=TIMEOUT,
            transport=transport,
            follow_redirects=False,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    def me(self) -> dict[str, Any]:
        """Who the token stands for and what it may do."""
        return self._get("me")

    def plan(self, spec: object) -> dict[str, Any]:
        """Where the job could run and at what price; every refusing centre says why."""
        return self._object(self._send("POST", "jobs", "plan", body=spec))

    def submit(self, spec: object, *, idempotency_key: str | None = None) -> dict[str, Any]:
        """Order a job. The same key and the same specification order one job, however often."""
        key = _checked_key(idempotency_key)
        return self._object(self._send("POST", "jobs", body=spec, key=key, order=True))

    def job(self, job_id: str) -> dict[str, Any]:
        return self._get("jobs", job_id)

    def jobs(
        self, *, state: str | None = None, cursor: str | None = None, limit: int = 20
    ) -> dict[str, Any]:
        """One page of jobs, newest first: `items` and `next_cursor`."""
        return self._get("jobs", state=state, cursor=cursor, limit=limit)

    def each_job(self, *, state: str | None = None, limit: int = 100) -> Iterator[dict[str, Any]]:
        """All jobs, page after page, newest first."""
        return _each(lambda cursor: self.jobs(state=state, cursor=cursor, limit=limit))

    def attempts(
        self, job_id: str, *, cursor: str | None = None, limit: int = 200
    ) -> dict[str, Any]:
        """One page of a job's attempts, first to begin first."""
        return self._get("jobs", job_id, "attempts", cursor=cursor, limit=limit)

    def charges(
        self, job_id: str, *, cursor: str | None = None, limit: int = 200
    ) -> dict[str, Any]:
        """One page of a job's charges with their transfers, oldest first."""
        return self._get("jobs", job_id, "charges", cursor=cursor, limit=limit)

    def each_charge(self, job_id: str) -> Iterator[dict[str, Any]]:
        """All charges of a job; each transfer's `ref` can be given to `trace`."""
        return _each(lambda cursor: self.charges(job_id, cursor=cursor))

    def cancel(
        self, job_id: str, reason: str, *, idempotency_key: str | None = None
    ) -> dict[str, Any]:
        """Ask for the end of a job. Asking twice is harmless; what was used is still paid for."""
        path, key = ("jobs", job_id, "cancel"), _checked_key(idempotency_key)
        return self._object(self._send("POST", *path, body={"reason": reason}, key=key))

    def log(self, job_id: str, offset: int = 0) -> tuple[bytes, int]:
        """Output from byte `offset` on, and the offset to ask for next."""
        answer = self._send("GET", "jobs", job_id, "log", params={"offset": str(offset)})
        following = answer.headers.get("Next-Offset", "")
        if following.isascii() and following.isdigit() and len(following) < 19:
            return answer.content, max(offset, int(following))
        return answer.content, offset + len(answer.content)

    def wait(self, job_id: str, timeout: int) -> dict[str, Any]:
        """Look again and again until the job is settled; the platform may be away meanwhile.

        Raises:
            WaitTimedOut: it is not settled after `timeout` seconds. The job goes on.
            ServerUnreachable: the platform was away when the time ran out.
        """
        end, pause, state = self._clock() + timeout, 1.0, "未知"
        while True:
            away: ServerUnreachable | None = None
            try:
                job = self.job(job_id)
            except ServerUnreachable as error:
                away = error
            else:
                state = str(job.get("state_zh", job["state"]))
                if job["state"] == "settled":
                    return job
            left = end - self._clock()
            if left <= 0:
                raise away or WaitTimedOut(job_id, state, timeout)
            self._sleep(min(pause, left))
            pause = min(pause * 1.5, 10.0)

    def centres(self, *, cursor: str | None = None, limit: int = 200) -> dict[str, Any]:
        """One page of centres with what is free there."""
        return self._get("centres", cursor=cursor, limit=limit)

    def each_centre(self) -> Iterator[dict[str, Any]]:
        """All centres, page after page."""
        return _each(lambda cursor: self.centres(cursor=cursor))

    def centre(self, code: str) -> dict[str, Any]:
        return self._get("centres", code)

    def vouchers(self, *, cursor: str | None = None, limit: int = 200) -> dict[str, Any]:
        """One page of the organisation's vouchers, first to expire first."""
        return self._get("vouchers", cursor=cursor, limit=limit)

    def each_voucher(self) -> Iterator[dict[str, Any]]:
        """All vouchers, page after page."""
        return _each(lambda cursor: self.vouchers(cursor=cursor))

    def voucher(self, voucher_id: str) -> dict[str, Any]:
        return self._get("vouchers", voucher_id)

    def voucher_statement(
        self, voucher_id: str, *, cursor: str | None = None, limit: int = 200
    ) -> dict[str, Any]:
        """One page of what came onto and went off a voucher, newest first."""
        return self._get("vouchers", voucher_id, "statement", cursor=cursor, limit=limit)

    def account(self) -> dict[str, Any]:
        """Cash, money held for jobs, and what is left on vouchers."""
        return self._get("account")

    def statement(self, *, cursor: str | None = None, limit: int = 200) -> dict[str, Any]:
        """One page of the organisation's cash account, newest first."""
        return self._get("account", "statement", cursor=cursor, limit=limit)

    def each_line(self) -> Iterator[dict[str, Any]]:
        """All lines of the cash account, newest first."""
        return _each(lambda cursor: self.statement(cursor=cursor))

    def notifications(
        self, *, unread: bool = False, cursor: str | None = None, limit: int = 50
    ) -> dict[str, Any]:
        """One page of what this person was told in this role, newest first."""
        only = "true" if unread else None
        return self._get("notifications", unread=only, cursor=cursor, limit=limit)

    def trace(self, ref: str) -> dict[str, Any]:
        """From one transfer back to use, contract, voucher, person and article."""
        return self._get("trace", ref)

    def _get(self, *path: str, **params: str | int | None) -> dict[str, Any]:
        given = {name: str(value) for name, value in params.items() if value is not None}
        return self._object(self._send("GET", *path, params=given))

    def _send(
        self,
        method: str,
        *path: str,
        params: Mapping[str, str] | None = None,
        body: object = None,
        key: str | None = None,
        order: bool = False,
    ) -> httpx.Response:
        """Send until it is answered: the same bytes under the same key every time.

        Args:
            order: tell the key when no answer comes, so that the order can be repeated later.
        """
        request = self._http.build_request(
            method,
            "/".join(_segment(part) for part in path),
            params=params,
            content=None if method == "GET" else _json_bytes(body),
            headers=_headers(method, key),
        )
        told = key if order else None
        pause, cause = FIRST_PAUSE_SECONDS, ""
        for number in range(1, MAX_TRIES + 1):
            try:
                answer = self._http.send(request)
            except httpx.RequestError as error:
                cause = _cause(error)
            else:
                if answer.status_code not in PASSING or number == MAX_TRIES:
                    return self._checked(answer, number, told)
                pause = max(pause, _asked_pause(answer))
            if number < MAX_TRIES:
                self._sleep(pause)
                pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
        raise ServerUnreachable(self.server, cause, MAX_TRIES, told)

    def _checked(self, answer: httpx.Response, tries: int, order_key: str | None) -> httpx.Response:
        status = answer.status_code
        if 200 <= status < 300:
            return answer
        found = _problem(answer)
        if found is not None and status < 500:
            raise ApiRefused(found["code"], status, found["detail"])
        if status >= 500 or 300 <= status < 400:
            raise ServerUnreachable(self.server, f"回应是 HTTP {status}", tries, order_key)
        detail = f"平台没有照办（HTTP {status}），也没有说明原因。请核对平台地址和编号后再试。"
        raise ApiRefused(f"http_{status}", status, detail)

    def _object(self, answer: httpx.Response) -> dict[str, Any]:
        found = _read_json(answer)
        if not isinstance(found, dict):
            raise ServerUnreachable(self.server, "回应的不是平台接口的内容", 1)
        return found


def _segment(part: str) -> str:
    """One part of an address; what people type can never climb out of its place."""
    if not part or part.strip(".") == "" or len(part) > 200:
        raise BadInput(
            "编号", f"“{part[:60]}”不能是编号", "请复制完整的编号，例如 job_ 开头的一串。"
        )
    return quote(part, safe="", errors="replace")


def _headers(method: str, key: str | None) -> dict[str, str]:
    headers = {} if method == "GET" else {"Content-Type": "application/json"}
    return headers if key is None else {**headers, "Idempotency-Key": key}


def _checked_key(given: str | None) -> str:
    key = str(uuid4()) if given is None else given
    if not 0 < len(key) <= 120 or not all(" " <= c <= "~" for c in key) or not key.strip():
        raise BadInput("幂等键", "应为 1 至 120 个可见的英文字符", "例如订单号 train-0042。")
    return key


def _each(ask: Callable[[str | None], dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """All items of a list, page after page; a cursor that stands still ends the walk."""
    cursor: str | None = None
    while True:
        page = ask(cursor)
        yield from page["items"]
        following = page["next_cursor"]
        if following is None or following == cursor:
            return
        cursor = following


def _json_bytes(body: object) -> bytes:
    try:
        return json.dumps(body, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, TypeError, RecursionError) as error:
        raise BadInput("作业说明", "无法写成 JSON", "只用键值、列表、文本和整数。") from error


def _read_json(answer: httpx.Response) -> Any:
    try:
        return json.loads(answer.content.decode("utf-8"), parse_float=str, parse_constant=str)
    except (ValueError, RecursionError):
        return None


def _problem(answer: httpx.Response) -> dict[str, str] | None:
    """The platform's own refusal (application/problem+json), if it is one."""
    kind = Message()
    kind["Content-Type"] = answer.headers.get("Content-Type", "")
    if kind.get_content_type() != "application/problem+json":
        return None
    found = _read_json(answer)
    if not isinstance(found, dict):
        return None
    code, detail = found.get("code"), found.get("detail")
    return (
        {"code": code, "detail": detail}
        if isinstance(code, str) and isinstance(detail, str)
        else None
    )


def _asked_pause(answer: httpx.Response) -> float:
    """Retry-After in seconds, within our own limit."""
    asked = answer.headers.get("Retry-After", "")
    seconds = int(asked) if asked.isascii() and asked.isdigit() and len(asked) < 6 else 0
    return min(float(seconds), LONGEST_PAUSE_SECONDS)


def _cause(error: httpx.RequestError) -> str:
    if isinstance(error, httpx.ConnectTimeout | httpx.ConnectError):
        return "连接不上"
    if isinstance(error, httpx.TimeoutException):
        return "等不到回应"
    return "连接中断"
