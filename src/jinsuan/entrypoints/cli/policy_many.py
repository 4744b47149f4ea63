"""`jinsuan policy simulate | diff | population`: many applicants, without a database."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo

import typer

from jinsuan.entrypoints import clock
from jinsuan.entrypoints.cli.show import AsJson, as_json, table
from jinsuan.kernel.errors import BadInput

if TYPE_CHECKING:
    from jinsuan.policy.pack import Pack

PackName = Annotated[str, typer.Argument(help="规则包代号，如 shanxi-2024-35，或 pack.md 的路径")]
PopulationFile = Annotated[
    Path,
    typer.Option(
        "--population", help="主体表：CSV 或 Parquet，一行一个主体", exists=True, dir_okay=False
    ),
]
OptionalFile = Annotated[
    Path | None,
    typer.Option("--population", help="主体表；不写则只比较条文", exists=True, dir_okay=False),
]
OnDate = Annotated[str, typer.Option("--on", help="适用日期，如 2025-03-01；不写则用今天")]
MAX_MADE_UP = 1_000_000


def simulate_command(
    pack: PackName,
    population: PopulationFile,
    on: OnDate = "",
    change: Annotated[
        list[str] | None, typer.Option("--set", help="试改参数，如 m09_pool=80000000.00；可写多次")
    ] = None,
    share: Annotated[
        list[str] | None,
        typer.Option(
            "--share", help="试改总盘子的分法，如 m09=pro_rata（first_come、ranked、pro_rata）"
        ),
    ] = None,
    json: AsJson = False,
) -> None:
    """按规则包试算一张主体表；写了 --set 或 --share 就比较改前改后。"""
    from jinsuan.entrypoints.cli import policy_many_words as words
    from jinsuan.policy.compare import what_if
    from jinsuan.policy.law import bind
    from jinsuan.policy.library import load_pack
    from jinsuan.policy.population import read_population
    from jinsuan.policy.simulate import simulate

    found = load_pack(pack)
    law = bind(found, _day(on))
    changes, sharing = _pairs("--set", change), _sharing(found, share)
    after = bind(found, law.on, changes=changes)
    people = read_population(population, found.facts)
    absent = people.without_column(found.facts)
    if not changes and not sharing:
        run = simulate(law, people, keep=False)
        _say(words.simulation_value(run, absent), words.simulation_lines(run, absent), json=json)
        return
    comparison = what_if(law, after, people, sharing=({}, sharing))
    _say(
        words.comparison_value(comparison, absent),
        words.comparison_lines(comparison, absent),
        json=json,
    )


def diff_command(
    before: PackName,
    after: PackName,
    population: OptionalFile = None,
    on: OnDate = "",
    json: AsJson = False,
) -> None:
    """两个规则包有哪些不同；给出主体表则比较结果。退出码：0 相同，1 有不同，2 输入有误。"""
    from jinsuan.entrypoints.cli import policy_many_words as words
    from jinsuan.policy.compare import differences, shared_facts, what_if
    from jinsuan.policy.law import bind
    from jinsuan.policy.library import load_pack
    from jinsuan.policy.population import read_population

    old, new = load_pack(before), load_pack(after)
    if population is None:
        found = differences(old, new)
        if json:
            as_json([words.difference_value(d) for d in found])
        else:
            heads = ["类别", "名称", "哪一项", old.id, new.id]
            table(f"{old.id} 与 {new.id} 的不同", heads, [words.difference_row(d) for d in found])
        raise typer.Exit(1 if found else 0)
    facts, odd = shared_facts(old, new)
    if odd:
        what = f"两个规则包对 {'、'.join(odd[:5])} 的类型、单位或范围写得不一样"
        raise BadInput("主体表", what, "先把事实改成一样，或用 simulate 各算一次")
    people = read_population(population, facts)
    day = _day(on)
    comparison = what_if(bind(old, day), bind(new, day), people)
    absent = people.without_column(facts)
    _say(
        words.comparison_value(comparison, absent),
        words.comparison_lines(comparison, absent),
        json=json,
    )
    raise typer.Exit(1 if comparison.winners or comparison.losers else 0)


def population_command(
    pack: PackName,
    rows: Annotated[int, typer.Option(help="几行", min=1, max=MAX_MADE_UP)] = 1000,
    seed: Annotated[int, typer.Option(help="种子：同一个种子得到同一张表", min=0)] = 1,
) -> None:
    """写一张虚构的主体表（CSV）到标准输出，供演示和测试；编号都带“虚构”。"""
    from jinsuan.policy.library import load_pack
    from jinsuan.policy.made_up import as_csv, made_up

    found = load_pack(pack)
    for line in as_csv(made_up(found, rows, seed), found.facts):
        typer.echo(line, nl=False)
    typer.echo(f"以上 {rows:,} 行全部是虚构的（种子 {seed}），不是任何真实主体。", err=True)


def _say(value: object, lines: Iterable[str], *, json: bool) -> None:
    if json:
        as_json(value)
        return
    for line in lines:
        typer.echo(line)


def _day(on: str) -> date:
    if not on:
        return clock.now().astimezone(ZoneInfo("Asia/Shanghai")).date()
    try:
        return date.fromisoformat(on)
    except ValueError:
        raise BadInput("日期", f"{on[:40]!r} 不是日期", "写成 2025-03-01") from None


def _pairs(option: str, written: list[str] | None) -> dict[str, str]:
    found = {}
    for text in written or []:
        name, equals, value = text.partition("=")
        if not equals or not name.strip() or not value.strip():
            raise BadInput(option, f"{text[:40]!r} 不是“名字=值”", f"写成 {option} 名字=值")
        found[name.strip()] = value.strip()
    return found


def _sharing(pack: Pack, written: list[str] | None) -> dict[str, str]:
    from jinsuan.policy.shortage import SHARINGS

    found = _pairs("--share", written)
    pooled = [rule.id for rule in pack.rules.values() if rule.pool]
    for rule, sharing in found.items():
        if rule not in pooled:
            mend = f"可写的是 {'、'.join(pooled)}" if pooled else "这个规则包没有总盘子"
            raise BadInput("--share", f"规则 {rule[:40]!r} 没有年度总盘子", mend)
        if sharing not in SHARINGS:
            raise BadInput(
                "--share", f"没有分法 {sharing[:40]!r}", f"可写的是 {'、'.join(SHARINGS)}"
            )
    return found
