"""Register what a centre's resources cost."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from uuid import UUID

from django.db import transaction

from jinsuan.kernel.period import beijing_date
from jinsuan.kernel.ref import Actor, Ref
from jinsuan.ledger.actions import Note, record as note
from jinsuan.metering.errors import TariffInvalid
from jinsuan.metering.models import Tariff


@transaction.atomic
def set_tariff(
    centre: UUID,
    prices: Mapping[str, int],
    *,
    effective_on: date,
    reason: str,
    actor: Actor,
    now: datetime,
) -> None:
    """Register prices from a day on (登记价目): thousandths of a fen per unit-hour.

    Raises:
        TariffInvalid: a negative price, a day already past, or a price for that day already there.
    """
    for resource, millifen in prices.items():
        if millifen < 0:
            raise TariffInvalid(resource, "价格不能为负数")
        if effective_on < beijing_date(now):
            raise TariffInvalid(resource, f"生效日 {effective_on} 已过，价目不能追溯")
        if Tariff.objects.filter(
            centre_id=centre, resource=resource, effective_on=effective_on
        ).exists():
            raise TariffInvalid(resource, f"{effective_on} 已有价目，价目只增不改")
    rows = Tariff.objects.bulk_create(
        Tariff(
            centre_id=centre,
            resource=resource,
            millifen_per_hour=millifen,
            effective_on=effective_on,
            recorded_at=now,
        )
        for resource, millifen in prices.items()
    )
    note(
        [
            Note(
                action="tariff.set",
                subject=Ref("tariff", row.id),
                reason=reason,
                after={"resource": row.resource, "millifen_per_hour": row.millifen_per_hour},
            )
            for row in rows
        ],
        actor=actor,
        now=now,
    )
