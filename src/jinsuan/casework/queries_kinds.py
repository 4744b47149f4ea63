"""Which table of moves cases follow, many at once; for whoever holds their ids already."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from jinsuan.casework.models import Case


def kinds_of(cases: Iterable[UUID]) -> dict[UUID, str]:
    """The kind of each case; an id that no case has is absent."""
    return dict(Case.objects.filter(id__in=list(cases)).values_list("id", "kind"))
