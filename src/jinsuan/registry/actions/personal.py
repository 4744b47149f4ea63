"""Keep personal data sealed, show one value in full with a reason, change the key.

Audit rows say that and why; they never carry a value, sealed or not. Callers pass the key ring:
this room does not know where keys come from.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from allauth.mfa.models import Authenticator
from django.db import transaction

from jinsuan.kernel.errors import BadInput, NotAllowed, NotFound
from jinsuan.kernel.period import beijing_date
from jinsuan.kernel.ref import Actor, Ref, Role
from jinsuan.ledger.actions import Note, record
from jinsuan.registry.errors import AlreadyRegistered
from jinsuan.registry.models import Organisation, Person
from jinsuan.registry.personal import (
    Field,
    mask,
    place_of,
    read_bank_account,
    read_identity,
    read_phone,
)
from jinsuan.registry.sealing import Keyring
from jinsuan.registry.two_step import SECRETS, open_secret, seal_secret, stale_secret

SHORTEST_REASON = 4
LONGEST_REASON = 200
BATCH = 500
OWNERS = frozenset({Role.TENANT, Role.CENTRE_OPERATOR})
"""The roles in which a member handles an organisation's own bank account."""


@transaction.atomic
def set_phone(person: UUID, text: str, *, keys: Keyring, actor: Actor, now: datetime) -> Ref:
    """Keep a person's mobile number; one number belongs to one person.

    Raises:
        BadInput: it is no mainland mobile number.
        NotAllowed: the actor is neither the person nor the platform's operator.
        AlreadyRegistered: somebody else has it.
        DataKeyMissing: no key is configured.
    """
    _may_set(actor, person)
    number = read_phone(text)
    row = _locked_person(person)
    same = Person.objects.filter(phone_index__in=keys.indices(number, Field.PHONE))
    if same.exclude(id=person).exists():
        raise AlreadyRegistered("手机号", mask(Field.PHONE, number))
    row.phone_sealed = keys.seal(number, place_of(Field.PHONE, person))
    row.phone_index = keys.index(number, Field.PHONE)
    row.save(update_fields=["phone_sealed", "phone_index"])
    return _noted("person.set_phone", Ref("person", person), actor, now)


@transaction.atomic
def set_identity(person: UUID, text: str, *, keys: Keyring, actor: Actor, now: datetime) -> Ref:
    """Keep a person's identity number.

    Raises:
        BadInput: it fails GB 11643.
        NotAllowed: the actor is neither the person nor the platform's operator.
        DataKeyMissing: no key is configured.
    """
    _may_set(actor, person)
    number = read_identity(text, on=beijing_date(now))
    row = _locked_person(person)
    row.identity_sealed = keys.seal(number, place_of(Field.IDENTITY, person))
    row.save(update_fields=["identity_sealed"])
    return _noted("person.set_identity", Ref("person", person), actor, now)


@transaction.atomic
def set_bank_account(
    organisation: UUID, text: str, *, keys: Keyring, actor: Actor, now: datetime
) -> Ref:
    """Keep an organisation's bank account; only its own members may, not the operator.

    Raises:
        BadInput: it is no account number.
        NotAllowed: the actor does not act for the organisation.
        DataKeyMissing: no key is configured.
    """
    if not (actor.role in OWNERS and actor.organisation == organisation):
        raise NotAllowed("登记这个机构的银行账号", "该机构自己的用算或算力企业经办人")
    number = read_bank_account(text)
    row = Organisation.objects.select_for_update(no_key=True).filter(id=organisation).first()
    if row is None:
        raise NotFound("机构", str(Ref("organisation", organisation)))
    row.bank_sealed = keys.seal(number, place_of(Field.BANK_ACCOUNT, organisation))
    row.save(update_fields=["bank_sealed"])
    return _noted("organisation.set_bank_account", Ref("organisation", organisation), actor, now)


@transaction.atomic
def reveal(
    subject: Ref, field: Field, *, reason: str, keys: Keyring, actor: Actor, now: datetime
) -> str:
    """Give one value in full and write down who saw it and why (查看完整信息).

    The audit row stands in the same transaction, so nobody sees a value that is not written down.

    Raises:
        NotAllowed: only the person; for a bank account the organisation itself and the treasury.
        BadInput: no reason.
        NotFound: there is no such person or organisation, or it has no such value.
    """
    if not _may_reveal(actor, subject, field):
        raise NotAllowed(f"查看完整的{field.label}", _WHO[field])
    words = reason.strip()
    if not SHORTEST_REASON <= len(words) <= LONGEST_REASON:
        raise BadInput(
            "查看理由",
            f"应为 {SHORTEST_REASON} 至 {LONGEST_REASON} 字，实为 {len(words)} 字",
            "请写明为办理哪件事而查看；理由会留痕。",
        )
    sealed = _sealed(subject, field)
    if sealed is None:
        raise NotFound(field.label, str(subject))
    value = keys.open(sealed, place_of(field, subject.id))
    note = Note(
        action="personal.reveal", subject=subject, reason=words, after={"field": str(field)}
    )
    record([note], actor=actor, now=now)
    return value


@transaction.atomic
def reseal(*, keys: Keyring, actor: Actor, now: datetime) -> int:
    """Seal everything anew that is not under the first key; returns how many values.

    Secrets of the two-step log-in too, also those that were kept before there was a key. Afterwards the older keys may be taken away. Again is harmless.

    Raises:
        NotAllowed: the actor is neither the platform nor its operator.
        DataKeyMissing: no key is configured.
        TwoStepUnreadable: a secret of the two-step log-in does not open; nothing was changed.
    """
    if actor.role not in (Role.SYSTEM, Role.PLATFORM_OPERATOR):
        raise NotAllowed("更换数据密钥", "平台运营")
    count = 0
    for field in Field:
        count += _reseal_field(field, keys)
    count += _reseal_two_step(keys)
    note = Note(
        action="personal.reseal",
        subject=Ref("person", actor.person) if actor.person else Ref("platform", UUID(int=0)),
        after={"key": keys.first.id, "values": count},
    )
    record([note], actor=actor, now=now)
    return count


def _reseal_field(field: Field, keys: Keyring) -> int:
    column = _COLUMNS[field]
    model: type[Person | Organisation] = Organisation if field is Field.BANK_ACCOUNT else Person
    rows = model.objects.select_for_update(no_key=True).filter(**{f"{column}__isnull": False})
    changed = []
    for row in rows.order_by("id").iterator(BATCH):
        place = place_of(field, row.pk)
        if keys.stale(getattr(row, column), place):
            value = keys.open(getattr(row, column), place)
            setattr(row, column, keys.seal(value, place))
            if isinstance(row, Person) and field is Field.PHONE:
                row.phone_index = keys.index(value, Field.PHONE)
            changed.append(row)
    columns = [column, "phone_index"] if field is Field.PHONE else [column]
    model.objects.bulk_update(changed, columns, batch_size=BATCH)  # type: ignore[arg-type]
    return len(changed)


def _reseal_two_step(keys: Keyring) -> int:
    count, changed = 0, []
    # allauth locks the row too when it crosses a recovery code off, so neither loses the other's.
    rows = Authenticator.objects.select_for_update(no_key=True).order_by("id")
    for row in rows.iterator(BATCH):
        stale = [
            name for name in SECRETS if name in row.data and stale_secret(row.data[name], keys)
        ]
        for name in stale:
            row.data[name] = seal_secret(open_secret(row.data[name], keys), keys)
        if stale:
            count += len(stale)
            changed.append(row)
    Authenticator.objects.bulk_update(changed, ["data"], batch_size=BATCH)
    return count


_COLUMNS = {
    Field.PHONE: "phone_sealed",
    Field.IDENTITY: "identity_sealed",
    Field.BANK_ACCOUNT: "bank_sealed",
}
_WHO = {
    Field.PHONE: "本人",
    Field.IDENTITY: "本人",
    Field.BANK_ACCOUNT: "该机构自己的经办人，或财政",
}


def _may_set(actor: Actor, person: UUID) -> None:
    if not (actor.person == person or actor.role is Role.PLATFORM_OPERATOR):
        raise NotAllowed("登记他人的个人信息", "本人，或平台运营")


def _may_reveal(actor: Actor, subject: Ref, field: Field) -> bool:
    if field is Field.BANK_ACCOUNT:
        return subject.kind == "organisation" and (
            actor.role is Role.TREASURY
            or (actor.role in OWNERS and actor.organisation == subject.id)
        )
    return (
        subject.kind == "person"
        and actor.person == subject.id
        # An auditor sees that something is kept and who looked, never the thing itself.
        and actor.role is not Role.AUDITOR
    )


def _sealed(subject: Ref, field: Field) -> bytes | None:
    model: type[Person | Organisation] = Person if subject.kind == "person" else Organisation
    found = model.objects.filter(id=subject.id).values_list(_COLUMNS[field], flat=True).first()
    return None if found is None else bytes(found)


def _locked_person(person: UUID) -> Person:
    row = Person.objects.select_for_update(no_key=True).filter(id=person).first()
    if row is None:
        raise NotFound("人员", str(Ref("person", person)))
    return row


def _noted(action: str, subject: Ref, actor: Actor, now: datetime) -> Ref:
    record([Note(action=action, subject=subject)], actor=actor, now=now)
    return subject
