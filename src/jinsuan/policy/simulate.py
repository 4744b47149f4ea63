"""Run a law over many applicants: who is eligible, what is due, and what is left when money is short.

Decisions and amounts are those of `decide.decide`, row by row and to the fen. What one applicant alone
cannot tell comes after them: places of a contest and yearly pools (`shortage`). `due` is what the rule
says of the applicant; `granted` is what remains of it then.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from jinsuan.policy.columns import Column, Ints, Mask, Program
from jinsuan.policy.decide import Dates, Outcome, window_problem
from jinsuan.policy.law import BoundRule, Law
from jinsuan.policy.pack import Mode
from jinsuan.policy.population import Population
from jinsuan.policy.runs import RuleRun, Simulation
from jinsuan.policy.sharing import exact_sum
from jinsuan.policy.shortage import contests, pools
from jinsuan.policy.tree import INT64, Node

BLOCK = 65_536
"""So many applicants at a time: what is computed of them stays in the processor's cache."""
HELD = 2**24


def simulate(
    law: Law, population: Population, *, sharing: Mapping[str, str] | None = None, keep: bool = True
) -> Simulation:
    """Apply every rule to everybody.

    Args:
        sharing: other ways to share a pool than the pack's, by rule: first_come, ranked, pro_rata.
        keep: whether every rule leaves its arrays; without, only what quotas and pools need is held,
            which saves most of the memory and some of the time.
    """
    _hold_memory()
    outside = _outside(law, population)
    plan = _Plan(law)
    runs = plan.blank(population.size, keep=keep)
    total = plan.totals(population.size)
    facts = {name: population.column(name) for name in plan.program.facts}
    for begin in range(0, population.size, BLOCK):
        end = min(begin + BLOCK, population.size)
        part = {name: column.part(begin, end) for name, column in facts.items()}
        plan.fill(runs, part, begin, end, None if outside is None else outside[begin:end])
        for run in runs.values():
            if run.due is not None and not _is_short(run):
                total[begin:end] += run.due[_part(run, begin, end)]
    found = Simulation(
        law=law, population=population, rules=runs, by_applicant=total, outside=outside
    )
    found.contests = list(contests(found))
    found.pools = list(pools(found, sharing or {}))
    for run in runs.values():
        if _is_short(run) and run.granted is not None:
            run.granted_fen = exact_sum(run.granted)
            total += run.granted
        else:
            run.granted_fen = run.due_fen
        if not run.kept:
            _let_go(run)
    return found


def _hold_memory() -> None:
    """Let the C library keep what a block frees for the next block.

    glibc gives the top of its heap back to the system and takes it again, a page at a time, with
    every block, which costs as much as the reckoning. Taking and freeing one large piece raises the
    size from which it does so; elsewhere this does nothing.
    """
    np.empty(HELD, np.uint8)


def _is_short(run: RuleRun) -> bool:
    """Whether a quota or a pool comes after what is due."""
    return bool(run.bound.rule.quota or run.bound.rule.pool)


def _part(run: RuleRun, begin: int, end: int) -> slice:
    """Where a block stands in a rule's arrays: those that are not kept hold one block only."""
    return slice(begin, end) if run.kept else slice(0, end - begin)


def _let_go(run: RuleRun) -> None:
    run.eligible, run.needs = run.eligible[:0].copy(), run.needs[:0].copy()
    run.superseded = None
    run.due = run.granted = None if run.due is None else run.due[:0].copy()


def _outside(law: Law, population: Population) -> Mask | None:
    """Who applied while the document was not in force; None when nobody did."""
    if population.applied_on is None or "application" not in law.pack.window:
        if window_problem(law.pack, Dates(application=law.on)):
            return np.ones(population.size, np.bool_)
        return None
    days, missing = population.applied_on.values, population.applied_on.missing
    first, last = law.pack.first_day.toordinal(), law.pack.last_day.toordinal()
    outside: Mask = (days < first) | (days > last)
    if missing is not None:
        outside = np.where(missing, not first <= law.on.toordinal() <= last, outside)
    return outside if outside.any() else None


class _Plan:
    """All rules of a law as one program, and what becomes of its results."""

    def __init__(self, law: Law) -> None:
        self._rules = {n: b for n, b in law.rules.items() if b.rule.mode is not Mode.NO_EFFECT}
        self._pairs = list(_branches(self._rules))
        # The general conditions of all rules are the same nodes, so they are joined once.
        shared: dict[tuple[Node, ...], Node] = {}
        wanted: list[Node] = []
        for bound in self._rules.values():
            nodes = tuple(test.node for test in bound.tests)
            general, own = nodes[: bound.general], nodes[bound.general :]
            if len(general) > 1:
                general = (shared.setdefault(general, Node("and", general)),)
            tests = (*general, *own)
            wanted.append(Node("and", tests) if tests else Node("not", (Node("const"),)))
            if bound.amount is not None:
                wanted.append(bound.amount)
        self.program = Program(wanted)

    def blank(self, size: int, *, keep: bool) -> dict[str, RuleRun]:
        branched = {name for pair in self._pairs for name in pair}
        found = {}
        for name, bound in self._rules.items():
            kept = keep or bool(bound.rule.quota or bound.rule.pool)
            length = size if kept else min(size, BLOCK)
            due = None if bound.amount is None else np.empty(length, np.int64)
            found[name] = RuleRun(
                bound=bound,
                kept=kept,
                eligible=np.empty(length, np.bool_),
                needs=np.zeros(length, np.bool_),
                superseded=np.zeros(length, np.bool_) if name in branched else None,
                due=due,
                granted=due,
                counts=dict.fromkeys(Outcome, 0),
            )
        return found

    def totals(self, size: int) -> Ints:
        """Room for what each applicant gets in all."""
        amounts = [bound.amount.high for bound in self._rules.values() if bound.amount is not None]
        # Beyond 64 bits NumPy would wrap silently; Python's own whole numbers are slow and right.
        return np.zeros(size, np.int64 if sum(amounts) <= INT64 else object)

    def fill(
        self,
        runs: dict[str, RuleRun],
        facts: Mapping[str, Column],
        begin: int,
        end: int,
        outside: Mask | None,
    ) -> None:
        """One block."""
        results = iter(self.program.run(facts, end - begin))
        inside = None if outside is None else ~outside
        for run in runs.values():
            part = _part(run, begin, end)
            sure, may = next(results)
            known = sure is may
            amount: Any = None
            if run.due is not None:
                amount, missing = next(results)
                if missing is not None:
                    sure, known = sure & ~missing, False
            if inside is not None:
                sure, may = sure & inside, may & inside
            run.eligible[part] = sure
            if not known:
                np.greater(may, sure, out=run.needs[part])
            if run.due is not None:
                np.multiply(amount, sure, out=run.due[part])
        self._higher_branch(runs, begin, end)
        for run in runs.values():
            _count(run, begin, end, outside)

    def _higher_branch(self, runs: dict[str, RuleRun], begin: int, end: int) -> None:
        """As `decide` does: each pair is compared with what both were due before."""
        lost = {name: np.zeros(end - begin, np.bool_) for pair in self._pairs for name in pair}
        for first, second in self._pairs:
            a, b = runs[first], runs[second]
            assert a.due is not None and b.due is not None
            here, there = _part(a, begin, end), _part(b, begin, end)
            both = a.eligible[here] & b.eligible[there]
            wins = a.due[here] >= b.due[there]
            lost[second] |= both & wins
            lost[first] |= both & ~wins
        for name, where in lost.items():
            run = runs[name]
            assert run.due is not None and run.superseded is not None
            part = _part(run, begin, end)
            run.superseded[part] = where
            run.eligible[part] &= ~where
            run.due[part] *= ~where


def _branches(rules: Mapping[str, BoundRule]) -> Iterator[tuple[str, str]]:
    """Pairs that stand for one another, each once and in the order of the pack."""
    order = list(rules)
    for at, first in enumerate(order):
        for second in order[at + 1 :]:
            named = second in rules[first].rule.instead_of or first in rules[second].rule.instead_of
            if named and rules[first].amount is not None and rules[second].amount is not None:
                yield first, second


def _count(run: RuleRun, begin: int, end: int, outside: Mask | None) -> None:
    counts, part = run.counts, _part(run, begin, end)
    met = Outcome.REFERRED if run.bound.rule.mode is Mode.REFER else Outcome.ELIGIBLE
    eligible = int(np.count_nonzero(run.eligible[part]))
    needs = int(np.count_nonzero(run.needs[part]))
    superseded = 0 if run.superseded is None else int(np.count_nonzero(run.superseded[part]))
    gone = 0 if outside is None else int(np.count_nonzero(outside))
    counts[met] += eligible
    counts[Outcome.NEEDS] += needs
    counts[Outcome.SUPERSEDED] += superseded
    counts[Outcome.OUT_OF_FORCE] += gone
    counts[Outcome.NOT_ELIGIBLE] += end - begin - eligible - needs - superseded - gone
    if run.due is not None and run.bound.amount is not None:
        small = run.bound.amount.high * (end - begin) <= INT64
        run.due_fen += int(run.due[part].sum()) if small else exact_sum(run.due[part])
