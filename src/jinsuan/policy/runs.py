"""What a simulation leaves: per rule for everybody, contests, pools."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date

from jinsuan.policy.columns import Ints, Mask
from jinsuan.policy.decide import Outcome
from jinsuan.policy.law import BoundRule, Law
from jinsuan.policy.pack import Mode
from jinsuan.policy.population import Population


@dataclass(slots=True, kw_only=True)
class RuleRun:
    """One rule for everybody. Arrays are in the order of the population.

    Args:
        kept: whether there are arrays; without them (they are then empty) only counts and sums remain.
        eligible, needs: of each applicant; who is in neither does not meet a condition.
        superseded: where another branch is higher; None where the rule has no other branch.
        due: fen by the rule alone, nought where nothing is due; None for a rule without amount.
        granted: fen after quota and pool.
    """

    bound: BoundRule
    kept: bool
    eligible: Mask
    needs: Mask
    superseded: Mask | None
    due: Ints | None
    granted: Ints | None
    counts: dict[Outcome, int]
    due_fen: int = 0
    granted_fen: int = 0

    def outcomes(self, outside: Mask | None = None) -> list[Outcome]:
        """What `decide` says of each applicant; slow, for tests and single looks."""
        met = Outcome.REFERRED if self.bound.rule.mode is Mode.REFER else Outcome.ELIGIBLE
        found = []
        for row in range(len(self.eligible)):
            if outside is not None and outside[row]:
                found.append(Outcome.OUT_OF_FORCE)
            elif self.eligible[row]:
                found.append(met)
            elif self.superseded is not None and self.superseded[row]:
                found.append(Outcome.SUPERSEDED)
            else:
                found.append(Outcome.NEEDS if self.needs[row] else Outcome.NOT_ELIGIBLE)
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Contest:
    """One year of a contest: the winners in order."""

    rule: str
    year: int
    places: int
    entries: int
    winners: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolRun:
    """One year of a pool.

    Args:
        short_at: the first applicant who did not get everything, where they are paid in turn.
        short_on: the day that applicant applied, where it is known.
    """

    pool: str
    rules: tuple[str, ...]
    year: int
    sharing: str
    size: int
    claimed: int
    paid: int
    claims: int
    short_at: int | None = None
    short_on: date | None = None

    @property
    def exhausted(self) -> bool:
        return self.claimed > self.size


@dataclass(slots=True, kw_only=True)
class Simulation:
    """A law over a population.

    Args:
        by_applicant: fen granted to each by all rules together.
    """

    law: Law
    population: Population
    rules: dict[str, RuleRun]
    by_applicant: Ints
    outside: Mask | None
    contests: list[Contest] = field(default_factory=list)
    pools: list[PoolRun] = field(default_factory=list)

    @property
    def granted_fen(self) -> int:
        return sum(run.granted_fen for run in self.rules.values())
