"""Corrections of use that wait for an answer, for those who may give one or asked for it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from jinsuan.kernel.ref import Actor, Ref, Role
from jinsuan.metering.models import UseCorrection

SEES_ALL = frozenset({Role.PROVINCIAL_OFFICER, Role.AUDITOR, Role.SYSTEM})


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingCorrection:
    """更正 that nobody answered yet."""

    ref: Ref
    attempt: Ref
    provider: str
    resource: str
    before: int
    after: int
    reason: str
    document: str
    proposed_at: datetime


def corrections_waiting(viewer: Actor, *, limit: int = 200) -> list[WaitingCorrection]:
    """Those that this viewer may see, the oldest first: the province all, a centre its own."""
    rows = UseCorrection.objects.filter(answered_at=None).select_related("attempt__provider")
    if viewer.role is Role.CENTRE_OPERATOR:
        rows = rows.filter(attempt__provider=viewer.organisation)
    elif viewer.role not in SEES_ALL:
        return []
    return [
        WaitingCorrection(
            ref=Ref("usecorrection", row.id),
            attempt=Ref("attempt", row.attempt_id),
            provider=row.attempt.provider.name,
            resource=row.resource,
            before=row.before_milli,
            after=row.after_milli,
            reason=row.reason,
            document=row.document,
            proposed_at=row.proposed_at,
        )
        for row in rows.order_by("proposed_at", "id")[:limit]
    ]
