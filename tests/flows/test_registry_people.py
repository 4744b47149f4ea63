"""Who may do what for whom: roles, recommending bodies, doors, tokens, links."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest
from allauth.socialaccount.models import SocialAccount
from django.db import IntegrityError, transaction

from jinsuan.kernel.errors import BadInput, NotAllowed, NotFound
from jinsuan.kernel.ids import new_id
from jinsuan.kernel.ref import Actor, Ref, Role
from jinsuan.ledger.models import AuditRow
from jinsuan.registry.actions.agents import authenticate_token, issue_token
from jinsuan.registry.actions.people import (
    end_membership,
    give_role,
    link_identity,
    register_bodies,
    unlink_identity,
)
from jinsuan.registry.catalogue import bodies, cities
from jinsuan.registry.errors import AlreadyRegistered, TokenInvalid
from jinsuan.registry.links import links
from jinsuan.registry.models import Body, Cluster, Membership, Node
from jinsuan.registry.queries import (
    access_centre,
    actor_for,
    centres_of,
    memberships_of,
)
from jinsuan.registry.queries_people import access_organisation, access_person
from tests.flows.world import SYSTEM, World, make_world, organisation, person

NOW = datetime(2025, 9, 16, 1, 0, tzinfo=UTC)
START = date(2025, 1, 1)
pytestmark = pytest.mark.django_db


def pk(actor: Actor) -> UUID:
    assert actor.person is not None
    return actor.person


@pytest.fixture
def bureau() -> UUID:
    return organisation(3, "丙局", NOW)


@pytest.fixture
def wang(bureau: UUID) -> Actor:
    return person("wang", bureau, Role.PROVINCIAL_OFFICER, NOW)


@pytest.fixture
def give(bureau: UUID, wang: Actor) -> Callable[..., Ref]:
    def given(role: Role, since: date = START, body: UUID | None = None) -> Ref:
        return give_role(
            person=pk(wang),
            organisation=bureau,
            role=role,
            effective_from=since,
            body=body,
            actor=SYSTEM,
            now=NOW,
        )

    return given


def body(code: str) -> UUID:
    return Body.objects.get(code=code).id


# Recommending bodies


def test_the_bodies_are_eleven_cities_the_zone_and_provincial_units() -> None:
    kinds = [b.kind for b in bodies().values()]
    assert (kinds.count("city"), kinds.count("zone")) == (11, 1)
    assert kinds.count("provincial") > 0
    in_cities = {b.code: b.name for b in bodies().values() if b.kind == "city"}
    assert in_cities == {city.adcode: city.name for city in cities().values()}


def test_bodies_are_registered_once() -> None:
    assert register_bodies(actor=SYSTEM, now=NOW) == len(bodies())
    assert register_bodies(actor=SYSTEM, now=NOW) == 0
    assert AuditRow.objects.filter(action="body.register").count() == len(bodies())


def test_a_recommender_acts_for_a_body_and_others_for_none(
    give: Callable[..., Ref], wang: Actor
) -> None:
    register_bodies(actor=SYSTEM, now=NOW)
    with pytest.raises(BadInput, match="推荐单位"):
        give(Role.RECOMMENDER)
    with pytest.raises(BadInput, match="推荐单位"):
        give(Role.EXPERT, body=body("140100"))
    give(Role.RECOMMENDER, body=body("140100"))
    give(Role.RECOMMENDER, body=body("zgq"))  # one office may recommend for two

    acted = {m.body for m in memberships_of(pk(wang), now=NOW) if m.role is Role.RECOMMENDER}
    assert acted == {Ref("body", body("140100")), Ref("body", body("zgq"))}


def test_the_table_itself_refuses_a_recommender_without_a_body(wang: Actor, bureau: UUID) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        Membership.objects.create(
            person_id=pk(wang), organisation_id=bureau, role="recommender", effective_from=START
        )


# From a day to a day


def test_a_role_begins_and_ends_on_its_days(
    give: Callable[..., Ref], wang: Actor, bureau: UUID
) -> None:
    ref = give(Role.AUDITOR, date(2025, 9, 1))
    end_membership(ref.id, effective_to=date(2025, 9, 16), reason="调岗", actor=SYSTEM, now=NOW)

    def acts(day: int) -> bool:
        found = memberships_of(pk(wang), now=datetime(2025, 9, day, 1, tzinfo=UTC))
        return Role.AUDITOR in {m.role for m in found}

    assert [acts(day) for day in (1, 15, 16, 17)] == [True, True, False, False]
    with pytest.raises(NotAllowed):
        actor_for(pk(wang), bureau, Role.AUDITOR, via="test", now=NOW)
    note = AuditRow.objects.get(action="membership.end")
    assert (note.reason, note.subject) == ("调岗", str(ref))


def test_a_role_is_given_once_at_a_time_and_may_come_back(give: Callable[..., Ref]) -> None:
    ref = give(Role.AUDITOR)
    with pytest.raises(AlreadyRegistered):
        give(Role.AUDITOR, date(2025, 5, 1))
    end_membership(ref.id, effective_to=date(2025, 5, 1), reason="离任", actor=SYSTEM, now=NOW)
    give(Role.AUDITOR, date(2025, 5, 1))


@pytest.mark.parametrize(
    ("end", "words"), [(START, "首日"), (date(2024, 12, 31), "首日"), (date(2025, 8, 1), "推迟")]
)
def test_an_end_before_the_beginning_or_put_off_is_refused(
    end: date, words: str, give: Callable[..., Ref]
) -> None:
    ref = give(Role.AUDITOR)
    end_membership(ref.id, effective_to=date(2025, 7, 1), reason="离任", actor=SYSTEM, now=NOW)
    with pytest.raises(BadInput, match=words):
        end_membership(ref.id, effective_to=end, reason="离任", actor=SYSTEM, now=NOW)


def test_a_membership_that_is_not_there_is_not_found() -> None:
    with pytest.raises(NotFound):
        end_membership(new_id(), effective_to=START, reason="离任", actor=SYSTEM, now=NOW)


def test_a_token_dies_with_the_role_it_stands_for(wang: Actor, bureau: UUID) -> None:
    text = issue_token(
        person=pk(wang),
        organisation=bureau,
        role=Role.PROVINCIAL_OFFICER,
        scopes=["jobs:read"],
        label="脚本",
        expires_at=NOW + timedelta(days=30),
        actor=wang,
        now=NOW,
    )
    bearer = authenticate_token(text, now=NOW)
    actor, scopes = bearer.actor, tuple(bearer.scopes)
    assert (actor.person, scopes) == (wang.person, ("jobs:read",))
    assert text not in str(list(AuditRow.objects.values()))
    membership = Membership.objects.get(person=pk(wang))
    end_membership(
        membership.id, effective_to=date(2025, 9, 20), reason="离任", actor=SYSTEM, now=NOW
    )

    authenticate_token(text, now=datetime(2025, 9, 19, 1, tzinfo=UTC))
    with pytest.raises(TokenInvalid):
        authenticate_token(text, now=datetime(2025, 9, 20, 1, tzinfo=UTC))


# Doors: every role, for the thing's own organisation and for another


ALL = {Role.AUDITOR, Role.PROVINCIAL_OFFICER, Role.PLATFORM_OPERATOR, Role.TREASURY, Role.SYSTEM}


def viewer(role: Role, organisation: UUID) -> Actor:
    if role is Role.SYSTEM:
        return SYSTEM
    return Actor(person=new_id(), organisation=organisation, role=role, via="test")


def opens(door: Callable[[], object]) -> bool:
    """Only NotFound closes a door: missing and forbidden must look alike."""
    try:
        door()
    except NotFound:
        return False
    return True


@pytest.fixture
def world() -> World:
    return make_world(now=NOW, cash="0", voucher="0")


@pytest.mark.parametrize("own", [True, False], ids=["own", "other"])
@pytest.mark.parametrize("role", list(Role))
def test_the_door_to_a_centre(role: Role, own: bool, world: World) -> None:
    who = viewer(role, world.provider if own else world.tenant)
    expected = role in ALL or (role is Role.CENTRE_OPERATOR and own)

    assert opens(lambda: access_centre(who, world.centre)) is expected
    assert bool(centres_of(who)) is expected
    assert not opens(lambda: access_centre(who, "no-such-centre"))


@pytest.mark.parametrize("own", [True, False], ids=["own", "other"])
@pytest.mark.parametrize("role", list(Role))
def test_the_door_to_an_organisation(role: Role, own: bool, world: World) -> None:
    who = viewer(role, world.tenant if own else world.provider)
    expected = role in ALL or (own and role in (Role.TENANT, Role.CENTRE_OPERATOR))

    assert opens(lambda: access_organisation(who, world.tenant)) is expected
    assert not opens(lambda: access_organisation(who, new_id()))


@pytest.mark.parametrize("own", [True, False], ids=["own", "other"])
@pytest.mark.parametrize("role", list(Role))
def test_the_door_to_a_person(role: Role, own: bool, world: World) -> None:
    who = viewer(role, world.tenant if own else world.provider)
    expected = role in (Role.AUDITOR, Role.PLATFORM_OPERATOR, Role.SYSTEM)

    assert opens(lambda: access_person(who, pk(world.researcher))) is expected
    assert opens(lambda: access_person(world.researcher, pk(world.researcher)))
    assert not opens(lambda: access_person(who, new_id()))


# Links


def test_everything_the_registry_names_leads_on(world: World) -> None:
    register_bodies(actor=SYSTEM, now=NOW)
    zone = Ref("body", body("zgq"))
    given = give_role(
        person=pk(world.researcher),
        organisation=world.tenant,
        role=Role.RECOMMENDER,
        effective_from=START,
        body=zone.id,
        actor=SYSTEM,
        now=NOW,
    )
    centre = Ref("centre", world.centre_id)
    cluster = Ref("cluster", Cluster.objects.get().id)
    node = Ref("node", Node.objects.order_by("name")[0].id)
    provider, tenant = Ref("organisation", world.provider), Ref("organisation", world.tenant)
    researcher = Ref("person", pk(world.researcher))

    assert links(centre) == [provider, cluster]
    assert links(cluster) == [centre]
    assert links(node) == [cluster, centre]
    assert links(provider) == [centre]
    assert links(tenant) == [researcher]
    assert given in links(researcher)
    assert tenant in links(researcher)
    assert links(given) == [researcher, tenant, zone]
    assert links(zone) == [given]
    for kind in ("centre", "cluster", "node", "organisation", "person", "membership", "body"):
        assert links(Ref(kind, new_id())) == []
    assert links(Ref("transfer", new_id())) == []


# Identities of the unified log-in


def test_an_identity_opens_one_account_and_leaves_no_trace_of_itself(wang: Actor) -> None:
    link_identity(pk(wang), provider="oidc", subject="u-10086", actor=SYSTEM, now=NOW)

    assert SocialAccount.objects.get(uid="u-10086").user_id == pk(wang)
    [note] = AuditRow.objects.filter(action="person.link_identity")
    assert "u-10086" not in str(note.detail)
    assert hashlib.sha256(b"u-10086").hexdigest() in str(note.detail)
    with pytest.raises(AlreadyRegistered):
        link_identity(pk(wang), provider="oidc", subject="u-2", actor=SYSTEM, now=NOW)


def test_an_identity_is_not_linked_twice_nor_by_anybody(wang: Actor, bureau: UUID) -> None:
    other = person("li", bureau, Role.TREASURY, NOW)
    link_identity(pk(wang), provider="oidc", subject="u-1", actor=SYSTEM, now=NOW)
    with pytest.raises(AlreadyRegistered):
        link_identity(pk(other), provider="oidc", subject="u-1", actor=SYSTEM, now=NOW)
    with pytest.raises(NotAllowed):
        link_identity(pk(other), provider="oidc", subject="u-2", actor=other, now=NOW)
    for subject in ("", " u-2", "u" * 192):
        with pytest.raises(BadInput):
            link_identity(pk(other), provider="oidc", subject=subject, actor=SYSTEM, now=NOW)

    unlink_identity(pk(wang), provider="oidc", reason="离职", actor=SYSTEM, now=NOW)
    link_identity(pk(other), provider="oidc", subject="u-1", actor=SYSTEM, now=NOW)
    with pytest.raises(NotFound):
        unlink_identity(pk(wang), provider="oidc", reason="离职", actor=SYSTEM, now=NOW)
