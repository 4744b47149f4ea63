"""Relations are noted by officials, kept as digests, and only end."""

from __future__ import annotations

from uuid import UUID

import pytest
from django.db import DatabaseError, transaction

from jinsuan.kernel.errors import BadInput, NotAllowed, NotFound
from jinsuan.kernel.ref import Role
from jinsuan.registry.actions.relations import end_relation, register_relation
from jinsuan.registry.models import Relation
from jinsuan.registry.queries_relations import surroundings
from jinsuan.registry.sealing import DataKey, Keyring
from tests.flows.casework_world import NOW
from tests.flows.checks_world import KEYS, relate
from tests.flows.world import SYSTEM, organisation, person, uscc

pytestmark = pytest.mark.django_db


@pytest.fixture
def firms() -> list[UUID]:
    return [organisation(n, f"企业{n}", NOW) for n in (1, 2, 3)]


def test_the_same_again_changes_nothing(firms: list[UUID]) -> None:
    assert relate(firms[0], "phone", "13800138000") == relate(firms[0], "phone", "138 0013 8000")
    assert Relation.objects.count() == 1


def test_another_share_ends_the_old_row(firms: list[UUID]) -> None:
    first = relate(firms[0], "shareholder", uscc(2), 400)
    second = relate(firms[0], "shareholder", uscc(2), 600)

    assert first != second
    assert Relation.objects.get(ended_at__isnull=True).share_bps == 600


def test_a_new_data_key_does_not_make_two_things_of_one(firms: list[UUID]) -> None:
    relate(firms[0], "phone", "13800138000")
    newer = Keyring((DataKey("k2", bytes([2]) * 32), *KEYS.keys))
    register_relation(
        firms[1], kind="phone", value="13800138000", source="企业登记", keys=newer,
        actor=SYSTEM, now=NOW,
    )  # fmt: skip

    assert len({bytes(one.key) for one in Relation.objects.all()}) == 1


def test_who_may_and_what(firms: list[UUID]) -> None:
    given = {"value": "x", "source": "企业登记", "keys": KEYS, "now": NOW}
    tenant = person("tenant", firms[0], Role.TENANT, NOW)
    with pytest.raises(NotAllowed):
        register_relation(firms[1], kind="device", actor=tenant, **given)  # type: ignore[arg-type]
    with pytest.raises(BadInput):
        register_relation(firms[1], kind="friend", actor=SYSTEM, **given)  # type: ignore[arg-type]
    with pytest.raises(BadInput):
        register_relation(firms[1], kind="device", share_bps=5, actor=SYSTEM, **given)  # type: ignore[arg-type]
    with pytest.raises(NotFound):
        register_relation(tenant.person, kind="device", actor=SYSTEM, **given)  # type: ignore[arg-type]


def test_the_database_lets_it_only_end(firms: list[UUID]) -> None:
    made = relate(firms[0], "device", "x")
    rows = Relation.objects.filter(id=made)
    with pytest.raises(DatabaseError), transaction.atomic():
        rows.update(source="别处")
    with pytest.raises(DatabaseError), transaction.atomic():
        rows.delete()
    end_relation(made, reason="已更换", actor=SYSTEM, now=NOW)
    with pytest.raises(DatabaseError), transaction.atomic():
        rows.update(ended_at=None)
    with pytest.raises(NotFound):
        end_relation(made, reason="已更换", actor=SYSTEM, now=NOW)


def test_surroundings_reach_holders_and_held(firms: list[UUID]) -> None:
    relate(firms[1], "shareholder", uscc(1), 3_000)  # 1 holds 2
    relate(firms[1], "address", "一号")
    relate(firms[2], "address", "一号")

    for start in (firms[0], firms[2]):
        found = surroundings([start], hops=2, now=NOW)
        assert set(found.names) == set(firms)
    assert surroundings([firms[0]], hops=2, now=NOW).unknown == (firms[0],)
    assert set(surroundings([firms[0]], hops=1, now=NOW).names) == set(firms[:2])
