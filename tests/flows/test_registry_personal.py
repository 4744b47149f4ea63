"""Personal data in the real tables: sealed, masked, shown in full only with a reason."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from uuid import UUID

import pytest
import structlog
from django.db import connection

from jinsuan.kernel.errors import BadInput, NotAllowed, NotFound
from jinsuan.kernel.ids import new_id
from jinsuan.kernel.ref import Actor, Ref, Role
from jinsuan.ledger.actions import Note
from jinsuan.ledger.models import AuditRow
from jinsuan.registry.actions.personal import (
    reseal,
    reveal,
    set_bank_account,
    set_identity,
    set_phone,
)
from jinsuan.registry.errors import (
    AlreadyRegistered,
    DataKeyMissing,
    DataKeyUnknown,
    PersonalDataDamaged,
)
from jinsuan.registry.models import Person
from jinsuan.registry.personal import Field
from jinsuan.registry.queries_people import bank_account_view, person_with_phone, personal_view
from jinsuan.registry.sealing import Keyring, new_key, read_keyring
from tests.flows.world import SYSTEM, organisation, person

NOW = datetime(2025, 9, 16, 1, 0, tzinfo=UTC)
OLD, NEW = new_key(), new_key()
KEYS = read_keyring(OLD)
PHONE = "13800138000"
IDENTITY = "11010519491231002X"
ACCOUNT = "0502123409300012345"
pytestmark = pytest.mark.django_db


@pytest.fixture
def university() -> UUID:
    return organisation(1, "乙大学", NOW)


@pytest.fixture
def zhou(university: UUID) -> Actor:
    return person("zhou", university, Role.TENANT, NOW)


def acting(actor: Actor, role: Role) -> Actor:
    return Actor(person=actor.person, organisation=actor.organisation, role=role, via="test")


def pk(actor: Actor) -> UUID:
    assert actor.person is not None
    return actor.person


def test_what_is_kept_is_ciphertext_and_what_is_shown_is_masked(zhou: Actor) -> None:
    set_phone(pk(zhou), "+86 138-0013-8000", keys=KEYS, actor=zhou, now=NOW)
    set_identity(pk(zhou), IDENTITY.lower(), keys=KEYS, actor=zhou, now=NOW)

    with connection.cursor() as cursor:
        cursor.execute("SELECT to_jsonb(p)::text FROM registry_person AS p")
        stored = "".join(row for (row,) in cursor.fetchall())
    assert PHONE not in stored
    assert PHONE.encode().hex() not in stored
    assert IDENTITY.encode().hex() not in stored
    view = personal_view(zhou, pk(zhou), keys=KEYS)
    assert (view.phone, view.identity) == ("138****8000", "110***********002X")


def test_neither_audit_rows_nor_logs_ever_carry_a_value(
    zhou: Actor, university: UUID, caplog: pytest.LogCaptureFixture
) -> None:
    with structlog.testing.capture_logs() as logs:
        set_phone(pk(zhou), PHONE, keys=KEYS, actor=zhou, now=NOW)
        set_identity(pk(zhou), IDENTITY, keys=KEYS, actor=zhou, now=NOW)
        set_bank_account(university, ACCOUNT, keys=KEYS, actor=zhou, now=NOW)
        subject = Ref("person", pk(zhou))
        reveal(subject, Field.PHONE, reason="核对联系电话", keys=KEYS, actor=zhou, now=NOW)
    rows = AuditRow.objects.values_list("action", "subject", "reason", "detail")
    written = json.dumps(list(rows), ensure_ascii=False) + json.dumps(logs) + caplog.text

    assert "personal.reveal" in written
    for value in (PHONE, IDENTITY, ACCOUNT):
        assert value not in written


@pytest.mark.parametrize(
    "name", ["phone", "mobile", "email", "id_card", "identity", "bank_account", "real_name"]
)
def test_the_audit_book_refuses_fields_with_personal_names(name: str) -> None:
    with pytest.raises(AssertionError, match="audit book"):
        Note(action="person.change", subject=Ref("person", UUID(int=1)), after={name: "x"})


def test_without_a_key_nothing_is_written_and_the_refusal_says_how_to_make_one(
    zhou: Actor,
) -> None:
    with pytest.raises(DataKeyMissing, match="jinsuan key new"):
        set_phone(pk(zhou), PHONE, keys=Keyring(), actor=zhou, now=NOW)

    assert Person.objects.get(id=pk(zhou)).phone_sealed is None
    assert personal_view(zhou, pk(zhou), keys=Keyring()).phone is None


def test_a_number_belongs_to_one_person_under_any_key(zhou: Actor, university: UUID) -> None:
    set_phone(pk(zhou), PHONE, keys=KEYS, actor=zhou, now=NOW)
    wu = person("wu", university, Role.TENANT, NOW)
    later = read_keyring(f"{NEW},{OLD}")

    with pytest.raises(AlreadyRegistered) as refused:
        set_phone(pk(wu), PHONE, keys=later, actor=wu, now=NOW)
    assert PHONE not in refused.value.explain()
    set_phone(pk(zhou), PHONE, keys=later, actor=zhou, now=NOW)  # one's own again is fine
    assert person_with_phone("138 0013 8000", keys=later) == Ref("person", pk(zhou))
    assert person_with_phone("13900139000", keys=later) is None


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize("own", [True, False], ids=["own", "other"])
def test_who_may_see_a_bank_account_in_full(
    role: Role, own: bool, zhou: Actor, university: UUID
) -> None:
    set_bank_account(university, ACCOUNT, keys=KEYS, actor=zhou, now=NOW)
    elsewhere = organisation(9, "别的单位", NOW)
    viewer = _actor(role, university if own else elsewhere)
    allowed = role is Role.TREASURY or (own and role in (Role.TENANT, Role.CENTRE_OPERATOR))
    subject = Ref("organisation", university)
    ask = {"reason": "兑付付款", "keys": KEYS, "actor": viewer, "now": NOW}

    if allowed:
        assert reveal(subject, Field.BANK_ACCOUNT, **ask) == ACCOUNT  # type: ignore[arg-type]
        last = AuditRow.objects.order_by("-id")[0]
        assert (last.action, last.reason) == ("personal.reveal", "兑付付款")
    else:
        with pytest.raises(NotAllowed):
            reveal(subject, Field.BANK_ACCOUNT, **ask)  # type: ignore[arg-type]


@pytest.mark.parametrize("role", [r for r in Role if r is not Role.SYSTEM])
def test_a_phone_in_full_is_for_the_person_alone(role: Role, zhou: Actor, university: UUID) -> None:
    set_phone(pk(zhou), PHONE, keys=KEYS, actor=zhou, now=NOW)
    other = _actor(role, university)
    ask = {"reason": "核对联系电话", "keys": KEYS, "now": NOW}

    with pytest.raises(NotAllowed):
        reveal(Ref("person", pk(zhou)), Field.PHONE, actor=other, **ask)  # type: ignore[arg-type]
    if role is not Role.AUDITOR:
        own = acting(zhou, role)
        assert reveal(Ref("person", pk(zhou)), Field.PHONE, actor=own, **ask) == PHONE  # type: ignore[arg-type]


@pytest.mark.parametrize("reason", ["", "   ", "看看", "长" * 201])
def test_a_value_in_full_needs_a_reason(reason: str, zhou: Actor) -> None:
    set_phone(pk(zhou), PHONE, keys=KEYS, actor=zhou, now=NOW)
    before = AuditRow.objects.count()

    with pytest.raises(BadInput, match="理由"):
        reveal(Ref("person", pk(zhou)), Field.PHONE, reason=reason, keys=KEYS, actor=zhou, now=NOW)
    assert AuditRow.objects.count() == before


def test_only_an_organisation_itself_says_where_its_money_goes(
    zhou: Actor, university: UUID
) -> None:
    for role in (Role.PLATFORM_OPERATOR, Role.TREASURY, Role.AUDITOR):
        with pytest.raises(NotAllowed):
            set_bank_account(
                university, ACCOUNT, keys=KEYS, actor=_actor(role, university), now=NOW
            )
    set_bank_account(university, ACCOUNT, keys=KEYS, actor=zhou, now=NOW)
    assert bank_account_view(zhou, university, keys=KEYS) == "****2345"
    stranger = person("stranger", organisation(9, "别的单位", NOW), Role.TENANT, NOW)
    with pytest.raises(NotFound):
        bank_account_view(stranger, university, keys=KEYS)


def test_nobody_registers_the_phone_of_somebody_else(zhou: Actor, university: UUID) -> None:
    wu = person("wu", university, Role.TENANT, NOW)
    with pytest.raises(NotAllowed):
        set_phone(pk(zhou), PHONE, keys=KEYS, actor=wu, now=NOW)
    operator = person("sun", university, Role.PLATFORM_OPERATOR, NOW)
    set_phone(pk(zhou), PHONE, keys=KEYS, actor=operator, now=NOW)


def test_a_new_key_takes_over_and_the_old_one_can_go(zhou: Actor, university: UUID) -> None:
    set_phone(pk(zhou), PHONE, keys=KEYS, actor=zhou, now=NOW)
    set_identity(pk(zhou), IDENTITY, keys=KEYS, actor=zhou, now=NOW)
    set_bank_account(university, ACCOUNT, keys=KEYS, actor=zhou, now=NOW)
    both, after = read_keyring(f"{NEW},{OLD}"), read_keyring(NEW)
    with pytest.raises(DataKeyUnknown):
        personal_view(zhou, pk(zhou), keys=after)

    assert reseal(keys=both, actor=SYSTEM, now=NOW) == 3
    assert reseal(keys=both, actor=SYSTEM, now=NOW) == 0
    assert personal_view(zhou, pk(zhou), keys=after).phone == "138****8000"
    assert bank_account_view(zhou, university, keys=after) == "****2345"
    assert person_with_phone(PHONE, keys=after) == Ref("person", pk(zhou))
    with pytest.raises(NotAllowed):
        reseal(keys=both, actor=zhou, now=NOW)


def test_a_ciphertext_copied_to_another_person_does_not_open(zhou: Actor, university: UUID) -> None:
    set_identity(pk(zhou), IDENTITY, keys=KEYS, actor=zhou, now=NOW)
    wu = person("wu", university, Role.TENANT, NOW)
    stolen = Person.objects.values_list("identity_sealed", flat=True).get(id=pk(zhou))
    Person.objects.filter(id=pk(wu)).update(identity_sealed=stolen)

    with pytest.raises(PersonalDataDamaged):
        personal_view(wu, pk(wu), keys=KEYS)


def _actor(role: Role, organisation: UUID) -> Actor:
    """Somebody acting in a role; that they may is not this room's actions' question."""
    if role is Role.SYSTEM:
        return SYSTEM
    return Actor(person=new_id(), organisation=organisation, role=role, via="test")
