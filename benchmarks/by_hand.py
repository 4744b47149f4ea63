"""Agent messages made by hand: every lease runs at once and ends well."""

from __future__ import annotations

from datetime import datetime, timedelta

from jinsuan.agent.usage import readings
from jinsuan.dispatch import actions as dispatch
from jinsuan.dispatch.pace import SyncPace
from jinsuan.protocol.messages import AttemptReport, Lease, SyncRequest
from jinsuan.protocol.states import AttemptState, EndCause
from jinsuan.registry.queries import free_capacity


def speak_for_all(*, now: datetime, seconds: int) -> None:
    """For every centre: take its leases, and report that they ran so long and ended with 0."""
    later = now + timedelta(seconds=seconds)
    for cluster in free_capacity(now=now):
        centre, code = cluster.centre_id, cluster.centre_code
        answer = dispatch.sync(
            centre, code, SyncRequest(protocol=1, agent_version="bench"), pace=SyncPace(), now=now
        )
        reports = tuple(_ended(lease, now, later) for lease in answer.leases)
        dispatch.sync(
            centre,
            code,
            SyncRequest(protocol=1, agent_version="bench", reports=reports),
            pace=SyncPace(),
            now=later,
        )


def _ended(lease: Lease, began: datetime, ended: datetime) -> AttemptReport:
    return AttemptReport(
        attempt=lease.attempt,
        fencing=lease.fencing,
        revision=1,
        state=AttemptState.ENDED,
        allocation=lease.nodes,
        started_at=began,
        ended_at=ended,
        exit_code=0,
        cause=EndCause.EXITED,
        usage=readings(lease.nodes, lease.work.model, started_at=began, until=ended, before={}),
    )
