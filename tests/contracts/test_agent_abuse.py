"""Forged, replayed, reordered and untrue messages of agents, at the real address."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from jinsuan.agent.keys import make_key
from jinsuan.dispatch import actions as dispatch
from jinsuan.dispatch.models import Attempt, Job, LogPart
from jinsuan.ledger.queries import check_book
from jinsuan.metering.models import Charge, DoubtfulReading
from jinsuan.protocol.codec import encode
from jinsuan.protocol.messages import (
    AttemptReport,
    LogChunk,
    NodeOffer,
    NodeShare,
    Offer,
    SyncRequest,
    UsageReading,
)
from jinsuan.protocol.states import AttemptState, EndCause
from jinsuan.registry.actions.agents import issue_enrolment_code, revoke_key
from jinsuan.registry.models import AgentChannel, Card, Node
from tests.contracts.api_world import SYNC, Agent, Province, report
from tests.contracts.test_api_doors import is_problem
from tests.flows.world import SYSTEM

EMPTY = json.dumps(encode(SyncRequest(protocol=1, agent_version="t"))).encode()
OTHER = EMPTY.replace(b'"t"', b'"u"')

FORGERIES: dict[str, Callable[[Agent, Agent], Any]] = {
    "a made-up key": lambda mine, other: mine.send(EMPTY, key=make_key()),
    "another centre's key": lambda mine, other: mine.send(EMPTY, key=other.key),
    "another centre's name": lambda mine, other: other.send(EMPTY, centre=mine.centre),
    "a changed body": lambda mine, other: mine.send(EMPTY, sent=OTHER),
    "a changed path": lambda mine, other: mine.send(EMPTY, signed_path="/agent/v1/enrol"),
    "an unknown centre": lambda mine, other: mine.send(EMPTY, centre="X99"),
}


@pytest.mark.parametrize("forge", FORGERIES.values(), ids=FORGERIES.keys())
def test_a_forged_message_is_not_believed(
    province: Province, forge: Callable[[Agent, Agent], Any]
) -> None:
    answer = forge(province.agent, province.other_agent)

    found = is_problem(answer, 401)
    assert found["code"] == "registry.signature_invalid"
    assert answer["WWW-Authenticate"]
    assert set(AgentChannel.objects.values_list("sequence", flat=True)) == {0}


def test_a_revoked_key_is_silent(province: Province) -> None:
    assert province.agent.sync().status_code == 200
    revoke_key(province.world.centre_id, reason="丢了", actor=SYSTEM, now=province.clock.now)

    is_problem(province.agent.sync(), 401)


@pytest.mark.parametrize(("boot", "sequence"), [(3, 7), (3, 6), (2, 99), (0, 0)])
def test_a_replayed_or_reordered_message_is_refused(
    province: Province, boot: int, sequence: int
) -> None:
    assert province.agent.send(EMPTY, boot=3, sequence=7).status_code == 200

    found = is_problem(province.agent.send(EMPTY, boot=boot, sequence=sequence), 409)

    assert found["code"] == "registry.message_replayed"
    assert province.agent.send(EMPTY, boot=3, sequence=8).status_code == 200
    assert province.agent.send(EMPTY, boot=4, sequence=0).status_code == 200


@pytest.mark.parametrize("skew", [360, -360])
def test_a_clock_that_is_six_minutes_off_is_told_the_time(province: Province, skew: int) -> None:
    found = is_problem(province.agent.send(EMPTY, skew=skew), 401)

    assert found["code"] == "registry.clock_skewed"
    assert "360" in found["detail"]
    assert province.agent.send(EMPTY, skew=skew - skew // 6).status_code == 200


HEADERS = {
    "X-Jinsuan-Centre": "T01",
    "X-Jinsuan-Boot": "1",
    "X-Jinsuan-Sequence": "1",
    "X-Jinsuan-Time": "1",
    "X-Jinsuan-Signature": "AAAA",
}


@pytest.mark.parametrize("name", HEADERS)
@pytest.mark.parametrize("value", ["", "x" * 5000, "-1", "1e3", "9" * 40, "²", "a b", "%00"])
def test_a_malformed_envelope_is_explained(province: Province, name: str, value: str) -> None:
    answer = Client(raise_request_exception=False).generic(
        "POST", SYNC, data=EMPTY, headers={**HEADERS, name: value}
    )

    assert answer.status_code in (401, 422), answer.content.decode()
    is_problem(answer, answer.status_code)


BODIES = {
    "nothing": b"",
    "a list": b"[]",
    "an unknown field": b'{"protocol": 1, "agent_version": "t", "x": 1}',
    "a wrong type": b'{"protocol": "1", "agent_version": "t"}',
    "a fraction": b'{"protocol": 1.5, "agent_version": "t"}',
    "another protocol": b'{"protocol": 2, "agent_version": "t"}',
    "deep": b"[" * 50_000,
    "NaN": b'{"protocol": NaN, "agent_version": "t"}',
    "a null byte": b'{"protocol": 1, "agent_version": "\\u0000"}',
    "half a character": b'{"protocol": 1, "agent_version": "\\ud800"}',
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
def test_a_signed_message_of_another_form_is_explained(province: Province, body: bytes) -> None:
    answer = province.agent.send(body)

    assert answer.status_code in (400, 422)
    is_problem(answer, answer.status_code)
    assert province.agent.sync().status_code == 200


STRANGE_ATTEMPTS = ["", "../../etc/passwd", "job_" + "0" * 26, "attempt_x", "attempt_" + "z" * 26]


@pytest.mark.parametrize("attempt", STRANGE_ATTEMPTS)
def test_an_attempt_that_is_no_id_is_refused(province: Province, attempt: str) -> None:
    chunk = LogChunk(attempt=attempt, offset=0, data=b"x")
    said = AttemptReport(attempt=attempt, fencing=1, revision=1, state=AttemptState.RUNNING)

    is_problem(province.agent.sync(logs=(chunk,)), 422)
    is_problem(province.agent.sync(said), 422)
    assert not LogPart.objects.exists()


def test_an_agent_cannot_speak_for_another_centre(province: Province) -> None:
    job = province.order()
    lease = province.lease()
    province.clock.pass_by(60)
    end = report(lease, 1, AttemptState.ENDED, at=province.clock.now, used=60)
    chunk = LogChunk(attempt=lease["attempt"], offset=0, data=b"lies")

    answer = province.other_agent.sync(end, logs=(chunk,))

    assert answer.status_code == 200
    assert answer.json()["leases"] == answer.json()["cancels"] == []
    assert Job.objects.get().state == "placed"
    assert not LogPart.objects.exists()
    assert province.mine.get(f"/jobs/{job}").json()["state"] == "placed"
    assert province.agent.sync(end).status_code == 200
    assert Job.objects.get().state == "ended"


def test_a_late_report_of_an_old_attempt_changes_nothing(province: Province) -> None:
    province.order()
    first = province.lease()
    never = report(
        first,
        1,
        AttemptState.ENDED,
        at=province.clock.now,
        cause=EndCause.NEVER_STARTED,
        exit_code=None,
    )
    province.agent.sync(never)
    second = province.lease()
    assert second["fencing"] == 2
    province.clock.pass_by(100)

    for fencing in (1, 2, 3):
        late = report(
            first, 9, AttemptState.RUNNING, at=province.clock.now, used=90, fencing=fencing
        )
        assert province.agent.sync(late).status_code == 200
    wrong = report(second, 1, AttemptState.ENDED, at=province.clock.now, used=90, fencing=1)
    province.agent.sync(wrong)

    assert sorted(Attempt.objects.values_list("number", "state")) == [(1, "ended"), (2, "leased")]
    dispatch.settle(now=province.clock.now)
    assert not Charge.objects.exists()


def usage(value: int, *, resource: str = "card:T4", at: Any) -> tuple[UsageReading, ...]:
    return (UsageReading(resource=resource, milli_unit_seconds=value, occurred_at=at),)


UNTRUE = {
    "decreased": lambda now: usage(1, at=now),
    "negative": lambda now: usage(-5, at=now),
    "jumped": lambda now: usage(10**12, at=now),
    "as large as can be": lambda now: usage(2**63 - 1, at=now),
    "foreign": lambda now: usage(1000, resource="card:H800", at=now),
    "foreign with a long name": lambda now: usage(1000, resource="x" * 80, at=now),
    "ten minutes ahead": lambda now: usage(120_000, at=now + timedelta(minutes=10)),
}
FOUND = {"negative": "decreased", "as large as can be": "jumped", "ten minutes ahead": "ahead"}


@pytest.mark.parametrize("name", UNTRUE)
def test_untrue_usage_is_kept_as_a_finding_and_never_charged(province: Province, name: str) -> None:
    province.order()
    lease = province.lease()
    now = province.clock.pass_by(60)
    honest = report(lease, 1, AttemptState.RUNNING, at=now, used=50)
    assert province.agent.sync(honest).status_code == 200
    dispatch.settle(now=now)
    charged = sum(Charge.objects.values_list("amount_fen", flat=True))
    untrue = report(lease, 2, AttemptState.RUNNING, at=now, usage=UNTRUE[name](now))

    for _ in range(2):
        assert province.agent.sync(untrue).status_code == 200
    dispatch.settle(now=now)

    (finding,) = DoubtfulReading.objects.all()
    assert finding.doubt == FOUND.get(name, name.partition(" ")[0])
    assert sum(Charge.objects.values_list("amount_fen", flat=True)) == charged > 0
    assert not check_book().differences


@pytest.mark.parametrize(
    "more",
    [
        {"exit_code": 2**40},
        {"exit_code": -(2**63) + 1},
        {"message": "长" * 900_000},
        {"message": "\x1b[31m<script>"},
        {"allocation": (NodeShare(node="n0", cpu_milli=-5, memory_mib=1, cards=(0,)),)},
        {"allocation": (NodeShare(node="n0", cpu_milli=1, memory_mib=1, cards=(-1,)),)},
        {"allocation": (NodeShare(node="n0", cpu_milli=1, memory_mib=1, cards=(99,)),)},
        {"allocation": (NodeShare(node="n0", cpu_milli=1, memory_mib=1, cards=(0, 0, 0)),)},
        {"allocation": (NodeShare(node="n0", cpu_milli=2**62, memory_mib=2**62, cards=(0,)),)},
        {
            "allocation": (
                NodeShare(node="n0", cpu_milli=1, memory_mib=1, cards=(0,), card_milli=-1000),
            )
        },
        {"allocation": (NodeShare(node="../../n0", cpu_milli=1, memory_mib=1),)},
        {"allocation": (NodeShare(node="n0", cpu_milli=1, memory_mib=1),) * 2},
    ],
    ids=lambda more: f"{more}"[:60],
)
def test_an_absurd_report_breaks_nothing(province: Province, more: dict[str, Any]) -> None:
    province.order()
    lease = province.lease()
    now = province.clock.pass_by(60)
    running = report(lease, 1, AttemptState.RUNNING, at=now, used=50, **more)

    answer = province.agent.sync(running)

    assert answer.status_code in (200, 422), answer.content.decode()
    end = report(lease, 2, AttemptState.ENDED, at=now, used=50, **more)
    answer = province.agent.sync(end)
    assert answer.status_code in (200, 422), answer.content.decode()
    province.agent.sync(report(lease, 3, AttemptState.ENDED, at=now, used=50))
    assert len(province.mine.get("/jobs").json()["items"][0]["why"]) < 3000
    dispatch.settle(now=now)
    assert not check_book().differences
    assert not Card.objects.exclude(reserved_milli=0).exists()
    assert not Node.objects.exclude(cpu_reserved_milli=0).exists()


def node(**more: Any) -> NodeOffer:
    sane: dict[str, Any] = {
        "name": "m0",
        "cpu_milli": 1000,
        "cpu_free_milli": 1000,
        "memory_mib": 1000,
        "memory_free_mib": 1000,
    }
    return NodeOffer(**{**sane, **more})


@pytest.mark.parametrize(
    "offers",
    [
        (Offer(cluster="x" * 500, engine="embedded", nodes=(node(),)),),
        (Offer(cluster="", engine="embedded", nodes=(node(),)),),
        (Offer(cluster="c", engine="e" * 500, nodes=(node(),)),),
        (Offer(cluster="c", engine="embedded", nodes=(node(name="n" * 500),)),),
        (Offer(cluster="c", engine="embedded", nodes=(node(name=""),)),),
        (Offer(cluster="c", engine="embedded", nodes=(node(model="m" * 500),)),),
        (Offer(cluster="c", engine="embedded", nodes=(node(cpu_milli=-1),)),),
        (Offer(cluster="c", engine="embedded", nodes=(node(memory_mib=-1),)),),
        (Offer(cluster="c", engine="embedded", nodes=(node(), node())),),
        (Offer(cluster="c", engine="embedded", nodes=(node(cards_free_milli=(1000,) * 5000),)),),
    ],
    ids=lambda offers: f"{offers}"[:80],
)
def test_an_absurd_inventory_breaks_nothing(province: Province, offers: tuple[Offer, ...]) -> None:
    answer = province.agent.sync(offers=offers)

    assert answer.status_code in (200, 422), answer.content.decode()
    assert province.mine.get("/centres/T01").status_code == 200
    assert province.agent.sync().status_code == 200


ENROL = {"code": "x", "centre": "T01", "public_key": "AAAA", "agent_version": "1"}


@pytest.mark.parametrize(
    "body",
    [
        [],
        {},
        {**ENROL, "code": 1},
        {**ENROL, "code": "\ud800"},
        {**ENROL, "agent_version": "\x00"},
        {**ENROL, "centre": "\x00"},
        {**ENROL, "public_key": "§"},
        {**ENROL, "public_key": "A" * 1_000},
        {**ENROL, "x": 1},
        ENROL,
    ],
    ids=lambda body: ascii(body)[:60],
)
def test_an_absurd_enrolment_is_refused(province: Province, body: object) -> None:
    code = issue_enrolment_code(province.world.centre_id, actor=SYSTEM, now=province.clock.now)
    if isinstance(body, dict) and body.get("code") == "x":
        body = {**body, "code": code}

    answer = Client(raise_request_exception=False).post(
        "/agent/v1/enrol", data=json.dumps(body), content_type="application/json"
    )

    assert answer.status_code in (401, 422), answer.content.decode()
    is_problem(answer, answer.status_code)
    assert province.agent.sync().status_code == 200, "the old key is still the one"
