"""What agent.toml says of a Slurm cluster.

[engine]
kind = "slurm"
url = "http://127.0.0.1:6820"        slurmrestd; or "unix:/run/slurmrestd/slurmrestd.socket"
user = "jinsuan"                      the jobs run as this user, who owns the shared folder
token_file = "/etc/jinsuan/slurm.jwt" read again when Slurm refuses the token
shared = "/share/jinsuan"             the same path on this machine and on every node
partition = "gpu"                     empty: the cluster's default
account = ""                          and
qos = ""                              passed on as they are
timeout_seconds = 10                  for one question to slurmrestd
heartbeat_seconds = 10                how often a running job says that it lives
silence_seconds = 60                  how long it may be silent when Slurm does not know it
path = "/opt/slurm/bin:/usr/bin:/bin" where jobs find srun and scontrol
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any

_URL = re.compile(r"(https?://[A-Za-z0-9.\-\[\]:]+/?|unix:/[!-~]+)")
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._,-]{0,99}")
_PLACE = re.compile(r"/[A-Za-z0-9._+@=/-]{1,400}")
"""No spaces, quotes or line breaks: a path stands in a job script and in a comment of Slurm's."""
SECONDS = {"timeout_seconds": (1, 120), "heartbeat_seconds": (1, 300), "silence_seconds": (3, 3600)}
BEATS = 3
"""A heart must miss so many beats before its silence means something."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SlurmSettings:
    """One Slurm cluster."""

    url: str
    user: str
    token_file: Path
    shared: Path
    partition: str = ""
    account: str = ""
    qos: str = ""
    timeout_seconds: int = 10
    heartbeat_seconds: int = 10
    silence_seconds: int = 60
    path: str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def read_settings(raw: Mapping[str, Any]) -> SlurmSettings:
    """The settings in the table `[engine]`, without its `kind`.

    Raises:
        ValueError: in Chinese, what cannot be used and how it should be.
    """
    known = {field.name: field for field in fields(SlurmSettings)}
    if unknown := raw.keys() - known.keys():
        raise ValueError(f"[engine] 不认识 {min(unknown)}，可用的是 kind、{'、'.join(known)}")
    needed = {name for name, field in known.items() if field.default is MISSING}
    if missing := needed - raw.keys():
        raise ValueError(f"[engine] 缺少 {'、'.join(sorted(missing))}")
    for name, value in raw.items():
        if name in SECONDS:
            least, most = SECONDS[name]
            if type(value) is not int or not least <= value <= most:
                raise ValueError(f"[engine] 的 {name} 应为 {least} 到 {most} 的整数")
        else:
            _check_text(name, value)
    values: dict[str, Any] = dict(raw)
    for name in ("token_file", "shared"):
        values[name] = Path(values[name])
    made = SlurmSettings(**values)
    if made.silence_seconds < BEATS * made.heartbeat_seconds:
        raise ValueError(f"[engine] 的 silence_seconds 至少是 heartbeat_seconds 的 {BEATS} 倍")
    return made


def _check_text(name: str, value: Any) -> None:
    """Only plain words and paths: nothing here can end a line or a quotation."""
    if not isinstance(value, str):
        raise ValueError(f"[engine] 的 {name} 应为带引号的文本")
    if name == "url" and not _URL.fullmatch(value):
        raise ValueError("[engine] 的 url 应为 http(s)://主机:端口，或 unix:/套接字路径")
    if name in ("token_file", "shared") and not _PLACE.fullmatch(value):
        raise ValueError(f"[engine] 的 {name} 应为绝对路径，只用字母、数字和 . _ - + @ =")
    if name == "path" and not all(_PLACE.fullmatch(part) for part in value.split(":")):
        raise ValueError("[engine] 的 path 应为以冒号分隔的绝对路径")
    optional = name in ("partition", "account", "qos") and value == ""
    if name in ("user", "partition", "account", "qos") and not (optional or _WORD.fullmatch(value)):
        raise ValueError(f"[engine] 的 {name} 应为字母、数字、点、横线，不含空格和换行")
