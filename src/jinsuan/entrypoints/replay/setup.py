"""Put the replayed province into an empty database, and its agents into folders."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from uuid import UUID

from jinsuan.agent.config import write_config
from jinsuan.agent.engines.embedded import VirtualNode
from jinsuan.agent.http import enrol
from jinsuan.agent.keys import make_key, save_key
from jinsuan.agent.main import agent_version
from jinsuan.entrypoints.replay.province import Centre, made_up_uscc
from jinsuan.kernel.money import Money
from jinsuan.kernel.period import beijing_date
from jinsuan.kernel.ref import Actor, Role
from jinsuan.metering.actions import set_tariff
from jinsuan.registry.actions.agents import issue_enrolment_code, issue_token
from jinsuan.registry.actions.centres import register_centre
from jinsuan.registry.actions.people import give_role, register_organisation, register_person
from jinsuan.registry.queries import centre_id
from jinsuan.vouchers.actions import book_top_up, issue, open_programme

SETUP = Actor.system("replay")
SCOPES = ("jobs:read", "jobs:write", "centres:read", "account:read")
TENANTS = 24
"""Several users, as in the trace; every second one has a voucher."""
CASH, FACE, POOL = Money.yuan("50000000"), Money.yuan("2000000"), Money.yuan("50000000")
CAPITAL = "140100"
RATE = Fraction(3, 10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenant:
    """Somebody who orders.

    Args:
        token: shown to nobody but the replay's own client.
    """

    organisation: UUID
    token: str


def register(centres: Sequence[Centre], *, speed: int, now: datetime) -> list[Tenant]:
    """Everybody and everything but the machines: those their agents report themselves."""
    today = beijing_date(now)
    owners: dict[str, UUID] = {}
    for centre in centres:
        if centre.city not in owners:
            name = f"回放{centre.city}算力企业（虚构）"
            owners[centre.city] = _organisation(100 + len(owners), name, centre.adcode, now)
        ref = register_centre(
            code=centre.code,
            name=centre.name,
            owner=owners[centre.city],
            adcode=centre.adcode,
            kind=centre.kind,
            network="",
            industry="",
            effective_from=today,
            actor=SETUP,
            now=now,
        )
        set_tariff(
            ref.id,
            centre.prices(speed),
            effective_on=today,
            reason=f"回放价目（虚构），按时间倍数 {speed} 放大",
            actor=SETUP,
            now=now,
        )
    bureau = _organisation(1, "回放省数据局（虚构）", CAPITAL, now)
    officer = _person("replay-officer", bureau, Role.PROVINCIAL_OFFICER, now)
    treasury = _person("replay-treasury", bureau, Role.TREASURY, now)
    open_programme(
        code=f"{today.year}:m09",
        title=f"{today.year} 年度算力券（回放）",
        document="晋政办发〔2024〕35号",
        article="（九）",
        opens_on=date(today.year, 1, 1),
        closes_on=date(today.year, 12, 31),
        rate=RATE,
        pool=POOL,
        actor=officer,
        now=now,
    )
    return [_tenant(number, officer, treasury, now) for number in range(1, TENANTS + 1)]


def _organisation(number: int, name: str, adcode: str, now: datetime) -> UUID:
    return register_organisation(
        uscc=made_up_uscc(number), name=name, kind="company", adcode=adcode, actor=SETUP, now=now
    ).id


def _person(username: str, organisation: UUID, role: Role, now: datetime) -> Actor:
    ref = register_person(
        username=username, display_name=username, password=None, actor=SETUP, now=now
    )
    give_role(
        person=ref.id,
        organisation=organisation,
        role=role,
        effective_from=beijing_date(now),
        actor=SETUP,
        now=now,
    )
    return Actor(person=ref.id, organisation=organisation, role=role, via="replay")


def _tenant(number: int, officer: Actor, treasury: Actor, now: datetime) -> Tenant:
    organisation = _organisation(200 + number, f"回放用户{number:02d}（虚构）", CAPITAL, now)
    actor = _person(f"replay-user-{number:02d}", organisation, Role.TENANT, now)
    assert actor.person is not None
    book_top_up(
        tenant=organisation,
        amount=CASH,
        bank_reference=f"REPLAY{number:04d}",
        actor=treasury,
        now=now,
    )
    if number % 2:
        issue(
            programme=f"{beijing_date(now).year}:m09",
            tenant=organisation,
            face=FACE,
            expires_on=date(beijing_date(now).year, 12, 31),
            reason="回放",
            actor=officer,
            now=now,
        )
    token = issue_token(
        person=actor.person,
        organisation=organisation,
        role=Role.TENANT,
        scopes=SCOPES,
        label="回放",
        expires_at=now + timedelta(days=1),
        actor=actor,
        now=now,
    )
    return Tenant(organisation=organisation, token=token)


def make_agents(
    centres: Sequence[Centre], folder: Path, url: str, *, now: Callable[[], datetime]
) -> list[Path]:
    """A state folder for each centre's agent, enrolled with the running platform."""
    return [_agent(centre, folder / centre.code, url, now()) for centre in centres]


def _agent(centre: Centre, state: Path, url: str, now: datetime) -> Path:
    nodes = [
        VirtualNode(
            name=machine.name,
            model=machine.model,
            cards=machine.cards,
            cpu_milli=machine.cpu_milli,
            memory_mib=machine.memory_mib,
        )
        for machine in centre.machines
    ]
    write_config(state, server=url, centre=centre.code, nodes=nodes)
    pk = centre_id(centre.code)
    assert pk is not None, centre.code
    once, key = issue_enrolment_code(pk, actor=SETUP, now=now), make_key()
    enrol(url, once, centre.code, key=key, agent_version=agent_version())
    save_key(state, key)
    return state
