"""Where organisations receive money: which version counts, and whose an account is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from jinsuan.casework.models import PayeeAccount
from jinsuan.kernel.ref import Actor, Ref
from jinsuan.registry.queries_people import access_organisation


@dataclass(frozen=True, slots=True, kw_only=True)
class PayeeAccountView:
    """One version, as a page may show it."""

    ref: Ref
    holder: str
    bank: str
    masked: str
    state: str
    entered_by: UUID
    entered_at: datetime
    confirmed_by: UUID | None
    call_back: str


def payee_accounts(viewer: Actor, organisation: UUID) -> list[PayeeAccountView]:
    """Every version of an organisation's account, the newest first.

    Raises:
        NotFound: this viewer may not see the organisation.
    """
    access_organisation(viewer, organisation)
    rows = PayeeAccount.objects.filter(organisation=organisation).order_by("-id")
    return [
        PayeeAccountView(
            ref=Ref("payeeaccount", row.id),
            holder=row.holder,
            bank=row.bank,
            masked=row.masked,
            state=PayeeAccount.State(row.state).label,
            entered_by=row.entered_by,
            entered_at=row.entered_at,
            confirmed_by=row.confirmed_by,
            call_back=row.call_back,
        )
        for row in rows
    ]


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
