"""Look before the agent runs: each thing it needs, whether it is there, and how to mend it.

Nothing is changed but the boot number, which a real, signed message to the platform needs.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from jinsuan.agent.config import AgentConfig, load_config
from jinsuan.agent.engines.kubernetes.check import look_at_kubernetes
from jinsuan.agent.engines.ray.check import look_at_ray
from jinsuan.agent.engines.slurm.check import look_at_slurm
from jinsuan.agent.errors import StateInUse
from jinsuan.agent.http import HttpTransport
from jinsuan.agent.journal import Journal
from jinsuan.agent.keys import load_key
from jinsuan.agent.main import agent_version, open_engine
from jinsuan.kernel.errors import DomainError
from jinsuan.protocol.messages import PROTOCOL_VERSION, SyncRequest

REMOTE = frozenset(
    {"9p", "afs", "beegfs", "ceph", "cifs", "fuse.sshfs", "glusterfs", "gpfs", "lustre", "nfs"}
    | {"nfs4", "smb3", "smbfs"}
)
"""File systems on which locks and the order of writes are not this machine's alone."""
ROOM_MIB = 1024
SKEW_SECONDS = 60
"""The platform refuses messages at five times as much."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. `words` say what was found; for a failure, also the mend."""

    name: str
    good: bool
    words: str


def preflight(folder: Path, *, now: Callable[[], datetime]) -> Iterator[Finding]:
    """Look at everything, cheapest first. What needs something that is missing is left out."""
    try:
        config = load_config(folder)
    except DomainError as error:
        yield Finding("配置", False, error.explain())
        return
    yield Finding("配置", True, f"中心 {config.centre}，平台 {config.server}")
    yield _folder(folder)
    try:
        load_key(folder)
    except DomainError as error:
        yield Finding("密钥", False, error.explain())
        return
    yield Finding("密钥", True, "只有本人可读")
    try:
        journal = Journal(folder)
    except StateInUse:
        yield Finding("代理", True, "正在运行；引擎和平台由它自己检查，见它的日志")
        return
    except OSError as error:
        yield Finding("日志簿", False, f"打不开（{error.strerror}）。请检查文件夹的属主和权限。")
        return
    try:
        found = [Finding(*told) for told in _look_at_engine(config, now)]
        yield from found
        if not all(finding.good for finding in found):
            return
        yield _engine(config, now)
        yield _platform(config, journal.boot, now)
    finally:
        journal.close()


def _look_at_engine(
    config: AgentConfig, now: Callable[[], datetime]
) -> Iterator[tuple[str, bool, str]]:
    """What a scheduler that is not ours needs beforehand."""
    if config.slurm is not None:
        yield from look_at_slurm(config.slurm, now=now)
    if config.kubernetes is not None:
        yield from look_at_kubernetes(config.kubernetes)
    if config.ray is not None:
        yield from look_at_ray(config.ray)


def _folder(folder: Path) -> Finding:
    if not os.access(folder, os.W_OK | os.X_OK):
        return Finding("文件夹", False, f"{folder} 不可写。请用有权限的用户运行，或改属主。")
    kind = _file_system(folder.resolve())
    if kind in REMOTE:
        words = f"{folder} 在网络文件系统（{kind}）上，断网或双挂会使作业启动两次。请换到本地磁盘。"
        return Finding("文件夹", False, words)
    free = shutil.disk_usage(folder).free // 2**20
    if free < ROOM_MIB:
        return Finding("文件夹", False, f"{folder} 只剩 {free} MiB。请腾出至少 {ROOM_MIB} MiB。")
    return Finding("文件夹", True, f"本地磁盘（{kind}），可写，空闲 {free} MiB")


def _file_system(path: Path) -> str:
    """The kind of file system below a path: the longest mount point in front of it."""
    best, found = "", "unknown"
    for line in Path("/proc/self/mounts").read_text("utf-8", "replace").splitlines():
        _, point, kind, *_ = line.split(" ")
        point = point.replace("\\040", " ")
        if len(point) >= len(best) and path.is_relative_to(point):
            best, found = point, kind
    return found


def _engine(config: AgentConfig, now: Callable[[], datetime]) -> Finding:
    try:
        engine = open_engine(config, now=now)
    except DomainError as error:
        return Finding("引擎", False, error.explain())
    try:
        nodes = [node for offer in engine.offers() for node in offer.nodes]
    except DomainError as error:
        return Finding("引擎", False, error.explain())
    finally:
        engine.close()
    cards = sum(len(node.cards_free_milli) for node in nodes)
    cores = sum(node.cpu_milli for node in nodes) // 1000
    return Finding(
        "引擎", True, f"{engine.name}：节点 {len(nodes)} 个，卡 {cards} 张，核 {cores} 个"
    )


def _platform(config: AgentConfig, boot: int, now: Callable[[], datetime]) -> Finding:
    """One signed message without content. Work that the answer brings is sent again to the agent."""
    transport = HttpTransport(
        server=config.server,
        centre=config.centre,
        key=load_key(config.folder),
        boot=boot,
        now=now,
    )
    before = now()
    try:
        answer = transport.sync(
            SyncRequest(protocol=PROTOCOL_VERSION, agent_version=agent_version())
        )
    except DomainError as error:
        return Finding("平台", False, error.explain())
    finally:
        transport.close()
    after = now()
    ahead = int((before + (after - before) / 2 - answer.now).total_seconds())
    if abs(ahead) > SKEW_SECONDS:
        side = "快" if ahead > 0 else "慢"
        words = f"本机时钟比平台{side} {abs(ahead)} 秒，超过 300 秒平台就不再接受。请校准（NTP）。"
        return Finding("平台", False, words)
    return Finding("平台", True, f"可以到达，认得这把密钥，时钟相差 {abs(ahead)} 秒")
