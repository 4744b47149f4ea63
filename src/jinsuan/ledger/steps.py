"""In how many steps money moves (步骤). A closed list: the table repeats it in a CHECK. Pure."""

from __future__ import annotations

from enum import StrEnum


class Step(StrEnum):
    """At once, or reserved first and then posted (also in part) or voided."""

    SINGLE = "single"
    PENDING = "pending"
    POST = "post"
    VOID = "void"

    @property
    def label(self) -> str:
        """The word people read."""
        return _LABELS[self]

    @property
    def moves(self) -> bool:
        """Whether money has moved afterwards; the others only reserve it or let it go."""
        return self in {Step.SINGLE, Step.POST}

    @property
    def resolves(self) -> bool:
        """Whether it ends a pending transfer, and so has to name one."""
        return self in {Step.POST, Step.VOID}


_LABELS = {
    Step.SINGLE: "一次记账",
    Step.PENDING: "预留",
    Step.POST: "预留转正",
    Step.VOID: "撤销预留",
}
