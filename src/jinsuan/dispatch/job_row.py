"""One job with its attempts, read in one statement: the read that programs repeat most.

The ORM would take two statements and a millisecond of processor time to write them anew each time.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from jinsuan.ledger.statements import read

_JOB = """
    SELECT j.id, j.name, j.tenant_id, t.name, j.person_id, j.state, j.outcome, j.why, j.priority,
           j.spec::text, j.submitted_at, j.started_at, j.ended_at, j.settled_at,
           j.cancel_requested_at,
           a.id, a.number, a.state, a.cause, a.exit_code, e.code, e.name, e.owner_id, c.name,
           c.engine, a.allocation::text, a.nodes::text, a.leased_at, a.reported_at, a.started_at,
           a.ended_at, a.log_bytes
    FROM dispatch_job j
    JOIN registry_organisation t ON t.id = j.tenant_id
    LEFT JOIN dispatch_attempt a ON a.job_id = j.id
    LEFT JOIN registry_cluster c ON c.id = a.cluster_id
    LEFT JOIN registry_centre e ON e.id = c.centre_id
    WHERE j.id = %s
    ORDER BY a.number
"""


class AttemptRow(NamedTuple):
    """One attempt with the names of its place; `shares` is where it ran, else where we reserved."""

    id: UUID
    number: int
    state: str
    cause: str | None
    exit_code: int | None
    centre_code: str
    centre_name: str
    owner: UUID
    cluster: str
    engine: str
    shares: tuple[dict[str, Any], ...]
    leased_at: datetime
    reported_at: datetime | None
    started_at: datetime | None
    ended_at: datetime | None
    log_bytes: int


class JobRow(NamedTuple):
    """One job with its tenant's name and its attempts, first try first."""

    id: UUID
    name: str
    tenant_id: UUID
    tenant_name: str
    person_id: UUID
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
    attempts: tuple[AttemptRow, ...]


_OWN = len(JobRow._fields) - 1
_SPEC = JobRow._fields.index("spec")
_SHARES = AttemptRow._fields.index("shares")


def read_job(pk: UUID) -> JobRow | None:
    """The job, or None when there is none."""
    rows = read(_JOB, [pk])
    if not rows:
        return None
    own = list(rows[0][:_OWN])
    own[_SPEC] = json.loads(own[_SPEC])
    tries = tuple(_attempt(row[_OWN:]) for row in rows if row[_OWN] is not None)
    return JobRow._make([*own, tries])


def _attempt(row: tuple[Any, ...]) -> AttemptRow:
    allocation, nodes = row[_SHARES], row[_SHARES + 1]
    shares = (json.loads(allocation) if allocation else None) or json.loads(nodes)
    return AttemptRow._make([*row[:_SHARES], tuple(shares), *row[_SHARES + 2 :]])
