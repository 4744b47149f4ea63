"""Free room of many nodes as arrays, and which of them a job fits on. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from jinsuan.dispatch.demand import FULL, Demand

Nodes = npt.NDArray[np.intp]
"""Numbers of nodes."""


@dataclass(frozen=True, slots=True)
class Room:
    """What is free on one node: thousandths of cores, MiB, thousandths of each card ("" without)."""

    model: str
    cpu_milli: int
    memory_mib: int
    cards: tuple[int, ...]


class Rooms:
    """All nodes, in the order that breaks ties. Cards that a node does not have count as used up."""

    def __init__(self, rooms: Sequence[Room]) -> None:
        size = len(rooms)
        self.most_cards = max((len(room.cards) for room in rooms), default=0) or 1
        self.models = tuple(sorted({room.model for room in rooms}))
        number = {model: i for i, model in enumerate(self.models)}
        self.model = np.array([number[room.model] for room in rooms], dtype=np.int64)
        self.cpu = np.array([room.cpu_milli for room in rooms], dtype=np.int64)
        self.memory = np.array([room.memory_mib for room in rooms], dtype=np.int64)
        self.cards = np.zeros((size, self.most_cards), dtype=np.int64)
        for i, room in enumerate(rooms):
            self.cards[i, : len(room.cards)] = room.cards
        self._accepts: dict[Demand, npt.NDArray[np.bool_]] = {}

    def __len__(self) -> int:
        return len(self.cpu)

    def take(self, node: int, job: Demand, cards: Sequence[int]) -> None:
        """Use up what the job asks for, on these cards of this node."""
        self.cpu[node] -= job.cpu_milli
        self.memory[node] -= job.memory_mib
        for i in cards:
            self.cards[node, i] -= job.card_milli
        assert self.cpu[node] >= 0 and self.memory[node] >= 0 and self.cards[node].min() >= 0

    def accepts(self, job: Demand) -> npt.NDArray[np.bool_]:
        """By number of the model, whether it will do."""
        found = self._accepts.get(job)
        if found is None:
            found = np.array([job.accepts(model) for model in self.models], dtype=bool)
            self._accepts[job] = found
        return found

    def fitting(self, job: Demand, nodes: Nodes) -> Nodes:
        """Those of the nodes where the job fits now."""
        fits = (self.cpu[nodes] >= job.cpu_milli) & (self.memory[nodes] >= job.memory_mib)
        if job.cards:
            fits &= self.accepts(job)[self.model[nodes]]
            fits &= (self.cards[nodes] >= job.card_milli).sum(axis=1) >= job.cards
        return nodes[fits]

    def first_empty(self, node: int, count: int) -> tuple[int, ...]:
        """The first so many untouched cards of a node."""
        return tuple(np.flatnonzero(self.cards[node] == FULL)[:count].tolist())
