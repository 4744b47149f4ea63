"""Answer one agent: take its reports and logs, give it leases, stops and questions."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from django.db import transaction

from jinsuan.dispatch.actions.ending import after_end, end_attempt
from jinsuan.dispatch.models import Attempt, LogPart
from jinsuan.dispatch.pace import SyncPace
from jinsuan.kernel.ref import Actor, Ref
from jinsuan.ledger.rows import update_rows
from jinsuan.ledger.statements import read
from jinsuan.metering import actions as metering
from jinsuan.protocol.codec import decode, encode
from jinsuan.protocol.errors import MessageInvalid
from jinsuan.protocol.messages import (
    PROTOCOL_VERSION,
    Ack,
    Ask,
    AttemptReport,
    Cancel,
    Lease,
    LogChunk,
    NodeShare,
    SyncRequest,
    SyncResponse,
    Work,
)
from jinsuan.protocol.states import AttemptState, JobState, is_later
from jinsuan.registry.actions import capacity
from jinsuan.registry.capacity import Share
from jinsuan.registry.queries import node_ids

log = structlog.get_logger(__name__)

MAX_LOG_BYTES = 16 * 1024 * 1024
"""Per attempt; what comes beyond it is acknowledged and dropped, so the agent moves on."""
GRACE_SECONDS = 15
MAX_LEASES_PER_SYNC = 200
QUIET = timedelta(minutes=5)
"""An agent speaks, but not of an attempt that it took over: its memory may be gone, so it is asked."""


def agent_actor(centre_code: str) -> Actor:
    """The platform itself, speaking for a centre's agent whose envelope was accepted."""
    return Actor.system(f"agent:{centre_code}")


def sync(
    centre: UUID, centre_code: str, request: SyncRequest, *, pace: SyncPace, now: datetime
) -> SyncResponse:
    """One round with a centre's agent. Any part of it may be a repeat.

    What was reported is written in one transaction. The answer is read after it, in one statement:
    most rounds report nothing and then write nothing.

    Raises:
        MessageInvalid: another protocol version, or an end without a cause.
    """
    if request.protocol != PROTOCOL_VERSION:
        raise MessageInvalid("$.protocol", f"平台支持版本 {PROTOCOL_VERSION}")
    actor = agent_actor(centre_code)
    reports = {_attempt_id(r.attempt): r for r in request.reports}
    chunks = [(_attempt_id(c.attempt), c) for c in request.logs]
    spoken_of = {*reports, *(attempt for attempt, _ in chunks)}
    attempts: dict[UUID, Attempt] = {}
    if spoken_of:
        with transaction.atomic():
            attempts = _locked(centre, spoken_of)
            _apply(attempts, reports, actor=actor, now=now)
            _keep_logs(attempts, chunks)
    acks = tuple(
        Ack(
            attempt=str(Ref("attempt", pk)),
            revision=reports[pk].revision if pk in reports else 0,
            log_bytes=attempts[pk].log_bytes if pk in attempts else 0,
        )
        for pk in sorted(spoken_of)
    )
    leases, cancels, asks = _to_tell(centre, now)
    return SyncResponse(
        now=now,
        interval_ms=pace.interval_ms,
        usage_interval_ms=pace.usage_interval_ms,
        leases=leases,
        cancels=cancels,
        asks=asks,
        acks=acks,
    )


def _attempt_id(text: str) -> UUID:
    try:
        ref = Ref.read(text)
    except ValueError as error:
        raise MessageInvalid("attempt", f"{text[:60]!r} 不是尝试编号") from error
    if ref.kind != "attempt":
        raise MessageInvalid("attempt", f"{text[:60]!r} 不是尝试编号")
    return ref.id


def _locked(centre: UUID, ids: set[UUID]) -> dict[UUID, Attempt]:
    """This centre's attempts among those spoken of, with their jobs, locked in id order.

    An attempt of another centre is left out, so nobody can report on a stranger's job.
    """
    rows = (
        Attempt.objects.select_for_update(no_key=True, of=("self", "job"))
        .select_related("job", "cluster")
        .filter(id__in=ids, cluster__centre=centre)
        .order_by("id")
    )
    found = {row.id: row for row in rows}
    if strangers := ids - found.keys():
        log.warning("agent.strange_attempts", centre=str(centre), count=len(strangers))
    return found


def _apply(
    attempts: Mapping[UUID, Attempt],
    reports: Mapping[UUID, AttemptReport],
    *,
    actor: Actor,
    now: datetime,
) -> None:
    changed: list[Attempt] = []
    ended: list[Attempt] = []
    readings: list[metering.Reading] = []
    for pk, attempt in attempts.items():
        report = reports.get(pk)
        # An older fencing token or revision was answered before: acknowledged, not applied.
        if report is None or report.fencing != attempt.number:
            continue
        if report.revision <= attempt.revision or attempt.state == AttemptState.ENDED:
            continue
        if report.state is AttemptState.ENDED and report.cause is None:
            raise MessageInvalid(f"{report.attempt}.cause", "结束的尝试必须说明原因")
        attempt.revision, attempt.reported_at = report.revision, now
        _move(attempt, report, now)
        changed.append(attempt)
        if attempt.state == AttemptState.ENDED:
            ended.append(attempt)
        readings += [
            metering.Reading(
                attempt=pk,
                resource=u.resource,
                milli_unit_seconds=u.milli_unit_seconds,
                occurred_at=u.occurred_at,
            )
            for u in report.usage
        ]
    if not changed:
        return
    update_rows(
        changed,
        [
            "state",
            "cause",
            "exit_code",
            "message",
            "revision",
            "reported_at",
            "started_at",
            "ended_at",
            "allocation",
        ],
    )
    update_rows(
        [attempt.job for attempt in changed],
        ["state", "outcome", "why", "started_at", "ended_at"],
    )
    if readings:
        metering.record(readings, now=now)
    after_end(ended, actor=actor, now=now)


def _move(attempt: Attempt, report: AttemptReport, now: datetime) -> None:
    """Carry one report over into the attempt and its job."""
    if report.started_at is not None:
        attempt.started_at = report.started_at
    if report.state is AttemptState.ENDED:
        end_attempt(attempt, report, now=now)
        return
    if report.allocation and encode(report.allocation) != attempt.allocation:
        _adopt_allocation(attempt, report.allocation, now)
    if not is_later(report.state, AttemptState(attempt.state)):
        return
    attempt.state = report.state
    job = attempt.job
    if report.state is AttemptState.RUNNING and job.state == JobState.PLACED:
        job.state, job.started_at = JobState.RUNNING, attempt.started_at
    job.why = ""


def _adopt_allocation(attempt: Attempt, allocation: Sequence[NodeShare], now: datetime) -> None:
    """The engine chose its own nodes: our reservation follows what is real."""
    attempt.allocation = encode(allocation)
    if attempt.allocation == attempt.nodes:
        return
    ids = node_ids(attempt.cluster_id)
    if unknown := [share.node for share in allocation if share.node not in ids]:
        log.warning("agent.unknown_nodes", attempt=str(attempt.id), nodes=unknown[:5])
        return
    shares = [
        Share(
            node_id=ids[share.node],
            cards=share.cards,
            card_milli=share.card_milli,
            cpu_milli=share.cpu_milli,
            memory_mib=share.memory_mib,
        )
        for share in allocation
    ]
    capacity.reassign(attempt.id, shares, now=now)


def _keep_logs(attempts: Mapping[UUID, Attempt], chunks: Sequence[tuple[UUID, LogChunk]]) -> None:
    parts: list[LogPart] = []
    touched: dict[UUID, Attempt] = {}
    for pk, chunk in sorted(chunks, key=lambda item: (item[0], item[1].offset)):
        attempt = attempts.get(pk)
        if attempt is None or chunk.offset > attempt.log_bytes:
            continue  # a gap: the acknowledgement says where to go on
        fresh = chunk.data[attempt.log_bytes - chunk.offset :]
        if not fresh:
            continue
        if attempt.log_bytes < MAX_LOG_BYTES:
            parts.append(LogPart(attempt=attempt, offset=attempt.log_bytes, data=fresh))
        attempt.log_bytes += len(fresh)
        touched[pk] = attempt
    LogPart.objects.bulk_create(parts)
    if touched:
        update_rows(list(touched.values()), ["log_bytes"])


_TO_TELL = """
    SELECT a.id, a.job_id, a.number, a.engine_key, a.state, a.stop_reason, a.lease_until,
           a.reported_at, c.name, a.work::text, a.nodes::text
    FROM dispatch_attempt a JOIN registry_cluster c ON c.id = a.cluster_id
    WHERE c.centre_id = %s AND a.state <> 'ended'
      AND (a.state IN ('leased', 'unreachable') OR a.stop_reason <> '' OR a.reported_at < %s)
    ORDER BY a.leased_at, a.id LIMIT %s
"""


@dataclass(frozen=True, slots=True)
class _Waiting:
    """An attempt of which the centre has to hear, as the query gives it."""

    id: UUID
    job_id: UUID
    number: int
    engine_key: str
    state: str
    stop_reason: str
    lease_until: datetime
    reported_at: datetime | None
    cluster: str
    work: str
    nodes: str


def _to_tell(
    centre: UUID, now: datetime
) -> tuple[tuple[Lease, ...], tuple[Cancel, ...], tuple[Ask, ...]]:
    """What this centre has to hear: leases it has not answered, stops, and questions."""
    quiet_since = now - QUIET
    rows = [_Waiting(*row) for row in read(_TO_TELL, [centre, quiet_since, MAX_LEASES_PER_SYNC])]
    leases: list[Lease] = []
    cancels: list[Cancel] = []
    asks: list[Ask] = []
    for row in rows:
        name = str(Ref("attempt", row.id))
        seconds = int((row.lease_until - now).total_seconds())
        if row.state == AttemptState.LEASED and not row.stop_reason:
            if seconds > 0:
                leases.append(_lease(row, name, seconds))
            continue
        quiet = row.reported_at is not None and row.reported_at < quiet_since
        if quiet or row.state in (AttemptState.LEASED, AttemptState.UNREACHABLE):
            # Nobody knows whether it began, so it is asked about, never sent elsewhere.
            asks.append(Ask(attempt=name, fencing=row.number, engine_key=row.engine_key))
        else:
            cancels.append(
                Cancel(
                    attempt=name,
                    fencing=row.number,
                    grace_seconds=GRACE_SECONDS,
                    reason=row.stop_reason,
                )
            )
    return tuple(leases), tuple(cancels), tuple(asks)


def _lease(row: _Waiting, name: str, seconds: int) -> Lease:
    return Lease(
        attempt=name,
        job=str(Ref("job", row.job_id)),
        number=row.number,
        fencing=row.number,
        engine_key=row.engine_key,
        cluster=row.cluster,
        start_within_seconds=seconds,
        work=decode(Work, json.loads(row.work)),
        nodes=tuple(decode(NodeShare, share) for share in json.loads(row.nodes)),
    )
