"""Facts and parameters of a pack, from their TOML tables."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from jinsuan.policy.blocks import Reader, Table, line_of
from jinsuan.policy.kinds import FIRST_DAY, LAST_DAY
from jinsuan.policy.markdown import Block
from jinsuan.policy.pack import Attest, Base, Fact, Param, Value
from jinsuan.policy.tree import INT64
from jinsuan.policy.values import (
    Unreadable,
    read_fen,
    read_places,
    read_ratio,
)

BASES = tuple(str(base) for base in Base)
MAX_PLACES = 9
MAX_ITEMS = 10_000


def read_facts(reader: Reader, block: Block) -> list[Fact]:
    """The facts of one block."""
    found = []
    for name, values in reader.toml(block).items():
        line = line_of(block, name)
        if reader.name(name, line):
            found.append(_fact(name, reader.table(values, line, name)))
    return [fact for fact in found if fact is not None]


def _fact(name: str, table: Table) -> Fact | None:
    base = Base(table.text("type", needed=True, among=BASES))
    item = table.text("item", among=("money", "count")) if base is Base.LIST else ""
    places = table.whole("places", default=4) if base is Base.RATIO else 0
    if not 0 <= places <= MAX_PLACES:
        table.complain(f"places = {str(places)[:20]}", f"应在 0 到 {MAX_PLACES} 之间")
        return None
    options = _options(table) if base is Base.ENUM else ()
    try:
        low, high = _range(table, base, Base(item) if item else None, places, len(options))
    except Unreadable as error:
        table.complain(error.what, error.mend)
        return None
    if low > high:
        table.complain("min 大于 max", "改 min 或 max")
        return None
    max_items = table.whole("max_items", needed=True) if base is Base.LIST else 0
    if base is Base.LIST and not 1 <= max_items <= MAX_ITEMS:
        table.complain(f"max_items = {str(max_items)[:20]}", f"应在 1 到 {MAX_ITEMS} 之间")
        return None
    fact = Fact(
        name=name,
        base=base,
        label=table.text("label", needed=True),
        line=table.line,
        low=low,
        high=high,
        unit=table.text("unit"),
        places=places,
        options=options,
        item=Base(item) if item else None,
        max_items=max_items,
        evidence=table.text("evidence", needed=True),
        attest=Attest(table.text("attest", among=tuple(Attest)) or Attest.DECLARED),
    )
    table.done()
    return fact


def _options(table: Table) -> tuple[tuple[str, str], ...]:
    options = tuple((key, str(label)) for key, label in table.sub("values").items())
    if len(options) < 2:
        table.complain("enum 至少要有两个取值", 'values = {training = "训练", inference = "推理"}')
    return options


def _range(
    table: Table, base: Base, item: Base | None, places: int, options: int
) -> tuple[int, int]:
    base = item or base
    match base:
        case Base.BOOL:
            return 0, 1
        case Base.ENUM:
            return 0, max(options - 1, 1)
        case Base.DATE:
            return FIRST_DAY, LAST_DAY
        case Base.COUNT:
            low, high = table.whole("min"), table.whole("max", needed=True)
        case Base.MONEY:
            low = read_fen(table.text("min") or "0")
            high = read_fen(table.text("max", needed=True) or "0")
        case _:
            low = read_places(table.text("min") or "0", places)
            high = read_places(table.text("max", needed=True) or "0", places)
    if abs(low) > INT64 or abs(high) > INT64:
        raise Unreadable("min 或 max 超出 64 位整数", "改小，或换更大的单位")
    return low, high


def read_params(reader: Reader, block: Block, article: str) -> list[Param]:
    """The parameters of one block."""
    found = []
    for name, values in reader.toml(block).items():
        line = line_of(block, name)
        if reader.name(name, line):
            found.append(_param(name, reader.table(values, line, name), article))
    return found


def _param(name: str, table: Table, article: str) -> Param:
    base = Base(table.text("type", needed=True, among=BASES))
    if base is Base.LIST:
        table.complain("参数不能是列表", "改成几个参数")
    options = tuple((key, str(label)) for key, label in table.sub("options").items())
    printed, ours = table.text("printed"), table.text("ours")
    if bool(printed) == bool(ours):
        table.complain("printed 与 ours 要恰好写一个", "条文印的数字写 printed，自己加的写 ours")
    raw = table.raw("values", needed=True)
    values = []
    for day, value in raw.items() if isinstance(raw, dict) else ():
        if (since := _since(day)) is None:
            table.complain(f"{day!r} 不是日期", "写成 {2024-07-01 = …}")
            continue
        try:
            values.append((since, _value(base, value, options)))
        except Unreadable as error:
            table.complain(error.what, error.mend)
    if not values:
        table.complain("没有一个起始日期", 'values = {2024-07-01 = "1000.00"}')
    param = Param(
        name=name,
        base=base,
        label=table.text("label", needed=True),
        line=table.line,
        article=article,
        values=tuple(sorted(values, key=lambda pair: pair[0])),
        unit=table.text("unit"),
        per=table.text("per") if base is Base.MONEY else "",
        options=options,
        printed=printed,
        word=table.text("word"),
        ours=ours,
    )
    table.done()
    return param


def _since(day: Any) -> date | None:
    """TOML keys are texts, also where they look like dates."""
    try:
        return date.fromisoformat(day)
    except (TypeError, ValueError):
        return None


def _value(base: Base, value: Any, options: tuple[tuple[str, str], ...]) -> Value:
    match base:
        case Base.MONEY if isinstance(value, str):
            return Value(read_fen(value))
        case Base.RATIO if isinstance(value, str):
            return read_ratio(value)
        case Base.COUNT if type(value) is int:
            return Value(value)
        case Base.BOOL if isinstance(value, bool):
            return Value(int(value))
        case Base.DATE if isinstance(value, date) and not isinstance(value, datetime):
            return Value(value.toordinal())
        case Base.ENUM if isinstance(value, str) and value in dict(options):
            return Value([key for key, _ in options].index(value))
    mend = {
        Base.MONEY: '金额写元的文本，如 "1000.00"',
        Base.RATIO: '比例写文本，如 "0.15"',
        Base.COUNT: "数写整数",
    }.get(base, "对照规则包的写法")
    raise Unreadable(f"值 {str(value)[:40]!r} 的写法不对", mend)
