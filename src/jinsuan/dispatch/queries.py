"""What dispatch knows, as frozen values; the door to a job; links."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Count, Q

from jinsuan.dispatch.job_row import AttemptRow, JobRow, read_job
from jinsuan.dispatch.models import Attempt, Decision, Job, LogPart
from jinsuan.kernel.errors import NotFound
from jinsuan.kernel.ref import Actor, Ref, Role
from jinsuan.protocol.states import AttemptState, JobState, Outcome

SEES_ALL_JOBS = frozenset(
    {Role.AUDITOR, Role.PROVINCIAL_OFFICER, Role.PLATFORM_OPERATOR, Role.SYSTEM}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptView:
    """One attempt for a page."""

    ref: Ref
    number: int
    state: str
    cause: str | None
    exit_code: int | None
    centre_code: str
    centre_name: str
    cluster: str
    engine: str
    allocation: tuple[dict[str, Any], ...]
    leased_at: datetime
    reported_at: datetime | None
    started_at: datetime | None
    ended_at: datetime | None
    log_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class JobView:
    """One job for a page or the API."""

    ref: Ref
    name: str
    tenant: Ref
    tenant_name: str
    person: Ref
    state: str
    outcome: str | None
    why: str
    priority: int
    spec: dict[str, Any]
    submitted_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    settled_at: datetime | None
    cancel_requested_at: datetime | None
    attempts: tuple[AttemptView, ...]


def _attempt(row: AttemptRow) -> AttemptView:
    return AttemptView(
        ref=Ref("attempt", row.id),
        number=row.number,
        state=row.state,
        cause=row.cause,
        exit_code=row.exit_code,
        centre_code=row.centre_code,
        centre_name=row.centre_name,
        cluster=row.cluster,
        engine=row.engine,
        allocation=row.shares,
        leased_at=row.leased_at,
        reported_at=row.reported_at,
        started_at=row.started_at,
        ended_at=row.ended_at,
        log_bytes=row.log_bytes,
    )


def _view(row: Job | JobRow, tenant_name: str, attempts: tuple[AttemptView, ...]) -> JobView:
    return JobView(
        ref=Ref("job", row.id),
        name=row.name,
        tenant=Ref("organisation", row.tenant_id),
        tenant_name=tenant_name,
        person=Ref("person", row.person_id),
        state=row.state,
        outcome=row.outcome,
        why=row.why,
        priority=row.priority,
        spec=row.spec,
        submitted_at=row.submitted_at,
        started_at=row.started_at,
        ended_at=row.ended_at,
        settled_at=row.settled_at,
        cancel_requested_at=row.cancel_requested_at,
        attempts=attempts,
    )


def job_ref(text: str) -> Ref:
    """Read a job's identifier as a person typed it.

    Raises:
        NotFound: it is none.
    """
    try:
        ref = Ref.read(text.strip().lower().replace("job-", "job_"))
    except ValueError:
        raise NotFound("作业", text[:60]) from None
    if ref.kind != "job":
        raise NotFound("作业", text[:60])
    return ref


def access_job(viewer: Actor, ref: Ref) -> JobView:
    """The door to one job: its tenant, the operators of centres that ran it, and who sees all.

    Raises:
        NotFound: there is none, or this viewer may not see it.
    """
    row = read_job(ref.id) if ref.kind == "job" else None
    if row is None:
        raise NotFound("作业", str(ref))
    view = _view(row, row.tenant_name, tuple(_attempt(tried) for tried in row.attempts))
    if viewer.role in SEES_ALL_JOBS:
        return view
    if viewer.role is Role.TENANT and row.tenant_id == viewer.organisation:
        return view
    owners = {tried.owner for tried in row.attempts}
    if viewer.role is Role.CENTRE_OPERATOR and viewer.organisation in owners:
        return view
    raise NotFound("作业", str(ref))


@dataclass(frozen=True, slots=True, kw_only=True)
class JobPage:
    """A page of jobs, newest first, without attempts; `next` continues after the last one."""

    jobs: tuple[JobView, ...]
    next: str | None


def jobs_for(
    viewer: Actor, *, state: str | None = None, after: str | None = None, limit: int = 20
) -> JobPage:
    """The jobs this viewer may see."""
    rows = Job.objects.select_related("tenant")
    if viewer.role is Role.CENTRE_OPERATOR:
        owned = Attempt.objects.filter(cluster__centre__owner=viewer.organisation)
        rows = rows.filter(id__in=owned.values("job"))
    elif viewer.role not in SEES_ALL_JOBS:
        tenant = viewer.organisation if viewer.role is Role.TENANT else None
        rows = rows.filter(tenant=tenant)
    if state is not None:
        rows = rows.filter(state=state)
    if after is not None:
        rows = rows.filter(id__lt=job_ref(after).id)
    found = list(rows.order_by("-id")[: limit + 1])
    jobs = tuple(_view(row, row.tenant.name, ()) for row in found[:limit])
    return JobPage(jobs=jobs, next=str(jobs[-1].ref) if len(found) > limit else None)


def decision_of(attempt: Ref) -> dict[str, Any]:
    """The stored placement decision of an attempt: version, candidates, refusals."""
    row = Decision.objects.filter(attempt=attempt.id).first()
    if row is None:
        return {}
    return {"version": row.version, "decided_at": row.decided_at, **row.body}


def last_centres(jobs: Iterable[UUID]) -> dict[UUID, str]:
    """The name of the centre of each job's latest attempt; a job without attempts has no entry."""
    rows = Attempt.objects.filter(job__in=set(jobs)).order_by("job_id", "-number").distinct("job")
    return dict(rows.values_list("job_id", "cluster__centre__name"))


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseView:
    """One live attempt at a centre: what its agent holds a lease for."""

    attempt: Ref
    job: Ref
    job_name: str
    tenant_name: str
    number: int
    cluster: str
    state: str
    nodes: tuple[dict[str, Any], ...]
    leased_at: datetime
    lease_until: datetime
    reported_at: datetime | None


def leases_at(centre: UUID, *, limit: int = 100) -> list[LeaseView]:
    """The live attempts at a centre, oldest first. The caller has gone through the centre's door."""
    rows = (
        Attempt.objects.filter(cluster__centre=centre)
        .exclude(state=AttemptState.ENDED)
        .select_related("job__tenant", "cluster")
        .order_by("leased_at", "id")
    )
    return [
        LeaseView(
            attempt=Ref("attempt", row.id),
            job=Ref("job", row.job_id),
            job_name=row.job.name,
            tenant_name=row.job.tenant.name,
            number=row.number,
            cluster=row.cluster.name,
            state=row.state,
            nodes=tuple(row.allocation or row.nodes),
            leased_at=row.leased_at,
            lease_until=row.lease_until,
            reported_at=row.reported_at,
        )
        for row in rows[:limit]
    ]


def leases_by_centre() -> dict[UUID, int]:
    """How many live attempts each centre has; a centre without any has no entry."""
    rows = Attempt.objects.exclude(state=AttemptState.ENDED)
    return dict(rows.values_list("cluster__centre").annotate(n=Count("id")))


def read_log(attempt: UUID, *, offset: int, limit: int) -> tuple[bytes, int]:
    """Up to `limit` bytes of an attempt's output, and where to go on."""
    parts = LogPart.objects.filter(attempt=attempt, offset__lt=offset + limit).order_by("offset")
    # The part that `offset` lies in is the last one that begins at or before it.
    before = parts.filter(offset__lte=offset).reverse().values_list("offset", flat=True).first()
    text = bytearray()
    for part in parts.filter(offset__gte=before or 0).iterator():
        data = bytes(part.data)
        text += data[max(0, offset - part.offset) :]
    return bytes(text[:limit]), offset + min(len(text), limit)


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """How many jobs stand where, over the whole province.

    Args:
        tried: how many were ever placed.
    """

    by_state: dict[str, int]
    by_outcome: dict[str, int]
    tried: int


def counts() -> Counts:
    """Numbers for the front page and the replay's report."""
    states = Job.objects.values_list("state").annotate(n=Count("id"))
    outcomes = (
        Job.objects.filter(outcome__isnull=False).values_list("outcome").annotate(n=Count("id"))
    )
    tried = Job.objects.filter(attempts__gt=0).count()
    return Counts(by_state=dict(states), by_outcome=dict(outcomes), tried=tried)


def refusals() -> list[tuple[str, int]]:
    """Why jobs were refused after they had been ordered."""
    refused = Job.objects.filter(~Q(why=""), outcome=Outcome.REFUSED)
    return list(refused.values_list("why").annotate(n=Count("id")).order_by("-n", "why"))


def centres_of_attempts() -> dict[UUID, str]:
    """The code of the centre of every attempt."""
    return dict(Attempt.objects.values_list("id", "cluster__centre__code"))


def reasons_waiting(*, limit: int = 10) -> list[tuple[str, int]]:
    """The commonest reasons why jobs wait."""
    waiting = Job.objects.filter(~Q(why=""), state=JobState.QUEUED)
    return list(waiting.values_list("why").annotate(n=Count("id")).order_by("-n", "why")[:limit])


def links(ref: Ref) -> list[Ref]:
    """What dispatch knows to hang together with this thing."""
    if ref.kind == "job":
        row = Job.objects.filter(id=ref.id).first()
        if row is None:
            return []
        tries = Attempt.objects.filter(job=row).order_by("number").values_list("id", flat=True)
        return [
            *(Ref("attempt", pk) for pk in tries),
            Ref("organisation", row.tenant_id),
            Ref("person", row.person_id),
        ]
    if ref.kind == "attempt":
        found = Attempt.objects.filter(id=ref.id).select_related("cluster").first()
        if found is None:
            return []
        return [Ref("job", found.job_id), Ref("centre", found.cluster.centre_id)]
    return []
