"""政策沙盘 without a request: numbers of a document as fields, and a comparison as rows. Pure."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from fractions import Fraction

from jinsuan.entrypoints.policy_formula import number
from jinsuan.entrypoints.policy_words import value_words
from jinsuan.kernel.money import Money
from jinsuan.policy.compare import Comparison
from jinsuan.policy.decide import Outcome
from jinsuan.policy.errors import PackInvalid
from jinsuan.policy.law import Law, bind
from jinsuan.policy.pack import Base, Pack, Param, Value
from jinsuan.policy.runs import PoolRun
from jinsuan.policy.values import Unreadable, read_fen, read_ratio, read_whole

MOST_ROWS = 20_000
MOST_SEED = 999_999
MOST_TYPED = 40
MOST_RATIO = 100
PREFIX = "p."
HUNDREDTHS = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Knob:
    """One number of the document: what the law says, what was typed, what is wrong with that."""

    param: Param
    law: str
    typed: str
    unit: str
    changed: bool
    problem: str

    @property
    def id(self) -> str:
        return f"p-{self.param.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """The numbers of one article."""

    label: str
    title: str
    knobs: tuple[Knob, ...]

    @property
    def open(self) -> bool:
        """Whether something in it was changed or has to be mended."""
        return any(knob.changed or knob.problem for knob in self.knobs)


@dataclass(frozen=True, slots=True, kw_only=True)
class Turned:
    """All numbers as typed, and the law that follows, unless something cannot be read."""

    groups: tuple[Group, ...]
    before: Law
    after: Law | None

    @property
    def problems(self) -> list[tuple[str, str, str]]:
        return [
            (knob.id, f"{group.label}{knob.param.label}", knob.problem)
            for group in self.groups
            for knob in group.knobs
            if knob.problem
        ]

    @property
    def changed(self) -> list[Knob]:
        return [knob for group in self.groups for knob in group.knobs if knob.changed]


def turn(pack: Pack, on: date, form: Mapping[str, str]) -> Turned:
    """Read every number of the form and bind the law before and after."""
    before = bind(pack, on)
    used = {name for b in before.rules.values() if b.rule.mode.pays for name in b.params}
    used |= {n for r in pack.rules.values() if r.mode.pays for n in (r.pool, r.quota) if n}
    knobs = {
        name: _knob(param, before.values[name], form.get(PREFIX + name))
        for name, param in pack.params.items()
        if name in used and name in before.values and param.base in READERS
    }
    changes = {n: _written(k) for n, k in knobs.items() if k.changed and not k.problem}
    after = None
    if not any(knob.problem for knob in knobs.values()):
        try:
            after = bind(pack, on, changes=changes)
        except PackInvalid:
            knobs |= _culprits(pack, on, knobs, changes)
    groups = tuple(
        Group(label=a.label, title=a.title, knobs=found)
        for a in pack.articles
        if (found := tuple(k for k in knobs.values() if k.param.article == a.label))
    )
    return Turned(groups=groups, before=before, after=after)


def _fen(text: str) -> Value:
    return Value(read_fen(text.removesuffix("元").rstrip()))


def _whole(text: str) -> Value:
    return Value(read_whole(text))


def _ratio(text: str) -> Value:
    if not text.endswith("%"):
        return read_ratio(text)
    part = read_ratio(text.removesuffix("%").rstrip())
    exact = Fraction(part.number, part.over * 100)
    return Value(exact.numerator, exact.denominator)


READERS = {Base.MONEY: _fen, Base.COUNT: _whole, Base.RATIO: _ratio}
EXAMPLES = {Base.MONEY: "18000 或 18,000.00", Base.COUNT: "12", Base.RATIO: "0.15、15% 或 1/360"}


def _knob(param: Param, value: Value, typed: str | None) -> Knob:
    plain = _plain(param, value)
    text = plain if typed is None or not typed.strip() else typed.strip()
    problem, now = "", value
    try:
        now = _read(param, text)
    except Unreadable as error:
        problem = f"{error.what}，{error.mend}"
    return Knob(
        param=param,
        law=number(param, value),
        typed=text[:MOST_TYPED],
        unit=_unit(param),
        changed=not problem and now != value,
        problem=problem,
    )


def _read(param: Param, text: str) -> Value:
    if len(text) > MOST_TYPED:
        raise Unreadable("写得太长", f"写一个数，例如 {EXAMPLES[param.base]}")
    plain = unicodedata.normalize("NFKC", text).replace(",", "").replace(" ", "")
    try:
        value = READERS[param.base](plain)
    except Unreadable:
        what = {Base.MONEY: "不是金额", Base.COUNT: "不是整数"}.get(param.base, "不是比例")
        raise Unreadable(f"“{text}”{what}", f"例如 {EXAMPLES[param.base]}") from None
    if value.number < 0:
        raise Unreadable("不能小于 0", f"例如 {EXAMPLES[param.base]}")
    if param.base is Base.RATIO and value.number > MOST_RATIO * value.over:
        raise Unreadable("比例太大", f"不超过 {MOST_RATIO}，例如 {EXAMPLES[param.base]}")
    exact = Fraction(value.number, value.over)
    return Value(exact.numerator, exact.denominator)


def _plain(param: Param, value: Value) -> str:
    """A value as its field shows it."""
    match param.base:
        case Base.MONEY:
            yuan, fen = divmod(value.number, 100)
            return f"{yuan:,}.{fen:02d}"
        case Base.COUNT:
            return f"{value.number:,}"
        case _:  # as the document writes it, 30%; its unit, if it has one, stands beside the field
            shown = number(param, value)
            return shown if shown.endswith("%") else value_words(value, param)


def _unit(param: Param) -> str:
    unit = "元" if param.base is Base.MONEY else param.unit
    return f"{unit}/{param.per}" if param.per else unit


def _written(knob: Knob) -> str:
    """A value as `bind` reads it."""
    value = _read(knob.param, knob.typed)
    match knob.param.base:
        case Base.MONEY:
            return Money(value.number).plain
        case Base.COUNT:
            return str(value.number)
        case _:
            return f"{value.number}/{value.over}"


def _culprits(
    pack: Pack, on: date, knobs: Mapping[str, Knob], changes: Mapping[str, str]
) -> dict[str, Knob]:
    """The changes that the rules cannot bear, each tried alone; all of them where none is to blame."""
    alone = {name for name, text in changes.items() if not _binds(pack, on, {name: text})}
    problem = "规则算不了这个数（太大，或条件不再成立），写一个接近原值的数"
    return {
        name: Knob(
            param=knobs[name].param,
            law=knobs[name].law,
            typed=knobs[name].typed,
            unit=knobs[name].unit,
            changed=True,
            problem=problem,
        )
        for name in (alone or set(changes))
    }


def _binds(pack: Pack, on: date, changes: Mapping[str, str]) -> bool:
    try:
        bind(pack, on, changes=changes)
    except PackInvalid:
        return False
    return True


# ── results ───────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One measure before and after. Widths are percentages of the largest amount, as text."""

    rule: str
    title: str
    article: str
    mode: str
    eligible: tuple[int, int]
    needs: tuple[int, int]
    before: Money
    after: Money
    widths: tuple[str, str]

    @property
    def change(self) -> Money:
        return self.after - self.before


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """One year of a pool before and after."""

    label: str
    year: int
    before: PoolRun
    after: PoolRun

    @property
    def figures(self) -> tuple[tuple[str, PoolFigures], ...]:
        return ("改前", PoolFigures(self.before)), ("改后", PoolFigures(self.after))


@dataclass(frozen=True, slots=True)
class PoolFigures:
    """A pool's year in amounts."""

    run: PoolRun

    @property
    def size(self) -> Money:
        return Money(self.run.size)

    @property
    def claimed(self) -> Money:
        return Money(self.run.claimed)

    @property
    def paid(self) -> Money:
        return Money(self.run.paid)


def rows(found: Comparison) -> list[Row]:
    """Every measure with an amount, in the order of the document."""
    most = max((fen or 0 for rule in found.rules for fen in rule.granted_fen), default=0)
    listed = []
    for change in found.rules:
        first, second = found.before.rules[change.rule], found.after.rules[change.rule]
        rule = first.bound.rule
        fens = (first.granted_fen, second.granted_fen)
        listed.append(
            Row(
                rule=rule.id,
                title=rule.title,
                article=rule.article,
                mode=rule.mode.label,
                eligible=(first.counts[Outcome.ELIGIBLE], second.counts[Outcome.ELIGIBLE]),
                needs=(first.counts[Outcome.NEEDS], second.counts[Outcome.NEEDS]),
                before=Money(fens[0]),
                after=Money(fens[1]),
                widths=(_width(fens[0], most), _width(fens[1], most)),
            )
        )
    return listed


def _width(fen: int, most: int) -> str:
    hundredths = fen * HUNDREDTHS // most if most else 0
    return f"{hundredths // 100}.{hundredths % 100:02d}%"


def pools(found: Comparison) -> Iterator[Pool]:
    """Every year of every pool."""
    pack = found.before.law.pack
    after = {(run.pool, run.year): run for run in found.after.pools}
    for run in found.before.pools:
        if other := after.get((run.pool, run.year)):
            label = pack.params[run.pool].label
            yield Pool(label=label, year=run.year, before=run, after=other)
