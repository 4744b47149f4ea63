"""A small world for flow tests: one provider with a centre, one tenant with money and a voucher."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from fractions import Fraction
from typing import Any
from uuid import UUID

from jinsuan.dispatch import actions as dispatch
from jinsuan.dispatch.actions.place import board_now
from jinsuan.kernel.money import Money
from jinsuan.kernel.period import beijing_date
from jinsuan.kernel.ref import Actor, Ref, Role
from jinsuan.kernel.uscc import check_character
from jinsuan.metering.actions import set_tariff
from jinsuan.metering.rating import CPU, MEMORY, card
from jinsuan.protocol.messages import NodeOffer, Offer
from jinsuan.protocol.parse import parse_spec
from jinsuan.registry.actions.capacity import apply_inventory
from jinsuan.registry.actions.centres import register_centre
from jinsuan.registry.actions.people import give_role, register_organisation, register_person
from jinsuan.registry.models import AgentChannel
from jinsuan.vouchers.actions import book_top_up, issue, open_programme

SYSTEM = Actor.system("test")
PRICES = {card("T4"): 350_000, CPU: 6_000, MEMORY: 1_000}


def uscc(number: int) -> str:
    """A code with a right check character."""
    body = f"91140000TES{number:06d}".replace("S", "T")
    return body + check_character(body)


@dataclass(slots=True)
class World:
    """What flow tests need to name."""

    centre_id: UUID
    centre: str
    provider: UUID
    tenant: UUID
    researcher: Actor
    officer: Actor
    treasury: Actor
    auditor: Actor

    def submit(
        self, *, cards: int = 1, nodes: int = 1, key: str, now: datetime, **more: Any
    ) -> Ref:
        """Order a job for T4 cards, or with `cards=0` for cores only."""
        accelerators = {"accelerators": f"T4:{cards}"} if cards else {}
        spec = parse_spec(
            {
                "name": key,
                "run": "true",
                "num_nodes": nodes,
                "resources": {**accelerators, "cpus": 2, "memory": "1GB"},
                "max_duration": "1h",
                **more,
            }
        )
        return dispatch.submit(
            spec, board=board_now(now=now), order_key=key, actor=self.researcher, now=now
        )

    def cancel(self, job: UUID, *, now: datetime) -> None:
        """Cancel as the tenant would."""
        dispatch.cancel(job, reason="不要了", actor=self.researcher, now=now)


def person(username: str, organisation: UUID, role: Role, now: datetime) -> Actor:
    """Somebody with one role."""
    ref = register_person(
        username=username, display_name=username, password=None, actor=SYSTEM, now=now
    )
    give_role(
        person=ref.id,
        organisation=organisation,
        role=role,
        effective_from=date(2025, 1, 1),
        actor=SYSTEM,
        now=now,
    )
    return Actor(person=ref.id, organisation=organisation, role=role, via="test")


def organisation(number: int, name: str, now: datetime) -> UUID:
    """An organisation with a valid code."""
    return register_organisation(
        uscc=uscc(number), name=name, kind="company", adcode="140100", actor=SYSTEM, now=now
    ).id


def make_world(
    *,
    now: datetime,
    centre: str = "T01",
    nodes: int = 2,
    cards: int = 4,
    cash: str = "100000",
    voucher: str = "1000",
) -> World:
    """Everything a job needs: a centre with T4 cards and prices, a tenant with money."""
    provider = organisation(1, "甲算力", now)
    tenant = organisation(2, "乙大学", now)
    bureau = organisation(3, "丙局", now)
    ref = register_centre(
        code=centre,
        name=f"测试中心 {centre}",
        owner=provider,
        adcode="140100",
        kind="智算",
        network="",
        industry="",
        effective_from=date(2025, 1, 1),
        actor=SYSTEM,
        now=now,
    )
    offer = Offer(
        cluster="main",
        engine="embedded",
        card_share=True,
        nodes=tuple(
            NodeOffer(
                name=f"n{i}",
                model="T4",
                cards_free_milli=(1000,) * cards,
                cpu_milli=64_000,
                cpu_free_milli=64_000,
                memory_mib=2**18,
                memory_free_mib=2**18,
            )
            for i in range(nodes)
        ),
    )
    apply_inventory(ref.id, [offer], actor=SYSTEM, now=now)
    # Flow tests speak for the agent, whose messages would show that it is in touch.
    AgentChannel.objects.filter(centre=ref.id).update(last_seen_at=now + timedelta(days=1))
    set_tariff(ref.id, PRICES, effective_on=beijing_date(now), reason="测试", actor=SYSTEM, now=now)
    world = World(
        centre_id=ref.id,
        centre=centre,
        provider=provider,
        tenant=tenant,
        researcher=person("researcher", tenant, Role.TENANT, now),
        officer=person("officer", bureau, Role.PROVINCIAL_OFFICER, now),
        treasury=person("treasury", bureau, Role.TREASURY, now),
        auditor=person("auditor", bureau, Role.AUDITOR, now),
    )
    if cash != "0":
        book_top_up(
            tenant=tenant,
            amount=Money.yuan(cash),
            bank_reference="BANK0001",
            actor=world.treasury,
            now=now,
        )
    if voucher != "0":
        give_voucher(world, voucher, now)
    return world


def give_voucher(world: World, face: str, now: datetime) -> Ref:
    """Open the year 2025 with a 30 % rate and issue one voucher."""
    open_programme(
        code="2025:m09",
        title="2025 年度算力券",
        document="晋政办发〔2024〕35号",
        article="（九）",
        opens_on=date(2025, 1, 1),
        closes_on=date(2025, 12, 31),
        rate=Fraction(3, 10),
        pool=Money.yuan("50000000"),
        actor=world.officer,
        now=now,
    )
    return issue(
        programme="2025:m09",
        tenant=world.tenant,
        face=Money.yuan(face),
        expires_on=date(2025, 12, 31),
        reason="测试发放",
        actor=world.officer,
        now=now,
    )
