"""政策计算器: a public interview that keeps nothing. Every answer travels with the form."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import render
from django.views.decorators.http import require_http_methods

from jinsuan.entrypoints import clock
from jinsuan.entrypoints.policy_words import change_words, reason_words
from jinsuan.entrypoints.portal.show import Chip
from jinsuan.entrypoints.portal.views.policy import open_pack
from jinsuan.kernel.period import beijing_date
from jinsuan.policy.decide import Decided, Decision, Outcome, decide
from jinsuan.policy.facts import Known, plain_values
from jinsuan.policy.interview import Screen, next_screen
from jinsuan.policy.law import Law
from jinsuan.policy.library import law_on
from jinsuan.policy.pack import Base, Fact, Mode, Pack
from jinsuan.policy.values import Unreadable, read_list, read_plain
from jinsuan.policy.whynot import remedies

CHIPS = {
    Outcome.ELIGIBLE: Chip("符合", "ok", "check"),
    Outcome.NOT_ELIGIBLE: Chip("不符合", "bad", "x"),
    Outcome.NEEDS: Chip("还要知道", "wait", "clock"),
    Outcome.SUPERSEDED: Chip("另一支更高", "", "x"),
    Outcome.REFERRED: Chip("转其他政策", "", "arrow"),
    Outcome.OUT_OF_FORCE: Chip("不在施行期", "warn", "clock"),
    Outcome.NO_EFFECT: Chip("没有可执行的内容", "", "x"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What the form carries: rules chosen, facts known, facts skipped, and what could not be read."""

    on: date
    rules: tuple[str, ...]
    texts: dict[str, str]
    known: dict[str, Known]
    skipped: frozenset[str]
    problems: dict[str, tuple[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One question with what was typed and what is wrong with it."""

    fact: Fact
    kind: str  # yesno | choice | text
    typed: str
    problem: str
    mend: str
    hint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One rule's result so far, in words."""

    decision: Decision
    chip: Chip
    lines: tuple[Line, ...]
    missing: tuple[Fact, ...]


@dataclass(frozen=True, slots=True)
class Line:
    """One condition: mark y, x or q, its words with numbers, and what would make it yes."""

    mark: str
    words: str
    remedies: tuple[str, ...]


@require_http_methods(["GET", "HEAD", "POST"])
def calculator(request: HttpRequest, pack_id: str) -> HttpResponse:
    """First which measures, then the questions that still matter, then the result."""
    pack = open_pack(pack_id)
    answers = read_answers(pack, request.POST)
    page: dict[str, Any] = {
        "pack": pack,
        "answers": answers,
        "choices": [r for r in pack.rules.values() if r.mode is not Mode.NO_EFFECT],
        "crumbs": [("政策专区", "/政策"), (pack.number, f"/政策/{pack.id}"), ("政策计算器", "")],
    }
    if not answers.rules:
        page["nothing_chosen"] = request.method == "POST"
        return render(request, "portal/calculator.html", page)
    law = law_on(pack.id, answers.on)
    decided = decide(law, answers.known)
    screen = next_screen(law, decided, rules=answers.rules, skipped=answers.skipped)
    if answers.problems:
        screen = _again(law, decided, answers) or screen
    page |= {
        "screen": screen,
        "questions": ()
        if screen is None
        else tuple(_question(f, answers) for f in screen.questions),
        "verdicts": [
            _verdict(law, d, answers) for d in decided.decisions if d.bound.rule.id in answers.rules
        ],
        "most": _total(decided, answers),
        "done": screen is None,
        "asked": len(answers.texts) + len(answers.skipped),
    }
    return render(request, "portal/calculator.html", page)


def read_answers(pack: Pack, form: QueryDict) -> Answers:
    """Everything the form says; a field that cannot be read stays unknown and is asked again."""
    texts: dict[str, str] = {}
    known: dict[str, Known] = {}
    skipped: set[str] = set()
    problems: dict[str, tuple[str, str]] = {}
    for name, fact in pack.facts.items():
        if f"f.{name}" not in form:
            continue
        text = str(form[f"f.{name}"]).strip().replace("，", ",")
        if not text or ("skip" in form and f"now.{name}" in form):
            skipped.add(name)
            continue
        texts[name] = text
        try:
            known[name] = Known(_read(text, fact))
        except Unreadable as error:
            problems[name] = (error.what, error.mend)
    chosen = tuple(rule for rule in form.getlist("rule") if rule in pack.rules)
    try:
        on = date.fromisoformat(form.get("on", ""))
    except ValueError:
        on = beijing_date(clock.now())
    return Answers(
        on=on,
        rules=chosen,
        texts=texts,
        known=known,
        skipped=frozenset(skipped),
        problems=problems,
    )


def _read(text: str, fact: Fact) -> int | tuple[int, ...]:
    if fact.base is Base.LIST:
        return read_list(text if text.startswith("[") else f"[{text}]", fact)
    if fact.base in (Base.MONEY, Base.COUNT):
        text = text.replace(",", "").replace(" ", "")
    return read_plain(text, fact)


def _again(law: Law, decided: Decided, answers: Answers) -> Screen | None:
    """The screen with what has to be mended first."""
    wrong = tuple(law.pack.facts[name] for name in answers.problems)
    for decision in decided.decisions:
        if decision.bound.rule.id in answers.rules and set(answers.problems) & set(
            decision.bound.facts
        ):
            return Screen(decision, wrong, len(wrong))
    return None


def _question(fact: Fact, answers: Answers) -> Question:
    kind = {Base.BOOL: "yesno", Base.ENUM: "choice"}.get(fact.base, "text")
    what, mend = answers.problems.get(fact.name, ("", ""))
    hints = {
        Base.MONEY: "写元，可以写到分，如 18000 或 18,000.00",
        Base.DATE: "写成 2025-03-01",
        Base.RATIO: "写小数，如 0.15",
        Base.LIST: "几个数用逗号隔开",
    }
    return Question(
        fact=fact,
        kind=kind,
        typed=answers.texts.get(fact.name, ""),
        problem=what,
        mend=mend,
        hint=hints.get(fact.base, ""),
    )


def _verdict(law: Law, decision: Decision, answers: Answers) -> Verdict:
    marks = {True: "y", False: "x", None: "q"}
    fixes = {
        remedy.reason.test: tuple(change_words(law, c) for c in remedy.changes[:2])
        for remedy in remedies(law, decision, plain_values(answers.known))
    }
    lines = tuple(
        Line(marks[r.truth], reason_words(law, r), fixes.get(r.test, ())) for r in decision.reasons
    )
    return Verdict(
        decision=decision,
        chip=CHIPS[decision.outcome],
        lines=lines,
        missing=tuple(law.pack.facts[name] for name in decision.missing),
    )


def _total(decided: Decided, answers: Answers) -> Any:
    from jinsuan.kernel.money import Money

    return Money.total(
        d.amount
        for d in decided.decisions
        if d.amount is not None and d.bound.rule.id in answers.rules
    )
