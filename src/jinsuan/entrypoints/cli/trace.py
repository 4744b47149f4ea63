"""`jinsuan trace`: follow a fen, write a bundle of it, and check a bundle as an auditor would."""

from __future__ import annotations

import json as text
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from jinsuan.entrypoints.cli.book import LOCAL, read_ref
from jinsuan.entrypoints.cli.seal import trusted
from jinsuan.entrypoints.cli.show import AsJson, as_json
from jinsuan.kernel.errors import NotFound
from jinsuan.kernel.ref import Ref
from jinsuan.trace.errors import BundleInvalid
from jinsuan.trace.verify import Unreadable, read, verify as check

SHOWN = 50
"""So many differences of one check are printed; the rest is counted."""


def trace(
    ref: Annotated[
        str,
        typer.Argument(
            help="转账编号 transfer_…；作业、券、案件、判定、合同、批次的编号；或 verify，后面写溯源包"
        ),
    ],
    file: Annotated[Path | None, typer.Argument(help="只在 verify 之后写：要核验的溯源包")] = None,
    bundle: Annotated[Path | None, typer.Option(help="把一笔转账的溯源包写到这个新文件")] = None,
    public_key: Annotated[
        list[Path] | None, typer.Option(help="核验时信任的公钥（PEM），可以多次给出")
    ] = None,
    json: AsJson = False,
) -> None:
    """一分钱溯源：从一笔转账回到用量、合同、算力券、判定、材料、人和条款。写包，或不连数据库核验包。"""
    if ref == "verify":
        if file is None:
            raise BundleInvalid("（没有写）", "verify 后面要写溯源包的文件名")
        _verify(file, public_key, json=json)
    elif file is not None:
        raise BundleInvalid(str(file), "只有核验才在编号后面写文件；写包用 --bundle")
    elif bundle is not None:
        _write(read_ref(ref), bundle)
    else:
        _show(ref, json=json)


def _show(ref: str, *, json: bool) -> None:
    from jinsuan.entrypoints.site.boot import boot

    boot()
    from jinsuan.ledger.queries import transfers_caused_by
    from jinsuan.metering.queries import charges_of
    from jinsuan.trace.queries import path, transfers_from

    wanted = read_ref(ref)
    refs = [wanted]
    if wanted.kind == "job":
        refs = [t.ref for charge in charges_of(wanted.id) for t in transfers_caused_by(charge)]
        if not refs:
            raise NotFound("该作业的核销", ref)
    elif wanted.kind != "transfer":
        refs = transfers_from(LOCAL, wanted)
        if not refs:
            raise NotFound("它的转账", ref)
    for one in refs:
        found = path(LOCAL, one)
        if json:
            as_json(
                {
                    "ref": str(found.ref),
                    "steps": [
                        {"number": s.number, "title": s.title, "ref": str(s.ref), "facts": s.facts}
                        for s in found.steps
                    ],
                }
            )
            continue
        typer.echo(f"\n溯源 {found.ref}")
        for step in found.steps:
            typer.echo(f"  {step.number} {step.title}")
            for label, words in step.facts:
                typer.echo(f"      {label}：{words}")


def _write(ref: Ref, file: Path) -> None:
    from jinsuan.entrypoints.site.boot import boot

    boot()
    from jinsuan.entrypoints import clock, seal_keys
    from jinsuan.trace.bundle import make_bundle

    if file.exists():
        raise BundleInvalid(str(file), "文件已存在，没有覆盖")
    signer = seal_keys.signer()
    keys = {} if signer is None else {signer.key_id: signer.public_pem.decode()}
    made = make_bundle(LOCAL, ref, keys=keys, now=clock.now())
    part = file.with_name(f"{file.name}.part")
    try:
        part.write_text(text.dumps(made, ensure_ascii=False, indent=1) + "\n", "utf-8")
        part.rename(file)
    except OSError as error:
        raise BundleInvalid(str(file), f"写不进去（{error.strerror}）") from error
    waiting = sum(one["block"] is None for one in made["audit"]["rows"])
    typer.echo(
        f"写入 {file}：转账 {len(made['transfers'])} 笔，留痕 {len(made['audit']['rows'])} 条。"
    )
    if waiting:
        typer.echo(f"{waiting} 条留痕还没有封存，核验会说不符；封存后请重新写。", err=True)


def _verify(file: Path, public_key: list[Path] | None, *, json: bool) -> None:
    try:
        found = check(read(file.read_bytes()), trusted=trusted(public_key) if public_key else None)
    except OSError as error:
        raise BundleInvalid(str(file), f"打不开（{error.strerror}）") from error
    except Unreadable as error:
        raise BundleInvalid(str(file), str(error)) from error
    if json:
        as_json([asdict(one) for one in found])
    else:
        for one in found:
            typer.echo(f"{'✓' if one.good else '✗'} {one.name}（{one.count}）")
            for said in one.differences[:SHOWN]:
                typer.echo(f"    ✗ {said}")
            if (more := len(one.differences) - SHOWN) > 0:
                typer.echo(f"    另有 {more} 处，用 --json 全部列出。")
            if one.note:
                typer.echo(f"    注意：{one.note}")
    raise typer.Exit(0 if all(one.good for one in found) else 1)
