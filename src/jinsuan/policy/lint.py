"""Our numbers, comparators and sentences against an operator's copy of the official text. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from jinsuan.policy.errors import Problem
from jinsuan.policy.grammar import (
    Binary,
    Call,
    Compare,
    Logic,
    Member,
    Name,
    Negation,
    Syntax,
    parse,
)
from jinsuan.policy.official import (
    Official,
    Printed,
    official_articles,
    sense_of,
    squeeze,
    words_in,
    worth,
)
from jinsuan.policy.pack import Article, Base, Pack, Param, Text

FLIPPED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "==", "!=": "!="}
OPPOSITE = {"<": ">=", "<=": ">", ">": "<=", ">=": "<", "==": "!=", "!=": "=="}
PREFIXES = "KMGTPE"


@dataclass(frozen=True, slots=True)
class Report:
    """What a comparison with the official text found.

    Args:
        bound: printed numbers that a parameter stands for.
        plain: printed numbers that are no parameters, by the pack's own word.
        articles: official articles that were compared.
    """

    bound: int
    plain: int
    articles: int
    problems: tuple[Problem, ...]


def lint(pack: Pack, text: str) -> Report:
    """Compare a pack with an official text; every disagreement is listed."""
    found, differing = official_articles(text)
    file = f"{pack.id}/pack.md"
    problems = [
        Problem(file, f"原文有两份{label}，互相不同", "核对来源，只留对的一份")
        for label in differing
    ]
    bound = plain = articles = 0
    for article in pack.articles:
        official = found.get(article.label)
        if official is None:
            mend = "核对条号，或换一份完整的原文"
            problems.append(Problem(f"{file}:{article.line}", f"原文里没有{article.label}", mend))
            continue
        articles += 1
        check = _Compared(pack, article, official)
        problems += check.problems()
        bound, plain = bound + check.bound, plain + check.plain
    ours = {article.label for article in pack.articles}
    for label, official in found.items():
        # What stands before the first heading is a letter; a part such as 一、 only has a title.
        if label and official.sentences and label not in ours:
            problems.append(Problem(file, f"原文的{label}不在规则包里", "补上这一条"))
    return Report(bound, plain, articles, tuple(dict.fromkeys(problems)))


class _Compared:
    """One article of ours beside the official one."""

    def __init__(self, pack: Pack, article: Article, official: Official) -> None:
        self._pack, self._article, self._official = pack, article, official
        self._params = [p for p in pack.params.values() if p.article == article.label and p.printed]
        self.bound = self.plain = 0

    def problems(self) -> Iterator[Problem]:
        article = self._article
        have = len(self._official.sentences)
        if have != article.sentences:
            what = f"{article.label}原文有 {have} 句，规则包写 {article.sentences} 句"
            yield self._at(article.line, what, "改 sentences，并为每一句写规则")
        yield from self._numbers()
        for param in self._params:
            yield from self._value(param)
            yield from self._operators(param)

    def _at(self, line: int, what: str, mend: str) -> Problem:
        return Problem(f"{self._pack.id}/pack.md:{line}", what, mend)

    def _numbers(self) -> Iterator[Problem]:
        """Every printed number has its parameter or stands in `plain`, and the other way round."""
        label, line = self._article.label, self._article.line
        free = list(self._params)
        plain = Counter(squeeze(text) for text in self._article.plain)
        for number in self._official.numbers:
            param = _best(free, number)
            if param is not None:
                free.remove(param)
                self.bound += 1
                yield from self._words(param, number)
            elif plain[number.text]:
                plain[number.text] -= 1
                self.plain += 1
            else:
                what = f"{label}原文的 {number.text} 没有对应的参数"
                mend = f'写一个 printed = "{number.text}" 的参数；不是参数的写进 plain'
                yield self._at(line, what, mend)
        for param in free:
            what = f"参数 {param.name} 的 printed“{param.printed}”在{label}原文里没有"
            yield self._at(param.line, what, "核对原文印的数字")
        for text in sorted((+plain).elements()):
            yield self._at(line, f"plain 的“{text}”在{label}原文里没有", "从 plain 里删去")

    def _words(self, param: Param, number: Printed) -> Iterator[Problem]:
        words = words_in(param.word)
        shown = "…".join(number.words) or "没有比较词"
        if param.word and not words:
            what = f"参数 {param.name} 的 word“{param.word[:20]}”不是比较词"
            yield self._at(param.line, what, f"写原文的：{shown}")
        elif set(words) - set(number.words) or sense_of(words) != number.sense:
            ours = f"写“{param.word}”" if param.word else "没有写 word"
            what = f"参数 {param.name} {ours}，原文 {number.text} 处是“{shown}”"
            yield self._at(param.line, what, "改 word，并核对算式里的符号")

    def _value(self, param: Param) -> Iterator[Problem]:
        """The first value is the one that the article prints."""
        read = worth(squeeze(param.printed))
        if read is None or not param.values:
            return
        exact, unit = read
        value = param.values[0][1]
        ours = Fraction(value.number, value.over)
        match param.base:
            case Base.RATIO:
                agrees = ours == (exact / 100 if unit == "%" else exact)
            case Base.MONEY:
                agrees = ours == exact * 100
            case Base.COUNT:
                agrees = ours in (exact * factor for factor in _factors(unit, param.unit))
            case _:
                return
        if not agrees:
            what = f"参数 {param.name} 的值与原文印的 {param.printed} 不相等"
            yield self._at(param.line, what, "改 values；后来改过的值另起一个日期")

    # ── operators ─────────────────────────────────────────────────────────────────────────────

    def _operators(self, param: Param) -> Iterator[Problem]:
        sense = sense_of(words_in(param.word))
        if not sense:
            return
        signs = set()
        for rule in self._pack.rules.values():
            for test in (c.test for c in rule.when):
                signs |= {*_signs(self._syntax(test), param.name, truth=True)}
        allowed = {"<", "<="} if sense == "<=" else {sense}
        if wrong := signs - allowed:
            what = (
                f"参数 {param.name} 的比较词是“{param.word}”，条件里用了 {' '.join(sorted(wrong))}"
            )
            yield self._at(param.line, what, f"改成 {' 或 '.join(sorted(allowed))}，或改 word")
        if sense != "<=" and not signs:
            what = f"参数 {param.name} 的比较词是“{param.word}”，却没有条件用到它"
            yield self._at(param.line, what, "写进规则的条件")
        if sense == "<=" and not signs and not self._bounds(param):
            what = f"参数 {param.name} 是上限，却没有用 min 封顶"
            yield self._at(param.line, what, f"写成 min(…, {param.name})")

    def _bounds(self, param: Param) -> bool:
        """Whether a bound bounds: a pool, the whole amount, within `min`, or a rate or unit price."""
        rules = self._pack.rules.values()
        if any(rule.pool == param.name for rule in rules):
            return True
        amounts = [self._syntax(rule.amount) for rule in rules if rule.amount is not None]
        naming = [syntax for syntax in amounts if param.name in _names(syntax)]
        return bool(naming) and all(_capped(syntax, param) for syntax in naming)

    def _syntax(self, text: Text) -> Syntax:
        return _expanded(parse(text.text), self._pack, ())


def _best(free: list[Param], number: Printed) -> Param | None:
    """The parameter for a number: of those that print it, the one with its comparator."""
    same = [param for param in free if squeeze(param.printed) == number.text]
    agreeing = [param for param in same if sense_of(words_in(param.word)) == number.sense]
    return next(iter(agreeing or same), None)


def _factors(printed: str, unit: str) -> Iterator[Fraction]:
    """What a printed unit may be multiplied with to be ours: 年 to 月, PFlops to TFLOPS."""
    yield Fraction(1)
    if printed == "年":
        yield Fraction(12)
    theirs, ours = printed.upper(), unit.upper()
    if theirs and ours and theirs[1:] == ours[1:] and {theirs[0], ours[0]} <= set(PREFIXES):
        steps = PREFIXES.index(theirs[0]) - PREFIXES.index(ours[0])
        if steps:
            yield Fraction(1_000) ** steps


def _expanded(syntax: Syntax, pack: Pack, opening: tuple[str, ...]) -> Syntax:
    """A syntax tree with its definitions written out; a pack that was loaded has no rings."""
    if isinstance(syntax, Name) and syntax.id in pack.defines and syntax.id not in opening:
        text = pack.defines[syntax.id].text
        return _expanded(parse(text), pack, (*opening, syntax.id))
    return syntax if isinstance(syntax, Name) else _rebuilt(syntax, pack, opening)


def _rebuilt(syntax: Syntax, pack: Pack, opening: tuple[str, ...]) -> Syntax:
    def inner(part: Syntax) -> Syntax:
        return _expanded(part, pack, opening)

    match syntax:
        case Binary(op, left, right, text):
            return Binary(op, inner(left), inner(right), text)
        case Compare(op, left, right, text):
            return Compare(op, inner(left), inner(right), text)
        case Logic(op, parts, text):
            return Logic(op, tuple(map(inner, parts)), text)
        case Negation(part, text):
            return Negation(inner(part), text)
        case Call(function, arguments, text):
            return Call(function, tuple(map(inner, arguments)), text)
    return syntax


def _parts(syntax: Syntax) -> tuple[Syntax, ...]:
    match syntax:
        case Binary(left=left, right=right) | Compare(left=left, right=right):
            return left, right
        case Logic(parts=parts):
            return parts
        case Negation(part=part):
            return (part,)
        case Member(item=item):
            return (item,)
        case Call(arguments=arguments):
            return arguments
    return ()


def _names(syntax: Syntax) -> set[str]:
    if isinstance(syntax, Name):
        return {syntax.id}
    return {name for part in _parts(syntax) for name in _names(part)}


def _signs(syntax: Syntax, name: str, *, truth: bool) -> Iterator[str]:
    """How a condition compares something with a parameter, the parameter on the right."""
    if isinstance(syntax, Negation):
        yield from _signs(syntax.part, name, truth=not truth)
        return
    if isinstance(syntax, Compare):
        left, right = name in _names(syntax.left), name in _names(syntax.right)
        if left != right:
            sign = syntax.op if right else FLIPPED[syntax.op]
            yield sign if truth else OPPOSITE[sign]
    for part in _parts(syntax):
        yield from _signs(part, name, truth=truth)


def _capped(syntax: Syntax, param: Param) -> bool:
    if param.base is Base.RATIO or param.per:  # a ceiling per yuan or unit bounds by multiplying
        return True
    match syntax:
        case Name(id=name):  # the whole amount
            return name == param.name
        case Call(function="min"):
            return True
        case Call(function="pick", arguments=(_, *branches)):
            return all(_capped(b, param) for b in branches if param.name in _names(b))
    # Deeper, only a `min` makes a bound: max(…, cap) gives at least the cap.
    inner = (part for part in _parts(syntax) if param.name in _names(part))
    return any(_capped(part, param) for part in inner if not isinstance(part, Name))
