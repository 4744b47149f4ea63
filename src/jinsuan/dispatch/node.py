"""One node's free room during a round, and the best fit among nodes. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace

from jinsuan.dispatch.demand import FULL
from jinsuan.protocol.spec import Accelerators, JobSpec
from jinsuan.registry.capacity import NodeFree, Share


@dataclass(slots=True)
class Node:
    """A node's free room during one round; `take` changes it."""

    free: NodeFree
    cards: list[int]
    cpu: int
    memory: int

    def fits(self, choice: Accelerators | None, spec: JobSpec) -> tuple[int, ...] | None:
        """The cards that would be used, () for a job without cards, None when it does not fit."""
        if self.cpu < spec.resources.cpu_milli or self.memory < spec.resources.memory_mib:
            return None
        if choice is None:
            return ()
        if self.free.model != choice.model:
            return None
        if choice.card_milli == FULL:
            empty = [i for i, milli in enumerate(self.cards) if milli == FULL]
            return tuple(empty[: choice.count]) if len(empty) >= choice.count else None
        # A share goes to the fullest card that still has room, which keeps whole cards whole.
        room = [(milli, i) for i, milli in enumerate(self.cards) if milli >= choice.card_milli]
        return (min(room)[1],) if room else None

    def waste(
        self, choice: Accelerators | None, used: tuple[int, ...]
    ) -> tuple[int, int, int, str]:
        """How much is spoiled by using this node; the smallest wins."""
        if choice is None:
            return (len(self.cards), self.cpu, self.memory, self.free.name)
        broken = sum(1 for i in used if self.cards[i] == FULL and choice.card_milli < FULL)
        left = sum(1 for milli in self.cards if milli == FULL) - len(used)
        return (broken, left, self.cpu, self.free.name)

    def now(self) -> NodeFree:
        return replace(
            self.free,
            cards_free_milli=tuple(self.cards),
            cpu_free_milli=self.cpu,
            memory_free_mib=self.memory,
        )

    def take(self, share: Share) -> None:
        """Use the share up for the rest of the round."""
        self.cpu -= share.cpu_milli
        self.memory -= share.memory_mib
        for i in share.cards:
            self.cards[i] -= share.card_milli
