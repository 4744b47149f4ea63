"""What sealed audit rows mean to people (通知): whom each one concerns, in words for them.

It lies in this room because it is the lowest that knows cases, payments and vouchers together. It
reads; `ledger.delivery` writes. Whoever did a thing is not told of it. Every row makes at most one
letter to a recipient.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime

from jinsuan.ledger.audit import AuditView, SealedView
from jinsuan.ledger.delivery import Letter, Recipient
from jinsuan.vouchers import letters_cases, letters_money
from jinsuan.vouchers.letters_to import Draft, People

Maker = Callable[[AuditView, People], Iterable[Draft]]
MAKERS: Mapping[str, Maker] = {**letters_cases.MAKERS, **letters_money.MAKERS}
"""By the action of the audit row; every other row concerns nobody in particular."""


def letters(rows: Sequence[SealedView], *, now: datetime) -> Iterator[Letter]:
    """The letters that these rows make, in their order.

    Args:
        now: who is a member of what is asked of this moment.
    """
    people = People(now)
    for sealed in rows:
        make = MAKERS.get(sealed.row.action)
        if make is None:
            continue
        told: set[Recipient] = set()
        for draft in make(sealed.row, people):
            to = {one for one in draft.to if one.person != sealed.row.person} - told
            told |= to
            if to:
                yield Letter(
                    position=sealed.position,
                    to=frozenset(to),
                    kind=draft.kind,
                    subject=draft.subject,
                    number=draft.number,
                    title=draft.title,
                    words=draft.words,
                    occurred_at=sealed.row.at,
                )
