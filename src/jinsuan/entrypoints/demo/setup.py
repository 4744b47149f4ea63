"""Put the demo's province into the database and its agents into folders. Again finds it done."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

from jinsuan.agent.config import write_config
from jinsuan.agent.engines.embedded import VirtualNode
from jinsuan.agent.http import enrol
from jinsuan.agent.keys import FILE as KEY_FILE, make_key, save_key
from jinsuan.agent.main import agent_version
from jinsuan.entrypoints.demo.province import Centre, Person, Province, make_province
from jinsuan.kernel.period import beijing_date
from jinsuan.kernel.ref import Actor, Role
from jinsuan.metering.actions import set_tariff
from jinsuan.registry.actions.agents import issue_enrolment_code, issue_token
from jinsuan.registry.actions.centres import register_centre
from jinsuan.registry.actions.people import give_role, register_organisation, register_person
from jinsuan.registry.queries import centre_id, holders, is_registered
from jinsuan.registry.scopes import SCOPES

SETUP = Actor.system("demo")
CUSTOMER = "researcher"
"""Who orders in the story."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """The province, ready to be used.

    Args:
        token: an API token of the person who orders.
        log_ins: log-in name and what it is for, with the password.
    """

    facts: tuple[tuple[str, str], ...]
    token: str
    log_ins: tuple[tuple[str, str], ...]


def prepare_province(*, now: datetime, folder: Path) -> Ready:
    """Register everybody and everything, once, and give out a token for this run."""
    province = make_province()
    password = _password(folder)
    if not is_registered(CUSTOMER):
        # Two months ago, so that people could act before today's story begins.
        _register(province, password, now - timedelta(days=60))
    nodes = sum(len(centre.nodes) for centre in province.centres)
    cards = sum(node.cards for centre in province.centres for node in centre.nodes)
    return Ready(
        facts=(
            ("机构", f"{len(province.organisations)} 个，人员 {len(province.people)} 名"),
            ("算力中心", f"{len(province.centres)} 个，节点 {nodes} 个，加速卡 {cards} 张"),
        ),
        token=token_of(demo_actor(Role.TENANT), now=now),
        log_ins=tuple(_log_in(person, province, password) for person in province.people),
    )


def _register(province: Province, password: str, now: datetime) -> None:
    today = beijing_date(now)
    organisations: dict[str, UUID] = {}
    for organisation in province.organisations:
        organisations[organisation.key] = register_organisation(
            uscc=organisation.uscc,
            name=organisation.name,
            kind=organisation.kind,
            adcode=organisation.adcode,
            actor=SETUP,
            now=now,
        ).id
    for centre in province.centres:
        ref = register_centre(
            code=centre.code,
            name=centre.name,
            owner=organisations[centre.owner],
            adcode=centre.adcode,
            kind=centre.kind,
            network=centre.network,
            industry=centre.industry,
            effective_from=today,
            actor=SETUP,
            now=now,
        )
        set_tariff(
            ref.id, centre.prices, effective_on=today, reason="演示价目", actor=SETUP, now=now
        )
    # People come last: their presence says that everything before them is there.
    for person in province.people:
        row = register_person(
            username=person.username,
            display_name=person.name,
            password=password,
            actor=SETUP,
            now=now,
        )
        give_role(
            person=row.id,
            organisation=organisations[person.organisation],
            role=person.role,
            effective_from=today,
            actor=SETUP,
            now=now,
        )


def _log_in(person: Person, province: Province, password: str) -> tuple[str, str]:
    names = {o.key: o.name for o in province.organisations}
    return person.username, f"{password}  {names[person.organisation]}，{person.name}"


def demo_actor(role: Role) -> Actor:
    """The demo's person in this role; of several, the first registered."""
    found = holders(role)
    assert found, f"the demo has nobody as {role}"
    return replace(found[0], via="demo")


def token_of(actor: Actor, *, now: datetime) -> str:
    """A token of this run for somebody of the demo."""
    assert actor.person is not None and actor.organisation is not None
    return issue_token(
        person=actor.person,
        organisation=actor.organisation,
        role=actor.role,
        scopes=tuple(SCOPES),
        label="演示",
        expires_at=now + timedelta(days=1),
        actor=actor,
        now=now,
    )


def make_agents(folder: Path, url: str, *, now: Callable[[], datetime]) -> list[Path]:
    """A state folder for each centre's agent, enrolled with the running platform."""
    folders = []
    for centre in make_province().centres:
        state = folder / "agents" / centre.code
        folders.append(state)
        write_config(state, server=url, centre=centre.code, nodes=_machines(centre))
        if not (state / KEY_FILE).exists():
            _enrol(state, url, centre.code, now())
    return folders


def _machines(centre: Centre) -> tuple[VirtualNode, ...]:
    return tuple(
        VirtualNode(
            name=node.name,
            model=node.model,
            cards=node.cards,
            cpu_milli=node.cpu_milli,
            memory_mib=node.memory_mib,
        )
        for node in centre.nodes
    )


def _enrol(state: Path, url: str, code: str, now: datetime) -> None:
    centre = centre_id(code)
    assert centre is not None, code
    once = issue_enrolment_code(centre, actor=SETUP, now=now)
    key = make_key()
    enrol(url, once, code, key=key, agent_version=agent_version())
    save_key(state, key)


def _password(folder: Path) -> str:
    """One password for all log-ins of this demo, made once and kept beside its database."""
    path = folder / "password"
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(secrets.token_urlsafe(9), "ascii")
    return path.read_text("ascii")
