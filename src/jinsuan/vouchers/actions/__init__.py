"""The only writers of vouchers: programmes and issue in `issue`, jobs' money in `escrow`."""

from __future__ import annotations

from jinsuan.vouchers.actions.cash import book_top_up
from jinsuan.vouchers.actions.escrow import Capture, Want, capture, hold, release, top_up
from jinsuan.vouchers.actions.issue import issue, open_programme

__all__ = [
    "Capture",
    "Want",
    "book_top_up",
    "capture",
    "hold",
    "issue",
    "open_programme",
    "release",
    "top_up",
]
