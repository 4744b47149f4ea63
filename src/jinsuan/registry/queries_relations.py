"""What connects organisations: relations on record, and people who act for several."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Q, QuerySet

from jinsuan.kernel.period import beijing_date
from jinsuan.kernel.ref import Ref, Role
from jinsuan.registry.models import Membership, Organisation, Relation
from jinsuan.registry.relations import PERSON, SHAREHOLDER, Link, code_key

_PARTIES = (Role.TENANT, Role.CENTRE_OPERATOR)
MOST_ORGANISATIONS = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """Everything known within some hops of a few organisations."""

    links: tuple[Link, ...]
    own: dict[bytes, UUID]
    names: dict[UUID, str]
    unknown: tuple[UUID, ...]  # of those asked for: nothing from a register stands about them


def surroundings(asked: Iterable[UUID], *, hops: int, now: datetime) -> Surroundings:
    """The links of these organisations and of everybody within `hops` of them.

    Raises:
        OverflowError: more organisations than a check can look through; it must not look at a part.
    """
    wanted = set(asked)
    names: dict[UUID, str] = {}
    own: dict[bytes, UUID] = {}
    links: list[Link] = []
    fresh = set(wanted)
    for left in range(hops, -1, -1):
        rows = Organisation.objects.filter(id__in=fresh).values_list("id", "uscc", "name")
        for pk, uscc, name in rows:
            names[pk], own[code_key(uscc)] = name, pk
        found = _links(fresh, now)
        links += found
        fresh = _neighbours(fresh, found, now) - names.keys() if left else set()
        if len(names) + len(fresh) > MOST_ORGANISATIONS:
            raise OverflowError(f"{len(names) + len(fresh)} organisations within {hops} hops")
    told = {one.organisation for one in links if one.kind != PERSON}
    return Surroundings(
        links=tuple(links), own=own, names=names, unknown=tuple(sorted(wanted - told))
    )


def _links(organisations: set[UUID], now: datetime) -> list[Link]:
    rows = Relation.objects.filter(organisation__in=organisations, ended_at__isnull=True)
    found = [
        Link(
            organisation=row.organisation_id,
            kind=row.kind,
            key=bytes(row.key),
            share_bps=row.share_bps,
            row=Ref("relation", row.id),
        )
        for row in rows
    ]
    acting = _acting(now).filter(organisation__in=organisations)
    found += [
        Link(organisation=one, kind=PERSON, key=person.bytes, row=Ref("membership", pk))
        for pk, one, person in acting.values_list("id", "organisation_id", "person_id")
    ]
    return found


def _neighbours(organisations: set[UUID], links: list[Link], now: datetime) -> set[UUID]:
    """Who has the same things, who holds them, and whom they hold."""
    keys = {one.key for one in links if one.kind != PERSON}
    people = {UUID(bytes=one.key) for one in links if one.kind == PERSON}
    codes = Organisation.objects.filter(id__in=organisations).values_list("uscc", flat=True)
    own = {code_key(code) for code in codes}
    holders = {one.key for one in links if one.kind == SHAREHOLDER}
    near = Relation.objects.filter(key__in=keys | own, ended_at__isnull=True)
    found = set(near.values_list("organisation_id", flat=True))
    found |= set(_acting(now).filter(person__in=people).values_list("organisation_id", flat=True))
    if holders:
        everybody = Organisation.objects.values_list("id", "uscc")
        found |= {pk for pk, code in everybody.iterator(2_000) if code_key(code) in holders}
    return found


def _acting(now: datetime) -> QuerySet[Membership]:
    today = beijing_date(now)
    return Membership.objects.filter(
        Q(effective_to__isnull=True) | Q(effective_to__gt=today),
        role__in=_PARTIES,
        effective_from__lte=today,
    )
