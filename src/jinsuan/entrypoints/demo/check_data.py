"""What the checks go by in the demo: a business register, bands of prices, and what only warns."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from uuid import UUID

from jinsuan.entrypoints.demo.setup import SETUP, demo_actor
from jinsuan.kernel.period import beijing_date
from jinsuan.kernel.ref import Role
from jinsuan.kernel.uscc import check_character
from jinsuan.metering.queries import tariffs_on
from jinsuan.registry.actions.relations import register_relation
from jinsuan.registry.models import Centre
from jinsuan.registry.sealing import Keyring
from jinsuan.vouchers.actions.check_settings import CARD, set_check_mode, set_price_band
from jinsuan.vouchers.models import PriceBand
from jinsuan.vouchers.queries_checks import warning_on

REGISTER = "演示：企业登记"
NOT_CONNECTED = {
    "load": "演示：中心监测还没有接入，按季度抽查",
    "round_trip": "演示：监管账户的银行流水还没有登记，按季度抽查",
}


def provide_check_data(organisations: Iterable[UUID], *, now: datetime) -> None:
    """Everything that an ordinary case needs to pass; again changes nothing."""
    for one in sorted(set(organisations)):
        # Each is held by a firm of its own. Credit codes are public, so no data key is needed.
        plain = f"91140000{one.hex[-9:].upper()}"
        register_relation(
            one,
            kind="shareholder",
            value=plain + check_character(plain),
            source=REGISTER,
            keys=Keyring(()),
            actor=SETUP,
            now=now,
        )
    today, officer = beijing_date(now), demo_actor(Role.PROVINCIAL_OFFICER)
    asked: dict[str, list[int]] = {}
    centres = Centre.objects.values_list("id", flat=True)
    for (_, resource), row in sorted(tariffs_on(centres, on=today).items()):
        if resource.startswith(CARD):
            asked.setdefault(resource, []).append(row.millifen_per_hour)
    for resource, prices in sorted(asked.items()):
        if not PriceBand.objects.filter(resource=resource).exists():
            set_price_band(
                resource,
                low_millifen=max(1, min(prices) // 2),
                high_millifen=max(prices) * 2,
                effective_on=today,
                source="演示：各中心价目",
                actor=officer,
                now=now,
            )
    for name, reason in NOT_CONNECTED.items():
        if name not in warning_on(today):
            set_check_mode(
                name,
                warns_only=True,
                effective_on=today,
                until_on=today + timedelta(days=90),
                reason=reason,
                actor=officer,
                now=now,
            )
