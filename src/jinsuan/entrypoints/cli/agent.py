"""`jinsuan agent …`: the centre's side. Needs no Django and no database."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="算力中心的代理：登记、检查、运行。", no_args_is_help=True)

Folders = Annotated[list[Path], typer.Argument(help="状态文件夹，内有 agent.toml；可以写多个")]


@app.command()
def run(folders: Folders) -> None:
    """运行代理，直到 Ctrl-C 或 SIGTERM；正在运行的作业不受影响。"""
    from jinsuan.agent.config import load_config
    from jinsuan.agent.main import Alarm, run_agent
    from jinsuan.entrypoints import clock

    configs = [load_config(folder) for folder in folders]
    first = Alarm()
    others = [Alarm(signals=False) for _ in configs[1:]]
    threads = [
        threading.Thread(
            target=run_agent, args=(config,), kwargs={"now": clock.now, "alarm": alarm}
        )
        for config, alarm in zip(configs[1:], others, strict=True)
    ]
    for thread in threads:
        thread.start()
    try:
        run_agent(configs[0], now=clock.now, alarm=first)
    finally:
        for alarm in others:
            alarm.stop()
        for thread in threads:
            thread.join()
