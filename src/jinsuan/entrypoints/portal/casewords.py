"""Words and chips of cases and payments: one meaning, one word, one colour."""

from __future__ import annotations

from jinsuan.entrypoints.portal.show import Chip

_STATES = {
    "draft": ("", "pen"),
    "checking": ("run", "gauge"),
    "city": ("wait", "clock"),
    "province": ("wait", "clock"),
    "approval": ("wait", "clock"),
    "notice": ("hold", "flag"),
    "payable": ("hold", "clock"),
    "returned": ("warn", "back"),
    "issued": ("ok", "check"),
    "paid": ("ok", "check"),
    "refused": ("bad", "x"),
    "withdrawn": ("", "x"),
}
_BATCHES = {
    "draft": ("wait", "clock"),
    "confirmed": ("run", "check"),
    "sent": ("hold", "arrow"),
    "cancelled": ("", "x"),
}
_LINES = {
    "pending": ("wait", "clock"),
    "sent": ("hold", "arrow"),
    "accepted": ("ok", "check"),
    "rejected": ("bad", "back"),
    "retried": ("warn", "arrow"),
    "cancelled": ("", "x"),
}
STRONG = frozenset({"推荐", "审定通过", "核定"})
"""Moves that take a case on; the others send it back, stop it or end it."""


def case_chip(code: str, label: str) -> Chip:
    kind, icon = _STATES.get(code, ("", "q"))
    return Chip(label, kind, icon)


def batch_chip(code: str, label: str) -> Chip:
    kind, icon = _BATCHES.get(code, ("", "q"))
    return Chip(label, kind, icon)


def line_chip(code: str, label: str) -> Chip:
    kind, icon = _LINES.get(code, ("", "q"))
    return Chip(label, kind, icon)
