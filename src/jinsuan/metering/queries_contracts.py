"""What metering knows of contracts, as frozen values, and the door to them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from django.db.models import Q, QuerySet, Sum

from jinsuan.kernel.errors import NotFound
from jinsuan.kernel.money import Money
from jinsuan.kernel.ref import Actor, Ref, Role
from jinsuan.metering.models import Contract, ContractLine, Meter
from jinsuan.registry.queries import SEES_ALL


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractLineView:
    """One line; without a ceiling it is paid as used."""

    ref: Ref
    category: str
    category_name: str
    description: str
    ceiling: Money | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractView:
    """One contract. `effective_to` is the first day on which it holds no more."""

    ref: Ref
    number: str
    standard: bool
    tenant: Ref
    tenant_name: str
    provider: Ref
    provider_name: str
    signed_on: date | None
    effective_from: date
    effective_to: date | None
    text_digest: bytes | None
    recorded_at: datetime
    lines: tuple[ContractLineView, ...]

    def holds_on(self, day: date) -> bool:
        """Whether it is in force on a day."""
        return self.effective_from <= day and (self.effective_to is None or day < self.effective_to)

    def ceiling_of(self, *categories: str) -> Money | None:
        """What the lines of these categories come to; None when one of them is paid as used."""
        chosen = [line.ceiling for line in self.lines if line.category in categories]
        if any(ceiling is None for ceiling in chosen):
            return None
        return Money.total(ceiling for ceiling in chosen if ceiling is not None)


def contract_view(viewer: Actor, ref: Ref) -> ContractView:
    """The door to one contract: its two parties, and who sees all.

    Raises:
        NotFound: there is none, or this viewer may not see it.
    """
    row = _rows().filter(id=ref.id).first() if ref.kind == "contract" else None
    if row is None:
        raise NotFound("合同", str(ref))
    if viewer.role in SEES_ALL:
        return _view(row)
    if viewer.role is Role.TENANT and row.tenant_id == viewer.organisation:
        return _view(row)
    if viewer.role is Role.CENTRE_OPERATOR and row.provider_id == viewer.organisation:
        return _view(row)
    raise NotFound("合同", str(ref))


def contracts_of(organisation: UUID) -> list[ContractView]:
    """The contracts in which an organisation is a party, the latest to begin first."""
    rows = _rows().filter(Q(tenant=organisation) | Q(provider=organisation))
    return [_view(row) for row in rows.order_by("-effective_from", "-recorded_at", "-id")]


def metered(contract: Ref) -> Money:
    """What was charged under a contract so far."""
    assert contract.kind == "contract", contract
    total = Meter.objects.filter(contract=contract.id).aggregate(fen=Sum("charged_fen"))["fen"]
    return Money(int(total or 0))


def _rows() -> QuerySet[Contract]:
    return Contract.objects.select_related("tenant", "provider").prefetch_related("lines")


def _view(row: Contract) -> ContractView:
    return ContractView(
        ref=Ref("contract", row.id),
        number=row.number,
        standard=row.standard,
        tenant=Ref("organisation", row.tenant_id),
        tenant_name=row.tenant.name,
        provider=Ref("organisation", row.provider_id),
        provider_name=row.provider.name,
        signed_on=row.signed_on,
        effective_from=row.effective_from,
        effective_to=row.effective_to,
        text_digest=None if row.text_digest is None else bytes(row.text_digest),
        recorded_at=row.recorded_at,
        lines=tuple(_line(line) for line in sorted(row.lines.all(), key=lambda x: x.id)),
    )


def _line(row: ContractLine) -> ContractLineView:
    return ContractLineView(
        ref=Ref("contractline", row.id),
        category=row.category,
        category_name=row.get_category_display(),
        description=row.description,
        ceiling=None if row.ceiling_fen is None else Money(row.ceiling_fen),
    )
