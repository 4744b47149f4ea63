"""Personal data as pages may show it: masked (脱敏), or found without being read."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from jinsuan.kernel.ref import Actor, Ref
from jinsuan.registry.models import Person
from jinsuan.registry.personal import Field, mask, place_of, read_phone
from jinsuan.registry.queries import access_organisation, access_person
from jinsuan.registry.sealing import Keyring


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
