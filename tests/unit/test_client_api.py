"""The client asks rightly, repeats only what may be repeated, and explains every failure."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from jinsuan.client.api import LONGEST_PAUSE_SECONDS, MAX_TRIES, Client, JobMoney, amount
from jinsuan.client.errors import ApiRefused, ServerUnreachable, WaitTimedOut
from jinsuan.kernel.errors import BadInput
from jinsuan.kernel.money import Money

SERVER = "https://jinsuan.example.cn"
SPEC = {"name": "a", "run": "b", "max_duration": "2h"}
Answer = httpx.Response | Exception


class Platform:
    """Answers from a list, one per request, and remembers what it was asked."""

    def __init__(self, *answers: Answer) -> None:
        self.answers: Iterator[Answer] = iter(answers)
        self.asked: list[httpx.Request] = []
        self.slept: list[float] = []
        self.now = 0.0

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        answer = next(self.answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    def client(self, server: str = SERVER) -> Client:
        return Client(
            server,
            "secret",
            transport=httpx.MockTransport(self),
            sleep=self.sleep,
            clock=lambda: self.now,
        )


def ok(body: object, status: int = 200) -> httpx.Response:
    return httpx.Response(status, json=body)


def problem(status: int, code: str, detail: str = "说明。") -> httpx.Response:
    body = {"type": "urn:x", "title": "t", "status": status, "code": code, "detail": detail}
    return httpx.Response(
        status, content=json.dumps(body), headers={"Content-Type": "application/problem+json"}
    )


CALLS: list[tuple[Callable[[Client], Any], str, str]] = [
    (lambda c: c.me(), "GET", "/api/v1/me"),
    (lambda c: c.plan(SPEC), "POST", "/api/v1/jobs/plan"),
    (lambda c: c.submit(SPEC), "POST", "/api/v1/jobs"),
    (lambda c: c.job("job_1"), "GET", "/api/v1/jobs/job_1"),
    (lambda c: c.jobs(), "GET", "/api/v1/jobs?limit=20"),
    (
        lambda c: c.jobs(state="running", cursor="x y", limit=5),
        "GET",
        "/api/v1/jobs?state=running&cursor=x+y&limit=5",
    ),
    (lambda c: c.cancel("job_1", "够了"), "POST", "/api/v1/jobs/job_1/cancel"),
    (lambda c: c.attempts("job_1"), "GET", "/api/v1/jobs/job_1/attempts?limit=200"),
    (lambda c: c.charges("job_1"), "GET", "/api/v1/jobs/job_1/charges?limit=200"),
    (lambda c: c.voucher("voucher_1"), "GET", "/api/v1/vouchers/voucher_1"),
    (
        lambda c: c.voucher_statement("voucher_1", cursor="7"),
        "GET",
        "/api/v1/vouchers/voucher_1/statement?cursor=7&limit=200",
    ),
    (lambda c: c.statement(), "GET", "/api/v1/account/statement?limit=200"),
    (lambda c: c.centres(), "GET", "/api/v1/centres?limit=200"),
    (lambda c: c.centre("C01"), "GET", "/api/v1/centres/C01"),
    (lambda c: c.vouchers(), "GET", "/api/v1/vouchers?limit=200"),
    (lambda c: c.account(), "GET", "/api/v1/account"),
    (lambda c: c.trace("transfer_1"), "GET", "/api/v1/trace/transfer_1"),
]


@pytest.mark.parametrize(("call", "method", "target"), CALLS, ids=[c[2] for c in CALLS])
def test_each_method_asks_its_own_address(
    call: Callable[[Client], Any], method: str, target: str
) -> None:
    platform = Platform(ok({"items": []}))

    assert call(platform.client()) == {"items": []}

    (request,) = platform.asked
    assert (request.method, request.url.raw_path.decode()) == (method, target)
    assert request.headers["Authorization"] == "Bearer secret"
    assert request.url.host == "jinsuan.example.cn"


def test_a_server_below_a_path_keeps_its_path() -> None:
    platform = Platform(ok({}))

    platform.client(f"{SERVER}/suan/").me()

    assert platform.asked[0].url.path == "/suan/api/v1/me"


def test_an_order_carries_its_specification_and_a_key() -> None:
    platform = Platform(ok({"id": "job_1"}, 201), ok({"id": "job_2"}, 201), ok({}, 201))
    client = platform.client()

    client.submit(SPEC)
    client.submit(SPEC)
    client.submit(SPEC, idempotency_key="order-7")

    keys = [request.headers["Idempotency-Key"] for request in platform.asked]
    assert len(set(keys)) == 3
    assert keys[2] == "order-7"
    assert json.loads(platform.asked[0].content) == SPEC


@pytest.mark.parametrize("key", ["", "x" * 121, "a\nb", "键"])
def test_a_key_that_no_header_can_carry_is_refused(key: str) -> None:
    with pytest.raises(BadInput):
        Platform().client().submit(SPEC, idempotency_key=key)


def test_an_order_is_repeated_with_the_same_key_until_it_is_answered() -> None:
    platform = Platform(
        httpx.ConnectError("x"), httpx.ReadTimeout("x"), httpx.Response(503), ok({"id": "j"}, 201)
    )

    assert platform.client().submit(SPEC) == {"id": "j"}

    assert len({request.headers["Idempotency-Key"] for request in platform.asked}) == 1
    assert {request.content for request in platform.asked} == {platform.asked[0].content}
    assert platform.slept == [0.25, 0.5, 1.0]


def test_an_order_without_an_answer_tells_its_key() -> None:
    platform = Platform(*[httpx.ReadTimeout("x")] * MAX_TRIES)

    with pytest.raises(ServerUnreachable) as refused:
        platform.client().submit(SPEC, idempotency_key="order-7")

    assert len(platform.asked) == MAX_TRIES
    assert "order-7" in refused.value.explain()
    assert "不会下成两单" in refused.value.explain()


def test_a_read_is_repeated_and_gives_up_with_a_next_step() -> None:
    platform = Platform(*[httpx.ConnectError("x")] * MAX_TRIES)

    with pytest.raises(ServerUnreachable) as refused:
        platform.client().me()

    assert len(platform.asked) == MAX_TRIES
    assert all(pause <= LONGEST_PAUSE_SECONDS for pause in platform.slept)
    assert "连接不上" in refused.value.explain()
    assert "jinsuan login" in refused.value.explain()


@pytest.mark.parametrize("call", [lambda c: c.plan(SPEC), lambda c: c.cancel("job_1", "x")])
def test_a_plan_and_a_stop_are_repeated_too(call: Callable[[Client], Any]) -> None:
    platform = Platform(httpx.ReadTimeout("x"), problem(500, "http_500"), ok({"id": "j"}))

    assert call(platform.client()) == {"id": "j"}

    keys = {request.headers.get("Idempotency-Key") for request in platform.asked}
    assert len(keys) == 1
    assert (None in keys) == platform.asked[0].url.path.endswith("/plan"), "a plan needs no key"


@pytest.mark.parametrize(
    ("asked", "slept"), [("3", 3.0), ("9999", 5.0), ("soon", 0.25), ("-1", 0.25)]
)
def test_a_busy_platform_says_when_to_come_back(asked: str, slept: float) -> None:
    platform = Platform(httpx.Response(429, headers={"Retry-After": asked}), ok({}))

    platform.client().me()

    assert platform.slept == [slept]


def test_a_refusal_carries_the_platforms_own_words() -> None:
    platform = Platform(problem(409, "vouchers.not_enough", "余额不足。请充值。"))

    with pytest.raises(ApiRefused) as refused:
        platform.client().submit(SPEC)

    error = refused.value
    assert (error.api_code, error.status, error.detail) == (
        "vouchers.not_enough",
        409,
        "余额不足。请充值。",
    )
    assert error.explain() == "余额不足。请充值。"
    assert len(platform.asked) == 1


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 422])
def test_what_cannot_get_better_is_not_repeated(status: int) -> None:
    platform = Platform(problem(status, "x"))

    with pytest.raises(ApiRefused):
        platform.client().me()

    assert len(platform.asked) == 1


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(200, text="<html>"),
        httpx.Response(200, json=[1]),
        httpx.Response(200, content=b"\xff"),
        httpx.Response(200, content=b"[" * 100_000),
        httpx.Response(302, headers={"Location": "https://evil.example/"}),
    ],
    ids=["html", "list", "bytes", "deep", "redirect"],
)
def test_what_answers_but_is_not_the_platform_is_told_so(answer: httpx.Response) -> None:
    platform = Platform(answer)

    with pytest.raises(ServerUnreachable):
        platform.client().me()

    assert len(platform.asked) == 1


@pytest.mark.parametrize(
    "content", [b"{}", b"[]", b"x", b'{"code": 1, "detail": "x"}', b'{"code": "x"}']
)
def test_a_malformed_problem_is_still_a_refusal(content: bytes) -> None:
    answer = httpx.Response(
        404, content=content, headers={"Content-Type": "application/problem+json; charset=utf-8"}
    )

    with pytest.raises(ApiRefused) as refused:
        Platform(answer).client().me()

    assert refused.value.api_code == "http_404"


def test_fractions_in_an_answer_stay_text() -> None:
    platform = Platform(httpx.Response(200, content=b'{"cash": 0.1, "huge": 1e999}'))

    assert platform.client().account() == {"cash": "0.1", "huge": "1e999"}


def test_amounts_become_money_and_nothing_else_does() -> None:
    names = ["authorised", "held", "charged", "from_vouchers", "cash"]
    job = {"money": {**dict.fromkeys(names, "12.34"), "shortfall": "0.00"}}

    assert JobMoney.of(job).charged == Money(1234)
    for wrong in (0.1, 12, None, "1e3", "12.345"):
        with pytest.raises(BadInput):
            amount(wrong)


def test_all_jobs_come_page_by_page() -> None:
    platform = Platform(
        ok({"items": [{"id": "3"}, {"id": "2"}], "next_cursor": "c"}),
        ok({"items": [{"id": "1"}], "next_cursor": None}),
    )

    found = [job["id"] for job in platform.client().each_job(state="ended")]

    assert found == ["3", "2", "1"]
    assert platform.asked[1].url.params["cursor"] == "c"
    assert platform.asked[1].url.params["state"] == "ended"


@pytest.mark.parametrize("answer", [problem(500, "http_500"), problem(503, "http_503")])
def test_a_platform_that_stays_broken_is_away(answer: httpx.Response) -> None:
    platform = Platform(*[answer] * MAX_TRIES)

    with pytest.raises(ServerUnreachable) as refused:
        platform.client().submit(SPEC, idempotency_key="order-7")

    assert "order-7" in refused.value.explain()


def test_a_cursor_that_stands_still_ends_the_walk() -> None:
    page = {"items": [{"id": "1"}], "next_cursor": "c"}
    platform = Platform(ok(page), ok(page))

    assert len(list(platform.client().each_job())) == 2


@pytest.mark.parametrize(
    ("header", "following"), [("9", 9), ("", 7), ("x", 7), ("2", 4), ("9" * 30, 7)]
)
def test_a_log_comes_as_bytes_with_the_next_offset(header: str, following: int) -> None:
    platform = Platform(httpx.Response(200, content=b"\xff\x00a", headers={"Next-Offset": header}))

    assert platform.client().log("job_1", 4) == (b"\xff\x00a", following)
    assert platform.asked[0].url.params["offset"] == "4"


def test_waiting_ends_when_the_job_is_settled() -> None:
    running, settled = {"state": "running", "state_zh": "运行中"}, {"state": "settled"}
    away = [httpx.ConnectError("x")] * MAX_TRIES
    platform = Platform(ok(running), *away, ok(running), ok(settled))

    assert platform.client().wait("job_1", 3600) == settled


def test_waiting_gives_up_and_says_that_the_job_goes_on() -> None:
    platform = Platform(*[ok({"state": "running", "state_zh": "运行中"}) for _ in range(99)])

    with pytest.raises(WaitTimedOut) as refused:
        platform.client().wait("job_1", 60)

    assert platform.now == pytest.approx(60)
    assert "运行中" in refused.value.explain()
    assert "没有停掉它" in refused.value.explain()


def test_waiting_on_a_platform_that_is_away_says_so() -> None:
    platform = Platform(*[httpx.ConnectError("x")] * 1000)

    with pytest.raises(ServerUnreachable):
        platform.client().wait("job_1", 30)


@pytest.mark.parametrize("job_id", ["", ".", "..", "x" * 201])
def test_an_id_that_is_none_is_refused_before_asking(job_id: str) -> None:
    with pytest.raises(BadInput):
        Platform().client().job(job_id)


@pytest.mark.parametrize("job_id", ["../me", "a/b", "a?x=1", "a#b", "a\nb", "作业", "%2e%2e"])
def test_an_id_never_climbs_out_of_its_place(job_id: str) -> None:
    platform = Platform(ok({}))

    platform.client().job(job_id)

    target = platform.asked[0].url.raw_path.decode()
    assert target.startswith("/api/v1/jobs/")
    assert target.count("/") == 4
    assert "?" not in target


def test_what_is_no_json_is_refused_before_asking() -> None:
    for spec in (float("nan"), {1, 2}, "\ud800"):
        with pytest.raises(BadInput):
            Platform().client().plan(spec)


def test_a_token_goes_over_http_to_this_machine_only() -> None:
    with pytest.raises(BadInput):
        Client("http://jinsuan.example.cn", "secret")


def test_a_client_can_be_closed() -> None:
    with Platform(ok({})).client() as client:
        client.me()
    with pytest.raises(RuntimeError):
        client.me()
