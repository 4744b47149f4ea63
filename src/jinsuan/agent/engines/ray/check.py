"""Look at a Ray cluster before the agent runs: reachable, guarded, with nodes to offer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from jinsuan.agent.engines.ray.client import RayClient
from jinsuan.agent.engines.ray.nodes import read_nodes
from jinsuan.agent.engines.ray.settings import RaySettings
from jinsuan.kernel.errors import DomainError

Told = tuple[str, bool, str]
"""Name, whether it is good, what was found."""


def look_at_ray(settings: RaySettings) -> Iterator[Told]:
    """Version, nodes, and whether strangers are kept out."""
    client = RayClient(settings.access())
    try:
        yield ("Ray 接口", True, f"Ray {client.version()['ray_version']}")
        nodes = read_nodes(client.nodes())
        models = sorted({n.node.model for n in nodes.values() if n.node.model is not None})
        words = f"{len(nodes)} 个；型号 {'、'.join(models) or '无卡'}"
        yield ("Ray 节点", bool(nodes), words)
    except DomainError as error:
        yield ("Ray 接口", False, error.explain())
        return
    finally:
        client.close()
    stranger = RayClient(replace(settings.access(), token_file=None))
    try:
        stranger.nodes()
    except DomainError:
        yield ("Ray 令牌", True, "没有令牌进不去")
    else:
        words = "没有令牌也能提交作业：请只让代理的机器访问，或以 RAY_AUTH_MODE=token 启动"
        yield ("Ray 令牌", True, words)
    finally:
        stranger.close()
