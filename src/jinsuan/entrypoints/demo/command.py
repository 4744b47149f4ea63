"""`jinsuan demo`: a province on this machine, in a database of its own, with the clock in 2025."""

from __future__ import annotations

import os
import shutil
import signal
import threading
from datetime import datetime, time
from pathlib import Path
from typing import Annotated

import typer

from jinsuan.entrypoints import clock
from jinsuan.entrypoints.database import EmbeddedServer, default_folder
from jinsuan.entrypoints.demo.errors import NotADemoDatabase
from jinsuan.kernel.period import BEIJING

DATE = "2025-09-16"
PORT = 8035
MARK = "demo.json"
"""A file that only this command writes: a folder without it is nobody's demo, so it is not emptied."""


def demo(
    once: Annotated[
        bool, typer.Option("--once", help="讲完就退出；核对不通过时退出码非 0")
    ] = False,
    reset: Annotated[bool, typer.Option("--reset", help="清空演示数据后重新开始")] = False,
    at: Annotated[str, typer.Option(help="演示的业务日期，如 2025-09-16 或 2027-06-01")] = DATE,
    port: Annotated[int, typer.Option(help="网站端口；被占用时自动换一个", min=1)] = PORT,
) -> None:
    """演示：建一个省，下一个作业，一步步讲清钱、用量和依据。数据全为虚构。"""
    from jinsuan.entrypoints.cli.policy import read_date

    day = datetime.combine(read_date(at), time(9), tzinfo=BEIJING)
    folder = default_folder() / "demo" / f"{day:%Y-%m-%d}"
    if "DATABASE_URL" in os.environ:
        raise NotADemoDatabase("DATABASE_URL")
    server = EmbeddedServer(folder / "database")
    if reset:
        _empty(folder, server)
    os.environ["DATABASE_URL"] = _prepare(folder, server, day)
    from jinsuan.entrypoints.demo.run import run_demo

    stopping = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopping.set())
    try:
        run_demo(folder, port=port, once=once, stopping=stopping, say=typer.echo)
    finally:
        server.stop()


def _empty(folder: Path, server: EmbeddedServer) -> None:
    if not folder.exists():
        return
    if not (folder / MARK).exists():
        raise NotADemoDatabase(str(folder))
    server.stop()
    shutil.rmtree(folder)
    typer.echo("… 已清空原来的演示数据")


def _prepare(folder: Path, server: EmbeddedServer, day: datetime) -> str:
    """Mark the folder, set the business clock, start the database; returns its address."""
    folder.mkdir(parents=True, exist_ok=True)
    mark = folder / MARK
    if not mark.exists():
        mark.write_text(str(clock.offset_for(day)), "ascii")
    os.environ[clock.VARIABLE] = mark.read_text("ascii").strip()
    typer.echo("… 启动演示数据库")
    return server.start()
