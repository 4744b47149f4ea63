"""Keep the index by which applications with like texts and numbers are found."""

from __future__ import annotations

from django.db import transaction

from jinsuan.vouchers.checks.similar import keys_of, recipe
from jinsuan.vouchers.checks.thresholds import Copies
from jinsuan.vouchers.models import Application, PaperIndex
from jinsuan.vouchers.queries_checks import text_of, unindexed

CHUNK = 500


@transaction.atomic
def index_papers(mine: Application, at: Copies) -> None:
    """Make the keys of an application anew, and those of any that was handed in and has none of
    today's recipe: what is not in the index would not be found, and that would be a pass.
    """
    while rows := list(unindexed(recipe(at))[:CHUNK]):
        _write(rows, at)
    _write([mine], at)


def _write(rows: list[Application], at: Copies) -> None:
    PaperIndex.objects.bulk_create(
        [
            PaperIndex(
                application=one,
                recipe=recipe(at),
                keys=keys_of(
                    provider=one.provider_id,
                    contract=one.contract_number,
                    text=text_of(one),
                    at=at,
                ),
            )
            for one in rows
        ],
        update_conflicts=True,
        unique_fields=["application"],
        update_fields=["recipe", "keys"],
    )
