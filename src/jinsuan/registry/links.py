"""What the registry knows to hang together: organisations, people, centres and their parts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from uuid import UUID

from django.db.models import QuerySet

from jinsuan.kernel.ref import Ref
from jinsuan.registry.models import Body, Centre, Cluster, Membership, Node


def links(ref: Ref) -> list[Ref]:
    """What the registry knows to hang together with this thing, the nearest first."""
    finder = _LINKS.get(ref.kind)
    return [] if finder is None else list(dict.fromkeys(finder(ref.id)))


def _links_of_centre(pk: UUID) -> Iterator[Ref]:
    for owner in Centre.objects.filter(id=pk).values_list("owner_id", flat=True):
        yield Ref("organisation", owner)
    for cluster in Cluster.objects.filter(centre=pk).order_by("name"):
        yield Ref("cluster", cluster.id)


def _links_of_cluster(pk: UUID) -> Iterator[Ref]:
    for centre in Cluster.objects.filter(id=pk).values_list("centre_id", flat=True):
        yield Ref("centre", centre)


def _links_of_node(pk: UUID) -> Iterator[Ref]:
    for row in Node.objects.filter(id=pk).select_related("cluster"):
        yield Ref("cluster", row.cluster_id)
        yield Ref("centre", row.cluster.centre_id)


def _links_of_organisation(pk: UUID) -> Iterator[Ref]:
    for person in _members(organisation=pk).values_list("person_id", flat=True):
        yield Ref("person", person)
    for centre in Centre.objects.filter(owner=pk).order_by("code").values_list("id", flat=True):
        yield Ref("centre", centre)
    for body in Body.objects.filter(organisation=pk).order_by("code"):
        yield Ref("body", body.id)


def _links_of_person(pk: UUID) -> Iterator[Ref]:
    for row in _members(person=pk):
        yield Ref("membership", row.id)
        yield Ref("organisation", row.organisation_id)


def _links_of_membership(pk: UUID) -> Iterator[Ref]:
    for row in _members(id=pk):
        yield Ref("person", row.person_id)
        yield Ref("organisation", row.organisation_id)
        if row.body_id is not None:
            yield Ref("body", row.body_id)


def _links_of_body(pk: UUID) -> Iterator[Ref]:
    for row in Body.objects.filter(id=pk, organisation__isnull=False):
        assert row.organisation_id is not None
        yield Ref("organisation", row.organisation_id)
    for member in _members(body=pk):
        yield Ref("membership", member.id)


def _members(**where: UUID) -> QuerySet[Membership]:
    return Membership.objects.filter(**where).order_by("id")


_LINKS: dict[str, Callable[[UUID], Iterator[Ref]]] = {
    "centre": _links_of_centre,
    "cluster": _links_of_cluster,
    "node": _links_of_node,
    "organisation": _links_of_organisation,
    "person": _links_of_person,
    "membership": _links_of_membership,
    "body": _links_of_body,
}
