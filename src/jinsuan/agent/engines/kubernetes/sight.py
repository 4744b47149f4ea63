"""What one look at the cluster brings, and what a Job says of the work in it. No call in here."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from jinsuan.agent.engines.embedded.room import Room
from jinsuan.agent.engines.kubernetes.record import Record
from jinsuan.agent.engines.kubernetes.room import pick_cards
from jinsuan.agent.engines.kubernetes.spec import ASKED
from jinsuan.protocol.codec import decode
from jinsuan.protocol.messages import NodeShare, Observation, Work


@dataclass(slots=True)
class Sight:
    """All that has not been written down as ended.

    Args:
        pods: by key, then by name.
        seen: how each Job stands, as far as it has been looked at.
        free: what gangs may still get in this look; None until one asks.
    """

    jobs: dict[str, Any] = field(default_factory=dict)
    pods: dict[str, dict[str, Any]] = field(default_factory=dict)
    records: dict[str, Record] = field(default_factory=dict)
    seen: dict[str, Observation] = field(default_factory=dict)
    free: Room | None = None


def work_of(job: Mapping[str, Any]) -> Work:
    """What a Job asks for; its script and variables are left out."""
    return decode(Work, json.loads(job["metadata"]["annotations"][ASKED]))


def shares(job: Mapping[str, Any], nodes: Sequence[str], sight: Sight) -> tuple[NodeShare, ...]:
    """What each rank holds, with numbers for its cards that no other open work has."""
    work = work_of(job)
    found: list[NodeShare] = []
    for node in nodes:
        taken = [
            card
            for record in sight.records.values()
            for share in record.shares
            if share.node == node and record.end is None
            for card in share.cards
        ]
        found.append(
            NodeShare(
                node=node,
                cpu_milli=work.cpu_milli,
                memory_mib=work.memory_mib,
                cards=pick_cards(work.cards, taken),
            )
        )
    return tuple(found)


def stamp(instant: datetime) -> str:
    """An instant as Kubernetes writes it."""
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
