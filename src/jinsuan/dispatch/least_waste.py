"""Our policy for choosing a node: the least weighed change of the potentials, coarsely. Pure.

Weights are data, `data/fragmentation.toml`, found by search on other arrivals than those of the
reported figures and then frozen. The cost is cut to whole quanta, and equal quanta go to the lowest
node: that consolidates, and matters as much as the terms do.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, fields
from functools import lru_cache
from importlib.resources import files

import numpy as np

from jinsuan.dispatch.aftermath import aftermath, best_ways
from jinsuan.dispatch.demand import FULL, Demand, Mix
from jinsuan.dispatch.fragmentation import Potentials
from jinsuan.dispatch.remainders import remainder_values
from jinsuan.dispatch.rooms import Nodes, Rooms
from jinsuan.dispatch.scoring import Cards, Scores


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """What counts for one class of jobs, each for a thousandth of a card unless said otherwise.

    Args:
        stranded, brim, starved, value: the potentials of `jinsuan.dispatch.fragmentation`; a fall of
            `value` costs, a rise of the others costs.
        opens: for each untouched card that is started.
        idle: for what stays idle on the node's cards; `cores`: for each core that stays idle.
        quantum: the cost is cut to whole multiples of this.
    """

    stranded: float
    brim: float
    starved: float
    value: float
    opens: float
    idle: float
    cores: float
    quantum: float


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightSet:
    """The weights for shares, for whole cards, and for work without cards."""

    version: str
    share: Weights
    whole: Weights
    cpu: Weights

    def of(self, job: Demand) -> Weights:
        if job.is_share:
            return self.share
        return self.whole if job.cards else self.cpu


@lru_cache(maxsize=1)
def frozen_weights() -> WeightSet:
    """The weights that come with the program."""
    text = files("jinsuan.dispatch").joinpath("data", "fragmentation.toml").read_text("utf-8")
    found = tomllib.loads(text)
    names = {field.name for field in fields(Weights)}
    parts = {}
    for part in ("share", "whole", "cpu"):
        assert set(found[part]) == names, f"{part} has other weights than {sorted(names)}"
        parts[part] = Weights(**{name: float(found[part][name]) for name in names})
    return WeightSet(version=found["version"], **parts)


class LeastWaste:
    """The node where the weighed potentials grow least, in whole quanta; then the lowest node."""

    def __init__(self, mix: Mix, weights: WeightSet | None = None) -> None:
        self.weights = weights or frozen_weights()
        self._potentials = Potentials(mix, value=remainder_values(mix))
        self._scale = 1.0 / max(1, mix.total)

    def scores(self, job: Demand, rooms: Rooms, nodes: Nodes) -> tuple[Scores, Cards]:
        weights = self.weights.of(job)
        found = aftermath(job, rooms, nodes, self._potentials)
        cost = found.change @ np.array(
            [
                weights.stranded * self._scale,
                weights.brim * self._scale,
                weights.starved,
                -weights.value,
            ]
        )
        cost += weights.opens * found.opens
        if weights.idle:
            cost += (
                weights.idle
                * (rooms.cards[nodes].sum(axis=1) - job.cards * job.card_milli)[found.which]
            )
        if weights.cores:
            cost += (weights.cores / FULL) * found.cpu
        scores = -np.floor(cost / weights.quantum).astype(np.int64)
        return best_ways(scores, found, len(nodes))

    def pick(self, row: Scores) -> int:
        return int(row.argmax())
