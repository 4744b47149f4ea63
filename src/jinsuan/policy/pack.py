"""A pack as frozen values, before it is bound to a day. Written as docs/reference/policy-pack.md says."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum


class Base(StrEnum):
    """What sort of value a fact or parameter is."""

    MONEY = "money"
    COUNT = "count"
    RATIO = "ratio"
    BOOL = "bool"
    DATE = "date"
    ENUM = "enum"
    LIST = "list"


class Attest(StrEnum):
    """How well a fact is proven, weakest first."""

    DECLARED = "declared"  # 申报
    ATTESTED = "attested"  # 佐证
    MEASURED = "measured"  # 实测

    @property
    def label(self) -> str:
        return {"declared": "申报", "attested": "佐证", "measured": "实测"}[self.value]

    @property
    def rank(self) -> int:
        return list(Attest).index(self)


class Mode(StrEnum):
    """What kind of promise a rule is."""

    FIXED = "fixed"
    CEILING = "ceiling"
    CONTEST = "contest"
    DISCRETIONARY = "discretionary"
    CASE_BY_CASE = "case_by_case"
    REFER = "refer"
    SERVICE = "service"
    NO_EFFECT = "no_effect"

    @property
    def label(self) -> str:
        return _MODES[self]

    @property
    def pays(self) -> bool:
        """Whether the rule itself speaks of an amount."""
        return self in (Mode.FIXED, Mode.CEILING, Mode.CONTEST, Mode.DISCRETIONARY)


_MODES = {
    Mode.FIXED: "按标准给",
    Mode.CEILING: "最多给（上限）",
    Mode.CONTEST: "评选",
    Mode.DISCRETIONARY: "择优",
    Mode.CASE_BY_CASE: "一事一议",
    Mode.REFER: "转其他政策",
    Mode.SERVICE: "服务保障",
    Mode.NO_EFFECT: "没有可执行的内容",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """Something that must be known of an applicant. Every value is kept as a whole number.

    Args:
        low, high: the declared range; fen for money, 10**-places for a ratio, ordinals for dates.
        options: for an enum, the values in order; the whole number is the place in it.
    """

    name: str
    base: Base
    label: str
    line: int
    low: int
    high: int
    unit: str = ""
    places: int = 0
    options: tuple[tuple[str, str], ...] = ()
    item: Base | None = None
    max_items: int = 0
    evidence: str = ""
    attest: Attest = Attest.DECLARED


@dataclass(frozen=True, slots=True)
class Value:
    """A parameter's value: a whole number, or a fraction for a ratio."""

    number: int
    over: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Param:
    """A number of the law with the days from which it holds.

    Args:
        per: for money, the unit it is paid for.
        printed, word: how the official article prints it and which comparator stands at it.
        ours: for a number that the article does not have, where it comes from.
    """

    name: str
    base: Base
    label: str
    line: int
    article: str
    values: tuple[tuple[date, Value], ...]
    unit: str = ""
    per: str = ""
    options: tuple[tuple[str, str], ...] = ()
    printed: str = ""
    word: str = ""
    ours: str = ""

    def on(self, day: date) -> Value | None:
        """The value in force on a day."""
        found = [value for since, value in self.values if since <= day]
        return found[-1] if found else None


@dataclass(frozen=True, slots=True)
class Text:
    """An expression as written, and where."""

    text: str
    line: int


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition with the words for people."""

    label: str
    test: Text


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule of one article."""

    id: str
    title: str
    article: str
    line: int
    sentences: tuple[int, ...]
    mode: Mode
    when: tuple[Condition, ...]
    track: str = ""
    beneficiary: str = ""
    scope: str = ""
    frequency: str = ""
    amount: Text | None = None
    pool: str = ""
    sharing: str = ""
    quota: str = ""
    rank: tuple[tuple[str, bool], ...] = ()  # fact and whether the larger goes first
    instead_of: tuple[str, ...] = ()
    refers_to: str = ""
    why: str = ""
    general: bool = True  # whether the general conditions apply


@dataclass(frozen=True, slots=True, kw_only=True)
class Interpretation:
    """口径: what the text leaves open, and how we read it."""

    number: int
    article: str
    question: str
    reading: str
    because: str
    affects: tuple[str, ...]
    line: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A hand-worked case: facts as written, and the amount or outcome expected."""

    rule: str
    facts: tuple[tuple[str, str], ...]
    expected: str
    why: str
    line: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Article:
    """One article: our restatement, and what the official one has."""

    label: str
    title: str
    line: int
    prose: tuple[str, ...]
    sentences: int
    plain: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOff:
    """What may still happen to cases that are open on the last day."""

    decide_until: date | None = None
    pay_until: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pack:
    """One version of one document."""

    id: str
    number: str
    title: str
    issuer: str
    issued_on: date
    version: str
    first_day: date
    last_day: date
    window: tuple[str, ...]
    run_off: RunOff
    prose: tuple[str, ...]
    articles: tuple[Article, ...]
    facts: dict[str, Fact]
    params: dict[str, Param]
    defines: dict[str, Text]
    general: tuple[Condition, ...]
    rules: dict[str, Rule]
    interpretations: tuple[Interpretation, ...]
    cases: tuple[Case, ...]
    base: dict[str, str]
    file: str
    digest: str = field(default="")

    def article(self, label: str) -> Article | None:
        """An article by its label, with or without the brackets."""
        wanted = label.strip("（）()、")
        return next((a for a in self.articles if a.label.strip("（）、") == wanted), None)

    def rules_of(self, label: str) -> list[Rule]:
        """An article's rules in order."""
        return [rule for rule in self.rules.values() if rule.article == label]
