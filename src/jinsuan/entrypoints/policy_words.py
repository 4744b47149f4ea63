"""What `jinsuan policy` says: articles, facts, decisions, in words and as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Any

from jinsuan.kernel.errors import NotFound
from jinsuan.policy.decide import Compared, Decided, Decision, Outcome, Reason
from jinsuan.policy.law import Law
from jinsuan.policy.pack import Base, Fact, Pack, Param, Rule, Value
from jinsuan.policy.tree import Side
from jinsuan.policy.values import show, show_fraction
from jinsuan.policy.whynot import Change, remedies

MARKS = {True: "✓", False: "✗", None: "?"}


def describe(pack: Pack, article: str) -> Iterator[str]:
    """Articles with their rules, numbers and interpretations.

    Raises:
        NotFound: no such article.
    """
    if article and pack.article(article) is None:
        raise NotFound("条款", article[:20])
    yield f"{pack.title}（{pack.number}，{pack.first_day} 至 {pack.last_day}）"
    for found in pack.articles:
        if article and found is not pack.article(article):
            continue
        yield f"\n{found.label}{found.title}"
        yield from (f"  {text}" for text in found.prose)
        for rule in pack.rules_of(found.label):
            yield from _rule(rule)
        for param in pack.params.values():
            if param.article == found.label:
                yield f"  · {param.name} {param.label}：{_values(param)}"
        for reading in pack.interpretations:
            if reading.article == found.label:
                yield f"  口径 {reading.number}：{reading.question}{reading.reading}"


def _rule(rule: Rule) -> Iterator[str]:
    yield f"  [{rule.id}] {rule.title}：{rule.mode.label}"
    yield from (f"      {condition.label}：{condition.test.text}" for condition in rule.when)
    if rule.amount is not None:
        yield f"      金额：{rule.amount.text}"


def _values(param: Param) -> str:
    return "，".join(f"{since} 起 {value_words(value, param)}" for since, value in param.values)


def value_words(value: Value, param: Param) -> str:
    """A parameter's value as people write it."""
    if param.base is Base.RATIO:
        return show_fraction(value.number, value.over)
    unit = f"/{param.per}" if param.per else ""
    fact = Fact(
        name="",
        base=param.base,
        label="",
        line=0,
        low=0,
        high=0,
        unit=param.unit,
        options=param.options,
    )
    return show(value.number, fact) + unit


def fact_rows(pack: Pack) -> list[dict[str, Any]]:
    return [
        {
            "name": fact.name,
            "type": str(fact.base),
            "label": fact.label,
            "unit": fact.unit,
            "from": show(fact.low, fact),
            "to": show(fact.high, fact),
            "evidence": fact.evidence,
            "attest": fact.attest.label,
        }
        for fact in pack.facts.values()
    ]


def param_rows(pack: Pack) -> list[dict[str, Any]]:
    return [
        {
            "name": param.name,
            "type": str(param.base),
            "label": param.label,
            "article": param.article,
            "values": _values(param),
            "printed": param.printed or param.ours,
        }
        for param in pack.params.values()
    ]


def decision_lines(law: Law, decided: Decided, values: Mapping[str, Any]) -> Iterator[str]:
    """The decisions as an official would read them out; every condition is there."""
    for decision in decided.decisions:
        if decision.outcome is Outcome.NO_EFFECT:
            continue
        rule = decision.bound.rule
        amount = ""
        if decision.amount is not None:
            amount = f"，{rule.mode.label} {decision.amount.plain} 元"
        yield f"{decision.outcome.mark} {rule.article}{rule.id} {rule.title}：{decision.outcome.label}{amount}"
        if decision.note:
            yield f"      {decision.note}"
        for reason in decision.reasons:
            yield f"      {MARKS[reason.truth]} {reason_words(law, reason)}"
        for remedy in remedies(law, decision, values):
            yield from (f"        怎样就可以：{change_words(law, c)}" for c in remedy.changes[:3])
        for name in decision.missing:
            fact = law.pack.facts[name]
            yield f"      缺：{fact.label}，凭 {fact.evidence}"
        for name in decision.weak:
            fact = law.pack.facts[name]
            yield f"      依据不够：{fact.label} 应有{fact.attest.label}（{fact.evidence}）"


def change_words(law: Law, change: Change) -> str:
    """A smallest change, and what would be due then."""
    fact = law.pack.facts[change.fact]
    words = f"{fact.label}由 {show(change.before, fact)} 变为 {show(change.after, fact)}"
    if change.then is not None:
        words += f"，届时 {change.then.plain} 元"
    return words if change.enough else f"{words}（还有别的条件不满足）"


def reason_words(law: Law, reason: Reason) -> str:
    """A condition with the numbers compared."""
    # What is one of a list says so in its label already; the pack's own keys are not for people.
    numbers = "；".join(_compared(law, c) for c in reason.compared if not _of_a_list(c))
    return f"{reason.test.label}（{numbers}）" if numbers else reason.test.label


def _of_a_list(compared: Compared) -> bool:
    return "enum" in (compared.comparison.left.shown, compared.comparison.right.shown)


SIGNS = {">=": "≥", "<=": "≤", "!=": "≠", "==": "="}


def _compared(law: Law, compared: Compared) -> str:
    c = compared.comparison
    left, right = _side(law, c.left, compared.left), _side(law, c.right, compared.right)
    return f"{left} {SIGNS.get(c.op, c.op)} {right}"


def _side(law: Law, side: Side, value: int | None) -> str:
    if value is None:
        return "未知"
    if side.top.op == "fact":
        return show(value, law.pack.facts[side.top.name])
    if side.shown == "money":
        exact = Fraction(value, side.bottom * 100)
        unit = f" 元/{side.unit}" if side.unit else " 元"
        return show_fraction(exact.numerator, exact.denominator) + unit
    if side.shown in ("count", "ratio"):
        return f"{show_fraction(value, side.bottom)} {side.unit}".rstrip()
    fact = Fact(name="", base=Base(side.shown), label="", line=0, low=0, high=0)
    return side.text if side.shown == "enum" else show(value, fact)


def decision_value(law: Law, decided: Decided) -> dict[str, Any]:
    """The decisions for programs; amounts are yuan as text."""
    return {
        "pack": decided.pack,
        "digest": decided.digest,
        "engine": decided.engine,
        "on": str(decided.dates.application),
        "decisions": [_value(law, decision) for decision in decided.decisions],
    }


def _value(law: Law, decision: Decision) -> dict[str, Any]:
    rule = decision.bound.rule
    return {
        "rule": rule.id,
        "article": rule.article,
        "title": rule.title,
        "mode": rule.mode,
        "outcome": decision.outcome,
        "amount": None if decision.amount is None else decision.amount.plain,
        "note": decision.note,
        "reasons": [
            {"condition": r.test.label, "holds": r.truth, "numbers": reason_words(law, r)}
            for r in decision.reasons
        ],
        "missing": [
            {
                "fact": name,
                "label": law.pack.facts[name].label,
                "evidence": law.pack.facts[name].evidence,
            }
            for name in decision.missing
        ],
        "weak": list(decision.weak),
    }
