"""The only writers of vouchers: `issue`, what follows in `life`, jobs' money in `escrow`, `cash`."""

from __future__ import annotations

from jinsuan.vouchers.actions.cash import book_top_up
from jinsuan.vouchers.actions.differences import book_differences, clear_difference
from jinsuan.vouchers.actions.escrow import (
    Capture,
    Want,
    capture,
    hold,
    release,
    top_up,
    top_up_all,
)
from jinsuan.vouchers.actions.issue import issue, open_programme
from jinsuan.vouchers.actions.life import (
    expire_due,
    resume,
    revoke,
    suspend,
    sweep_ended,
    warn_expiring,
)

__all__ = [
    "Capture",
    "Want",
    "book_differences",
    "book_top_up",
    "capture",
    "clear_difference",
    "expire_due",
    "hold",
    "issue",
    "open_programme",
    "release",
    "resume",
    "revoke",
    "suspend",
    "sweep_ended",
    "top_up",
    "top_up_all",
    "warn_expiring",
]
