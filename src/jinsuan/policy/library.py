"""The packs that this installation knows, and whether a pack holds together."""

from __future__ import annotations

import os
from collections.abc import Iterable
from datetime import date
from functools import lru_cache
from pathlib import Path

from jinsuan.policy.cases import run_cases
from jinsuan.policy.errors import PackInvalid, PackNotFound, Problem, in_order
from jinsuan.policy.law import Law, bind
from jinsuan.policy.load import read_pack
from jinsuan.policy.pack import Pack, Rule

BUILT_IN = Path(__file__).parent / "packs"
VARIABLE = "JINSUAN_PACKS"
"""More folders with packs, separated as in PATH."""


def folders() -> list[Path]:
    """Where packs are looked for: ours first."""
    more = os.environ.get(VARIABLE, "")
    return [BUILT_IN, *(Path(part) for part in more.split(os.pathsep) if part)]


def known() -> dict[str, Path]:
    """Every pack's file by its id; an earlier folder wins."""
    found: dict[str, Path] = {}
    for folder in folders():
        for path in sorted(folder.glob("*/pack.md")):
            found.setdefault(path.parent.name, path)
    return dict(sorted(found.items()))


def load_pack(name: str) -> Pack:
    """A pack that passed every check.

    Args:
        name: the id of a known pack, or the path of a pack.md.

    Raises:
        PackNotFound, PackInvalid.
    """
    path = Path(name) if name.endswith(".md") else known().get(name)
    if path is None:
        raise PackNotFound(name, tuple(known()))
    return _load(path, path.stat().st_mtime_ns if path.exists() else 0)


@lru_cache(maxsize=32)
def _load(path: Path, _changed: int) -> Pack:
    pack = read_pack(path)
    problems = [*check_links(pack)]
    for day in days_of_change(pack):
        try:
            bind(pack, day)
        except PackInvalid as error:
            problems += error.problems
    if not problems:
        problems += run_cases(pack)
    if problems:
        raise PackInvalid(pack.id, in_order(problems))
    return pack


@lru_cache(maxsize=128)
def law_on(name: str, on: date) -> Law:
    """A known pack bound to a day."""
    return bind(load_pack(name), on)


def days_of_change(pack: Pack) -> list[date]:
    """The days in force on which some parameter changes, the first day included."""
    days = {since for param in pack.params.values() for since, _ in param.values}
    return sorted({pack.first_day, *(d for d in days if pack.first_day < d <= pack.last_day)})


def check_links(pack: Pack) -> Iterable[Problem]:
    """Names that lead nowhere, sentences without a rule, facts that nobody asks."""
    file = f"{pack.id}/pack.md"
    for rule in pack.rules.values():
        yield from _loose_ends(pack, rule, f"{file}:{rule.line}")
    names = {**pack.facts, **pack.params, **pack.defines, **pack.rules}
    for found in pack.interpretations:
        for name in found.affects:
            if name not in names:
                yield Problem(
                    f"{file}:{found.line}", f"口径 {found.number} 的 {name} 不存在", "核对"
                )
    numbers = [i.number for i in pack.interpretations]
    for number in sorted({n for n in numbers if numbers.count(n) > 1}):
        yield Problem(f"{file}:1", f"口径 {number} 写了两次", "重新编号")
    yield from _uncovered(pack, file)
    yield from _idle(pack, file)


def _loose_ends(pack: Pack, rule: Rule, place: str) -> Iterable[Problem]:
    for key, name in (("pool", rule.pool), ("quota", rule.quota)):
        if name and name not in pack.params:
            yield Problem(place, f"规则 {rule.id} 的 {key} 没有参数 {name}", "在 params 里写")
    for name, _ in rule.rank:
        if name not in pack.facts:
            yield Problem(place, f"规则 {rule.id} 的排名没有事实 {name}", "在 facts 里写")
    for other in rule.instead_of:
        if other == rule.id:
            yield Problem(place, f"规则 {rule.id} 的 instead_of 是它自己", "写另一支的代号")
        if other not in pack.rules:
            yield Problem(place, f"规则 {rule.id} 的 instead_of 没有规则 {other}", "核对代号")


def _uncovered(pack: Pack, file: str) -> Iterable[Problem]:
    for article in pack.articles:
        covered = {n for rule in pack.rules_of(article.label) for n in rule.sentences}
        wanted = set(range(1, article.sentences + 1))
        if missing := wanted - covered:
            shown = "、".join(map(str, sorted(missing)))
            mend = "为每一句写规则；没有可执行内容的写 no_effect"
            yield Problem(f"{file}:{article.line}", f"{article.label}第 {shown} 句没有规则", mend)
        if extra := covered - wanted:
            shown = "、".join(map(str, sorted(extra)))
            yield Problem(
                f"{file}:{article.line}", f"{article.label}没有第 {shown} 句", "核对 sentence"
            )


def _idle(pack: Pack, file: str) -> Iterable[Problem]:
    """What is declared and never used misleads whoever reads it."""
    law = _try_bind(pack)
    if law is None:
        return
    asked = {name for bound in law.rules.values() for name in bound.facts}
    asked |= {name for rule in pack.rules.values() for name, _ in rule.rank}
    used = {name for bound in law.rules.values() for name in bound.params}
    used |= {rule.pool for rule in pack.rules.values()} | {r.quota for r in pack.rules.values()}
    for fact in pack.facts.values():
        if fact.name not in asked:
            yield Problem(
                f"{file}:{fact.line}", f"没有规则用到事实 {fact.name}", "删去，或在规则里用"
            )
    for param in pack.params.values():
        if param.name not in used:
            yield Problem(
                f"{file}:{param.line}", f"没有规则用到参数 {param.name}", "删去，或在规则里用"
            )


def _try_bind(pack: Pack) -> Law | None:
    try:
        return bind(pack, pack.first_day)
    except PackInvalid:
        return None
