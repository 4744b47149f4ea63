"""政策计算器: a public interview that keeps nothing. Every answer travels with the form."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any

from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import render
from django.views.decorators.http import require_http_methods

from jinsuan.entrypoints import clock
from jinsuan.entrypoints.policy_formula import grouped
from jinsuan.entrypoints.policy_words import change_words, reason_words
from jinsuan.entrypoints.portal.show import Chip
from jinsuan.entrypoints.portal.views.policy import anchor, open_pack
from jinsuan.kernel.money import Money
from jinsuan.kernel.period import beijing_date
from jinsuan.policy.decide import Decided, Decision, Outcome, decide
from jinsuan.policy.facts import Known, plain_values
from jinsuan.policy.interview import Screen, next_screen
from jinsuan.policy.law import Law
from jinsuan.policy.library import law_on
from jinsuan.policy.pack import Base, Fact, Mode, Pack
from jinsuan.policy.values import Unreadable, read_day, read_list, read_plain, show
from jinsuan.policy.whynot import remedies

MOST_TYPED = 200
"""Longer answers are cut and asked again: no figure is that long."""

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
    """What the form carries. What could not be read, and what is to be changed, is asked again.

    Args:
        typed_on: the day as typed, if it is no day.
        texts: answers as typed, those that are asked again included.
        again: facts to ask again, each with what is wrong and the mend, or nothing.
    """

    on: date
    typed_on: str
    rules: tuple[str, ...]
    texts: dict[str, str]
    known: dict[str, Known]
    skipped: tuple[str, ...]
    again: dict[str, tuple[str, str]]

    @property
    def problems(self) -> dict[str, tuple[str, str]]:
        return {name: words for name, words in self.again.items() if any(words)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One question with what was typed and what is wrong with it."""

    fact: Fact
    kind: str  # yesno | choice | text
    typed: str
    choices: tuple[tuple[str, str], ...]
    problem: str
    mend: str
    hint: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What was said already: in words, or empty where it was skipped."""

    fact: Fact
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One rule's result so far, in words."""

    decision: Decision
    chip: Chip
    anchor: str
    lines: tuple[Line, ...]
    missing: tuple[Fact, ...]
    bring: tuple[str, ...]

    @property
    def promise(self) -> str:
        """How an amount is meant: what only may be given is never said to be due."""
        return "按标准给" if self.decision.bound.rule.mode is Mode.FIXED else "最多"


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
    if not answers.rules or answers.typed_on:
        posted = request.method == "POST"
        page["problems"] = [
            *([("rule-0", "措施", "至少选一项")] if posted and not answers.rules else []),
            *(
                [("on", "申报日期", f"{answers.typed_on!r} 不是日期，写成 2025-03-01")]
                if answers.typed_on
                else []
            ),
        ]
        return render(request, "portal/calculator.html", page)
    law = law_on(pack.id, answers.on)
    decided = decide(law, answers.known)
    screen = _again(law, decided, answers) or next_screen(
        law, decided, rules=answers.rules, skipped=answers.skipped
    )
    asked = () if screen is None else screen.questions
    page |= {
        "screen": screen,
        "questions": [_question(fact, answers) for fact in asked],
        "carried": [(n, t) for n, t in answers.texts.items() if n not in answers.again],
        "said": _said(pack, answers, asked),
        "verdicts": [
            _verdict(law, d, answers) for d in decided.decisions if d.bound.rule.id in answers.rules
        ],
        "most": _total(decided, answers),
        "done": screen is None,
    }
    return render(request, "portal/calculator.html", page)


def read_answers(pack: Pack, form: QueryDict) -> Answers:
    """Everything the form says; a field that cannot be read stays unknown and is asked again."""
    chosen = tuple(rule for rule in pack.rules if rule in form.getlist("rule"))
    texts: dict[str, str] = {}
    known: dict[str, Known] = {}
    skipped: list[str] = []
    again: dict[str, tuple[str, str]] = {}
    for name, fact in pack.facts.items():
        text = str(form.get(f"f.{name}", "")).strip()
        now = f"now.{name}" in form
        if form.get("redo") == name:
            again[name] = ("", "")
            texts[name] = text[:MOST_TYPED]
        elif not text and now and "redo" in form:
            continue  # on the screen, but another button was pressed
        elif now and "skip" in form:
            skipped.append(name)
        elif f"f.{name}" not in form:
            continue
        elif not text:
            skipped.append(name)
        else:
            texts[name] = text[:MOST_TYPED]
            try:
                known[name] = Known(_read(text, fact))
            except Unreadable as error:
                again[name] = (error.what, error.mend)
    on, typed_on = _day(str(form.get("on", "")).strip())
    return Answers(
        on=on,
        typed_on=typed_on,
        rules=chosen,
        texts=texts,
        known=known,
        skipped=tuple(skipped),
        again=again,
    )


def _day(typed: str) -> tuple[date, str]:
    """The day to reckon with, and what was typed where that is no day."""
    if typed:
        try:
            return date.fromordinal(read_day(unicodedata.normalize("NFKC", typed))), ""
        except Unreadable:
            return beijing_date(clock.now()), typed[:MOST_TYPED]
    return beijing_date(clock.now()), ""


def _read(text: str, fact: Fact) -> int | tuple[int, ...]:
    if len(text) > MOST_TYPED:
        raise Unreadable(f"写了 {len(text):,} 个字", f"至多 {MOST_TYPED} 个字")
    text = unicodedata.normalize("NFKC", text)
    if fact.base is Base.LIST:
        return read_list(text if text.startswith("[") else f"[{text}]", fact)
    if fact.base in (Base.MONEY, Base.COUNT):
        text = text.replace(",", "").replace(" ", "").removesuffix(fact.unit or "元")
    return read_plain(text, fact)


def _again(law: Law, decided: Decided, answers: Answers) -> Screen | None:
    """The screen with what has to be mended or changed first, if a chosen rule asks it at all."""
    for decision in decided.decisions:
        wanted = [name for name in decision.bound.facts if name in answers.again]
        if wanted and decision.bound.rule.id in answers.rules:
            facts = tuple(law.pack.facts[name] for name in answers.again)
            return Screen(decision, facts, len(facts))
    return None


def _question(fact: Fact, answers: Answers) -> Question:
    kind = {Base.BOOL: "choice", Base.ENUM: "choice"}.get(fact.base, "text")
    what, mend = answers.again.get(fact.name, ("", ""))
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
        choices=(("yes", "是"), ("no", "否")) if fact.base is Base.BOOL else fact.options,
        problem=what,
        mend=mend,
        hint=hints.get(fact.base, ""),
    )


def _said(pack: Pack, answers: Answers, asked: Iterable[Fact]) -> list[Answer]:
    """All answers so far, but for what is being asked now."""
    now = {fact.name for fact in asked}
    return [
        Answer(fact, _in_words(answers.known[name].value, fact) if name in answers.known else "")
        for name, fact in pack.facts.items()
        if name not in now and (name in answers.known or name in answers.skipped)
    ]


def _in_words(value: Any, fact: Fact) -> str:
    if isinstance(value, tuple):
        return "，".join(show(item, fact) for item in value) or "没有"
    words = show(value, fact)
    return f"{grouped(words.removesuffix(' 元'))} 元" if fact.base is Base.MONEY else words


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
        anchor=anchor(decision.bound.rule.article),
        lines=lines,
        missing=tuple(law.pack.facts[name] for name in decision.missing),
        bring=tuple(dict.fromkeys(law.pack.facts[name].evidence for name in decision.weak)),
    )


def _total(decided: Decided, answers: Answers) -> Money:
    return Money.total(
        d.amount
        for d in decided.decisions
        if d.amount is not None and d.bound.rule.id in answers.rules
    )
