"""Where organisations receive money: which version counts, and whose an account is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from jinsuan.casework.models import PayeeAccount
from jinsuan.kernel.errors import NotFound
from jinsuan.kernel.ref import Actor, Ref, Role
from jinsuan.registry.queries_people import access_organisation

SEES_PAYEES = frozenset({Role.TREASURY, Role.AUDITOR})
"""Who sees the accounts of all organisations, in four digits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PayeeAccountView:
    """One version, as a page may show it."""

    ref: Ref
    holder: str
    bank: str
    masked: str
    state: str
    state_code: str
    entered_by: UUID
    entered_at: datetime
    confirmed_by: UUID | None
    confirmed_at: datetime | None
    call_back: str


def payee_accounts(viewer: Actor, organisation: UUID) -> list[PayeeAccountView]:
    """Every version of an organisation's account, the newest first.

    Raises:
        NotFound: this viewer may not see the organisation.
    """
    access_organisation(viewer, organisation)
    rows = PayeeAccount.objects.filter(organisation=organisation).order_by("-id")
    return [_view(row) for row in rows]


def payees_waiting(viewer: Actor) -> list[PayeeAccountView]:
    """Accounts of all organisations that nobody called back yet, the oldest first.

    Raises:
        NotFound: not for this viewer.
    """
    _door(viewer)
    rows = PayeeAccount.objects.filter(state=PayeeAccount.State.PENDING)
    return [_view(row) for row in rows.order_by("id")]


def payees_answered(
    viewer: Actor, *, before: UUID | None = None, limit: int
) -> list[PayeeAccountView]:
    """Accounts that were called back, whatever came of it, the newest first.

    Raises:
        NotFound: not for this viewer.
    """
    _door(viewer)
    rows = PayeeAccount.objects.exclude(state=PayeeAccount.State.PENDING).order_by("-id")
    if before is not None:
        rows = rows.filter(id__lt=before)
    return [_view(row) for row in rows[:limit]]


def confirmed_payee(organisation: UUID) -> PayeeAccountView | None:
    """The version that counts now; whoever calls was let in."""
    row = PayeeAccount.objects.filter(
        organisation=organisation, state=PayeeAccount.State.CONFIRMED
    ).first()
    return None if row is None else _view(row)


def _door(viewer: Actor) -> None:
    if viewer.role not in SEES_PAYEES:
        raise NotFound("页面", "收款账户")


def _view(row: PayeeAccount) -> PayeeAccountView:
    return PayeeAccountView(
        ref=Ref("payeeaccount", row.id),
        holder=row.holder,
        bank=row.bank,
        masked=row.masked,
        state=PayeeAccount.State(row.state).label,
        state_code=row.state,
        entered_by=row.entered_by,
        entered_at=row.entered_at,
        confirmed_by=row.confirmed_by,
        confirmed_at=row.confirmed_at,
        call_back=row.call_back,
    )


def owners_of_accounts(indices: Iterable[bytes]) -> dict[bytes, tuple[UUID, str]]:
    """Organisation and holder by the keyed hash of a confirmed account.

    Two organisations may share one account; then it names nobody and is left out.
    """
    wanted = list(dict.fromkeys(indices))
    rows = PayeeAccount.objects.filter(
        number_index__in=wanted, state=PayeeAccount.State.CONFIRMED
    ).values_list("number_index", "organisation_id", "holder")
    found: dict[bytes, set[tuple[UUID, str]]] = {}
    for index, organisation, holder in rows:
        found.setdefault(bytes(index), set()).add((organisation, holder))
    return {index: next(iter(owners)) for index, owners in found.items() if len(owners) == 1}


def unconfirmed_payees(organisations: Sequence[UUID]) -> list[str]:
    """The names of those whose account was changed and not called back yet: they are not paid."""
    rows = PayeeAccount.objects.filter(
        organisation__in=organisations, state=PayeeAccount.State.PENDING
    )
    return list(rows.order_by("organisation__name").values_list("organisation__name", flat=True))
