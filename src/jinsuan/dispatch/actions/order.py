"""Take an order, and take it back."""

from __future__ import annotations

import json
from datetime import datetime
from uuid import UUID

from django.db import connection, transaction

from jinsuan.dispatch.errors import JobOver, NowhereToRun, OrderKeyReused
from jinsuan.dispatch.models import Attempt, Job
from jinsuan.dispatch.placement import Board, place
from jinsuan.kernel.errors import NotAllowed
from jinsuan.kernel.period import beijing_date
from jinsuan.kernel.ref import Actor, Ref, Role
from jinsuan.ledger.actions import Note, record
from jinsuan.ledger.statements import read
from jinsuan.protocol.spec import JobSpec
from jinsuan.protocol.states import AttemptState, JobState, Outcome
from jinsuan.vouchers.actions.escrow import Want, afford
from jinsuan.vouchers.wallets import wallets

STOPS_ALL_JOBS = frozenset({Role.PLATFORM_OPERATOR, Role.SYSTEM})


@transaction.atomic
def submit(
    spec: JobSpec,
    *,
    board: Board,
    order_key: str | None = None,
    actor: Actor,
    now: datetime,
) -> Ref:
    """Put a job into the queue (下单). The same order key with the same content is the same order.

    Args:
        board: the province's capacity and prices, at most a few seconds old; only read.

    Raises:
        NotAllowed: the actor does not order for a tenant.
        OrderKeyReused: the key was used for another content.
        NowhereToRun: no centre could take it even when idle.
        NotEnoughMoney: the best place free now costs more than the tenant has.
    """
    if actor.role is not Role.TENANT:
        raise NotAllowed("下单用算", "用算主体")
    assert actor.organisation is not None and actor.person is not None
    tenant, digest = actor.organisation, spec.digest()
    if order_key is not None and (known := _known(tenant, order_key, digest)):
        return known
    _feasible(spec, board, tenant, now)
    job = Job(
        tenant_id=tenant,
        person_id=actor.person,
        name=spec.name,
        spec=spec.plain(),
        spec_digest=digest,
        order_key=order_key,
        priority=spec.priority,
        state=JobState.QUEUED,
        submitted_at=now,
    )
    if not _insert(job):
        # Two requests with one key at the same moment: the other one was first.
        assert order_key is not None
        known = _known(tenant, order_key, digest)
        assert known is not None
        return known
    ref = Ref("job", job.id)
    after = {"name": spec.name, "spec": digest}
    record([Note(action="job.submit", subject=ref, after=after)], actor=actor, now=now)
    return ref


_KNOWN = "SELECT id, spec_digest FROM dispatch_job WHERE tenant_id = %s AND order_key = %s"


def _known(tenant: UUID, order_key: str, digest: str) -> Ref | None:
    rows = read(_KNOWN, [tenant, order_key])
    if not rows:
        return None
    pk, before = rows[0]
    ref = Ref("job", pk)
    if before != digest:
        raise OrderKeyReused(order_key, str(ref))
    return ref


_INSERT = """
    INSERT INTO dispatch_job
        (id, tenant_id, person_id, name, spec, spec_digest, order_key, priority, state, why,
         attempts, cancel_reason, submitted_at)
    VALUES (%s, %s, %s, %s, %s::jsonb, %s, %s, %s, %s, %s, %s, %s, %s)
    ON CONFLICT (tenant_id, order_key) DO NOTHING
"""


def _insert(job: Job) -> bool:
    """Write a new job; False when the tenant's order key is taken. Without a savepoint: a conflict
    is an answer here, not an error.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            _INSERT,
            [
                job.id,
                job.tenant_id,
                job.person_id,
                job.name,
                json.dumps(job.spec),
                job.spec_digest,
                job.order_key,
                job.priority,
                job.state,
                job.why,
                job.attempts,
                job.cancel_reason,
                job.submitted_at,
            ],
        )
        written: int = cursor.rowcount
    return written == 1


def _feasible(spec: JobSpec, board: Board, tenant: UUID, now: datetime) -> None:
    placement = place(spec, board)
    if placement.chosen is None:
        if not placement.may_wait:
            raise NowhereToRun(
                tuple(f"{r.centre_name}：{r.cause}（{r.numbers}）" for r in placement.refused)
            )
        return
    chosen = placement.chosen
    want = Want(
        attempt=tenant,
        job=tenant,
        number=0,
        tenant=tenant,
        provider=chosen.cluster.owner_id,
        authorised=chosen.authorised,
        cover=chosen.authorised,
        voucher=spec.budget.voucher,
    )
    afford(want, wallets([tenant], on=beijing_date(now))[tenant])


@transaction.atomic
def cancel(job: UUID, *, reason: str, actor: Actor, now: datetime) -> None:
    """Ask for the end of a job (停止作业). A queued one ends at once; again is harmless.

    The caller has gone through `queries.access_job`, which shows a job to more people than may
    stop it.

    Raises:
        NotAllowed: neither its tenant, nor the platform's operator.
        JobOver: it has ended already.
    """
    row = Job.objects.select_for_update(no_key=True).get(id=job)
    ref = Ref("job", row.id)
    own = actor.role is Role.TENANT and actor.organisation == row.tenant_id
    if not own and actor.role not in STOPS_ALL_JOBS:
        raise NotAllowed("停止这个作业", "下单的用算主体，或平台运营")
    if row.state in (JobState.ENDED, JobState.SETTLED):
        raise JobOver(str(ref))
    if row.cancel_requested_at is not None:
        return
    row.cancel_requested_at, row.cancel_reason = now, reason[:200]
    if row.state == JobState.QUEUED:
        row.state, row.outcome, row.ended_at = JobState.ENDED, Outcome.CANCELLED, now
        row.why = f"排队时由下单方取消：{reason}"
    else:
        Attempt.objects.filter(job=row).exclude(state=AttemptState.ENDED).update(
            stop_reason=reason[:200] or "下单方要求停止"
        )
    row.save()
    record([Note(action="job.cancel", subject=ref, reason=reason)], actor=actor, now=now)
