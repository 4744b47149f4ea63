"""Read a pack.md into a `Pack`; every problem of the file is reported at once."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, field, fields, is_dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

from jinsuan.policy.blocks import Reader, Table, line_of
from jinsuan.policy.errors import PackInvalid, in_order
from jinsuan.policy.markdown import Block, Section, sections
from jinsuan.policy.pack import (
    Article,
    Case,
    Condition,
    Fact,
    Interpretation,
    Mode,
    Pack,
    Param,
    Rule,
    RunOff,
    Text,
)
from jinsuan.policy.terms import read_facts, read_params

MAX_BYTES = 2_000_000
HEADING = re.compile(r"（[一二三四五六七八九十百]+）|[一二三四五六七八九十]+、")
"""An article such as （九）, or a part such as 五、 that stands outside the articles."""
ID = re.compile(r"[a-z0-9][a-z0-9-]{0,59}")
WINDOW = ("event", "application", "decision", "payment")
SCOPES = ("", "project", "enterprise", "enterprise_year", "applicant_year")
FREQUENCIES = ("", "once", "yearly", "project")
SHARING = ("", "first_come", "ranked", "pro_rata")


@dataclass(slots=True)
class Draft:
    """What has been read so far."""

    document: Table | None = None
    articles: list[Article] = field(default_factory=list)
    facts: dict[str, Fact] = field(default_factory=dict)
    params: dict[str, Param] = field(default_factory=dict)
    defines: dict[str, Text] = field(default_factory=dict)
    general: list[Condition] = field(default_factory=list)
    rules: dict[str, Rule] = field(default_factory=dict)
    interpretations: list[Interpretation] = field(default_factory=list)
    cases: list[Case] = field(default_factory=list)
    base: dict[str, str] = field(default_factory=dict)


def read_pack(path: Path) -> Pack:
    """Read one file.

    Raises:
        PackInvalid: with every problem, its line and its mend. Nothing is half loaded.
    """
    reader = Reader(path.parent.name + "/" + path.name)
    try:
        if path.stat().st_size > MAX_BYTES:
            reader.complain(1, f"文件超过 {MAX_BYTES} 字节", "拆成几个文件")
            raise PackInvalid(path.parent.name, tuple(reader.problems))
        text = path.read_text("utf-8")
    except UnicodeDecodeError as error:
        reader.complain(1, f"不是 UTF-8 编码（第 {error.start} 字节）", "另存为 UTF-8")
        raise PackInvalid(path.parent.name, tuple(reader.problems)) from None
    except OSError as error:
        reader.complain(1, f"读不了（{error.strerror}）", "核对路径和权限")
        raise PackInvalid(path.parent.name, tuple(reader.problems)) from None
    pack = _assemble(reader, sections(text), path)
    if reader.problems or pack is None:
        raise PackInvalid(path.parent.name, in_order(reader.problems))
    return replace(pack, digest=digest_of(pack))


def digest_of(pack: Pack) -> str:
    """SHA-256 over what the pack says, whatever its layout."""
    content = {**_content(pack), "rules": [_content(rule) for rule in pack.rules.values()]}
    text = json.dumps(
        content, ensure_ascii=False, sort_keys=True, separators=(",", ":"), default=str
    )
    return hashlib.sha256(text.encode()).hexdigest()


LAYOUT = {"line", "file", "digest"}
"""Fields that say where something stands, not what it says."""


def _content(value: Any) -> Any:
    if is_dataclass(value):
        names = [field.name for field in fields(value) if field.name not in LAYOUT]
        return {name: _content(getattr(value, name)) for name in names}
    if isinstance(value, dict):
        return {key: _content(item) for key, item in value.items()}
    return [_content(item) for item in value] if isinstance(value, tuple) else value


def _assemble(reader: Reader, found: list[Section], path: Path) -> Pack | None:
    draft = Draft()
    intro: list[str] = []
    for section in found:
        label = HEADING.match(section.heading) if section.level == 2 else None
        if label is None:
            intro += section.prose
        _section(reader, draft, section, label[0] if label else "")
    if draft.document is None:
        reader.complain(1, "没有 document 块", "最先写一个 ```toml document 块")
        return None
    return _pack(draft, draft.document, tuple(intro), path)


def _section(reader: Reader, draft: Draft, section: Section, label: str) -> None:
    if label and not any(b.kind == "article" for b in section.blocks):
        reader.complain(section.line, f"{label}没有 article 块", "写明官方条文有几句")
    for block in section.blocks:
        if block.language == "cases":
            _cases(reader, draft, block)
        elif block.language == "toml":
            _block(reader, draft, block, section, label)


KINDS = "document base general article facts params define rule interpretation"


def _block(reader: Reader, draft: Draft, block: Block, section: Section, label: str) -> None:
    match block.kind:
        case "document":
            _document(reader, draft, block)
        case "base":
            for name, value in reader.toml(block).items():
                draft.base[name] = value if isinstance(value, str) else str(value).lower()
        case "general":
            draft.general += _conditions(reader.toml(block), block, reader)
        case "article":
            if any(label == other.label for other in draft.articles):
                reader.complain(block.line, f"{label or '没有条号'}的 article 写了两次", "只留一个")
            draft.articles.append(_article(reader, block, section, label))
        case "rule":
            _add_rule(reader, draft, block, label)
        case "interpretation":
            draft.interpretations.append(_interpretation(reader, block, label))
        case "facts" | "params" | "define":
            _names(reader, draft, block, label)
        case _:
            what = f"不认识 toml {block.kind[:30]!r} 块"
            reader.complain(block.line - 1, what, f"可用 {KINDS}")


def _document(reader: Reader, draft: Draft, block: Block) -> None:
    if draft.document is not None:
        reader.complain(block.line - 1, "document 写了两次", "只留一个")
    draft.document = Table(reader, reader.toml(block), block.line, "document")


def _names(reader: Reader, draft: Draft, block: Block, label: str) -> None:
    """Blocks that give names; a name is given once in the whole pack."""
    if block.kind == "facts":
        for fact in read_facts(reader, block):
            _once(reader, draft, fact.name, fact.line)
            draft.facts[fact.name] = fact
    elif block.kind == "params":
        for param in read_params(reader, block, label):
            _once(reader, draft, param.name, param.line)
            draft.params[param.name] = param
    else:
        for name, text in reader.toml(block).items():
            line = line_of(block, name)
            _once(reader, draft, name, line)
            if not isinstance(text, str):
                reader.complain(line, f"{name} 的算式不是文本", "给算式加引号")
            elif reader.name(name, line):
                draft.defines[name] = Text(text, line)


def _once(reader: Reader, draft: Draft, name: str, line: int) -> None:
    for there in (draft.facts, draft.params, draft.defines):
        if name in there:
            first = there[name].line
            reader.complain(line, f"名字 {name} 已在第 {first} 行用过", "换一个名字")


def _article(reader: Reader, block: Block, section: Section, label: str) -> Article:
    table = Table(reader, reader.toml(block), block.line, "article")
    if table.text("label", needed=True) != label:
        table.complain(f"label 与标题开头的 {label or '（无）'} 不一致", "两处写成一样")
    article = Article(
        label=label,
        title=section.heading.removeprefix(label).strip(),
        line=section.line,
        prose=tuple(section.prose),
        sentences=table.whole("sentences", needed=True),
        plain=table.texts("plain"),
    )
    if not section.prose:
        table.complain("没有用自己的话写的说明", "在标题下写一段")
    table.done()
    return article


def _conditions(values: dict[str, Any], block: Block, reader: Reader) -> list[Condition]:
    when = values.get("when", {})
    if not isinstance(when, dict) or values.keys() - {"when"}:
        reader.complain(block.line, "只能有 [when] 表", '写成 [when] 和 "说明" = "算式"')
        return []
    return _when(when, block, reader)


def _when(when: dict[str, Any], block: Block, reader: Reader) -> list[Condition]:
    found = []
    for label, text in when.items():
        line = line_of(block, label)
        if not isinstance(text, str):
            reader.complain(line, f"条件“{label[:40]}”的算式不是文本", "给算式加引号")
            continue
        found.append(Condition(label, Text(text, line)))
    return found


def _add_rule(reader: Reader, draft: Draft, block: Block, label: str) -> None:
    table = Table(reader, reader.toml(block), block.line, "rule")
    name = table.text("id", needed=True)
    table.where = f"规则 {name}" if name else "rule"
    amount = table.text("amount")
    rule = Rule(
        id=name,
        title=table.text("title", needed=True),
        article=label,
        line=block.line,
        sentences=table.wholes("sentence"),
        mode=Mode(table.text("mode", needed=True, among=tuple(Mode))),
        when=tuple(_when(table.sub("when"), block, reader)),
        track=table.text("track"),
        beneficiary=table.text("beneficiary"),
        scope=table.text("scope", among=SCOPES),
        frequency=table.text("frequency", among=FREQUENCIES),
        amount=Text(amount, line_of(block, "amount")) if amount else None,
        pool=table.text("pool"),
        sharing=table.text("sharing", among=SHARING),
        quota=table.text("quota"),
        rank=_rank(table),
        instead_of=table.texts("instead_of"),
        refers_to=table.text("refers_to"),
        why=table.text("why"),
        general=table.truth("general", default=True),
    )
    _check_rule(rule, table)
    table.done()
    if name in draft.rules:
        first = draft.rules[name].line
        reader.complain(block.line, f"规则 {name} 已在第 {first} 行写过", "换一个代号")
    elif reader.name(name, block.line):
        draft.rules[name] = rule


def _check_rule(rule: Rule, table: Table) -> None:
    if rule.mode in (Mode.FIXED, Mode.CEILING) and rule.amount is None:
        table.complain("没有 amount", "按标准给或最多给的规则要写金额的算式")
    if not rule.mode.pays and rule.amount is not None:
        table.complain(f"{rule.mode.label}的规则不该有 amount", "去掉 amount，或改 mode")
    if rule.mode is Mode.NO_EFFECT and not rule.why:
        table.complain("没有 why", "说明这一句为什么没有可执行的内容")
    if rule.mode is Mode.REFER and not rule.refers_to:
        table.complain("没有 refers_to", "写明转到哪些政策")
    if rule.mode.pays and not (rule.beneficiary and rule.scope and rule.frequency):
        table.complain("给钱的规则缺 beneficiary、scope 或 frequency", "补上")
    if bool(rule.pool) != bool(rule.sharing):
        table.complain("pool 与 sharing 要一起写", "写明总盘子不够时怎么分")
    if rule.quota and not rule.rank:
        table.complain("有名额没有排名依据", 'rank = ["score desc", "applied_on asc"]')


def _rank(table: Table) -> tuple[tuple[str, bool], ...]:
    found = []
    for item in table.texts("rank"):
        name, _, order = item.partition(" ")
        if order not in ("asc", "desc"):
            table.complain(f"rank 里的 {item[:40]!r}", '写成 "score desc" 或 "applied_on asc"')
            continue
        found.append((name, order == "desc"))
    return tuple(found)


def _interpretation(reader: Reader, block: Block, label: str) -> Interpretation:
    table = Table(reader, reader.toml(block), block.line, "interpretation")
    found = Interpretation(
        number=table.whole("number", needed=True),
        article=label,
        question=table.text("question", needed=True),
        reading=table.text("reading", needed=True),
        because=table.text("because", needed=True),
        affects=table.texts("affects"),
        line=block.line,
    )
    table.done()
    return found


def _cases(reader: Reader, draft: Draft, block: Block) -> None:
    lines = [(n, text.split()) for n, text in enumerate(block.text.splitlines()) if text.strip()]
    if not lines or "->" not in lines[0][1]:
        reader.complain(block.line, "例子的第一行应是 事实名 … -> amount why", "补上表头")
        return
    names = lines[0][1][: lines[0][1].index("->")]
    for number, cells in lines[1:]:
        line = block.line + number
        arrow = cells.index("->") if "->" in cells else -1
        if arrow != len(names) or len(cells) < arrow + 2:
            reader.complain(line, f"这一行应有 {len(names)} 个事实、-> 和结果", "对齐表头")
            continue
        draft.cases.append(
            Case(
                rule=block.kind,
                facts=tuple(zip(names, cells[:arrow], strict=True)),
                expected=cells[arrow + 1],
                why=" ".join(cells[arrow + 2 :]),
                line=line,
            )
        )


def _pack(draft: Draft, table: Table, intro: tuple[str, ...], path: Path) -> Pack | None:
    first, last = _days(table, "in_force", "from", "to")
    if first is None or last is None or first > last:
        table.complain("in_force 的写法不对", "写成 {from = 2024-07-01, to = 2026-12-31}")
        return None
    decide_until, pay_until = _days(table, "run_off", "decide_until", "pay_until")
    window = table.texts("window") or ("application",)
    if wrong := set(window) - set(WINDOW):
        table.complain(f"window 里有 {'、'.join(sorted(wrong))}", f"可用的是 {'、'.join(WINDOW)}")
    issued = table.day("issued_on", needed=True)
    pack = Pack(
        id=table.text("id", needed=True),
        number=table.text("number", needed=True),
        title=table.text("title", needed=True),
        issuer=table.text("issuer", needed=True),
        issued_on=issued or first,
        version=table.text("version", needed=True),
        first_day=first,
        last_day=last,
        window=window,
        run_off=RunOff(decide_until=decide_until, pay_until=pay_until),
        prose=intro,
        articles=tuple(draft.articles),
        facts=draft.facts,
        params=draft.params,
        defines=draft.defines,
        general=tuple(draft.general),
        rules=draft.rules,
        interpretations=tuple(draft.interpretations),
        cases=tuple(draft.cases),
        base=draft.base,
        file=str(path),
    )
    if pack.id != path.parent.name or not ID.fullmatch(pack.id):
        mend = f"与文件夹 {path.parent.name!r} 同名，只用小写英文、数字和连字符"
        table.complain(f"id = {pack.id[:40]!r}", mend)
    table.done()
    return pack


def _days(table: Table, key: str, *names: str) -> list[date | None]:
    """Days in a small table of the document."""
    part = Table(table.reader, table.sub(key), table.line, key)
    found = [part.day(name) for name in names]
    part.done()
    return found
