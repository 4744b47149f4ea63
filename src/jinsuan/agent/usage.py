"""What one attempt has used so far, from the engine's own allocation and times. Pure; integers only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from jinsuan.kernel.quantity import MILLI
from jinsuan.protocol.messages import NodeShare, UsageReading

CPU = "cpu_core"
MEMORY = "memory_gib"
MIB_PER_GIB = 1024


def held(allocation: Sequence[NodeShare], model: str | None) -> dict[str, int]:
    """Thousandths of a unit held of each resource, over all nodes.

    Memory is rounded down once, over the sum, as the platform does when it prices an order.
    """
    found = {
        CPU: sum(share.cpu_milli for share in allocation),
        MEMORY: sum(share.memory_mib for share in allocation) * MILLI // MIB_PER_GIB,
    }
    if model is not None:
        found[f"card:{model}"] = sum(len(s.cards) * s.card_milli for s in allocation)
    return found


def readings(
    allocation: Sequence[NodeShare],
    model: str | None,
    *,
    started_at: datetime,
    until: datetime,
    before: Mapping[str, int],
) -> tuple[UsageReading, ...]:
    """Cumulative use from the start until a time, never less than was said before.

    Args:
        before: milli-unit-seconds of the last reading per resource. A clock that was set back may
            not take away what has been reported.
    """
    elapsed_ms = max(0, (until - started_at) // timedelta(milliseconds=1))
    return tuple(
        UsageReading(
            resource=resource,
            milli_unit_seconds=max(before.get(resource, 0), milli * elapsed_ms // 1000),
            occurred_at=until,
        )
        for resource, milli in sorted(held(allocation, model).items())
    )


def elapsed_ms(allocation: Sequence[NodeShare], used: Mapping[str, int]) -> int:
    """How long the allocation must have been held to have used this much, in milliseconds."""
    cpu_milli = sum(share.cpu_milli for share in allocation)
    return used.get(CPU, 0) * 1000 // cpu_milli if cpu_milli else 0
