"""The way to the platform, against a real server that says what a platform never should."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from jinsuan.agent.errors import PlatformRefused, PlatformUnreachable, ServerNotSecure
from jinsuan.agent.http import HttpTransport, checked_server, enrol
from jinsuan.agent.keys import make_key
from jinsuan.protocol.messages import SyncRequest

IDLE = SyncRequest(protocol=1, agent_version="test")
GOOD = {"now": "2025-09-16T01:00:00Z", "interval_ms": 2000, "usage_interval_ms": 60000}


class Platform(ThreadingHTTPServer):
    """Answers every POST with the same words."""

    status: int = 200
    body: bytes = b"{}"
    location: str = ""

    def say(self, status: int, body: Any) -> None:
        self.status = status
        self.body = body if isinstance(body, bytes) else json.dumps(body).encode()


class Answer(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        assert isinstance(self.server, Platform)
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(self.server.status)
        if self.server.location:
            self.send_header("Location", self.server.location)
        self.send_header("Content-Length", str(len(self.server.body)))
        self.end_headers()
        self.wfile.write(self.server.body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def platform() -> Iterator[Platform]:
    server = Platform(("127.0.0.1", 0), Answer)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def transport(platform: Platform) -> Iterator[HttpTransport]:
    made = HttpTransport(
        server=f"http://127.0.0.1:{platform.server_port}",
        centre="C01",
        key=make_key(),
        boot=1,
        now=lambda: datetime.now(UTC),
    )
    yield made
    made.close()


def test_a_good_answer_is_read(platform: Platform, transport: HttpTransport) -> None:
    platform.say(200, GOOD)
    assert transport.sync(IDLE).interval_ms == 2000


@pytest.mark.parametrize("status", [500, 502, 503, 504, 408, 425, 429])
def test_a_platform_in_trouble_is_asked_again(
    platform: Platform, transport: HttpTransport, status: int
) -> None:
    platform.say(status, b"<html>busy</html>")
    with pytest.raises(PlatformUnreachable, match=f"HTTP {status}"):
        transport.sync(IDLE)


@pytest.mark.parametrize(
    "body",
    [b"<html>please log in</html>", b"", b"\xff\xfe", b"[" * 100_000, b"9" * 5000],
    ids=["page", "empty", "bytes", "deep", "long"],
)
def test_an_answer_that_is_no_message_is_not_taken_for_one(
    platform: Platform, transport: HttpTransport, body: bytes
) -> None:
    platform.say(200, body)
    with pytest.raises(PlatformUnreachable, match="网关或登录页"):
        transport.sync(IDLE)


@pytest.mark.parametrize(
    "change",
    [{"interval_ms": 2000.5}, {"more": 1}, {"now": "2025-09-16T01:00:00"}, {"leases": [{}]}],
    ids=str,
)
def test_an_answer_of_another_form_is_refused_with_its_place(
    platform: Platform, transport: HttpTransport, change: dict[str, Any]
) -> None:
    platform.say(200, GOOD | change)
    with pytest.raises(PlatformRefused) as caught:
        transport.sync(IDLE)
    assert caught.value.platform_code == "protocol.message_invalid"
    assert "$" in caught.value.explain()


def test_a_refusal_keeps_the_platforms_code_and_words(
    platform: Platform, transport: HttpTransport
) -> None:
    platform.say(401, {"code": "registry.signature_invalid", "detail": "签名核对不上。"})
    with pytest.raises(PlatformRefused) as caught:
        transport.sync(IDLE)
    refusal = caught.value
    assert (refusal.status, refusal.platform_code) == (401, "registry.signature_invalid")
    assert "签名核对不上" in refusal.explain()
    assert "正在运行的作业不受影响" in refusal.explain()


@pytest.mark.parametrize("body", [b"not found", b"[1]", b"{}"])
def test_a_refusal_without_words_is_still_explained(
    platform: Platform, transport: HttpTransport, body: bytes
) -> None:
    platform.say(404, body)
    with pytest.raises(PlatformRefused, match="没有说明原因"):
        transport.sync(IDLE)


def test_a_redirect_is_not_followed(platform: Platform, transport: HttpTransport) -> None:
    platform.location = "http://127.0.0.1:1/elsewhere"
    platform.say(307, b"")
    with pytest.raises(PlatformRefused, match="307"):
        transport.sync(IDLE)


def test_nobody_at_the_address_is_said_so() -> None:
    transport = HttpTransport(
        server="http://127.0.0.1:9",
        centre="C01",
        key=make_key(),
        boot=1,
        now=lambda: datetime.now(UTC),
    )
    with pytest.raises(PlatformUnreachable, match="连接不上"):
        transport.sync(IDLE)
    transport.close()


def test_an_enrolment_must_be_answered_with_the_own_centre(platform: Platform) -> None:
    server = f"http://127.0.0.1:{platform.server_port}"
    platform.say(200, {"centre": "C02"})
    with pytest.raises(PlatformRefused, match="没有本中心的代码"):
        enrol(server, "code", "C01", key=make_key(), agent_version="test")
    platform.say(200, {"centre": "C01"})
    assert enrol(server, "code", "C01", key=make_key(), agent_version="test") == "C01"


@pytest.mark.parametrize(
    "server",
    [
        "http://platform.example",
        "http://10.0.0.1:8000",
        "ftp://platform.example",
        "platform.example",
        "https://",
        "https://[bad",
        "https://user:secret@platform.example",
        "https://platform.example?x=1",
        "https://platform.example#x",
        "https://plat form.example",
        'https://platform.example/"\n',
        "https://platform.example:99999",
        "",
    ],
)
def test_an_address_that_anyone_could_listen_to_is_refused(server: str) -> None:
    with pytest.raises(ServerNotSecure, match="https"):
        checked_server(server)


@pytest.mark.parametrize(
    ("server", "kept"),
    [
        ("https://platform.example/", "https://platform.example"),
        (" https://platform.example/jinsuan/ ", "https://platform.example/jinsuan"),
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000"),
        ("http://[::1]:8000", "http://[::1]:8000"),
        ("http://localhost:8000", "http://localhost:8000"),
    ],
)
def test_a_safe_address_is_kept_without_its_last_slash(server: str, kept: str) -> None:
    assert checked_server(server) == kept
