"""The nodes of a Ray cluster as an offer has them. Pure.

Ray counts cards as GPU or NPU and knows no model. A centre says the model by a resource of that name
with as many units (`ray start --resources '{"H800": 8}'`), or Ray itself says `accelerator_type:T4`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from jinsuan.agent.engines.embedded.room import Room, VirtualNode
from jinsuan.protocol.messages import NodeShare

KINDS = ("GPU", "NPU")
_ACCELERATOR = "accelerator_type:"
_OTHERS = ("CPU", "memory", "object_store_memory", *KINDS)


@dataclass(frozen=True, slots=True, kw_only=True)
class RayNode:
    """One node.

    Args:
        number: Ray's own id. address: under which Ray has a resource for it.
        kind: GPU or NPU, None without cards. named: the resource that says the model, if one does.
    """

    number: str
    address: str
    node: VirtualNode
    kind: str | None
    named: str | None

    @property
    def has_gpu(self) -> bool:
        return self.kind == "GPU"

    @property
    def card_resources(self) -> tuple[str, ...]:
        """What work with cards must ask for beside GPU."""
        return tuple(name for name in (self.kind, self.named) if name not in (None, "GPU"))


def read_nodes(rows: Iterable[Mapping[str, Any]]) -> dict[str, RayNode]:
    """Living nodes by name. Of two with the same name each gets a piece of its id."""
    found: dict[str, RayNode] = {}
    alive = [row for row in rows if row["state"] == "ALIVE"]
    names = [str(row.get("node_name") or row["node_ip"]) for row in alive]
    for row, name in zip(alive, names, strict=True):
        own = name if names.count(name) == 1 else f"{name}-{row['node_id'][:6]}"
        found[own] = _node(own, row)
    return dict(sorted(found.items()))


def _node(name: str, row: Mapping[str, Any]) -> RayNode:
    total: Mapping[str, Any] = row["resources_total"]
    kind = next((kind for kind in KINDS if total.get(kind)), None)
    cards = int(total[kind]) if kind else 0
    own = [
        resource
        for resource, amount in sorted(total.items())
        if not resource.startswith(("node:", _ACCELERATOR))
        and resource not in _OTHERS
        and amount == cards
    ]
    named = own[0] if cards and own else None
    known = [r.removeprefix(_ACCELERATOR) for r in total if r.startswith(_ACCELERATOR)]
    model = named or (known[0] if known else kind)
    return RayNode(
        number=row["node_id"],
        address=row["node_ip"],
        kind=kind,
        named=named,
        node=VirtualNode(
            name=name,
            cpu_milli=int(total.get("CPU", 0) * 1000),
            memory_mib=int(total.get("memory", 0)) // 2**20,
            model=model if cards else None,
            cards=cards,
        ),
    )


def take_others(
    room: Room, nodes: Mapping[str, RayNode], actors: Iterable[Mapping[str, Any]]
) -> None:
    """Take from the room what living actors of others hold; their cards from the highest down."""
    names = {node.number: name for name, node in nodes.items()}
    for actor in actors:
        name = names.get(actor.get("node_id") or "")
        held: Mapping[str, Any] = actor.get("required_resources") or {}
        if name is None or not held:
            continue
        kind = nodes[name].kind
        number = -int(-held.get(kind, 0) // 1) if kind else 0
        free = next(offer for offer in room.offers() if offer.name == name).cards_free_milli
        cards = [card for card, milli in enumerate(free) if milli > 0]
        room.take(
            [
                NodeShare(
                    node=name,
                    cpu_milli=int(held.get("CPU", 0) * 1000),
                    memory_mib=int(held.get("memory", 0)) // 2**20,
                    cards=tuple(cards[len(cards) - number :] if number else ()),
                )
            ]
        )
