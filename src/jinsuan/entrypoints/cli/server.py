"""`jinsuan serve | worker | migrate | dev`: the platform's own processes."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from typing import Annotated

import typer

Port = Annotated[int, typer.Option(help="端口", min=1, max=65535)]


def migrate_command() -> None:
    """建立或升级数据库表。"""
    from jinsuan.entrypoints.site.boot import boot, migrate

    boot()
    migrate()
    typer.echo("✓ 数据库表已是最新。")


def serve(
    host: Annotated[str, typer.Option(help="监听地址")] = "127.0.0.1",
    port: Port = 8000,
    workers: Annotated[int, typer.Option(help="进程数", min=1, max=64)] = 2,
) -> None:
    """启动网站与接口（granian，WSGI）。"""
    from jinsuan.entrypoints.site.boot import boot

    boot()
    from granian import Granian
    from granian.constants import Interfaces

    Granian(
        "jinsuan.entrypoints.site.wsgi:application",
        address=host,
        port=port,
        interface=Interfaces.WSGI,
        workers=workers,
        blocking_threads=8,
        backpressure=64,
        log_access=False,
        log_level="warning",  # type: ignore[arg-type]
    ).serve()


def worker() -> None:
    """启动后台处理：匹配、结算、巡查。"""
    from jinsuan.entrypoints.site.boot import boot

    boot()
    from jinsuan.entrypoints.worker.run import run_worker

    run_worker()


def dev(port: Port = 8000) -> None:
    """开发：自带数据库、建表、网站与后台一起启动，Ctrl-C 停止。"""
    from jinsuan.entrypoints.site.boot import boot, migrate

    boot()
    migrate()
    command = [sys.executable, "-m", "jinsuan.entrypoints.cli"]
    processes = [
        subprocess.Popen([*command, "serve", "--port", str(port), "--workers", "1"]),
        subprocess.Popen([*command, "worker"]),
    ]
    typer.echo(f"http://127.0.0.1:{port}/ 已启动，Ctrl-C 停止。")
    with contextlib.suppress(KeyboardInterrupt):
        os.wait()
    for process in processes:
        process.send_signal(signal.SIGTERM)
    for process in processes:
        process.wait()
