"""Run a pack's hand-worked cases: the program only compares, it never rewrites them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from jinsuan.kernel.money import Money
from jinsuan.policy.decide import Decision, Outcome, decide
from jinsuan.policy.errors import Problem
from jinsuan.policy.facts import Known
from jinsuan.policy.law import Law, bind
from jinsuan.policy.pack import Attest, Base, Case, Fact, Pack
from jinsuan.policy.values import Unreadable, read_day, read_list, read_plain

ON = "on"
"""A column of this name is the day of application, not a fact."""


def run_cases(pack: Pack, law: Law | None = None) -> list[Problem]:
    """Every case that does not come out as worked by hand.

    Args:
        law: another binding to run them on, as a mutation test does.
    """
    laws: dict[date, Law] = {}
    problems: list[Problem] = []
    for case in pack.cases:
        try:
            on = date.fromordinal(read_day(dict(case.facts).get(ON, str(pack.first_day))))
        except Unreadable as error:
            problems.append(Problem(f"{pack.id}/pack.md:{case.line}", error.what, error.mend))
            continue
        if law is None and on not in laws:
            laws[on] = bind(pack, on)
        problems += _run(pack, law or laws[on], case)
    return problems


def case_facts(pack: Pack, case: Case) -> dict[str, Known]:
    """The facts of one case, with the base ones below them.

    Raises:
        Unreadable: a cell that its fact does not take.
    """
    found = {}
    for name, text in {**pack.base, **dict(case.facts)}.items():
        if name == ON:
            continue
        fact = pack.facts.get(name)
        if fact is None:
            raise Unreadable(f"没有事实 {name[:40]}", "核对表头")
        found[name] = Known(_value(text, fact), Attest.MEASURED)
    return found


def _value(text: str, fact: Fact) -> int | tuple[int, ...] | None:
    if text == "?":
        return None
    return read_list(text, fact) if fact.base is Base.LIST else read_plain(text, fact)


def _run(pack: Pack, law: Law, case: Case) -> Iterator[Problem]:
    place = f"{pack.id}/pack.md:{case.line}"
    if case.rule not in law.rules:
        yield Problem(place, f"没有规则 {case.rule[:40]!r}", "核对 cases 后面的代号")
        return
    try:
        decided = decide(law, case_facts(pack, case))
    except Unreadable as error:
        yield Problem(place, error.what, error.mend)
        return
    found = result_of(decided.of(case.rule))
    if found != _normal(case.expected):
        what = f"规则 {case.rule} 手工算得 {case.expected}，程序得 {found}（{case.why}）"
        yield Problem(place, what, "核对算式、参数或例子，哪个错改哪个")


def result_of(decision: Decision) -> str:
    """A decision as a case writes it."""
    if decision.outcome is Outcome.NEEDS:
        return "needs"
    if decision.outcome is Outcome.REFERRED:
        return "yes"
    if decision.outcome is not Outcome.ELIGIBLE:
        return "-"
    return "yes" if decision.amount is None else decision.amount.plain


def _normal(expected: str) -> str:
    try:
        return Money.yuan(expected).plain
    except ValueError:
        return expected
