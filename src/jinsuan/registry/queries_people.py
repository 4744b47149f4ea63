"""People and organisations: their doors, who may register, personal data as pages may show it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Q

from jinsuan.kernel.errors import BadInput, NotAllowed, NotFound
from jinsuan.kernel.period import beijing_date
from jinsuan.kernel.ref import Actor, Ref, Role
from jinsuan.registry.models import Membership, Organisation, Person
from jinsuan.registry.personal import Field, mask, place_of, read_phone
from jinsuan.registry.queries import SEES_ALL, memberships_of
from jinsuan.registry.sealing import Keyring

REGISTRARS = (Role.PLATFORM_OPERATOR, Role.CENTRE_OPERATOR)
"""Who imports inventories, the wider one first."""


def access_organisation(viewer: Actor, pk: UUID) -> Organisation:
    """The door to an organisation's own page: its members, and who sees all.

    Raises:
        NotFound: there is none, or this viewer may not.
    """
    row = Organisation.objects.filter(id=pk).first()
    if row is not None and may_see_organisation(viewer, pk):
        return row
    raise NotFound("机构", str(Ref("organisation", pk)))


def may_see_organisation(viewer: Actor, pk: UUID) -> bool:
    """One condition per line; a recommender sees applicants by their cases, not from here."""
    if viewer.role in SEES_ALL:
        return True
    if viewer.role is Role.RECOMMENDER or viewer.role is Role.EXPERT:
        return False
    return viewer.organisation == pk


def access_person(viewer: Actor, pk: UUID) -> Person:
    """The door to what is kept of a person: the person, and who gives out accounts.

    Raises:
        NotFound: there is none, or this viewer may not.
    """
    row = Person.objects.filter(id=pk).first()
    if row is not None and may_see_person(viewer, pk):
        return row
    raise NotFound("人员", str(Ref("person", pk)))


def may_see_person(viewer: Actor, pk: UUID) -> bool:
    """One condition per line."""
    if viewer.person == pk:
        return True
    if viewer.role is Role.AUDITOR:
        return True
    return viewer.role in (Role.PLATFORM_OPERATOR, Role.SYSTEM)


def person_called(username: str) -> Ref:
    """The person with this log-in name.

    Raises:
        NotFound: there is none.
    """
    found = Person.objects.filter(username=username).values_list("id", flat=True).first()
    if found is None:
        raise NotFound("登录名", username[:60])
    return Ref("person", found)


def registrar(username: str, *, organisation: str | None, via: str, now: datetime) -> Actor:
    """Who registers inventories from a terminal: the platform's operator, else a centre's.

    Args:
        organisation: 统一社会信用代码, for somebody who runs centres for several.

    Raises:
        NotFound: nobody has this log-in name.
        NotAllowed: the person runs neither the platform nor a centre (of that organisation).
        BadInput: it is not clear for which organisation.
    """
    return _acting(
        username,
        organisation,
        REGISTRARS,
        NotAllowed("导入算力资源清单", "平台运营，或产权单位的算力企业经办人"),
        via,
        now,
    )


def treasurer_called(username: str, *, organisation: str | None, via: str, now: datetime) -> Actor:
    """Who acts for the treasury from a terminal.

    Raises:
        NotFound: nobody has this log-in name.
        NotAllowed: the person is not of the treasury.
        BadInput: it is not clear for which organisation.
    """
    refused = NotAllowed("办理银行事项", "财政")
    return _acting(username, organisation, (Role.TREASURY,), refused, via, now)


def reporter(username: str, *, organisation: str | None, via: str, now: datetime) -> Actor:
    """Who hands in files of readings from a terminal: the platform's operator, else a centre's.

    Raises:
        NotFound: nobody has this log-in name.
        NotAllowed: the person runs neither the platform nor a centre (of that organisation).
        BadInput: it is not clear for which organisation.
    """
    refused = NotAllowed("登记读数文件", "平台运营，或算力企业经办人")
    return _acting(username, organisation, REGISTRARS, refused, via, now)


def official_called(username: str, *, organisation: str | None, via: str, now: datetime) -> Actor:
    """Who acts for the province from a terminal: an officer, else an auditor or the treasury.

    Raises:
        NotFound: nobody has this log-in name.
        NotAllowed: the person is none of these.
        BadInput: it is not clear for which organisation.
    """
    roles = (Role.PROVINCIAL_OFFICER, Role.AUDITOR, Role.TREASURY)
    refused = NotAllowed("办理省级事项", "省级经办、审计或财政")
    return _acting(username, organisation, roles, refused, via, now)


def relation_registrar(
    username: str, *, organisation: str | None, via: str, now: datetime
) -> Actor:
    """Who notes what connects organisations, from a terminal.

    Raises:
        NotFound, NotAllowed, BadInput: as for the others.
    """
    roles = (Role.PLATFORM_OPERATOR, Role.PROVINCIAL_OFFICER)
    refused = NotAllowed("登记关联线索", "平台运营或省级经办")
    return _acting(username, organisation, roles, refused, via, now)


def _acting(
    username: str,
    organisation: str | None,
    roles: tuple[Role, ...],
    refused: NotAllowed,
    via: str,
    now: datetime,
) -> Actor:
    """The person in the first of these roles that they have."""
    person = person_called(username)
    wanted = None if organisation is None else _organisation_called(organisation)
    if organisation is not None and wanted is None:
        raise NotFound("机构", organisation[:40])
    found = [
        m
        for m in memberships_of(person.id, now=now)
        if m.role in roles and wanted in (None, m.organisation.id)
    ]
    first = [m for role in roles for m in found if m.role is role]
    if not first:
        raise refused
    chosen = [m for m in first if m.role is first[0].role]
    if len(chosen) > 1:
        names = "、".join(m.organisation_name for m in chosen)
        raise BadInput(
            "机构", f"{username} 在几个机构有这个角色：{names}", "请用 --organisation 写明一个。"
        )
    one = chosen[0]
    return Actor(person=person.id, organisation=one.organisation.id, role=one.role, via=via)


def organisation_called(uscc: str) -> Ref:
    """The organisation with this credit code.

    Raises:
        NotFound: there is none.
    """
    found = _organisation_called(uscc)
    if found is None:
        raise NotFound("机构", uscc[:40])
    return Ref("organisation", found)


def _organisation_called(uscc: str) -> UUID | None:
    return (
        Organisation.objects.filter(uscc=uscc.strip().upper()).values_list("id", flat=True).first()
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonalView:
    """What of a person's data a page may show; None where nothing is kept."""

    phone: str | None
    identity: str | None


def personal_view(viewer: Actor, person: UUID, *, keys: Keyring) -> PersonalView:
    """A person's phone and identity number, masked (脱敏).

    Raises:
        NotFound: this viewer may not see the person.
        DataKeyMissing: something is kept and no key is configured.
    """
    row = access_person(viewer, person)
    return PersonalView(
        phone=_masked(row.phone_sealed, Field.PHONE, person, keys),
        identity=_masked(row.identity_sealed, Field.IDENTITY, person, keys),
    )


def bank_account_view(viewer: Actor, organisation: UUID, *, keys: Keyring) -> str | None:
    """An organisation's bank account, masked; None where none is kept.

    Raises:
        NotFound: this viewer may not see the organisation.
        DataKeyMissing: an account is kept and no key is configured.
    """
    row = access_organisation(viewer, organisation)
    return _masked(row.bank_sealed, Field.BANK_ACCOUNT, organisation, keys)


def _masked(
    sealed: bytes | memoryview[int] | None, field: Field, row: UUID, keys: Keyring
) -> str | None:
    return None if sealed is None else mask(field, keys.open(bytes(sealed), place_of(field, row)))


def person_with_phone(text: str, *, keys: Keyring) -> Ref | None:
    """Who has this mobile number: found by its keyed hash, nothing is decrypted.

    Raises:
        BadInput: it is no mobile number.
    """
    hashes = keys.indices(read_phone(text), Field.PHONE)
    found = Person.objects.filter(phone_index__in=hashes).values_list("id", flat=True).first()
    return None if found is None else Ref("person", found)


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """Somebody who may act for an organisation in a role today."""

    person: UUID
    organisation: UUID
    role: Role


def members_today(
    roles: Iterable[Role],
    *,
    organisation: UUID | None = None,
    body: UUID | None = None,
    now: datetime,
) -> frozenset[Member]:
    """Everybody who may log in and act in one of these roles today.

    Args:
        organisation: only for this one.
        body: only for this recommending body (推荐单位).
    """
    today = beijing_date(now)
    rows = Membership.objects.filter(
        Q(effective_to__isnull=True) | Q(effective_to__gt=today),
        role__in=[str(role) for role in roles],
        effective_from__lte=today,
        person__is_active=True,
    )
    if organisation is not None:
        rows = rows.filter(organisation=organisation)
    if body is not None:
        rows = rows.filter(body=body)
    return frozenset(
        Member(person=person, organisation=place, role=Role(role))
        for person, place, role in rows.values_list("person_id", "organisation_id", "role")
    )


def names_of_people(ids: Iterable[UUID]) -> dict[UUID, str]:
    """How people are called, many at once; an id that nobody has is absent."""
    return {row.id: str(row) for row in Person.objects.filter(id__in=set(ids))}


def names_of_organisations(ids: Iterable[UUID]) -> dict[UUID, str]:
    """How organisations are called, many at once; an id that none has is absent."""
    return dict(Organisation.objects.filter(id__in=set(ids)).values_list("id", "name"))


def organisations_called(words: str, *, limit: int = 20) -> list[Ref]:
    """Organisations by their credit code, or by a part of their name."""
    found = Organisation.objects.filter(Q(uscc=words.strip().upper()) | Q(name__icontains=words))
    return [
        Ref("organisation", pk)
        for pk in found.order_by("name").values_list("id", flat=True)[:limit]
    ]
