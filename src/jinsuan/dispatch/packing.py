"""Which nodes of one cluster a job should use so that the least is wasted. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from uuid import UUID

import numpy as np

from jinsuan.dispatch.demand import Demand, Mix
from jinsuan.dispatch.least_waste import LeastWaste
from jinsuan.dispatch.rooms import Room, Rooms
from jinsuan.dispatch.scoring import NEVER, ScoreTable
from jinsuan.protocol.spec import Accelerators, JobSpec
from jinsuan.registry.capacity import NodeFree, Share

ENOUGH = 200
"""So many past jobs must be known before their mix is trusted."""


@lru_cache(maxsize=4)
def least_waste_for(mix: Mix) -> LeastWaste:
    """The policy of a mix; its tables are made once, as the mix changes once a day."""
    return LeastWaste(mix)


def demand_of(spec: JobSpec, choice: Accelerators | None) -> Demand:
    """What the job asks of one node."""
    need = spec.resources
    if choice is None:
        return Demand(need.cpu_milli, need.memory_mib, 0, 0)
    model = (choice.model,)
    return Demand(need.cpu_milli, need.memory_mib, choice.count, choice.card_milli, model)


class Packing:
    """The nodes of one cluster during one round, by name, and their scores for jobs."""

    def __init__(self, nodes: Sequence[NodeFree], policy: LeastWaste) -> None:
        self._nodes = sorted(nodes, key=lambda node: node.name)
        self._number = {node.id: i for i, node in enumerate(self._nodes)}
        self._table = ScoreTable(Rooms([_room(node) for node in self._nodes]), policy)

    def best(self, job: Demand, count: int) -> list[tuple[UUID, tuple[int, ...]]]:
        """So many nodes that waste least, with the cards that would be used; fewer if fewer fit."""
        row = self._table.row(job)
        order = np.argsort(-row.astype(np.int64), kind="stable")[:count]
        return [
            (self._nodes[node].id, self._table.cards(job, node))
            for node in order.tolist()
            if row[node] != NEVER
        ]

    def take(self, share: Share) -> None:
        """Use the share up."""
        milli = share.card_milli if share.cards else 0
        used = Demand(share.cpu_milli, share.memory_mib, len(share.cards), milli)
        self._table.take(self._number[share.node_id], used, share.cards)


def _room(node: NodeFree) -> Room:
    return Room(
        model=node.model or "",
        cpu_milli=max(0, node.cpu_free_milli),
        memory_mib=max(0, node.memory_free_mib),
        cards=tuple(max(0, milli) for milli in node.cards_free_milli),
    )
