"""申领 as a form: reading what was typed, and writing a kept application back into the form."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from uuid import UUID

from jinsuan.kernel.money import Money
from jinsuan.metering.models import ContractLine
from jinsuan.policy.pack import Base, Fact
from jinsuan.policy.values import Unreadable, read_plain, show
from jinsuan.registry.models import Body, Organisation
from jinsuan.vouchers.actions.apply import MAX_LINES, ContractTerms, Line
from jinsuan.vouchers.models import Application
from jinsuan.vouchers.terms import terms_of

ROWS, MORE = 8, 3
"""Lines that an empty form has, and how many a press of the button adds, up to `MAX_LINES`."""
LABELS = {
    "body": "推荐单位",
    "provider": "供给方",
    "number": "合同编号",
    "signed_on": "签订日期",
    "starts_on": "合同起始日",
    "ends_on": "合同截止日",
    "purpose": "用途",
    "related": "关联关系声明",
}
DATES = ("signed_on", "starts_on", "ends_on")
PARTS = ("category", "what", "amount")
LINES = tuple(f"{part}_{n}" for n in range(1, MAX_LINES + 1) for part in PARTS)
_LINE = re.compile(r"(?:what|amount)_([1-9][0-9]{0,8})")
TOO_MANY = f"合同明细至多 {MAX_LINES} 行，请把同类的几行合成一行"


@dataclass(slots=True)
class Read:
    """What a form came to: the parts that could be read, and what has to be mended."""

    problems: dict[str, tuple[str, str]] = field(default_factory=dict)
    terms: ContractTerms | None = None
    body: UUID | None = None
    answers: dict[str, str] = field(default_factory=dict)

    def wrong(self, name: str, label: str, words: str) -> None:
        self.problems.setdefault(name, (label, words))


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One fact to be asked, as the pack words it."""

    name: str
    label: str
    hint: str
    options: tuple[tuple[str, str], ...]
    value: str
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the contract, as typed."""

    place: int
    category: str
    what: str
    amount: str
    error: str


def typed(data: Mapping[str, str], asked: Mapping[str, Fact]) -> dict[str, str]:
    """What somebody typed: our own fields only, of a sane length. `rows` is how many lines the form
    had, or holds: more than there may be are told by it, and not dropped unseen.
    """
    names = (*LABELS, *LINES, *(f"fact_{name}" for name in asked))
    values = {name: data[name][:1000] for name in names if data.get(name)}
    told = data.get("rows", "")
    rows = int(told) if re.fullmatch("[0-9]{1,3}", told) else ROWS
    typed_in = (_LINE.fullmatch(name) for name, text in data.items() if text)
    values["rows"] = str(max([rows, *(int(one[1]) for one in typed_in if one)]))
    return values


def with_more(values: Mapping[str, str], found: Read) -> dict[str, str]:
    """The same form with some lines more, everything typed kept; a problem when it has all."""
    shown = rows_of(values)
    if shown >= MAX_LINES:
        found.wrong("", "合同明细", TOO_MANY)
    return {**values, "rows": str(min(shown + MORE, MAX_LINES))}


def rows_of(values: Mapping[str, str]) -> int:
    """How many lines to show: those asked for, and never fewer than are filled."""
    filled = [int(one[1]) for name in values if (one := _LINE.fullmatch(name))]
    return min(MAX_LINES, max([ROWS, int(values.get("rows") or ROWS), *filled]))


def read(values: Mapping[str, str], asked: Mapping[str, Fact]) -> Read:
    """Read a form; every problem is found at once, each by its field."""
    found = Read()
    for name in ("number", "purpose", "related"):
        if not values.get(name, "").strip():
            found.wrong(name, LABELS[name], "这一项要填")
    found.body = _one(found, values, "body", Body)
    provider = _one(found, values, "provider", Organisation)
    days: dict[str, date] = {}
    for name in DATES:
        try:
            days[name] = date.fromisoformat(_plain(values.get(name, "")))
        except ValueError:
            said = values.get(name, "")
            words = f"“{said[:20]}”不是日期，" if said else ""
            found.wrong(name, LABELS[name], f"{words}请写年-月-日，例如 2025-09-01")
    if len(days) == len(DATES) and days["ends_on"] < days["starts_on"]:
        said = f"{days['ends_on']} 早于起始日 {days['starts_on']}，请照合同填写"
        found.wrong("ends_on", LABELS["ends_on"], said)
    lines = _lines(found, values)
    for name, fact in asked.items():
        text = values.get(f"fact_{name}", "")
        found.answers[name] = text
        if text in ("", "?"):
            continue
        try:
            read_plain(text, fact)
        except Unreadable as error:
            found.wrong(f"fact_{name}", fact.label, f"{error.what}，{error.mend}")
    if not found.problems and provider is not None:
        found.terms = ContractTerms(
            number=values["number"].strip(), provider=provider, lines=lines, **days
        )
    return found


def _plain(text: str) -> str:
    return unicodedata.normalize("NFKC", text).replace(",", "").strip()


def _one(
    found: Read, values: Mapping[str, str], name: str, model: type[Body | Organisation]
) -> UUID | None:
    try:
        pk = UUID(values.get(name, ""))
    except ValueError:
        pk = None
    if pk is None or not model.objects.filter(id=pk).exists():
        found.wrong(name, LABELS[name], "请在所列的几项里选一项")
        return None
    return pk


def _lines(found: Read, values: Mapping[str, str]) -> tuple[Line, ...]:
    lines = []
    if int(values.get("rows") or ROWS) > MAX_LINES:
        found.wrong("", "合同明细", TOO_MANY)
    for n in range(1, MAX_LINES + 1):
        category, what = values.get(f"category_{n}", ""), values.get(f"what_{n}", "").strip()
        said = values.get(f"amount_{n}", "")
        if not what and not said:
            continue
        label, place = f"合同明细第 {n} 行", f"amount_{n}"
        try:
            amount = Money.yuan(_plain(said))
        except ValueError:
            found.wrong(place, label, f"金额“{said[:20]}”读不懂，请写元，例如 120000.00")
            continue
        if amount <= Money(0):
            found.wrong(place, label, f"金额 {amount} 不大于零，请写含税金额")
        elif category not in ContractLine.Category.values:
            found.wrong(place, label, "请选一个类别")
        else:
            lines.append(Line(category=category, description=what, amount=amount))
    if not lines and not any(name.startswith("amount_") for name in found.problems):
        found.wrong("amount_1", "合同明细", "至少填一行")
    return tuple(lines)


def kept(row: Application, asked: Mapping[str, Fact]) -> dict[str, str]:
    """An application as its form holds it."""
    values = {
        "body": str(row.case.body_id),
        "provider": str(row.provider_id),
        "number": row.contract_number,
        "signed_on": row.signed_on.isoformat(),
        "starts_on": row.starts_on.isoformat(),
        "ends_on": row.ends_on.isoformat(),
        "purpose": row.purpose,
        "related": "yes" if row.related else "no",
    }
    for n, line in enumerate(row.lines.order_by("place"), start=1):
        values[f"category_{n}"], values[f"what_{n}"] = line.category, line.description
        values[f"amount_{n}"] = Money(line.amount_fen).plain
    for answer in row.facts.all():
        fact = asked.get(answer.name)
        if fact is not None and answer.value is not None:
            values[f"fact_{answer.name}"] = _answer(answer.value, fact)
    return values


def _answer(value: int, fact: Fact) -> str:
    match fact.base:
        case Base.BOOL:
            return "是" if value else "否"
        case Base.ENUM:
            return fact.options[value][0]
        case Base.MONEY:
            return Money(value).plain
        case Base.DATE:
            return date.fromordinal(value).isoformat()
        case Base.COUNT:
            return str(value)
        case _:
            return show(value, fact)


def asked_of(pack: str, rule: str, today: date) -> dict[str, Fact]:
    """The facts that an applicant of a programme is asked for, in order."""
    terms = terms_of(pack, rule)
    facts = terms.law(today).pack.facts
    return {name: facts[name] for name in terms.asked(today)}


def questions(
    asked: Mapping[str, Fact], values: Mapping[str, str], found: Read
) -> tuple[Question, ...]:
    """The questions with what was answered."""
    return tuple(
        Question(
            name=name,
            label=fact.label,
            hint=f"依据：{fact.evidence}" if fact.evidence else "",
            options=fact.options
            if fact.base is Base.ENUM
            else (("是", "是"), ("否", "否"))
            if fact.base is Base.BOOL
            else (),
            value=values.get(f"fact_{name}", ""),
            error=found.problems.get(f"fact_{name}", ("", ""))[1],
        )
        for name, fact in asked.items()
    )


def rows(values: Mapping[str, str], found: Read) -> tuple[Row, ...]:
    """The lines of the contract, as many as the form has."""
    return tuple(
        Row(
            place=n,
            category=values.get(f"category_{n}", ""),
            what=values.get(f"what_{n}", ""),
            amount=values.get(f"amount_{n}", ""),
            error=found.problems.get(f"amount_{n}", ("", ""))[1],
        )
        for n in range(1, rows_of(values) + 1)
    )
