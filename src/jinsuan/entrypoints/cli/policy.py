"""`jinsuan policy …`: read, check and run the rules from a terminal, with no database."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from jinsuan.entrypoints.cli import policy_many
from jinsuan.entrypoints.cli.show import AsJson, as_json, table
from jinsuan.kernel.errors import BadInput

if TYPE_CHECKING:
    from jinsuan.policy.pack import Pack

app = typer.Typer(help="政策规则：查阅条款、核对规则包、试算结果。", no_args_is_help=True)

PackName = Annotated[str, typer.Argument(help="规则包代号，如 shanxi-2024-35，或 pack.md 的路径")]
TextFolder = Annotated[
    Path | None, typer.Option("--folder", help="存放原文的文件夹，缺省是晋算的数据文件夹")
]
OnDate = Annotated[str, typer.Option("--on", help="适用日期，如 2025-03-01")]


def read_date(text: str) -> date:
    """A date as typed.

    Raises:
        BadInput: it is none.
    """
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise BadInput("日期", f"{text[:40]!r} 不是日期", "写成 2025-03-01") from None


@app.command("list")
def list_packs(json: AsJson = False) -> None:
    """现有的规则包。"""
    from jinsuan.policy.library import known, load_pack

    packs = [load_pack(name) for name in known()]
    rows = [(p.id, p.number, p.title, p.first_day, p.last_day, len(p.rules)) for p in packs]
    if json:
        as_json(
            [
                dict(zip(("id", "number", "title", "from", "to", "rules"), r, strict=True))
                for r in rows
            ]
        )
        return
    table("规则包", ["代号", "文号", "标题", "施行", "期满", "规则"], rows)


@app.command()
def show(
    pack: PackName, article: Annotated[str, typer.Argument(help="条号，如 九；不写则全部")] = ""
) -> None:
    """条款的说明、规则、数字和口径。"""
    from jinsuan.entrypoints.policy_words import describe
    from jinsuan.policy.library import load_pack

    for line in describe(load_pack(pack), article):
        typer.echo(line)


@app.command()
def facts(pack: PackName, json: AsJson = False) -> None:
    """全部事实和参数：名字、类型、单位、范围、佐证。"""
    from jinsuan.entrypoints.policy_words import fact_rows, param_rows
    from jinsuan.policy.library import load_pack

    found = load_pack(pack)
    if json:
        as_json({"facts": fact_rows(found), "params": param_rows(found)})
        return
    _rows("事实", fact_rows(found))
    _rows("参数", param_rows(found))


def _rows(title: str, rows: list[dict[str, Any]]) -> None:
    table(title, list(rows[0]) if rows else [], [list(row.values()) for row in rows])


@app.command("decide")
def decide_command(
    pack: PackName,
    facts: Annotated[Path, typer.Option(help="事实文件（JSON）")],
    on: OnDate,
    json: AsJson = False,
    record: Annotated[
        Path | None, typer.Option("--record", help="把判定记录写到这个文件，日后可以重算")
    ] = None,
) -> None:
    """按规则包逐条试算。退出码：0 至少一条符合，1 没有符合的，2 输入有误。"""
    from jinsuan.entrypoints.policy_words import decision_lines, decision_value
    from jinsuan.policy.decide import Outcome, decide
    from jinsuan.policy.facts import MAX_BYTES, plain_values, read_facts
    from jinsuan.policy.library import law_on

    law = law_on(pack, read_date(on))
    if not facts.is_file():
        mend = "核对路径；用 jinsuan policy facts 查看要写哪些事实"
        raise BadInput("事实文件", f"没有文件 {facts.name[:60]}", mend)
    with facts.open("rb") as file:
        data = file.read(MAX_BYTES + 1)
    known = read_facts(data, law.pack, source=facts.name)
    decided = decide(law, known)
    if record is not None:
        from jinsuan.policy.record import recorded

        try:
            record.write_text(recorded(decided, known), "utf-8")
        except OSError as error:
            problem = f"写不了 {record.name}（{error.strerror}）"
            raise BadInput("--record", problem, "换一个路径") from None
    if json:
        as_json(decision_value(law, decided))
    else:
        for line in decision_lines(law, decided, plain_values(known)):
            typer.echo(line)
    hit = any(d.outcome is Outcome.ELIGIBLE for d in decided.decisions)
    raise typer.Exit(0 if hit else 1)


@app.command("replay")
def replay_command(
    record: Annotated[Path, typer.Argument(help="判定记录", exists=True, dir_okay=False)],
    pack: Annotated[str, typer.Option("--pack", help="规则包；不写则按记录里的代号")] = "",
) -> None:
    """用同一摘要的规则包重算一份判定记录。退出码：0 一致，1 不一致，2 不能重算。"""
    from jinsuan.policy.facts import MAX_BYTES
    from jinsuan.policy.library import load_pack
    from jinsuan.policy.record import read_record, replayed

    with record.open("rb") as file:
        found = read_record(file.read(MAX_BYTES + 1))
    differences = replayed(found, load_pack(pack or str(found.get("pack"))))
    typer.echo("✗ 与记录不一致" if differences else "✓ 与记录一致，一分不差")
    for line in differences:
        typer.echo(f"  {line}")
    raise typer.Exit(1 if differences else 0)


@app.command()
def check(
    pack: PackName,
    text: Annotated[
        Path | None, typer.Option("--text", help="原文文件；不写则用 attach 存的")
    ] = None,
    folder: TextFolder = None,
) -> None:
    """核对一个规则包：写法、类型、单位、溢出、例子、每句是否有规则，并与原文核对。

    退出码：0 一致，1 与原文不一致，2 规则包或输入有误。
    """
    from jinsuan.entrypoints.cli.policy_text import place_of, read_text
    from jinsuan.policy.library import load_pack

    found = load_pack(pack)
    sentences = sum(article.sentences for article in found.articles)
    bound = sum(1 for param in found.params.values() if param.printed)
    typer.echo(
        f"✓ {found.id} 第 {found.version} 版，摘要 {found.digest[:16]}\n"
        f"  条款 {len(found.articles)} 条，句子 {sentences} 句全部有规则；规则 {len(found.rules)} 条\n"
        f"  事实 {len(found.facts)} 项，参数 {len(found.params)} 个（条文印出的 {bound} 个），"
        f"口径 {len(found.interpretations)} 条，手工例子 {len(found.cases)} 个全部一致"
    )
    kept = text or place_of(found, folder)
    if text is None and not kept.exists():
        typer.echo("· 没有与原文核对：用 jinsuan policy attach 存一份原文，或写 --text")
        return
    _compare(found, read_text(kept))


@app.command()
def attach(
    pack: PackName,
    text: Annotated[Path, typer.Argument(help="原文文件（UTF-8 纯文本）")],
    folder: TextFolder = None,
) -> None:
    """存一份官方原文（存在本机，不进代码库），按条切开，并核对数字、比较词和句数。

    退出码：0 一致，1 不一致，2 输入有误。
    """
    from jinsuan.entrypoints.cli.policy_text import keep, read_text
    from jinsuan.policy.library import load_pack

    found = load_pack(pack)
    words = read_text(text)
    typer.echo(f"✓ 原文存在 {keep(found, words, folder)}")
    _compare(found, words)


def _compare(pack: Pack, text: str) -> None:
    from jinsuan.entrypoints.cli.policy_text import compare

    report, lines = compare(pack, text)
    for line in lines:
        typer.echo(line)
    raise typer.Exit(1 if report.problems else 0)


app.command("simulate")(policy_many.simulate_command)
app.command("diff")(policy_many.diff_command)
app.command("population")(policy_many.population_command)
