"""What the registry knows, as frozen values; doors; links."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.contrib.postgres.aggregates import ArrayAgg
from django.db.models import Q

from jinsuan.kernel.errors import NotAllowed, NotFound
from jinsuan.kernel.period import beijing_date
from jinsuan.kernel.ref import Actor, Ref, Role
from jinsuan.registry.capacity import ClusterFree, NodeFree
from jinsuan.registry.catalogue import cities, domestic_models
from jinsuan.registry.models import (
    AgentChannel,
    AgentKey,
    ApiToken,
    Centre,
    Cluster,
    Membership,
    Node,
    Organisation,
    Person,
)

SEES_ALL = frozenset(
    {Role.AUDITOR, Role.PROVINCIAL_OFFICER, Role.PLATFORM_OPERATOR, Role.TREASURY, Role.SYSTEM}
)
WHOLE_CARD = 1000
SILENT_AFTER = timedelta(seconds=120)
"""An agent speaks every few seconds; after so long it has lost its way to us."""


def free_capacity(*, now: datetime) -> list[ClusterFree]:
    """What is free at every cluster, by centre code and node name. Two queries."""
    today = beijing_date(now)
    clusters = (
        Cluster.objects.select_related("centre__owner", "centre__channel")
        .filter(centre__effective_from__lte=today)
        .filter(Q(centre__effective_to__isnull=True) | Q(centre__effective_to__gt=today))
        .order_by("centre__code", "name")
    )
    nodes = _nodes_free()
    return [_cluster(cluster, tuple(nodes[cluster.id]), now) for cluster in clusters]


def _nodes_free() -> dict[UUID, list[NodeFree]]:
    rows = (
        Node.objects.filter(online=True)
        .order_by("cluster_id", "name")
        .annotate(taken=ArrayAgg("cards__reserved_milli", order_by="cards__index", default=[]))
        .values_list(
            "id",
            "cluster_id",
            "name",
            "model",
            "cpu_milli",
            "cpu_reserved_milli",
            "memory_mib",
            "memory_reserved_mib",
            "taken",
        )
    )
    found: dict[UUID, list[NodeFree]] = defaultdict(list)
    for pk, cluster, name, model, cpu, cpu_taken, memory, memory_taken, taken in rows.iterator():
        found[cluster].append(
            NodeFree(
                id=pk,
                name=name,
                model=model,
                cards_free_milli=tuple(WHOLE_CARD - milli for milli in taken if milli is not None),
                cpu_milli=cpu,
                cpu_free_milli=cpu - cpu_taken,
                memory_mib=memory,
                memory_free_mib=memory - memory_taken,
            )
        )
    return found


def _cluster(row: Cluster, nodes: tuple[NodeFree, ...], now: datetime) -> ClusterFree:
    centre, seen = row.centre, row.centre.channel.last_seen_at
    return ClusterFree(
        id=row.id,
        name=row.name,
        engine=row.engine,
        centre_id=centre.id,
        centre_code=centre.code,
        centre_name=centre.name,
        city=cities()[centre.adcode].name,
        owner_id=centre.owner_id,
        owner_name=centre.owner.name,
        kind=centre.kind,
        network=centre.network,
        domestic=domestic_models(),
        open=centre.state == Centre.State.OPEN,
        closed_reason=centre.state_reason,
        silent=seen is None or now - seen > SILENT_AFTER,
        last_seen_at=seen,
        nodes=nodes,
    )


def node_ids(cluster: UUID) -> dict[str, UUID]:
    """The nodes of a cluster by name."""
    return dict(Node.objects.filter(cluster=cluster).values_list("name", "id"))


def centre_code(centre: UUID) -> str:
    """The code of a centre that exists."""
    return str(Centre.objects.values_list("code", flat=True).get(id=centre))


def centre_id(code: str) -> UUID | None:
    """The id behind a centre's code."""
    return Centre.objects.filter(code=code).values_list("id", flat=True).first()


def is_registered(username: str) -> bool:
    """Whether somebody has this log-in name."""
    return Person.objects.filter(username=username).exists()


def holders(role: Role) -> list[Actor]:
    """Everybody with a role, ever, in order of registration."""
    rows = Membership.objects.filter(role=role).order_by("id")
    return [
        Actor(person=row.person_id, organisation=row.organisation_id, role=role, via="query")
        for row in rows
    ]


def person_name(ref: Ref) -> str:
    """How a person is called; an id that nobody has is shown as it is."""
    person = Person.objects.filter(id=ref.id).first()
    return str(ref) if person is None else str(person)


def organisation_name(pk: UUID | None) -> str:
    """How an organisation is called."""
    row = None if pk is None else Organisation.objects.filter(id=pk).first()
    return "" if row is None else row.name


@dataclass(frozen=True, slots=True, kw_only=True)
class MembershipView:
    """One role that a person may act in today."""

    person: Ref
    organisation: Ref
    organisation_name: str
    role: Role
    body: Ref | None = None
    """The recommending body (推荐单位) that a recommender acts for; None in every other role."""


def memberships_of(person: UUID, *, now: datetime) -> list[MembershipView]:
    """What a person may act as today, in a stable order."""
    today = beijing_date(now)
    rows = Membership.objects.select_related("organisation").filter(
        person=person, effective_from__lte=today
    )
    in_force = rows.filter(Q(effective_to__isnull=True) | Q(effective_to__gt=today))
    return [
        MembershipView(
            person=Ref("person", person),
            organisation=Ref("organisation", row.organisation_id),
            organisation_name=row.organisation.name,
            role=Role(row.role),
            body=None if row.body_id is None else Ref("body", row.body_id),
        )
        for row in in_force.order_by("organisation__name", "role", "id")
    ]


def actor_for(person: UUID, organisation: UUID, role: Role, *, via: str, now: datetime) -> Actor:
    """The actor, if this person may act in this role today.

    Raises:
        NotAllowed: no such membership is in force.
    """
    for found in memberships_of(person, now=now):
        if found.organisation.id == organisation and found.role is role:
            return Actor(person=person, organisation=organisation, role=role, via=via)
    raise NotAllowed(f"以 {role} 的身份办理", "在该机构有效任职的人员")


def person_named(username: str) -> Ref:
    """The person with a log-in name.

    Raises:
        NotFound: nobody has it.
    """
    pk = Person.objects.filter(username=username).values_list("id", flat=True).first()
    if pk is None:
        raise NotFound("登录名", username[:60])
    return Ref("person", pk)


def organisation_with(uscc: str) -> Ref:
    """The organisation with a credit code.

    Raises:
        NotFound: none has it.
    """
    pk = Organisation.objects.filter(uscc=uscc).values_list("id", flat=True).first()
    if pk is None:
        raise NotFound("机构", uscc[:60])
    return Ref("organisation", pk)


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenView:
    """One API token for a list. The token itself is known to nobody but its holder."""

    ref: Ref
    label: str
    username: str
    organisation_name: str
    role: Role
    scopes: tuple[str, ...]
    issued_at: datetime
    expires_at: datetime
    revoked_at: datetime | None
    last_used_at: datetime | None


def tokens(*, person: UUID | None = None) -> list[TokenView]:
    """Every token, or one person's, newest first."""
    rows = ApiToken.objects.select_related("person", "organisation").order_by("-id")
    return [
        TokenView(
            ref=Ref("token", row.id),
            label=row.label,
            username=row.person.username,
            organisation_name=row.organisation.name,
            role=Role(row.role),
            scopes=tuple(row.scopes),
            issued_at=row.issued_at,
            expires_at=row.expires_at,
            revoked_at=row.revoked_at,
            last_used_at=row.last_used_at,
        )
        for row in (rows if person is None else rows.filter(person=person))
    ]


def access_centre(viewer: Actor, code: str) -> Centre:
    """The door to managing a centre: its owner's operators, and who sees all.

    Raises:
        NotFound: there is none, or this viewer may not.
    """
    row = Centre.objects.select_related("owner").filter(code=code).first()
    if row is None:
        raise NotFound("算力中心", code[:60])
    if viewer.role in SEES_ALL:
        return row
    if viewer.role is Role.CENTRE_OPERATOR and row.owner_id == viewer.organisation:
        return row
    raise NotFound("算力中心", code[:60])


def centres_of(viewer: Actor) -> list[Centre]:
    """The centres that this viewer may manage or inspect, by code."""
    rows = Centre.objects.select_related("owner", "channel").order_by("code")
    if viewer.role in SEES_ALL:
        return list(rows)
    if viewer.role is Role.CENTRE_OPERATOR:
        return list(rows.filter(owner=viewer.organisation))
    return []


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeView:
    """One node with what is taken of it; cards in thousandths, by index."""

    name: str
    cluster: str
    model: str | None
    cards_taken_milli: tuple[int, ...]
    cpu_milli: int
    cpu_taken_milli: int
    memory_mib: int
    memory_taken_mib: int
    online: bool


def nodes_of(centre: UUID) -> list[NodeView]:
    """All nodes of a centre, also those that are away. The caller went through its door."""
    rows = (
        Node.objects.filter(cluster__centre=centre)
        .select_related("cluster")
        .annotate(taken=ArrayAgg("cards__reserved_milli", order_by="cards__index", default=[]))
        .order_by("cluster__name", "name")
    )
    return [
        NodeView(
            name=row.name,
            cluster=row.cluster.name,
            model=row.model,
            cards_taken_milli=tuple(milli for milli in row.taken if milli is not None),
            cpu_milli=row.cpu_milli,
            cpu_taken_milli=row.cpu_reserved_milli,
            memory_mib=row.memory_mib,
            memory_taken_mib=row.memory_reserved_mib,
            online=row.online,
        )
        for row in rows
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentView:
    """A centre's agent: its key and the last message accepted from it."""

    enrolled_at: datetime | None
    version: str
    boot: int
    sequence: int
    last_seen_at: datetime | None


def agent_of(centre: UUID) -> AgentView:
    """What is known of a centre's agent. The caller went through the centre's door."""
    channel = AgentChannel.objects.get(centre=centre)
    keys = AgentKey.objects.filter(centre=centre, revoked_at__isnull=True)
    return AgentView(
        enrolled_at=keys.values_list("enrolled_at", flat=True).first(),
        version=channel.agent_version,
        boot=channel.boot,
        sequence=channel.sequence,
        last_seen_at=channel.last_seen_at,
    )
