"""Scores of kinds of jobs on nodes, kept up as nodes change. Pure.

A row holds the scores of one kind on every node. When a kind is asked for, only the nodes that
changed since it was last asked for are scored again, all at once; the decision is then the largest
number of the row. Equal scores go to the lowest node, which packs equal nodes from one side.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt

from jinsuan.dispatch.demand import Demand
from jinsuan.dispatch.rooms import Nodes, Rooms

Scores = npt.NDArray[np.int32]
Cards = npt.NDArray[np.int8]
NEVER = np.iinfo(np.int32).min
"""The score of a node where the job does not fit."""
AT_ONCE = 4096
"""So many nodes are scored at a time, which bounds the memory."""


class Policy(Protocol):
    """How good a job would be on nodes."""

    def scores(self, job: Demand, rooms: Rooms, nodes: Nodes) -> tuple[Scores, Cards]:
        """For each of the nodes, on all of which it fits: larger is better, and a share's card."""

    def pick(self, row: Scores) -> int:
        """The node to take, given one score a node, of which at least one is not `NEVER`."""


class ScoreTable:
    """Scores every kind of job that was ever asked for, on every node."""

    def __init__(self, rooms: Rooms, policy: Policy) -> None:
        self.rooms = rooms
        self._policy = policy
        self._scores: dict[Demand, Scores] = {}
        self._cards: dict[Demand, Cards] = {}
        self._seen: dict[Demand, int] = {}
        self._changes: list[int] = []

    def changed(self, node: int) -> None:
        """Must be called after the room of a node changed otherwise than by `take`."""
        self._changes.append(node)

    def row(self, job: Demand) -> Scores:
        """The scores of this kind on all nodes as they are now."""
        row = self._scores.get(job)
        if row is None:
            row = self._scores[job] = np.full(len(self.rooms), NEVER, dtype=np.int32)
            self._cards[job] = np.zeros(len(self.rooms), dtype=np.int8)
            stale = np.arange(len(self.rooms))
        else:
            stale = np.array(list(set(self._changes[self._seen[job] :])), dtype=np.intp)
        self._seen[job] = len(self._changes)
        if len(stale):
            row[stale] = NEVER
            cards = self._cards[job]
            fitting = self.rooms.fitting(job, stale)
            for start in range(0, len(fitting), AT_ONCE):
                some = fitting[start : start + AT_ONCE]
                row[some], cards[some] = self._policy.scores(job, self.rooms, some)
        return row

    def cards(self, job: Demand, node: int) -> tuple[int, ...]:
        """The cards it would get on a node of its row: a share the best one, others untouched ones."""
        if job.is_share:
            return (int(self._cards[job][node]),)
        return self.rooms.first_empty(node, job.cards) if job.cards else ()

    def choose(self, job: Demand) -> tuple[int, tuple[int, ...]] | None:
        """The best node and its cards; None only when the job fits nowhere."""
        row = self.row(job)
        node = self._policy.pick(row)
        return None if row[node] == NEVER else (node, self.cards(job, node))

    def take(self, node: int, job: Demand, cards: tuple[int, ...]) -> None:
        """Use up what the job asks for, on these cards of this node."""
        self.rooms.take(node, job, cards)
        self._changes.append(node)

    def place(self, job: Demand) -> tuple[int, tuple[int, ...]] | None:
        """Choose a node and use it up."""
        found = self.choose(job)
        if found is not None:
            node, cards = found
            self.take(node, job, cards)
        return found
