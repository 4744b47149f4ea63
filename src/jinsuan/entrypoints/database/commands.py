"""`jinsuan db …`: the embedded database from a terminal."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from jinsuan.entrypoints.database import EmbeddedServer, default_server
from jinsuan.entrypoints.database.errors import ExternalDatabase, PostgresMissing
from jinsuan.entrypoints.database.transfer import connection_environment

app = typer.Typer(help="自带的数据库：启动、停止、备份、恢复。", no_args_is_help=True)


@app.command()
def start() -> None:
    """启动数据库；已经在运行则不变。"""
    server = _ours()
    server.start()
    typer.echo(f"数据库在运行：{_address(server)}")


@app.command()
def stop() -> None:
    """停止数据库；没有运行则不变。"""
    _ours().stop()
    typer.echo("数据库已停止。")


@app.command()
def status() -> None:
    """查看数据库是否在运行。退出码：0 在运行，1 没有运行。"""
    server = _ours()
    if not server.running():
        typer.echo(f"数据库没有运行。数据文件夹：{server.folder}")
        raise typer.Exit(1)
    typer.echo(f"数据库在运行：{_address(server)}")


@app.command()
def dump(
    path: Annotated[Path, typer.Argument(help="写到哪个文件，如 jinsuan.dump")],
    force: Annotated[bool, typer.Option("--force", help="文件已存在时覆盖")] = False,
) -> None:
    """把全部数据导出到一个文件（只有您自己可读）。"""
    if path.exists() and not force:
        raise typer.BadParameter(f"{path} 已经存在；要覆盖请加 --force", param_hint="path")
    _ours().dump(path)
    typer.echo(f"已导出到 {path}（{path.stat().st_size:,} 字节）。")


@app.command()
def restore(
    path: Annotated[Path, typer.Argument(help="jinsuan db dump 导出的文件")],
    yes: Annotated[bool, typer.Option("--yes", help="不再询问，直接替换现有数据")] = False,
) -> None:
    """用导出的文件替换全部现有数据；文件有误时原有数据不变。"""
    server = _ours()
    if not yes:
        typer.confirm(f"将用 {path} 替换 {server.folder} 的全部数据，继续？", abort=True)
    server.restore(path)
    typer.echo(f"已从 {path} 恢复。")


@app.command()
def shell() -> None:
    """打开 psql，直接查询数据库。"""
    server = _ours()
    url = server.start()
    psql = server.binaries()["psql"]
    if not psql.is_file():
        raise PostgresMissing(server.binaries().major)
    os.execve(psql, [str(psql)], dict(os.environ) | connection_environment(url))  # noqa: S606


def _ours() -> EmbeddedServer:
    if os.environ.get("DATABASE_URL"):
        raise ExternalDatabase
    return default_server()


def _address(server: EmbeddedServer) -> str:
    port = server.url().rpartition(":")[2].partition("/")[0]
    return f"127.0.0.1:{port}，数据文件夹 {server.folder}"
