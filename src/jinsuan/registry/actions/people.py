"""Register organisations, people and what they may do."""

from __future__ import annotations

from datetime import date, datetime
from hashlib import sha256
from uuid import UUID

from allauth.socialaccount.models import SocialAccount
from django.contrib.auth.hashers import make_password
from django.db import transaction
from django.db.models import Q

from jinsuan.kernel.errors import BadInput, NotAllowed, NotFound
from jinsuan.kernel.ref import Actor, Ref, Role
from jinsuan.kernel.uscc import read_uscc
from jinsuan.ledger.actions import Note, record
from jinsuan.registry.catalogue import bodies
from jinsuan.registry.errors import AlreadyRegistered
from jinsuan.registry.models import Body, Membership, Organisation, Person


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
    body: UUID | None = None,
) -> Ref:
    """Let a person act in a role for an organisation, from a day on.

    Args:
        body: for a recommender, and only for one: the 推荐单位 that is acted for.

    Raises:
        BadInput: a recommender without a body, or a body with another role.
        AlreadyRegistered: the person has this role there in that time.
    """
    assert role is not Role.SYSTEM, "nobody logs in as the platform itself"
    if (role is Role.RECOMMENDER) != (body is not None):
        raise BadInput(
            "推荐单位",
            "推荐角色要写明是哪个推荐单位，别的角色不写",
            "请从十一市、综改区和省直单位中选一个，或去掉这一项。",
        )
    # One at a time per person, so that two givers cannot both find nothing.
    Person.objects.select_for_update(no_key=True).get(id=person)
    same = Membership.objects.filter(person=person, organisation=organisation, role=role, body=body)
    if same.filter(Q(effective_to__isnull=True) | Q(effective_to__gt=effective_from)).exists():
        raise AlreadyRegistered("任职", f"{role}，自 {effective_from} 起")
    row = Membership.objects.create(
        person_id=person,
        organisation_id=organisation,
        role=role,
        body_id=body,
        effective_from=effective_from,
    )
    ref = Ref("membership", row.id)
    after = {"person": str(person), "organisation": str(organisation), "role": str(role)}
    if body is not None:
        after["body"] = str(Ref("body", body))
    record([Note(action="membership.give", subject=ref, after=after)], actor=actor, now=now)
    return ref


@transaction.atomic
def end_membership(
    membership: UUID, *, effective_to: date, reason: str, actor: Actor, now: datetime
) -> None:
    """End a role on a day, that day not included (离任). It is never deleted.

    Ending again may bring the end forward, never put it off: whoever shall act on gets the role
    anew, so that the gap stays visible.

    Raises:
        NotFound: there is none.
        BadInput: the day is not after the first one, or after an end that is set already.
    """
    row = Membership.objects.select_for_update(no_key=True).filter(id=membership).first()
    ref = Ref("membership", membership)
    if row is None:
        raise NotFound("任职", str(ref))
    if effective_to <= row.effective_from:
        raise BadInput(
            "离任日",
            f"{effective_to} 不在任职首日 {row.effective_from} 之后",
            "请填任职首日之后的一天；当天不再算任职。",
        )
    if row.effective_to is not None and effective_to > row.effective_to:
        raise BadInput(
            "离任日",
            f"已经定于 {row.effective_to} 离任，不能推迟到 {effective_to}",
            "要继续任职，请另给一次任职。",
        )
    before = {"effective_to": None if row.effective_to is None else row.effective_to.isoformat()}
    row.effective_to = effective_to
    row.save(update_fields=["effective_to"])
    note = Note(
        action="membership.end",
        subject=ref,
        reason=reason,
        before=before,
        after={"effective_to": effective_to.isoformat()},
    )
    record([note], actor=actor, now=now)


@transaction.atomic
def register_bodies(*, actor: Actor, now: datetime) -> int:
    """Register the recommending bodies of the data file that are missing; returns how many.

    Again is harmless. A body that has another name by now keeps it: names are changed by hand.
    """
    known = set(Body.objects.values_list("code", flat=True))
    rows = [Body(code=b.code, name=b.name) for b in bodies().values() if b.code not in known]
    Body.objects.bulk_create(rows)
    notes = [
        Note(action="body.register", subject=Ref("body", row.id), after={"code": row.code})
        for row in rows
    ]
    record(notes, actor=actor, now=now)
    return len(rows)


@transaction.atomic
def link_identity(
    person: UUID, *, provider: str, subject: str, actor: Actor, now: datetime
) -> None:
    """Let an identity of the unified log-in (统一身份认证) open a person's account.

    The subject is what the provider itself calls the identity (`sub`). Names and e-mail addresses
    are never used to guess whose it is.

    Raises:
        NotAllowed: the actor gives out no accounts.
        BadInput: the subject is empty or too long.
        AlreadyRegistered: the identity opens another account, or the person has one already.
    """
    if actor.role not in (Role.PLATFORM_OPERATOR, Role.SYSTEM):
        raise NotAllowed("关联统一身份", "平台运营")
    if not 0 < len(subject) <= 191 or subject != subject.strip():
        raise BadInput(
            "统一身份标识", "是空的、太长，或首尾有空格", "请原样填写认证系统给出的 sub。"
        )
    Person.objects.select_for_update(no_key=True).get(id=person)
    found = SocialAccount.objects.filter(provider=provider)
    if found.filter(Q(uid=subject) | Q(user=person)).exists():
        raise AlreadyRegistered("统一身份关联", provider)
    SocialAccount.objects.create(user_id=person, provider=provider, uid=subject)
    note = Note(
        action="person.link_identity",
        subject=Ref("person", person),
        after={"provider": provider, "subject_digest": sha256(subject.encode()).hexdigest()},
    )
    record([note], actor=actor, now=now)


@transaction.atomic
def unlink_identity(
    person: UUID, *, provider: str, reason: str, actor: Actor, now: datetime
) -> None:
    """Take the link away: the unified log-in no longer opens this account.

    Raises:
        NotAllowed: the actor gives out no accounts.
        NotFound: there is no link.
    """
    if actor.role not in (Role.PLATFORM_OPERATOR, Role.SYSTEM):
        raise NotAllowed("解除统一身份关联", "平台运营")
    gone, _ = SocialAccount.objects.filter(user=person, provider=provider).delete()
    if not gone:
        raise NotFound("统一身份关联", str(Ref("person", person)))
    note = Note(action="person.unlink_identity", subject=Ref("person", person), reason=reason)
    record([note], actor=actor, now=now)
