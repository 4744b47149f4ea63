"""Register organisations, people and what they may do."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from django.contrib.auth.hashers import make_password
from django.db import transaction

from jinsuan.kernel.ref import Actor, Ref, Role
from jinsuan.kernel.uscc import read_uscc
from jinsuan.ledger.actions import Note, record
from jinsuan.registry.errors import AlreadyRegistered
from jinsuan.registry.models import Membership, Organisation, Person


@transaction.atomic
def register_organisation(
    *, uscc: str, name: str, kind: str, adcode: str, actor: Actor, now: datetime
) -> Ref:
    """Register an organisation under its 统一社会信用代码.

    Raises:
        UsccInvalid: the code is wrong.
        AlreadyRegistered: the code is taken.
    """
    code = read_uscc(uscc)
    if Organisation.objects.filter(uscc=code).exists():
        raise AlreadyRegistered("机构", code)
    row = Organisation.objects.create(
        uscc=code, name=name, kind=Organisation.Kind(kind), adcode=adcode
    )
    ref = Ref("organisation", row.id)
    after = {"uscc": code, "name": name, "kind": kind}
    record([Note(action="organisation.register", subject=ref, after=after)], actor=actor, now=now)
    return ref


@transaction.atomic
def register_person(
    *, username: str, display_name: str, password: str | None, actor: Actor, now: datetime
) -> Ref:
    """Register somebody who may log in; without a password only by a key or another provider.

    Raises:
        AlreadyRegistered: the log-in name is taken.
    """
    if Person.objects.filter(username=username).exists():
        raise AlreadyRegistered("登录名", username)
    row = Person.objects.create(
        username=username, display_name=display_name, password=make_password(password)
    )
    ref = Ref("person", row.id)
    record([Note(action="person.register", subject=ref)], actor=actor, now=now)
    return ref


@transaction.atomic
def give_role(
    *,
    person: UUID,
    organisation: UUID,
    role: Role,
    effective_from: date,
    actor: Actor,
    now: datetime,
) -> Ref:
    """Let a person act in a role for an organisation, from a day on."""
    row = Membership.objects.create(
        person_id=person, organisation_id=organisation, role=role, effective_from=effective_from
    )
    ref = Ref("membership", row.id)
    after = {"person": str(person), "organisation": str(organisation), "role": str(role)}
    record([Note(action="membership.give", subject=ref, after=after)], actor=actor, now=now)
    return ref
