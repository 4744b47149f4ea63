"""What else a holder may ask of its vouchers: where each came from, why it stands still, its 兑付."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from jinsuan.kernel.ref import Ref
from jinsuan.ledger.audit import audit_of
from jinsuan.ledger.queries import transfers_with_keys
from jinsuan.ledger.steps import Step
from jinsuan.vouchers.models import Application, Redemption, Voucher

_STOPPED = (Voucher.State.SUSPENDED, Voucher.State.REVOKED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """One voucher's story.

    Args:
        case: the application's number; "" for one issued by hand.
        provider: at whom alone it pays; "" for all.
        warned_on: when its holder was told that it will end.
        stopped_why: why it was suspended or revoked; "" while it is in use.
        issued: the transfer that made it, where its trace begins.
        redemptions: numbers of those that this tenant itself is paid for.
    """

    case: str
    provider: str
    warned_on: date | None
    stopped_why: str
    issued: Ref | None
    redemptions: tuple[str, ...]


def stories_of(tenant: UUID) -> dict[Ref, Story]:
    """The stories of a tenant's vouchers; whoever calls acts for the tenant."""
    rows = list(Voucher.objects.filter(tenant=tenant).select_related("case", "provider"))
    keys = {f"issue:{Ref('voucher', row.id)}": row.id for row in rows}
    granted = Application.objects.filter(grant__in=[row.id for row in rows], decision__isnull=False)
    for grant, decision in granted.values_list("grant", "decision"):
        assert decision is not None
        keys[f"grant:{Ref('decision', decision)}:{Step.POST.value}"] = grant
    made = {keys[key]: transfer.ref for key, transfer in transfers_with_keys(keys).items()}
    redeemed: dict[UUID, list[str]] = defaultdict(list)
    mine = Redemption.objects.filter(voucher__tenant=tenant, payee=tenant).order_by("number")
    for voucher, number in mine.values_list("voucher", "case__number"):
        redeemed[voucher].append(number)
    return {
        Ref("voucher", row.id): Story(
            case="" if row.case is None else row.case.number,
            provider="" if row.provider is None else row.provider.name,
            warned_on=row.warned_on,
            stopped_why=_why(row) if row.state in _STOPPED else "",
            issued=made.get(row.id),
            redemptions=tuple(redeemed[row.id]),
        )
        for row in rows
    }


def _why(row: Voucher) -> str:
    """The reason that was given with the move into the state in which it is."""
    action = f"voucher.{row.state}"
    said = [one.reason for one in audit_of(Ref("voucher", row.id)) if one.action == action]
    return said[-1] if said else ""
