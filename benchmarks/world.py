"""A province for the benchmarks that need no trace: as many centres, nodes and cards as openb's."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from jinsuan.entrypoints.replay.province import Centre, Machine
from jinsuan.entrypoints.replay.setup import Tenant, register
from jinsuan.protocol.messages import NodeOffer, Offer
from jinsuan.registry.actions.capacity import apply_inventory
from jinsuan.registry.models import AgentChannel
from jinsuan.registry.queries import centre_id

# Centres, nodes each, card model, cards per node, cores and GiB per node.
SHAPE = (
    (6, 92, "G2", 8, 96, 384),
    (5, 81, "T4", 2, 104, 512),
    (2, 67, "P100", 2, 32, 160),
    (2, 43, "V100M32", 8, 92, 700),
    (1, 39, "G3", 8, 128, 768),
    (4, 78, None, 0, 64, 340),
)
CITY = ("140100", "太原")


def centres() -> tuple[Centre, ...]:
    """Twenty centres, some 1,500 nodes and 6,300 cards."""
    made: list[Centre] = []
    for count, nodes, model, cards, cores, gib in SHAPE:
        for _ in range(count):
            code = f"B{len(made) + 1:02d}"
            machines = tuple(
                Machine(
                    name=f"{code.lower()}-{n:03d}",
                    cpu_milli=cores * 1000,
                    memory_mib=gib * 1024,
                    cards=cards,
                    model=model,
                )
                for n in range(nodes)
            )
            made.append(
                Centre(
                    code=code,
                    name=f"测试中心{code}",
                    adcode=CITY[0],
                    city=CITY[1],
                    kind="智算" if model else "通算",
                    machines=machines,
                )
            )
    return tuple(made)


def fill(now: datetime) -> list[Tenant]:
    """Put it into an empty database, machines included; who may order."""
    from jinsuan.dispatch.actions import agent_actor

    province = centres()
    tenants = register(province, speed=1, now=now)
    for centre in province:
        pk = centre_id(centre.code)
        assert pk is not None
        apply_inventory(pk, [offer(centre)], actor=agent_actor(centre.code), now=now)
    # As if their agents had just spoken: a silent centre gets no jobs.
    AgentChannel.objects.update(last_seen_at=now)
    return tenants


def offer(centre: Centre) -> Offer:
    """What the centre's agent would report."""
    return Offer(
        cluster="embedded",
        engine="embedded",
        card_share=True,
        nodes=tuple(
            NodeOffer(
                name=m.name,
                model=m.model,
                cards_free_milli=(1000,) * m.cards,
                cpu_milli=m.cpu_milli,
                cpu_free_milli=m.cpu_milli,
                memory_mib=m.memory_mib,
                memory_free_mib=m.memory_mib,
            )
            for m in centre.machines
        ),
    )


MODELS = ("G2", "G3", "P100", "T4", "V100M32")


def orders(count: int) -> Sequence[dict[str, Any]]:
    """Orders of the trace's mixture: shares of a card, whole cards, several, none."""
    kinds: tuple[dict[str, Any], ...] = (
        {"accelerators": [f"{m}:1" for m in MODELS], "cpus": "11.4", "memory": "48128MiB"},
        {"accelerators": [f"{m}:0.47" for m in MODELS], "cpus": "8", "memory": "30517MiB"},
        {"accelerators": [f"{m}:1" for m in MODELS], "cpus": "3.152", "memory": "5600MiB"},
        {"accelerators": [f"{m}:0.81" for m in MODELS], "cpus": "3.152", "memory": "5600MiB"},
        {"accelerators": [f"{m}:8" for m in MODELS], "cpus": "64", "memory": "256GB"},
        {"cpus": "32", "memory": "49152MiB"},
    )
    return [
        {
            "name": f"bench-{i:05d}",
            "run": "sleep 1",
            "resources": kinds[i % len(kinds)],
            "max_duration": "10m",
        }
        for i in range(count)
    ]
