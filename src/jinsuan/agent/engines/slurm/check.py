"""Look at a Slurm cluster before the agent runs: each thing it needs, and how to mend it."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

from jinsuan.agent.engines.slurm.client import SlurmClient
from jinsuan.agent.engines.slurm.settings import SlurmSettings
from jinsuan.kernel.errors import DomainError

SOON = timedelta(days=7)
LOCAL = ("127.0.0.1", "::1", "localhost", None)
Told = tuple[str, bool, str]
"""Name, whether it is good, what was found."""


def look_at_slurm(settings: SlurmSettings, *, now: Callable[[], datetime]) -> Iterator[Told]:
    """Token, interface, partition, shared folder; what needs something missing is left out."""
    told = _token(settings, now())
    yield told
    yield _shared(settings)
    if not told[1]:
        return
    client = SlurmClient(settings)
    try:
        yield from _cluster(client, settings)
    except DomainError as error:
        yield ("Slurm 接口", False, error.explain())
    finally:
        client.close()


def _token(settings: SlurmSettings, now: datetime) -> Told:
    """Read the token's own words; whether Slurm believes them is asked later."""
    path, name = settings.token_file, "Slurm 令牌"
    mend = f"请运行 scontrol token username={settings.user} lifespan=…，写入 {path}"
    try:
        if path.stat().st_mode & 0o077:
            return (name, False, f"{path} 可以被其他用户读取。请运行 chmod 600 {path}")
        middle = path.read_text("ascii").strip().split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(middle + "=" * (-len(middle) % 4)))
        until = datetime.fromtimestamp(claims["exp"], UTC)
    except OSError as error:
        return (name, False, f"{path} 读不了（{error.strerror}）。{mend}")
    except (ValueError, LookupError, TypeError):
        return (name, False, f"{path} 里不是令牌（JWT）。{mend}")
    if until <= now:
        return (name, False, f"已于 {until:%Y-%m-%d %H:%M} UTC 过期。{mend}")
    if claims.get("sun", settings.user) != settings.user:
        return (name, False, f"是给用户 {claims['sun']} 的，不是 {settings.user}。{mend}")
    soon = "，快到期了，请按时更换；文件换了就生效" if until - now < SOON else ""
    return (name, True, f"有效至 {until:%Y-%m-%d %H:%M} UTC{soon}")


def _shared(settings: SlurmSettings) -> Told:
    path, name = settings.shared, "共享文件夹"
    if not path.is_dir():
        return (name, False, f"没有 {path}。请在本机和全部节点上把同一个共享文件系统挂载到这里")
    if not os.access(path, os.W_OK | os.X_OK):
        return (name, False, f"{path} 不可写。请把属主改为 {settings.user}，并用这个用户运行代理")
    probe = path / ".jinsuan.link"
    try:
        probe.unlink(missing_ok=True)
        probe.symlink_to("probe")
        probe.unlink()
    except OSError as error:
        return (name, False, f"{path} 不能建符号链接（{error.strerror}）。请换用 NFS、Lustre 等")
    return (name, True, f"{path} 可写；请确认全部节点看到的是同一个文件夹")


def _cluster(client: SlurmClient, settings: SlurmSettings) -> Iterator[Told]:
    version = client.ping()
    parts = urlsplit(settings.url)
    plain = parts.scheme == "http" and parts.hostname not in LOCAL
    yield ("Slurm 接口", True, version + ("；令牌经网络明文传送，建议改用 https" if plain else ""))
    partition = settings.partition or client.default_partition()
    nodes = client.nodes()
    known = sorted({name for node in nodes for name in node.partitions})
    if partition is None:
        words = f"没有默认分区。请在 [engine] 写 partition，可用的是 {'、'.join(known)}"
        yield ("Slurm 分区", False, words)
        return
    inside = [node for node in nodes if partition in node.partitions]
    ready = [node for node in inside if node.ready]
    if not inside:
        words = f"没有分区 {partition}。请改 [engine] 的 partition，可用的是 {'、'.join(known)}"
        yield ("Slurm 分区", False, words)
    elif not ready:
        words = f"{partition} 的 {len(inside)} 个节点都不接作业。请用 sinfo -R 查看原因"
        yield ("Slurm 分区", False, words)
    else:
        yield ("Slurm 分区", True, f"{partition}：{len(ready)} / {len(inside)} 个节点可用")
