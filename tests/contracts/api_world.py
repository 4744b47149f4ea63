"""Two tenants, two centres, tokens for everybody, and an agent that signs: for tests over HTTP."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.test import Client

from jinsuan.agent.keys import make_key, public_bytes
from jinsuan.casework.models import Case
from jinsuan.dispatch import actions as dispatch
from jinsuan.entrypoints import clock
from jinsuan.entrypoints.api.board import recent_board
from jinsuan.entrypoints.api.v1 import token_rate
from jinsuan.kernel.money import Money
from jinsuan.kernel.ref import Actor, Ref, Role
from jinsuan.protocol import envelope as names
from jinsuan.protocol.codec import encode
from jinsuan.protocol.envelope import Envelope
from jinsuan.protocol.messages import AttemptReport, SyncRequest, UsageReading
from jinsuan.protocol.states import AttemptState, EndCause
from jinsuan.registry.actions.agents import enrol, issue_enrolment_code, issue_token
from jinsuan.registry.actions.centres import register_centre
from jinsuan.registry.actions.people import register_bodies
from jinsuan.registry.models import Body
from jinsuan.registry.scopes import SCOPES
from jinsuan.vouchers.actions.apply import start_application
from jinsuan.vouchers.actions.grant import issue_granted
from jinsuan.vouchers.actions.issue import open_year
from jinsuan.vouchers.actions.redeem import start_redemption
from tests.flows.casework_world import recommender
from tests.flows.check_data import provide_check_data
from tests.flows.voucher_world import AFTER_NOTICE, Cast
from tests.flows.world import SYSTEM, World, make_world, organisation, person

START = datetime(2025, 9, 16, 1, 0, tzinfo=UTC)
SPEC: dict[str, Any] = {
    "name": "训练",
    "run": "true",
    "resources": {"accelerators": "T4:2", "cpus": 2, "memory": "1GB"},
    "max_duration": "1h",
}
SYNC = "/agent/v1/sync"


class Clock:
    """The business clock, moved by hand."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = START
        monkeypatch.setattr(clock, "now", lambda: self.now)

    def pass_by(self, seconds: int) -> datetime:
        self.now += timedelta(seconds=seconds)
        return self.now


@dataclass(slots=True)
class Caller:
    """A program with a token, speaking to the real views through the whole middleware."""

    token: str
    client: Client = field(default_factory=lambda: Client(raise_request_exception=False))

    def ask(self, method: str, path: str, body: object = None, **headers: str) -> Any:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.client.generic(
            method,
            f"/api/v1{path}",
            data=b"" if body is None else content,
            content_type="application/json",
            headers={"Authorization": f"Bearer {self.token}", **headers},
        )

    def get(self, path: str) -> Any:
        return self.ask("GET", path)

    def post(self, path: str, body: object, key: str | None = None) -> Any:
        return self.ask("POST", path, body, **({} if key is None else {"Idempotency-Key": key}))


@dataclass(slots=True)
class Agent:
    """A centre's agent that can also lie about any part of its envelope."""

    centre: str
    key: Ed25519PrivateKey
    clock: Clock
    boot: int = 1
    sequence: int = 0

    def sync(self, *reports: AttemptReport, **more: Any) -> Any:
        request = SyncRequest(protocol=1, agent_version="test", reports=reports, **more)
        return self.send(json.dumps(encode(request)).encode())

    def send(
        self,
        body: bytes,
        *,
        sent: bytes | None = None,
        path: str = SYNC,
        signed_path: str | None = None,
        key: Ed25519PrivateKey | None = None,
        centre: str | None = None,
        boot: int | None = None,
        sequence: int | None = None,
        skew: int = 0,
    ) -> Any:
        """Sign `body` and send it, or send `sent` in its place."""
        self.sequence += 1
        envelope = Envelope(
            method="POST",
            path=signed_path or path,
            centre=centre or self.centre,
            boot=self.boot if boot is None else boot,
            sequence=self.sequence if sequence is None else sequence,
            time=int(self.clock.now.timestamp()) + skew,
        )
        signature = (key or self.key).sign(envelope.signing_bytes(body))
        return Client(raise_request_exception=False).generic(
            "POST",
            path,
            data=body if sent is None else sent,
            content_type="application/json",
            headers={
                names.CENTRE: envelope.centre,
                names.BOOT: str(envelope.boot),
                names.SEQUENCE: str(envelope.sequence),
                names.TIME: str(envelope.time),
                names.SIGNATURE: base64.b64encode(signature).decode(),
            },
        )


@dataclass(slots=True)
class Province:
    """A world with tokens and agents."""

    world: World
    clock: Clock
    stranger: Actor
    mine: Caller
    theirs: Caller
    agent: Agent
    other_agent: Agent

    def cases(self) -> dict[str, str]:
        """One real thing of mine for every parameter of cases and pools."""
        return make_cases(self.world, START)

    def caller(self, actor: Actor, *scopes: str, days: int = 30) -> Caller:
        """A program of somebody, with all scopes unless some are named."""
        return Caller(give_token(actor, *scopes, now=self.clock.now, days=days))

    def order(self, key: str = "order", **more: Any) -> str:
        """Order a job over the API; its id."""
        answer = self.mine.post("/jobs", {**SPEC, "name": key, **more}, key)
        assert answer.status_code == 201, answer.content.decode()
        return str(answer.json()["id"])

    def lease(self) -> dict[str, Any]:
        """Place what waits and let the agent fetch its one lease."""
        dispatch.place_queued(now=self.clock.now)
        (lease,) = self.agent.sync().json()["leases"]
        return dict(lease)

    def run(self, key: str = "order", seconds: int = 1800) -> str:
        """A job from order to settlement."""
        job = self.order(key)
        lease = self.lease()
        self.clock.pass_by(seconds)
        end = report(lease, 1, AttemptState.ENDED, at=self.clock.now, used=seconds)
        assert self.agent.sync(end).status_code == 200
        dispatch.settle(now=self.clock.now)
        return job


def give_token(actor: Actor, *scopes: str, now: datetime, days: int = 30) -> str:
    assert actor.person is not None and actor.organisation is not None
    return issue_token(
        person=actor.person,
        organisation=actor.organisation,
        role=actor.role,
        scopes=scopes or tuple(SCOPES),
        label="测试",
        expires_at=now + timedelta(days=days),
        actor=SYSTEM,
        now=now,
    )


def make_cases(world: World, now: datetime) -> dict[str, str]:
    """A draft application, a draft redemption of a granted voucher, and their year's pool."""
    body = Body.objects.filter(code="140100").first()
    if body is None:
        register_bodies(actor=SYSTEM, now=now)
        body = Body.objects.get(code="140100")
    money = Money.yuan("1000000")
    open_year(
        pack="beijing-2023-ai-voucher", rule="b01", number=2025, pool=money,
        actor=world.officer, now=now,
    )  # fmt: skip
    city = recommender("city", organisation(8, "太原局", now), body.id)
    payer = person("payer", organisation(9, "财政厅", now), Role.TREASURY, now)
    cast = Cast(
        world=world, body=body.id, tenant=world.researcher, provider=payer, city=city,
        officer=world.officer, second=world.officer, payer=payer, checker=payer,
        pack="beijing-2023-ai-voucher",
    )  # fmt: skip
    provide_check_data(world.provider, world.tenant, now=now)
    first = cast.apply("HT-1")
    cast.recommend(first)
    cast.approve(first, chosen=Money.yuan("1500"))
    voucher = issue_granted(first, actor=SYSTEM, now=AFTER_NOTICE)
    redemption = start_redemption(
        voucher.id,
        through=AFTER_NOTICE.date() - timedelta(days=1),
        actor=cast.tenant,
        now=AFTER_NOTICE,
    )
    draft = start_application(
        programme="2025:b01",
        body=body.id,
        terms=cast.terms("HT-2", "9000", now),
        purpose="训练",
        related=False,
        answers={},
        actor=cast.tenant,
        now=now,
    )
    numbers = dict(Case.objects.values_list("id", "number"))
    return {
        "application_number": numbers[draft.id],
        "redemption_number": numbers[redemption.id],
        "pool_id": "2025:b01",
    }


def report(
    lease: dict[str, Any],
    revision: int,
    state: AttemptState,
    *,
    at: datetime,
    used: int = 0,
    usage: tuple[UsageReading, ...] | None = None,
    **more: Any,
) -> AttemptReport:
    """A truthful report after `used` seconds of two T4, unless `usage` says otherwise."""
    if usage is None:
        usage = tuple(
            UsageReading(resource=r, milli_unit_seconds=milli * used, occurred_at=at)
            for r, milli in (("card:T4", 2000), ("cpu_core", 2000), ("memory_gib", 1000))
        )
    if state is AttemptState.ENDED:
        more = {"exit_code": 0, "cause": EndCause.EXITED, "ended_at": at, **more}
    return AttemptReport(
        attempt=lease["attempt"],
        fencing=more.pop("fencing", lease["fencing"]),
        revision=revision,
        state=state,
        started_at=START,
        usage=usage if used or usage else (),
        **more,
    )


def enrolled(code: str, centre: UUID, moved: Clock) -> Agent:
    """An agent with a registered key."""
    key = make_key()
    secret = issue_enrolment_code(centre, actor=SYSTEM, now=moved.now)
    enrol(
        code=secret,
        centre_code=code,
        public_key=public_bytes(key),
        agent_version="test",
        now=moved.now,
    )
    return Agent(centre=code, key=key, clock=moved)


def make_province(moved: Clock) -> Province:
    """Everything that a test over HTTP needs."""
    now = moved.now
    world = make_world(now=now)
    other_tenant = organisation(11, "丁公司", now)
    stranger = person("stranger", other_tenant, Role.TENANT, now)
    other_centre: Ref = register_centre(
        code="T02",
        name="别家中心",
        owner=organisation(12, "戊算力", now),
        adcode="140200",
        kind="智算",
        network="",
        industry="",
        effective_from=date(2025, 1, 1),
        actor=SYSTEM,
        now=now,
    )
    return Province(
        world=world,
        clock=moved,
        stranger=stranger,
        mine=Caller(give_token(world.researcher, now=now)),
        theirs=Caller(give_token(stranger, now=now)),
        agent=enrolled(world.centre, world.centre_id, moved),
        other_agent=enrolled("T02", other_centre.id, moved),
    )


@contextmanager
def fresh_caches() -> Iterator[None]:
    """No board and no bucket of the test before."""
    recent_board.forget()
    token_rate.forget()
    yield
    recent_board.forget()
