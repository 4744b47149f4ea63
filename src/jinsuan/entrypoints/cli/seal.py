"""`jinsuan audit …`: read the audit book, seal it, hand it to an auditor, and check it as one."""

from __future__ import annotations

from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from jinsuan.entrypoints.cli.book import read_ref
from jinsuan.entrypoints.cli.show import AsJson, as_json, table
from jinsuan.ledger.errors import AuditFileInvalid, SealKeyInvalid, SealLibraryMissing
from jinsuan.ledger.signing import ED25519, SM2, Checkers, checker_of
from jinsuan.ledger.sm2 import INSTALL, Sm2Missing
from jinsuan.ledger.verify import Report, Unreadable, verify as check

audit = typer.Typer(help="留痕：谁在何时做了什么；封存、导出、核验。", no_args_is_help=True)
SHOWN = 50
"""So many differences are printed; the rest is counted."""


class KeyAlgorithm(StrEnum):
    """What a new key signs with."""

    ED25519 = ED25519
    SM2 = SM2


@audit.command("of")
def audit_of(
    ref: Annotated[str, typer.Argument(help="任何编号，如 job_…、voucher_…")], json: AsJson = False
) -> None:
    """一个对象的全部留痕，先发生的在前。"""
    from jinsuan.entrypoints.site.boot import boot

    boot()
    from jinsuan.ledger.queries import audit_of as read_audit

    rows = read_audit(read_ref(ref))
    if json:
        as_json([{"at": r.at, "action": r.action, "via": r.via, "reason": r.reason} for r in rows])
        return
    table(
        f"留痕 {ref}",
        ["时间", "动作", "人", "途径", "事由"],
        [(r.at, r.action, r.person, r.via, r.reason) for r in rows],
    )


@audit.command("key")
def key(
    algorithm: Annotated[
        KeyAlgorithm, typer.Option(help="签名算法：ed25519，或国密 sm2（须先安装 jinsuan[sm]）")
    ] = KeyAlgorithm.ED25519,
) -> None:
    """生成封存用的签名密钥，写入只有本人可读的文件，并打印公钥，交给审计保管。"""
    from jinsuan.entrypoints import seal_keys

    made = seal_keys.make(algorithm)
    typer.echo(f"私钥写入 {seal_keys.path()}，密钥编号 {made.key_id}。公钥：", err=True)
    typer.echo(made.public_pem.decode().rstrip())


@audit.command("seal")
def seal() -> None:
    """立即封存还没有封存的留痕，并找出漏在待封存表外的；工作进程平时每十秒封存一次。没有密钥时只成链，不签名。"""
    from jinsuan.entrypoints.site.boot import boot

    boot()
    from jinsuan.entrypoints import clock
    from jinsuan.entrypoints.seal_keys import digest, signer
    from jinsuan.ledger.queries import seal_status
    from jinsuan.ledger.seal import find_missed, seal_all

    by = signer()
    if missed := find_missed():
        typer.echo(f"有 {missed} 条留痕不在待封存表里，已补上。请查明是谁从表里删去的。", err=True)
    rows = seal_all(signer=by, now=clock.now(), algorithm=digest())
    typer.echo(f"封存 {rows} 条。链头 {seal_status().head or '（还没有）'}")
    if rows and by is None:
        typer.echo("没有配置封存密钥，这些区块没有签名。用 jinsuan audit key 生成。", err=True)


@audit.command("status")
def status(json: AsJson = False) -> None:
    """封存到哪里：区块、记录、待封存的条数和最后的链头。链头请抄下来，另处保管。"""
    from jinsuan.entrypoints.site.boot import boot

    boot()
    from jinsuan.ledger.queries import seal_status

    found = seal_status()
    if json:
        as_json(
            {
                "blocks": found.blocks,
                "rows": found.rows,
                "waiting": found.waiting,
                "head": found.head,
                "key": found.key,
                "sealed_at": found.sealed_at,
            }
        )
        return
    typer.echo(f"区块 {found.blocks} 个，记录 {found.rows} 条，待封存 {found.waiting} 条。")
    typer.echo(f"链头 {found.head or '（还没有）'}")
    typer.echo(f"签名密钥 {found.key or '（没有签名）'}")


@audit.command("export")
def export(file: Annotated[Path, typer.Argument(help="写到这个新文件")]) -> None:
    """导出已封存的全部留痕，每行一个 JSON。先写临时文件，写完才改名；不覆盖已有文件。"""
    from jinsuan.entrypoints.site.boot import boot

    boot()
    from jinsuan.ledger.seal import export_lines

    if file.exists():
        raise AuditFileInvalid(str(file), "文件已存在，没有覆盖")
    part = file.with_name(f"{file.name}.part")
    count = 0
    try:
        with part.open("w", encoding="utf-8", newline="\n") as out:
            for line in export_lines():
                out.write(line)
                count += 1
        part.rename(file)
    except OSError as error:
        raise AuditFileInvalid(str(file), f"写不进去（{error.strerror}）") from error
    typer.echo(f"写入 {count} 行：{file}")


@audit.command("verify")
def verify(
    file: Annotated[Path, typer.Argument(help="jinsuan audit export 导出的文件")],
    public_key: Annotated[
        list[Path] | None, typer.Option(help="信任的公钥（PEM）；换过密钥时可以多次给出")
    ] = None,
    head: Annotated[str | None, typer.Option(help="事先抄下的链头，须仍在链中")] = None,
    json: AsJson = False,
) -> None:
    """核验导出的留痕，不连数据库。退出码：0 没有差异，1 有差异，2 读不出。"""
    checkers = trusted(public_key) if public_key else None
    found = _checked(file, checkers, head)
    if json:
        as_json(asdict(found))
    else:
        typer.echo(
            f"区块 {found.blocks} 个，记录 {found.rows} 条，签名相符 {found.signed} 个区块，"
            f"差异 {len(found.differences)} 处。\n链头 {found.head or '（还没有）'}"
        )
        for difference in found.differences[:SHOWN]:
            typer.echo(f"✗ {difference}")
        if (more := len(found.differences) - SHOWN) > 0:
            typer.echo(f"另有 {more} 处，用 --json 全部列出。")
        if checkers is None:
            typer.echo("没有给出公钥，没有核对签名：只说明文件前后一致，不说明由谁封存。")
    raise typer.Exit(1 if found.differences else 0)


def trusted(files: list[Path]) -> Checkers:
    """The public keys in these files, by their ids."""
    keys = []
    for file in files:
        try:
            keys.append(checker_of(file.read_bytes()))
        except Sm2Missing:
            raise SealLibraryMissing(str(file), INSTALL) from None
        except (OSError, ValueError) as error:
            raise SealKeyInvalid(str(file), "读不到，或不是 Ed25519、SM2 公钥（PEM）") from error
    return {one.key_id: one for one in keys}


def _checked(file: Path, checkers: Checkers | None, head: str | None) -> Report:
    """Check a file; one that cannot be read is a refusal, status 2."""
    try:
        with file.open(encoding="utf-8", newline="\n") as lines:
            return check(lines, checkers=checkers, head=head)
    except OSError as error:
        raise AuditFileInvalid(str(file), f"打不开（{error.strerror}）") from error
    except UnicodeDecodeError as error:
        raise AuditFileInvalid(str(file), "不是 UTF-8 文本") from error
    except Unreadable as error:
        raise AuditFileInvalid(str(file), str(error)) from error
