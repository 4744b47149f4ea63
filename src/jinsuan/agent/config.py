"""The agent's configuration: one TOML file in its state folder, and perhaps a table of nodes.

    server = "https://…"          the platform; http only on this very machine
    centre = "C01"                the centre's code
    engine = "embedded"           or a table [engine], kind = "slurm", "kubernetes" or "ray": see
                                  engines/<kind>/settings.py
    cluster = "embedded"          the name under which capacity is offered
    nodes = "nodes.csv"           name,model,cards,cpu_milli,memory_mib; or [[nodes]] tables here
    job_user = "nobody"           who runs jobs when the agent is root; "root" for itself
    images = "refuse"             or "ignore": run the work of orders with an image without it
    keep_log_days = 7             after the platform has everything

Without nodes the engine offers this machine, with its cores and its memory and no cards.
"""

from __future__ import annotations

import csv
import os
import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from jinsuan.agent.engines.embedded import VirtualNode
from jinsuan.agent.engines.kubernetes import settings as kubernetes
from jinsuan.agent.engines.kubernetes.settings import KubernetesSettings
from jinsuan.agent.engines.ray import settings as ray
from jinsuan.agent.engines.ray.settings import RaySettings
from jinsuan.agent.engines.slurm import settings as slurm
from jinsuan.agent.engines.slurm.settings import SlurmSettings
from jinsuan.agent.errors import ConfigUnusable
from jinsuan.agent.http import checked_server

FILE = "agent.toml"
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,59}")
_KEYS = {
    "server": str,
    "centre": str,
    "engine": str,
    "cluster": str,
    "job_user": str,
    "images": str,
    "keep_log_days": int,
}
_TABLES: dict[str, tuple[str, Callable[[dict[str, Any]], Any]]] = {
    "slurm": ("Slurm", slurm.read_settings),
    "kubernetes": ("Kubernetes", kubernetes.read_settings),
    "ray": ("Ray", ray.read_settings),
}
"""Engines that have a table of their own, and know their nodes themselves."""
_COLUMNS = ("name", "model", "cards", "cpu_milli", "memory_mib")


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentConfig:
    """What one agent must be told. `nodes` is never empty; the settings of the engine's kind are there."""

    folder: Path
    server: str
    centre: str
    nodes: tuple[VirtualNode, ...]
    engine: Literal["embedded", "slurm", "kubernetes", "ray"] = "embedded"
    slurm: SlurmSettings | None = None
    kubernetes: KubernetesSettings | None = None
    ray: RaySettings | None = None
    cluster: str = "embedded"
    job_user: str = "nobody"
    images: Literal["refuse", "ignore"] = "refuse"
    keep_log_days: int = 7


def load_config(folder: Path) -> AgentConfig:
    """Read `agent.toml` in the state folder.

    Raises:
        ConfigUnusable: no such file, or something in it, with the place.
        ServerNotSecure: a platform address that is neither https nor this machine.
    """
    path = folder / FILE
    try:
        raw = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise ConfigUnusable(str(path), f"读不了（{error.strerror}）") from None
    except ValueError as error:
        raise ConfigUnusable(str(path), f"不是 TOML（{error}）") from None
    nodes = raw.pop("nodes", None)
    engine = _engine_table(path, raw)
    if engine and nodes is not None:
        name, _ = _TABLES[raw["engine"]]
        raise ConfigUnusable(str(path), f"{name} 自己知道节点，请删去 nodes")
    for key, value in raw.items():
        if key not in _KEYS:
            raise ConfigUnusable(str(path), f"不认识 {key}，可用的是 {'、'.join(_KEYS)}、nodes")
        if type(value) is not _KEYS[key]:
            kind = "整数" if _KEYS[key] is int else "带引号的文本"
            raise ConfigUnusable(str(path), f"{key} 应为{kind}")
    if missing := {"server", "centre"} - raw.keys():
        raise ConfigUnusable(str(path), f"缺少 {'、'.join(sorted(missing))}")
    raw["server"] = checked_server(raw["server"])
    _check_choices(path, raw)
    if engine:
        raw.setdefault("cluster", raw["engine"])
    return AgentConfig(folder=folder, nodes=_nodes(path, nodes), **engine, **raw)


def _engine_table(path: Path, raw: dict[str, Any]) -> dict[str, Any]:
    """Take the table `[engine]` out of the way: afterwards `engine` is a word.

    Returns:
        Its settings under the name of its kind; empty when there is no table.
    """
    table = raw.get("engine")
    if not isinstance(table, dict):
        if table in _TABLES:
            words = f'engine = "{table}" 请写成 [engine] 一节，kind = "{table}"'
            raise ConfigUnusable(str(path), words)
        return {}
    kind = table.pop("kind", None)
    if kind not in _TABLES:
        words = f'[engine] 的 kind 应为 {" 或 ".join(_TABLES)}；内置引擎写 engine = "embedded"'
        raise ConfigUnusable(str(path), words)
    raw["engine"] = kind
    _, read = _TABLES[kind]
    try:
        return {kind: read(table)}
    except ValueError as error:
        raise ConfigUnusable(str(path), str(error)) from None


def _check_choices(path: Path, raw: Mapping[str, Any]) -> None:
    for key in ("centre", "cluster"):
        if key in raw and not _WORD.fullmatch(raw[key]):
            raise ConfigUnusable(str(path), f"{key} 应为字母、数字、点、横线，至多 60 个字符")
    choices = {"engine": ("embedded", *_TABLES), "images": ("refuse", "ignore")}
    for key, allowed in choices.items():
        if key in raw and raw[key] not in allowed:
            raise ConfigUnusable(str(path), f"{key} 应为 {' 或 '.join(allowed)}")
    if not 0 <= raw.get("keep_log_days", 7) <= 3650:
        raise ConfigUnusable(str(path), "keep_log_days 应为 0 到 3650")


def _nodes(path: Path, raw: Any) -> tuple[VirtualNode, ...]:
    if raw is None:
        return (this_machine(),)
    if isinstance(raw, str):
        path = path.parent / raw
        raw = _table(path)
    if not isinstance(raw, list) or not raw:
        raise ConfigUnusable(str(path), "nodes 应为 CSV 文件名，或至少一个 [[nodes]]")
    nodes = tuple(_node(path, number, row) for number, row in enumerate(raw, start=1))
    names = [node.name for node in nodes]
    if twice := {name for name in names if names.count(name) > 1}:
        raise ConfigUnusable(str(path), f"节点 {min(twice)} 出现了两次")
    return nodes


def read_nodes(path: Path) -> tuple[VirtualNode, ...]:
    """Read a table of nodes from a CSV file.

    Raises:
        ConfigUnusable: the first row that cannot be used, with its number.
    """
    return _nodes(path, _table(path))


def _table(path: Path) -> list[dict[str, str]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file, strict=True))
    except (OSError, ValueError, csv.Error) as error:
        raise ConfigUnusable(str(path), f"读不了节点表（{error}）") from None
    return [{key: value for key, value in row.items() if value != ""} for row in rows]


def _node(path: Path, number: int, row: Any) -> VirtualNode:
    place = f"第 {number} 个节点"
    if not isinstance(row, dict) or (unknown := row.keys() - set(_COLUMNS)):
        raise ConfigUnusable(str(path), f"{place}的列应为 {'、'.join(_COLUMNS)}，另有 {unknown}")
    name, model = row.get("name"), row.get("model")
    if not isinstance(name, str) or not _WORD.fullmatch(name):
        raise ConfigUnusable(str(path), f"{place}的 name 应为字母、数字、点、横线")
    cards = _count(path, place, row, "cards", 0)
    if (model is None) != (cards == 0) or not isinstance(model, str | None):
        raise ConfigUnusable(str(path), f"{place} {name}：有卡必须写 model，无卡不写")
    return VirtualNode(
        name=name,
        model=model,
        cards=cards,
        cpu_milli=_count(path, place, row, "cpu_milli", None),
        memory_mib=_count(path, place, row, "memory_mib", None),
    )


def _count(path: Path, place: str, row: Mapping[str, Any], column: str, default: int | None) -> int:
    text = str(row.get(column, default))
    if not re.fullmatch(r"[0-9]{1,12}", text):
        raise ConfigUnusable(str(path), f"{place}的 {column} 应为非负整数")
    return int(text)


def this_machine() -> VirtualNode:
    """The machine itself as one node: the cores this process may use, and all of the memory."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20
    name = re.sub(r"[^A-Za-z0-9._-]", "-", os.uname().nodename)[:60].lstrip("-._")
    cores = len(os.sched_getaffinity(0))
    return VirtualNode(name=name or "node1", cpu_milli=cores * 1000, memory_mib=memory)


def write_config(
    folder: Path,
    *,
    server: str,
    centre: str,
    cluster: str = "embedded",
    job_user: str = "nobody",
    nodes: Sequence[VirtualNode] = (),
) -> Path:
    """Write a first `agent.toml`, and `nodes.csv` when nodes are given. Overwrites both.

    Raises:
        ConfigUnusable, ServerNotSecure: a value cannot be used; nothing was written.
    """
    path = folder / FILE
    words = {"server": checked_server(server), "centre": centre, "engine": "embedded"}
    words |= {"cluster": cluster, "job_user": job_user}
    for key in ("centre", "cluster", "job_user"):
        if not _WORD.fullmatch(words[key]):
            raise ConfigUnusable(str(path), f"{key} 应为字母、数字、点、横线，至多 60 个字符")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigUnusable(str(folder), f"不能建这个文件夹（{error.strerror}）") from None
    if nodes:
        with (folder / "nodes.csv").open("w", encoding="utf-8", newline="") as file:
            rows = csv.writer(file, lineterminator="\n")
            rows.writerow(_COLUMNS)
            rows.writerows((n.name, n.model, n.cards, n.cpu_milli, n.memory_mib) for n in nodes)
        words["nodes"] = "nodes.csv"
    # All values are plain words or an address: a TOML basic string needs no more than quotes.
    assert not any(set('"\\\n') & set(word) for word in words.values()), words
    path.write_text("".join(f'{k} = "{v}"\n' for k, v in words.items()), encoding="utf-8")
    load_config(folder)
    return path
