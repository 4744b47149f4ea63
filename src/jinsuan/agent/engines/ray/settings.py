"""What agent.toml says of a Ray cluster.

[engine]
kind = "ray"
url = "http://10.0.0.1:8265"            the head's dashboard
token_file = "/etc/jinsuan/ray.token"   of a head with RAY_AUTH_MODE=token; left out: it has none
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinsuan.agent.engines.ray.client import RayAccess
from jinsuan.agent.engines.table import read_table

_URL = re.compile(r"https?://[A-Za-z0-9.\-\[\]:]+/?")


@dataclass(frozen=True, slots=True, kw_only=True)
class RaySettings:
    """One cluster."""

    url: str
    token_file: Path | None = None

    def access(self) -> RayAccess:
        return RayAccess(url=self.url, token_file=self.token_file)


def read_settings(raw: Mapping[str, Any]) -> RaySettings:
    """The settings in the table `[engine]`, without its `kind`.

    Raises:
        ValueError: in Chinese, what cannot be used and how it should be.
    """
    made = read_table(RaySettings, raw)
    if not _URL.fullmatch(made.url):
        raise ValueError("[engine] 的 url 应为 http(s)://主机:端口")
    return made
