"""One round of placement: reserve capacity and hold money for many jobs in one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from django.db import transaction

from jinsuan.dispatch.demand import typical
from jinsuan.dispatch.models import Attempt, Decision, Job
from jinsuan.dispatch.packing import ENOUGH, least_waste_for
from jinsuan.dispatch.placement import Board, Candidate, Placement, place
from jinsuan.dispatch.queries_past import past_demand
from jinsuan.kernel.ids import new_id
from jinsuan.kernel.period import beijing_date
from jinsuan.kernel.ref import Actor, Ref
from jinsuan.ledger.actions import Note, record
from jinsuan.ledger.rows import update_rows
from jinsuan.metering.actions import Opening, open_meters
from jinsuan.metering.queries import prices_on
from jinsuan.metering.rating import cost_of
from jinsuan.protocol.codec import encode
from jinsuan.protocol.messages import NodeShare, Work
from jinsuan.protocol.parse import parse_spec
from jinsuan.protocol.spec import JobSpec
from jinsuan.protocol.states import AttemptState, EndCause, JobState, Outcome
from jinsuan.registry.actions import capacity
from jinsuan.registry.queries import free_capacity
from jinsuan.vouchers.actions import Want, hold

log = structlog.get_logger(__name__)

LEASE = timedelta(seconds=60)
HOLD_SECONDS = 24 * 3600
"""A hold covers a day of running at first; `settle.keep_funded` adds more while it runs."""
MAX_ATTEMPTS = 5
ACTOR = Actor.system("worker:place")


def board_now(*, now: datetime) -> Board:
    """The province's free capacity at today's prices, to look at from many threads."""
    clusters = free_capacity(now=now)
    centres = {cluster.centre_id for cluster in clusters}
    return Board(clusters, prices_on(centres, on=beijing_date(now)))


def packing_board_now(*, now: datetime) -> Board:
    """The same, and it packs nodes by the mix of past jobs once there are enough of them."""
    clusters = free_capacity(now=now)
    centres = {cluster.centre_id for cluster in clusters}
    past = past_demand(now=now)
    policy = least_waste_for(typical(past)) if past.total >= ENOUGH else None
    return Board(clusters, prices_on(centres, on=beijing_date(now)), policy=policy)


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A job and the place found for it, before capacity and money are taken."""

    attempt: UUID
    job: Job
    spec: JobSpec
    chosen: Candidate
    placement: Placement

    def want(self) -> Want:
        chosen = self.chosen
        seconds = min(chosen.max_seconds, HOLD_SECONDS)
        cover = cost_of(chosen.shape, chosen.prices, seconds=seconds)
        return Want(
            attempt=self.attempt,
            job=self.job.id,
            number=self.job.attempts + 1,
            tenant=self.job.tenant_id,
            provider=chosen.cluster.owner_id,
            authorised=chosen.authorised,
            cover=min(cover, chosen.authorised),
            voucher=self.spec.budget.voucher,
        )


@transaction.atomic
def place_queued(*, now: datetime, limit: int = 500) -> int:
    """Place as many queued jobs as fit, in order of priority, then of submission.

    Capacity and money of one job are taken together or not at all. A job that finds neither stays
    queued with the cause written on it; one that could never run anywhere is refused.

    Returns:
        How many were placed.
    """
    jobs = list(
        Job.objects.select_for_update(no_key=True, skip_locked=True)
        .filter(state=JobState.QUEUED)
        .order_by("-priority", "submitted_at", "id")[:limit]
    )
    if not jobs:
        return 0
    before = {job.id: (job.state, job.why) for job in jobs}
    board = packing_board_now(now=now)
    planned = _plan(jobs, board, now)
    taken = set(capacity.reserve([(p.attempt, p.chosen.shares) for p in planned], now=now))
    for plan in planned:
        if plan.attempt in taken:
            plan.job.why = "刚才看中的资源被占用，正在重新匹配"
    planned = [p for p in planned if p.attempt not in taken]
    broke = hold([p.want() for p in planned], actor=ACTOR, now=now)
    for plan in planned:
        if plan.attempt in broke:
            plan.job.why = broke[plan.attempt].explain()
    capacity.release(list(broke), now=now)
    placed = [p for p in planned if p.attempt not in broke]
    _write(placed, board.version, now)
    changed = [job for job in jobs if (job.state, job.why) != before[job.id]]
    update_rows(changed, ["state", "outcome", "why", "attempts", "ended_at"])
    if placed:
        log.info("jobs.placed", placed=len(placed), looked_at=len(jobs))
    return len(placed)


def _plan(jobs: Sequence[Job], board: Board, now: datetime) -> list[Planned]:
    planned: list[Planned] = []
    hopeless: dict[tuple[Any, ...], Placement] = {}
    shunned = _shunned([job.id for job in jobs if job.attempts])
    for turn, job in enumerate(jobs):
        spec = parse_spec(job.spec)
        avoid = shunned.get(job.id, frozenset())
        # Free room only shrinks during a round: what found no place finds none later.
        likeness = (
            spec.resources,
            spec.num_nodes,
            spec.where,
            spec.max_seconds,
            spec.budget,
            avoid,
        )
        placement = hopeless.get(likeness) or place(spec, board, turn=turn, avoid=avoid)
        chosen = placement.chosen
        if chosen is not None:
            board.take(chosen.shares)
            planned.append(
                Planned(attempt=new_id(), job=job, spec=spec, chosen=chosen, placement=placement)
            )
            continue
        hopeless[likeness] = placement
        job.why = _why(placement)
        if not placement.may_wait or job.attempts >= MAX_ATTEMPTS:
            job.state, job.outcome, job.ended_at = JobState.ENDED, Outcome.REFUSED, now
    return planned


def _shunned(jobs: Sequence[UUID]) -> dict[UUID, frozenset[str]]:
    """Centres whose engine refused an earlier attempt: not asked again for the same job."""
    found: dict[UUID, set[str]] = {}
    rows = Attempt.objects.filter(job__in=jobs, cause=EndCause.ENGINE_REFUSED)
    for job, centre in rows.values_list("job_id", "cluster__centre__code"):
        found.setdefault(job, set()).add(centre)
    return {job: frozenset(centres) for job, centres in found.items()}


def _why(placement: Placement) -> str:
    counts: dict[str, int] = {}
    for refused in placement.refused:
        counts[refused.cause] = counts.get(refused.cause, 0) + 1
    parts = "，".join(f"{cause} {n} 个" for cause, n in counts.items())
    head = "等待空闲资源" if placement.may_wait else "没有中心能运行"
    return f"{head}：{len(placement.refused)} 个中心中，{parts}。" if parts else "还没有中心接入。"


def _write(placed: Sequence[Planned], version: str, now: datetime) -> None:
    attempts, decisions, notes, openings = [], [], [], []
    for plan in placed:
        plan.job.attempts += 1
        plan.job.state = JobState.PLACED
        plan.job.why = ""
        attempt = _attempt(plan, now)
        attempts.append(attempt)
        decisions.append(
            Decision(
                attempt=attempt,
                job=plan.job,
                version=version,
                body=_decision(plan.placement),
                decided_at=now,
            )
        )
        openings.append(
            Opening(
                attempt=plan.attempt,
                job=plan.job.id,
                tenant=plan.job.tenant_id,
                provider=plan.chosen.cluster.owner_id,
                centre=plan.chosen.cluster.centre_id,
                shape=plan.chosen.shape,
                authorised=plan.chosen.authorised,
            )
        )
        after = {
            "attempt": str(Ref("attempt", plan.attempt)),
            "centre": plan.chosen.cluster.centre_code,
            "authorised_fen": plan.chosen.authorised.fen,
        }
        notes.append(Note(action="job.place", subject=Ref("job", plan.job.id), after=after))
    Attempt.objects.bulk_create(attempts)
    Decision.objects.bulk_create(decisions)
    open_meters(openings, actor=ACTOR, now=now)
    record(notes, actor=ACTOR, now=now)


def _attempt(plan: Planned, now: datetime) -> Attempt:
    chosen, spec = plan.chosen, plan.spec
    names = {node.id: node.name for node in chosen.cluster.nodes}
    choice = chosen.choice
    work = Work(
        name=spec.name,
        run=spec.run,
        num_nodes=spec.num_nodes,
        cpu_milli=spec.resources.cpu_milli,
        memory_mib=spec.resources.memory_mib,
        max_run_seconds=chosen.max_seconds,
        model=None if choice is None else choice.model,
        cards=0 if choice is None else choice.count,
        card_milli=1000 if choice is None else choice.card_milli,
        env_names=tuple(name for name, _ in spec.envs),
        env_values=tuple(value for _, value in spec.envs),
        image=spec.image,
    )
    nodes = [
        NodeShare(
            node=names[share.node_id],
            cpu_milli=share.cpu_milli,
            memory_mib=share.memory_mib,
            cards=share.cards,
            card_milli=share.card_milli,
        )
        for share in chosen.shares
    ]
    return Attempt(
        id=plan.attempt,
        job=plan.job,
        number=plan.job.attempts,
        cluster_id=chosen.cluster.id,
        engine_key="js-" + str(Ref("attempt", plan.attempt)).removeprefix("attempt_"),
        work=encode(work),
        nodes=encode(nodes),
        state=AttemptState.LEASED,
        leased_at=now,
        lease_until=now + LEASE,
    )


def _decision(placement: Placement) -> dict[str, Any]:
    """What was looked at, for the page, the auditor and a replay."""
    return {
        "candidates": [
            {
                "centre": c.cluster.centre_code,
                "cluster": c.cluster.name,
                "model": None if c.choice is None else str(c.choice),
                "hourly": c.hourly.plain,
                "authorised": c.authorised.plain,
                "max_seconds": c.max_seconds,
                "seen": None
                if c.cluster.last_seen_at is None
                else c.cluster.last_seen_at.isoformat(),
            }
            for c in placement.candidates
        ],
        "refused": [
            {"centre": r.centre_code, "cause": r.cause, "numbers": r.numbers, "mend": r.mend}
            for r in placement.refused
        ],
    }
