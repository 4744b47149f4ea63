"""Scores of every kind of job on every node, kept up as nodes change. Pure.

Only the node that changed is scored again, for all kinds at once; a decision is then the largest
number of one row. Equal scores go to the lowest node, which packs equal nodes from one side.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from jinsuan.dispatch.fragmentation import FULL, Demand

Scores = npt.NDArray[np.int32]
NEVER = np.iinfo(np.int32).min
"""The score of a node where the job does not fit."""


@dataclass(slots=True)
class Room:
    """What is free on a node: thousandths of cores, MiB, thousandths of each card."""

    model: str
    cpu: int
    memory: int
    cards: list[int]

    def take(self, job: Demand, cards: Sequence[int]) -> None:
        """Use up what the job asks for, on these cards."""
        self.cpu -= job.cpu_milli
        self.memory -= job.memory_mib
        for i in cards:
            self.cards[i] -= job.card_milli
        assert self.cpu >= 0 and self.memory >= 0 and min(self.cards, default=0) >= 0

    def give(self, job: Demand, cards: Sequence[int]) -> None:
        """Free again what the job had."""
        self.cpu += job.cpu_milli
        self.memory += job.memory_mib
        for i in cards:
            self.cards[i] += job.card_milli
        assert max(self.cards, default=0) <= FULL


class Policy(Protocol):
    """How good each kind of job would be on a node."""

    def column(self, room: Room, fitting: npt.NDArray[np.intp]) -> tuple[Scores, Sequence[int]]:
        """Larger is better; the second is the card that a share would get (any number for others).

        Args:
            fitting: the kinds that fit, by number; one answer for each.
        """

    def pick(self, row: Scores) -> int:
        """The node to take, given one kind's scores, of which at least one is not `NEVER`."""


class Kinds:
    """The kinds of jobs that are scored, as arrays."""

    def __init__(self, kinds: Iterable[Demand]) -> None:
        self.kinds = tuple(kinds)
        self.cpu = np.array([kind.cpu_milli for kind in self.kinds], dtype=np.int64)
        self.memory = np.array([kind.memory_mib for kind in self.kinds], dtype=np.int64)
        self.cards = np.array([kind.cards for kind in self.kinds], dtype=np.int64)
        self.milli = np.array([kind.card_milli for kind in self.kinds], dtype=np.int64)
        self.share = np.array([kind.is_share for kind in self.kinds], dtype=bool)
        self.whole = (self.cards > 0) & ~self.share
        self._accepts: dict[str, npt.NDArray[np.bool_]] = {}

    def fitting(self, room: Room) -> npt.NDArray[np.intp]:
        """The kinds that fit, by number."""
        accepts = self._accepts.get(room.model)
        if accepts is None:
            accepts = np.array([kind.accepts(room.model) for kind in self.kinds], dtype=bool)
            self._accepts[room.model] = accepts
        fits = (self.cpu <= room.cpu) & (self.memory <= room.memory) & accepts
        largest, empty = max(room.cards, default=0), room.cards.count(FULL)
        fits &= np.where(self.share, self.milli <= largest, self.cards <= empty)
        return np.flatnonzero(fits)


class ScoreTable:
    """Free room of all nodes, with the score of every kind on every node."""

    def __init__(self, rooms: Sequence[Room], kinds: Kinds, policy: Policy) -> None:
        self.rooms = list(rooms)
        self.kinds = kinds
        self._policy = policy
        shape = (len(kinds.kinds), len(self.rooms))
        self._scores = np.full(shape, NEVER, dtype=np.int32)
        self._card = np.zeros(shape, dtype=np.int8)
        for node in range(len(self.rooms)):
            self.refresh(node)

    def refresh(self, node: int) -> None:
        """Score a node again after its room changed."""
        room = self.rooms[node]
        fitting = self.kinds.fitting(room)
        column = self._scores[:, node]
        column[:] = NEVER
        if len(fitting):
            scores, cards = self._policy.column(room, fitting)
            column[fitting] = scores
            self._card[fitting, node] = cards

    def choose(self, kind: int) -> int | None:
        """The best node for a job of this kind; None only when it fits nowhere."""
        row = self._scores[kind]
        if row.max() == NEVER:
            return None
        return self._policy.pick(row)

    def cards(self, kind: int, node: int) -> tuple[int, ...]:
        """The cards that it would get there: the chosen one for a share, the first empty ones."""
        job = self.kinds.kinds[kind]
        if job.is_share:
            return (int(self._card[kind, node]),)
        empty = (i for i, milli in enumerate(self.rooms[node].cards) if milli == FULL)
        return tuple(i for i, _ in zip(empty, range(job.cards), strict=False))

    def place(self, kind: int) -> tuple[int, tuple[int, ...]] | None:
        """Choose a node, use it up; the node and the cards, None when the job fits nowhere."""
        node = self.choose(kind)
        if node is None:
            return None
        cards = self.cards(kind, node)
        self.rooms[node].take(self.kinds.kinds[kind], cards)
        self.refresh(node)
        return node, cards
