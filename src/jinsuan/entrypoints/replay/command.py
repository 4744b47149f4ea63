"""`jinsuan replay`: a public trace through the whole platform, in a throw-away database, in 2025."""

from __future__ import annotations

import os
import shutil
import signal
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from jinsuan.entrypoints import clock
from jinsuan.entrypoints.database import EmbeddedServer, default_folder
from jinsuan.entrypoints.replay.errors import NotAReplayFolder, ReplayDataMissing
from jinsuan.entrypoints.replay.pods import Pace, read_pods, sample
from jinsuan.entrypoints.replay.province import PODS, read_province
from jinsuan.entrypoints.replay.rows import table
from jinsuan.kernel.period import BEIJING

DAY = datetime(2025, 9, 16, 9, tzinfo=BEIJING)
MARK = "replay.mark"
"""A file that only this command writes: a folder without it is nobody's replay."""


def replay(
    folder: Annotated[
        Path, typer.Argument(help="数据文件夹，内有 openb_province/ 和 openb/", metavar="FOLDER")
    ],
    pods: Annotated[int, typer.Option(help="回放多少个请求，均匀取自全部请求", min=1)] = 500,
    speed: Annotated[int, typer.Option(help="时间倍数：真实时长除以它", min=1)] = 600,
    longest: Annotated[int, typer.Option(help="缩短后最长几秒，更长的截短", min=1)] = 20,
    minutes: Annotated[int, typer.Option(help="最多等几分钟", min=1)] = 15,
    port: Annotated[int, typer.Option(help="网站端口；被占用时自动换一个", min=1)] = 8036,
    once: Annotated[
        bool, typer.Option("--once/--stay", help="报告之后退出，或保持网站运行")
    ] = True,
    json: Annotated[bool, typer.Option("--json", help="输出 JSON，供程序读取")] = False,
) -> None:
    """回放：真实的节点和请求，走完下单、匹配、运行、结清的全程，再核对账簿。

    退出码：0 每个作业都已结清或有理由地被拒绝，且账簿没有差异；1 否则。
    """
    data = _data(folder)
    centres = read_province(data)
    chosen = sample(read_pods(table(data / PODS), file=PODS), pods)
    home = default_folder() / "replay"
    if "DATABASE_URL" in os.environ:
        raise NotAReplayFolder("DATABASE_URL 指向的数据库")
    server = EmbeddedServer(home / "database")
    os.environ[clock.VARIABLE] = str(clock.offset_for(DAY))
    os.environ["DATABASE_URL"] = fresh_database(home, server)
    from jinsuan.entrypoints.replay.run import Plan, run_replay

    def tell(report: Any) -> None:
        from jinsuan.entrypoints.cli.show import as_json
        from jinsuan.entrypoints.replay.show import show

        if json:
            as_json(report.plain())
        else:
            show(report, {centre.code: centre for centre in centres}, typer.echo)

    signal.signal(signal.SIGTERM, signal.default_int_handler)  # an end in order, like Ctrl-C
    try:
        report = run_replay(
            Plan(
                centres=centres,
                pods=tuple(chosen),
                pace=Pace(speed=speed, longest_seconds=longest),
                minutes=minutes,
            ),
            home,
            port=port,
            postmaster=lambda: postmaster(server),
            say=(lambda line: typer.echo(line, err=True)) if json else typer.echo,
            tell=tell,
            stay=not once,
        )
    finally:
        server.stop()
    raise typer.Exit(1 if report.problems else 0)


def _data(folder: Path) -> Path:
    """The folder that holds both parts; naming one of the parts means the folder around it."""
    folder = folder.expanduser().absolute()
    for found in (folder, folder.parent):
        if (found / "openb_province").is_dir() and (found / "openb").is_dir():
            return found
    raise ReplayDataMissing(str(folder / "openb_province"))


def fresh_database(home: Path, server: EmbeddedServer) -> str:
    """An empty, running database in a folder of our own; what an earlier replay left is removed.

    Raises:
        NotAReplayFolder: the folder was not made by a replay.
    """
    if home.exists():
        if not (home / MARK).exists() and any(home.iterdir()):
            raise NotAReplayFolder(str(home))
        server.stop()
        shutil.rmtree(home)
    home.mkdir(parents=True)
    home.chmod(0o711)  # PostgreSQL may run as another user below it
    (home / MARK).touch()
    return server.start()


def postmaster(server: EmbeddedServer) -> int:
    """The process id of the running database."""
    return int((server.data / "postmaster.pid").read_text("utf-8").split("\n", 1)[0])
