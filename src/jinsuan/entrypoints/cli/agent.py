"""`jinsuan agent …`: the centre's side. Needs no Django and no database, but for `agent code`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from jinsuan.entrypoints.cli.show import AsJson, as_json

app = typer.Typer(help="算力中心的代理：登记、检查、运行。", no_args_is_help=True)

Folder = Annotated[Path, typer.Argument(help="状态文件夹，在本地磁盘上")]
Folders = Annotated[list[Path], typer.Argument(help="状态文件夹，内有 agent.toml；可以写多个")]
Nodes = Annotated[
    Path | None,
    typer.Option(
        help="节点表 CSV：name,model,cards,cpu_milli,memory_mib；不写则本机为一个无卡节点",
        exists=True,
        dir_okay=False,
    ),
]


@app.command()
def enrol(
    folder: Folder,
    server: Annotated[str, typer.Option(help="平台地址，https:// 开头；本机可用 http")],
    centre: Annotated[str, typer.Option(help="算力中心代码，如 C01")],
    code: Annotated[str, typer.Option(help="一次性接入码；不写则从标准输入读")] = "",
    nodes: Nodes = None,
    cluster: Annotated[str, typer.Option(help="可用资源以什么集群名上报")] = "embedded",
    job_user: Annotated[
        str, typer.Option(help="以 root 运行代理时，用哪个用户运行作业")
    ] = "nobody",
) -> None:
    """登记：用一次性接入码换取平台对本机密钥的信任，写好 agent.toml。

    私钥在本机生成，不离开状态文件夹。文件夹里已有同一平台、同一中心的配置时保留原配置，只换密钥。
    """
    from jinsuan.agent.config import FILE, load_config, read_nodes, write_config
    from jinsuan.agent.errors import ConfigUnusable
    from jinsuan.agent.http import checked_server, enrol as exchange
    from jinsuan.agent.keys import make_key, save_key
    from jinsuan.agent.main import agent_version

    table = read_nodes(nodes) if nodes is not None else ()
    if (folder / FILE).exists():
        config = load_config(folder)
        if (config.server, config.centre) != (checked_server(server), centre):
            problem = f"已是中心 {config.centre}、平台 {config.server} 的配置，请换一个文件夹"
            raise ConfigUnusable(str(folder / FILE), problem)
        if table:
            raise ConfigUnusable(str(folder / FILE), "配置已在，节点表请直接改其中的 nodes")
    else:
        write_config(
            folder, server=server, centre=centre, cluster=cluster, job_user=job_user, nodes=table
        )
    asked = code or (typer.prompt("接入码", hide_input=True) if sys.stdin.isatty() else input())
    key = make_key()
    exchange(server, asked.strip(), centre, key=key, agent_version=agent_version())
    save_key(folder, key)
    typer.echo(f"✓ 中心 {centre} 已登记。接着运行：jinsuan agent check {folder}")


@app.command("code")
def issue_code(
    centre: Annotated[str, typer.Argument(help="算力中心代码，如 C01")],
) -> None:
    """签发一次性接入码。在平台的机器上、由平台运营方运行；只显示这一次，24 小时内有效。"""
    from jinsuan.entrypoints.site.boot import boot

    boot()
    from jinsuan.entrypoints import clock
    from jinsuan.kernel.errors import NotFound
    from jinsuan.kernel.ref import Actor
    from jinsuan.registry.actions.agents import issue_enrolment_code
    from jinsuan.registry.queries import centre_id

    found = centre_id(centre)
    if found is None:
        raise NotFound("算力中心", centre[:60])
    typer.echo(issue_enrolment_code(found, actor=Actor.system("cli"), now=clock.now()))


@app.command()
def check(folder: Folder, json: AsJson = False) -> None:
    """检查：配置、文件夹、密钥、引擎、平台与时钟，缺什么说什么。退出码：0 都好，1 有缺。"""
    from jinsuan.agent.preflight import preflight
    from jinsuan.entrypoints import clock

    found = []
    for finding in preflight(folder, now=clock.now):
        found.append(finding)
        if not json:
            mark = "✓" if finding.good else "✗"
            typer.echo(f"{mark} {finding.name}：{finding.words}")
    if json:
        as_json([{"name": f.name, "good": f.good, "words": f.words} for f in found])
    raise typer.Exit(0 if all(finding.good for finding in found) else 1)


@app.command()
def run(folders: Folders) -> None:
    """运行代理，直到 Ctrl-C 或 SIGTERM；正在运行的作业不受影响。

    写多个文件夹时，任何一个代理不能开始或出错退出，其余的一并停止，退出码不为 0，由守护程序重新启动。
    """
    from jinsuan.agent.config import load_config
    from jinsuan.agent.main import run_agents
    from jinsuan.entrypoints import clock

    run_agents([load_config(folder) for folder in folders], now=clock.now)
