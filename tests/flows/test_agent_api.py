"""The agent's own transport against the real addresses of the platform, in one process."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.core.signals import request_finished, request_started
from django.db import close_old_connections

from jinsuan.agent.errors import PlatformRefused
from jinsuan.agent.http import HttpTransport, enrol
from jinsuan.agent.keys import make_key
from jinsuan.dispatch import actions as dispatch
from jinsuan.entrypoints import clock
from jinsuan.protocol.codec import encode
from jinsuan.protocol.messages import NodeOffer, Offer, SyncRequest
from jinsuan.registry.actions.agents import issue_enrolment_code
from jinsuan.registry.models import Node
from tests.flows.world import SYSTEM, World, make_world

SERVER = "http://127.0.0.1"
IDLE = SyncRequest(protocol=1, agent_version="test")
pytestmark = pytest.mark.django_db


now = clock.now


@pytest.fixture(autouse=True)
def in_2025(monkeypatch: pytest.MonkeyPatch) -> None:
    """The business clock stands in the year of the policy."""
    at = datetime(2025, 9, 16, 1, 0, tzinfo=UTC)
    monkeypatch.setenv(clock.VARIABLE, str(clock.offset_for(at)))


@pytest.fixture
def world() -> World:
    return make_world(now=now())


@pytest.fixture
def client() -> Iterator[httpx.Client]:
    from jinsuan.entrypoints.site.wsgi import application

    # A request would close the connection, and with it the transaction of the test.
    ends = (request_started, request_finished)
    for signal in ends:
        signal.disconnect(close_old_connections)
    with httpx.Client(transport=httpx.WSGITransport(app=application)) as made:
        yield made
    for signal in ends:
        signal.connect(close_old_connections)


@pytest.fixture
def code(world: World) -> str:
    return issue_enrolment_code(world.centre_id, actor=SYSTEM, now=now())


@pytest.fixture
def key(world: World, code: str, client: httpx.Client) -> Ed25519PrivateKey:
    """A key that the platform knows."""
    made = make_key()
    # Enrolment closes its client, so it gets one of its own on the same application.
    enrol(SERVER, code, world.centre, key=made, agent_version="test", client=_again(client))
    return made


def _again(client: httpx.Client) -> httpx.Client:
    return httpx.Client(transport=client._transport)


def speaker(
    client: httpx.Client,
    key: Ed25519PrivateKey,
    *,
    boot: int = 1,
    watch: Callable[[], datetime] = now,
) -> HttpTransport:
    return HttpTransport(server=SERVER, centre="T01", key=key, boot=boot, now=watch, client=client)


def refused(transport: HttpTransport, request: SyncRequest = IDLE) -> str:
    with pytest.raises(PlatformRefused) as caught:
        transport.sync(request)
    return caught.value.platform_code


def test_an_agent_enrols_speaks_and_is_given_work(
    world: World, client: httpx.Client, key: Ed25519PrivateKey
) -> None:
    world.submit(key="one", now=now())
    dispatch.place_queued(now=now())
    transport = speaker(client, key)
    (lease,) = transport.sync(IDLE).leases
    assert lease.work.run == "true"
    assert 0 < lease.start_within_seconds <= 60
    assert transport.sync(IDLE).leases[0].attempt == lease.attempt, "sent until it is answered"


def test_offers_become_nodes(world: World, client: httpx.Client, key: Ed25519PrivateKey) -> None:
    node = NodeOffer(
        name="new-1",
        cpu_milli=8000,
        cpu_free_milli=8000,
        memory_mib=1024,
        memory_free_mib=1024,
    )
    offers = (Offer(cluster="main", engine="embedded", nodes=(node,)),)
    speaker(client, key).sync(SyncRequest(protocol=1, agent_version="test", offers=offers))
    assert Node.objects.get(name="new-1").cpu_milli == 8000
    assert not Node.objects.get(name="n0").online, "a node that is not reported is offline"


def test_a_code_works_once(
    world: World, client: httpx.Client, code: str, key: Ed25519PrivateKey
) -> None:
    with pytest.raises(PlatformRefused) as caught:
        enrol(SERVER, code, "T01", key=make_key(), agent_version="x", client=_again(client))
    assert caught.value.platform_code == "registry.enrolment_refused"
    speaker(client, key).sync(IDLE)


def test_a_new_key_replaces_the_old_one_and_counts_anew(
    world: World, client: httpx.Client, key: Ed25519PrivateKey
) -> None:
    old = speaker(client, key, boot=9)
    old.sync(IDLE)
    new_code = issue_enrolment_code(world.centre_id, actor=SYSTEM, now=now())
    new_key = make_key()
    enrol(SERVER, new_code, "T01", key=new_key, agent_version="x", client=_again(client))
    assert refused(old) == "registry.signature_invalid"
    speaker(client, new_key, boot=1).sync(IDLE)


def test_a_forged_message_is_refused(client: httpx.Client, key: Ed25519PrivateKey) -> None:
    assert refused(speaker(client, make_key())) == "registry.signature_invalid"


def test_messages_that_are_replayed_or_come_late_are_refused(
    client: httpx.Client, key: Ed25519PrivateKey
) -> None:
    speaker(client, key, boot=2).sync(IDLE)
    assert refused(speaker(client, key, boot=2)) == "registry.message_replayed"
    assert refused(speaker(client, key, boot=1)) == "registry.message_replayed"
    later = speaker(client, key, boot=2)
    later._sequence = 1
    later.sync(IDLE)


@pytest.mark.parametrize("seconds", [-301, 301, 86_400])
def test_a_clock_too_far_off_is_told_so(
    client: httpx.Client, key: Ed25519PrivateKey, seconds: int
) -> None:
    wrong = speaker(client, key, watch=lambda: now() + timedelta(seconds=seconds))
    assert refused(wrong) == "registry.clock_skewed"
    speaker(client, key, watch=lambda: now() + timedelta(seconds=seconds // abs(seconds) * 290))


def test_a_changed_body_does_not_fit_its_signature(
    client: httpx.Client, key: Ed25519PrivateKey
) -> None:
    seen: list[httpx.Request] = []

    class Tap(httpx.BaseTransport):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            request.read()
            seen.append(request)
            return client._transport.handle_request(request)

    speaker(httpx.Client(transport=Tap()), key).sync(IDLE)
    (sent,) = seen
    headers = {k: v for k, v in sent.headers.items() if k.startswith("x-jinsuan")}
    kind = {"Content-Type": "application/json"}
    for body in (sent.content, sent.content + b" ", b"{}"):
        answer = client.post(str(sent.url), content=body, headers=headers | kind)
        expected = 409 if body == sent.content else 401
        assert answer.status_code == expected, answer.text


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-Jinsuan-Centre": "T01"},
        {"X-Jinsuan-Boot": "x"},
        {"X-Jinsuan-Boot": "-1"},
        {"X-Jinsuan-Sequence": ""},
        {"X-Jinsuan-Time": "9" * 30},
        {"X-Jinsuan-Centre": "T" * 50},
        {"X-Jinsuan-Signature": "not base64"},
    ],
    ids=str,
)
def test_an_envelope_of_another_form_is_refused_with_its_place(
    world: World, client: httpx.Client, headers: dict[str, str]
) -> None:
    base = {
        "X-Jinsuan-Centre": "T01",
        "X-Jinsuan-Boot": "1",
        "X-Jinsuan-Sequence": "1",
        "X-Jinsuan-Time": str(int(now().timestamp())),
        "X-Jinsuan-Signature": base64.b64encode(bytes(64)).decode(),
    }
    sent = {k: v.encode() for k, v in ({} if not headers else base | headers).items()}
    answer = client.post(f"{SERVER}/agent/v1/sync", content=b"{}", headers=sent)
    problem = answer.json()
    known = {"protocol.message_invalid": 422, "registry.signature_invalid": 401}
    assert answer.status_code == known[problem["code"]]
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"protocol": 2}, "平台支持版本 1"),
        ({"protocol": "1"}, "整数"),
        ({"more": 1}, "不认识的字段"),
        ({"reports": [{"attempt": "x"}]}, "reports[0]"),
        ({"agent_version": None}, "agent_version"),
    ],
    ids=str,
)
def test_a_message_of_another_form_is_refused_with_its_place(
    client: httpx.Client, key: Ed25519PrivateKey, change: dict[str, Any], words: str
) -> None:
    transport = speaker(client, key)
    body = encode(IDLE) | change
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("jinsuan.agent.http.encode", lambda _: body)
        with pytest.raises(PlatformRefused) as caught:
            transport.sync(IDLE)
    assert caught.value.platform_code == "protocol.message_invalid"
    assert words in caught.value.message
    transport.sync(IDLE)


@pytest.mark.parametrize("method", ["get", "put", "delete"])
@pytest.mark.parametrize("path", ["enrol", "sync"])
def test_only_post_is_answered(world: World, client: httpx.Client, method: str, path: str) -> None:
    assert client.request(method, f"{SERVER}/agent/v1/{path}").status_code == 405
