"""Capacity as frozen values, for placement to think with. Pure; no Django here."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeFree:
    """What is free on one node.

    Args:
        cards_free_milli: free thousandths of each card, in card order; its length is the count.
        cpu_milli, memory_mib: what the node has in all; the `_free` fields what is left.
    """

    id: UUID
    name: str
    model: str | None
    cards_free_milli: tuple[int, ...]
    cpu_milli: int
    cpu_free_milli: int
    memory_mib: int
    memory_free_mib: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterFree:
    """One cluster of one centre and what is free there.

    Args:
        domestic: those of its card models that are domestic products.
        open: whether the centre takes orders now; `closed_reason` says why not.
        silent: whether its agent was not heard lately, so nobody can say what is free there.
    """

    id: UUID
    name: str
    engine: str
    centre_id: UUID
    centre_code: str
    centre_name: str
    city: str
    owner_id: UUID
    owner_name: str
    kind: str
    network: str
    domestic: frozenset[str]
    open: bool
    closed_reason: str
    silent: bool
    last_seen_at: datetime | None
    nodes: tuple[NodeFree, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """The part of one node that one attempt reserves."""

    node_id: UUID
    cards: tuple[int, ...]
    card_milli: int
    cpu_milli: int
    memory_mib: int
