"""The data that the checks go by: the business register, a band of prices, and what only warns."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from jinsuan.kernel.period import beijing_date
from jinsuan.registry.actions.relations import register_relation
from jinsuan.registry.models import Organisation
from jinsuan.registry.sealing import DataKey, Keyring
from jinsuan.vouchers.actions.check_settings import set_check_mode, set_price_band
from tests.flows.world import SYSTEM

KEYS = Keyring((DataKey("k1", bytes(32)),))


def relate(
    organisation: UUID, kind: str, value: str, share: int | None = None, *, now: datetime
) -> UUID:
    return register_relation(
        organisation,
        kind=kind,
        value=value,
        source="企业登记",
        keys=KEYS,
        share_bps=share,
        actor=SYSTEM,
        now=now,
    ).id


def clean_register(organisation: UUID, name: str, *, now: datetime) -> None:
    """What the business register says of somebody with no connections."""
    relate(organisation, "legal_person", f"{name}的法定代表人", now=now)


def only_warn(check: str, *, now: datetime) -> None:
    """The province has set that this check only warns for a year."""
    today = beijing_date(now)
    set_check_mode(
        check,
        warns_only=True,
        effective_on=today,
        until_on=today + timedelta(days=365),
        reason="还没有接入，按季度抽查",
        actor=SYSTEM,
        now=now,
    )


def provide_check_data(*organisations: UUID, now: datetime) -> None:
    """Everything for an ordinary case to pass: registers and a price band; load, and the bank's lines
    where a world has none, only warn.
    """
    for one in organisations:
        clean_register(one, Organisation.objects.get(id=one).name, now=now)
    set_price_band(
        "card:T4",
        low_millifen=100_000,
        high_millifen=700_000,
        effective_on=beijing_date(now),
        source="省级询价记录",
        actor=SYSTEM,
        now=now,
    )
    only_warn("load", now=now)
    only_warn("round_trip", now=now)
