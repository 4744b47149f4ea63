"""Statements of many lines."""

from __future__ import annotations

from datetime import datetime

from jinsuan.kernel.money import Money
from jinsuan.kernel.ref import Actor, Ref
from jinsuan.ledger import accounts
from jinsuan.ledger.actions import Posting, post
from jinsuan.ledger.reasons import Reason
from tests.flows.voucher_world import NOW


def post_lines(tenant: Ref, count: int, *, now: datetime = NOW, name: str = "line") -> None:
    """So many lines of a tenant's statement."""
    postings = [
        Posting(
            key=f"{name}:{number}",
            debit=accounts.bank("supervised"),
            credit=accounts.cash(tenant),
            amount=Money(100 + number),
            reason=Reason.TOP_UP,
            cause=tenant,
            occurred_at=now,
        )
        for number in range(count)
    ]
    post(postings, actor=Actor.system("test"), now=now)
