"""To whom letters go: members of organisations by role, asked of the registry once per batch."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from jinsuan.kernel.ref import Ref, Role
from jinsuan.ledger.delivery import Recipient
from jinsuan.registry.queries_people import members_today

APPLICANTS = (Role.TENANT, Role.CENTRE_OPERATOR)
"""Who applies, redeems and is paid: a user or a provider."""

To = frozenset[Recipient]


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """One letter, before its position and time are known."""

    to: To
    kind: str
    subject: Ref
    number: str
    title: str
    words: str


class People:
    """Who is a member of what today; each question is asked once."""

    def __init__(self, now: datetime) -> None:
        self._now = now
        self._known: dict[tuple[object, ...], To] = {}

    def of(self, organisation: UUID, *roles: Role) -> To:
        """An organisation's members in these roles; without roles, in those of applicants."""
        return self._ask(roles or APPLICANTS, organisation, None)

    def all(self, *roles: Role) -> To:
        """Everybody in these roles."""
        return self._ask(roles, None, None)

    def recommenders(self, body: UUID) -> To:
        """Who acts for a recommending body (推荐单位)."""
        return self._ask((Role.RECOMMENDER,), None, body)

    def _ask(self, roles: tuple[Role, ...], organisation: UUID | None, body: UUID | None) -> To:
        asked = (roles, organisation, body)
        if asked not in self._known:
            found = members_today(roles, organisation=organisation, body=body, now=self._now)
            self._known[asked] = frozenset(
                Recipient(person=m.person, organisation=m.organisation, role=m.role) for m in found
            )
        return self._known[asked]
