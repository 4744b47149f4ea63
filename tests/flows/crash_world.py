"""The province of the crash test, and what its books must say afterwards."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any

from django.db.models import Sum

from jinsuan.agent.config import write_config
from jinsuan.agent.engines.embedded import VirtualNode
from jinsuan.agent.http import enrol
from jinsuan.agent.keys import make_key, save_key
from jinsuan.dispatch.models import Attempt, Job
from jinsuan.entrypoints import clock
from jinsuan.kernel.money import Money
from jinsuan.kernel.ref import Role
from jinsuan.ledger.queries import balances_of_kind, check_book
from jinsuan.metering.actions import set_tariff
from jinsuan.metering.models import Charge, Meter
from jinsuan.metering.rating import CPU, MEMORY, card
from jinsuan.registry.actions.agents import issue_enrolment_code, issue_token
from jinsuan.registry.actions.centres import register_centre
from jinsuan.registry.models import AgentChannel, Card, Node, Reservation
from jinsuan.registry.queries import centre_id
from jinsuan.vouchers.actions import book_top_up
from tests.flows.world import SYSTEM, give_voucher, make_world

MODEL = "T4-16GB"
PRICES = {card(MODEL): 3_600_000, CPU: 3_600_000, MEMORY: 360_000}
"""A card-second costs a fen, so that a few seconds are real money."""


def code(number: int) -> str:
    return f"K{number:02d}"


def register(centres: int) -> str:
    """Centres, a tenant with cash and a voucher; returns its token."""
    now = clock.now()
    world = make_world(now=now, centre="T01", cash="0", voucher="0")
    silent = centre_id("T01")  # nobody speaks for it, and nothing may be placed there
    assert silent is not None
    AgentChannel.objects.filter(centre=silent).update(last_seen_at=None)
    for number in range(centres):
        ref = register_centre(
            code=code(number),
            name=f"崩溃测试中心 {number}",
            owner=world.provider,
            adcode="140100",
            kind="智算",
            network="",
            industry="",
            effective_from=date(2025, 1, 1),
            actor=SYSTEM,
            now=now,
        )
        set_tariff(ref.id, PRICES, effective_on=now.date(), reason="测试", actor=SYSTEM, now=now)
    give_voucher(world, "50", now)
    book_top_up(
        tenant=world.tenant,
        amount=Money.yuan("100000"),
        bank_reference="CRASH1",
        actor=world.treasury,
        now=now,
    )
    assert world.researcher.person is not None
    return issue_token(
        person=world.researcher.person,
        organisation=world.tenant,
        role=Role.TENANT,
        scopes=["jobs:read", "jobs:write"],
        label="crash",
        expires_at=now + timedelta(days=1),
        actor=world.researcher,
        now=now,
    )


def enrol_agent(folder: Path, url: str, number: int, *, nodes: int) -> None:
    """A state folder with a key that the platform knows."""
    machines = [
        VirtualNode(
            name=f"{code(number)}-{n}", model=MODEL, cards=8, cpu_milli=32_000, memory_mib=65_536
        )
        for n in range(nodes)
    ]
    write_config(folder, server=url, centre=code(number), nodes=machines)
    centre = centre_id(code(number))
    assert centre is not None
    once = issue_enrolment_code(centre, actor=SYSTEM, now=clock.now())
    key = make_key()
    enrol(url, once, code(number), key=key, agent_version="crash")
    save_key(folder, key)


def books() -> dict[str, Any]:
    """Everything that must be even after the storm."""
    check = check_book()
    captured = sum(b.available.fen for b in balances_of_kind("payable").values())
    return {
        "jobs": Job.objects.count(),
        "outcomes": sorted(set(Job.objects.values_list("outcome", flat=True))),
        "why": sorted(set(Job.objects.exclude(outcome="succeeded").values_list("why", flat=True)))[
            :5
        ],
        "live_attempts": Attempt.objects.exclude(state="ended").count(),
        "differences": list(check.differences),
        "transfers": check.transfers,
        "held_fen": sum(b.available.fen for b in balances_of_kind("hold").values()),
        "captured_fen": captured,
        "charged_fen": Charge.objects.aggregate(sum=Sum("amount_fen"))["sum"],
        "metered_fen": Meter.objects.aggregate(sum=Sum("charged_fen"))["sum"],
        "reservations": Reservation.objects.count(),
        "reserved": [
            Node.objects.aggregate(s=Sum("cpu_reserved_milli"))["s"],
            Card.objects.aggregate(s=Sum("reserved_milli"))["s"],
        ],
    }
