"""Register centres, and open, pause or drain them."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from django.db import transaction

from jinsuan.kernel.ref import Actor, Ref
from jinsuan.ledger.actions import Note, record
from jinsuan.registry.errors import AlreadyRegistered
from jinsuan.registry.models import AgentChannel, Centre


@transaction.atomic
def register_centre(
    *,
    code: str,
    name: str,
    owner: UUID,
    adcode: str,
    kind: str,
    network: str,
    industry: str,
    effective_from: date,
    actor: Actor,
    now: datetime,
) -> Ref:
    """Register a centre (登记算力中心).

    Raises:
        AlreadyRegistered: the code is taken.
    """
    if Centre.objects.filter(code=code).exists():
        raise AlreadyRegistered("算力中心", code)
    row = Centre.objects.create(
        code=code,
        name=name,
        owner_id=owner,
        adcode=adcode,
        kind=Centre.Kind(kind),
        network=network,
        industry=industry,
        effective_from=effective_from,
    )
    AgentChannel.objects.create(centre=row)
    ref = Ref("centre", row.id)
    after = {"code": code, "owner": str(owner), "kind": kind}
    record([Note(action="centre.register", subject=ref, after=after)], actor=actor, now=now)
    return ref


@transaction.atomic
def set_centre_state(
    centre: UUID, state: Centre.State, *, reason: str, actor: Actor, now: datetime
) -> None:
    """Open, pause (no new jobs) or drain a centre, with a reason that everybody sees."""
    row = Centre.objects.select_for_update(no_key=True).get(id=centre)
    before, row.state = row.state, state
    row.state_reason = "" if state is Centre.State.OPEN else reason[:200]
    row.save(update_fields=["state", "state_reason"])
    note = Note(
        action="centre.state",
        subject=Ref("centre", centre),
        reason=reason,
        before={"state": str(before)},
        after={"state": str(state)},
    )
    record([note], actor=actor, now=now)
